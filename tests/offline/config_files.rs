//! Whatever the configuration names as a file and is none: one line says so, soon, and nothing is read without end.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use crate::support::settings::Place;

/// The limit of 2 s, on a machine that is busy.
const SOON: Duration = Duration::from_secs(6);

/// A file that a setting or variable names.
struct Named {
    what: &'static str,
    /// In a place where it is this file.
    at: fn(&Path) -> Place,
    /// Whether pipes are read.
    pipes: bool,
    max_bytes: u64,
}

const NAMED: [Named; 7] = [
    Named { what: "agent.toml", at: as_agent_toml, pipes: true, max_bytes: 1 << 20 },
    Named { what: "VOICED_CONFIG", at: as_variable, pipes: true, max_bytes: 1 << 20 },
    Named { what: "the system's agent.toml", at: as_system_file, pipes: true, max_bytes: 1 << 20 },
    Named { what: "the file of a secret", at: as_secret, pipes: true, max_bytes: 64 << 10 },
    Named { what: "a systemd credential", at: as_credential, pipes: true, max_bytes: 64 << 10 },
    Named { what: ".env", at: as_dotenv, pipes: true, max_bytes: 1 << 20 },
    Named { what: "ca_file", at: as_ca_file, pipes: false, max_bytes: 8 << 20 },
];

fn as_agent_toml(file: &Path) -> Place {
    Place::new().config_flag(file)
}

fn as_variable(file: &Path) -> Place {
    Place::new().var("VOICED_CONFIG", file.to_str().unwrap())
}

fn as_system_file(file: &Path) -> Place {
    linked(Place::new(), "etc/voiced/agent.toml", file)
}

fn as_secret(file: &Path) -> Place {
    Place::new().var("VOICED_LLM__API_KEY_FILE", file.to_str().unwrap())
}

fn as_credential(file: &Path) -> Place {
    let place = linked(Place::new(), "credentials/llm_api_key", file);
    let directory = place.path("credentials");
    place.var("CREDENTIALS_DIRECTORY", directory.to_str().unwrap())
}

fn as_dotenv(file: &Path) -> Place {
    linked(Place::new(), ".env", file)
}

fn as_ca_file(file: &Path) -> Place {
    Place::new().var("VOICED_NETWORK__CA_FILE", file.to_str().unwrap())
}

fn linked(place: Place, name: &str, file: &Path) -> Place {
    let link = place.path(name);
    std::fs::create_dir_all(link.parent().unwrap()).unwrap();
    symlink(file, link).unwrap();
    place
}

fn pipe(dir: &Path) -> PathBuf {
    let path = dir.join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

/// A shell that does this with the pipe as its output, once it is read.
fn writer(pipe: &Path, script: &str) -> Child {
    Command::new("sh").arg("-c").arg(format!("({script}) > \"$0\" 2>/dev/null")).arg(pipe).spawn().unwrap()
}

/// The one problem there is, which is said soon.
fn refusal(place: &Place) -> String {
    let began = Instant::now();
    let refusal = place.refusal();
    assert!(began.elapsed() < SOON, "{:?}: {refusal}", began.elapsed());
    assert_eq!(refusal.matches("error:").count(), 1, "{refusal}");
    refusal
}

#[test]
fn devices_sockets_and_directories_are_refused_by_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    for Named { what, at, .. } in NAMED {
        for (path, said) in [
            (Path::new("/dev/zero"), "it is a character device, not a regular file"),
            (Path::new("/dev/urandom"), "it is a character device, not a regular file"),
            (Path::new("/dev/full"), "it is a character device, not a regular file"),
            (&socket, "it is a socket, not a regular file"),
            (dir.path(), "Is a directory"),
        ] {
            // A directory of this name is a Python environment.
            if what == ".env" && path == dir.path() {
                assert!(at(path).loaded().warnings.is_empty());
                continue;
            }
            let refusal = refusal(&at(path));
            assert!(refusal.contains(said) && refusal.contains("cannot read"), "{what}: {refusal}");
        }
    }
}

#[test]
fn a_pipe_is_read_where_one_is_usual_and_never_waited_for() {
    let toml = ("echo '[llm]'; sleep 0.2; echo 'model = \"m-1\"'", "llm.model");
    for Named { what, at, pipes, .. } in NAMED {
        let dir = tempfile::tempdir().unwrap();
        let path = pipe(dir.path());
        let place = at(&path);
        if !pipes {
            assert!(refusal(&place).contains("it is a pipe, not a regular file"), "{what}");
            continue;
        }
        let refused = refusal(&place);
        assert!(refused.contains("a pipe into which nothing was written within 2 s"), "{what}: {refused}");
        let (script, key) = match what {
            ".env" => ("sleep 0.2; echo OPENAI_API_KEY=sk-1", "llm.api_key"),
            "the file of a secret" | "a systemd credential" => ("echo sk-1", "llm.api_key"),
            _ => toml,
        };
        let mut written = writer(&path, script);
        let source = place.source(key);
        assert!(!source.contains("default"), "{what}: {source}");
        assert!(written.wait().unwrap().success());
    }
}

#[test]
fn what_never_ends_is_given_up() {
    for Named { what, at, pipes, max_bytes } in NAMED {
        let dir = tempfile::tempdir().unwrap();
        let huge = dir.path().join("huge");
        std::fs::File::create(&huge).unwrap().set_len(1 << 40).unwrap();
        let refused = refusal(&at(&huge));
        assert!(refused.contains(&format!("larger than {max_bytes} bytes")), "{what}: {refused}");
        if !pipes {
            continue;
        }
        let path = pipe(dir.path());
        let mut endless = writer(&path, "exec yes");
        let refused = refusal(&at(&path));
        assert!(refused.contains(&format!("larger than {max_bytes} bytes")), "{what}: {refused}");
        endless.wait().unwrap();
        let mut dripping = writer(&path, "while echo x; do sleep 0.1; done");
        let refused = refusal(&at(&path));
        assert!(refused.contains("reading it took longer than 2 s"), "{what}: {refused}");
        dripping.wait().unwrap();
    }
}

#[test]
fn the_null_device_hides_a_file() {
    let null = Path::new("/dev/null");
    for at in [as_agent_toml, as_variable, as_system_file, as_dotenv] {
        assert_eq!(at(null).config().llm.api_key, None);
    }
    assert!(refusal(&as_secret(null)).contains("is empty"));
    assert!(refusal(&as_ca_file(null)).contains("holds no certificate"));
}

#[test]
fn links_in_circles_and_into_nothing_are_told_from_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let (circle, nothing) = (dir.path().join("circle"), dir.path().join("nothing"));
    symlink("circle", &circle).unwrap();
    for Named { what, at, .. } in NAMED {
        let refused = refusal(&at(&circle));
        assert!(refused.contains("symbolic links"), "{what}: {refused}");
        let is_optional = ["the system's agent.toml", "a systemd credential", ".env"].contains(&what);
        match is_optional {
            true => assert!(at(&nothing).loaded().warnings.is_empty(), "{what}"),
            false => assert!(refusal(&at(&nothing)).contains("No such file"), "{what}"),
        }
    }
}

/// The peak of its memory, and what it said, of a program that must end soon.
fn run(arguments: &[&str], variables: &[(&str, &str)]) -> (u64, String) {
    let place = Place::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_voiced"));
    command.args(arguments).current_dir(place.dir()).env_clear().envs(variables.iter().copied());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let began = Instant::now();
    let mut child = command.spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < 3 * SOON, "{arguments:?} {variables:?} goes on");
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        peak = peak.max(kib.unwrap_or_default());
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    (peak, String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout))
}

/// As the adversary did it: a command with a certificate file that never ends.
#[test]
fn commands_say_what_the_variables_of_openssl_name_and_take_no_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = pipe(dir.path());
    let pipe = path.to_str().unwrap();
    let model = ("OPENAI_BASE_URL", "https://127.0.0.1:9/v1");
    for (variable, file, said) in [
        ("SSL_CERT_FILE", "/dev/zero", "it is a character device, not a regular file"),
        ("SSL_CERT_FILE", "/dev/urandom", "it is a character device, not a regular file"),
        ("SSL_CERT_FILE", pipe, "it is a pipe, not a regular file"),
        ("SSL_CERT_DIR", "/dev/zero", "Not a directory"),
    ] {
        let (peak, output) = run(&["ask", "hi"], &[(variable, file), model]);
        let line = format!("{variable} names {file}, whose certificates cannot be read: {said}");
        assert!(output.contains(&line), "{output}");
        assert!(peak < 64 << 10, "{peak} KiB for {file}");
    }
    for arguments in [["config"], ["check"]] {
        let (peak, output) = run(&arguments, &[("VOICED_NETWORK__CA_FILE", "/dev/zero")]);
        let said = "`network.ca_file`: cannot read certificates from /dev/zero: it is a character device";
        assert!(output.contains(said), "{output}");
        assert!(peak < 64 << 10, "{peak} KiB");
    }
}

#[test]
fn a_record_that_is_no_file_is_said_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = pipe(dir.path());
    for (file, said) in [
        (path.to_str().unwrap(), "it is a pipe, not a regular file"),
        ("/dev/zero", "it is a character device, not a regular file"),
        (dir.path().to_str().unwrap(), "Is a directory"),
    ] {
        let (_, output) = run(&["sessions"], &[("VOICED_STORE__PATH", file)]);
        assert!(output.contains(said), "{file}: {output}");
    }
    assert!(Path::new("/dev/zero").exists());
}
