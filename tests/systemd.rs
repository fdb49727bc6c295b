//! The unit file against systemd's own judgement, and a real process against a notification socket.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use testbed::{LivekitServer, Process};

/// Ends a test that hangs; no test waits this long when all is well.
const PATIENCE: Duration = Duration::from_secs(60);

const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/voiced.service");

/// The unit with a program that exists: systemd looks for it.
fn installed_unit() -> (tempfile::TempDir, std::path::PathBuf) {
    let unit = fs::read_to_string(UNIT).expect("the unit file");
    assert!(unit.contains("ExecStart=/usr/bin/voiced start\n"));
    let unit = unit.replace("/usr/bin/voiced", "/bin/true");
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("voiced.service");
    fs::write(&path, unit).expect("the copy");
    (directory, path)
}

/// None where systemd is not installed.
fn analyze(arguments: &[&str]) -> Option<Output> {
    let (_directory, unit) = installed_unit();
    match Command::new("systemd-analyze").args(arguments).arg(unit).output() {
        Ok(output) => Some(output),
        Err(error) => {
            eprintln!("skipped: systemd-analyze cannot be run: {error}");
            None
        }
    }
}

#[test]
fn systemd_finds_nothing_to_complain_about_in_the_unit() {
    let Some(output) = analyze(&["verify"]) else { return };
    // An unknown key is a line on stderr and no failure.
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
}

#[test]
fn the_unit_exposes_no_more_than_a_network_service_must() {
    let Some(output) = analyze(&["security", "--offline=true", "--threshold=15", "--no-pager"]) else {
        return;
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_unit_waits_longer_for_a_drain_than_the_default_drain_timeout() {
    let unit = fs::read_to_string(UNIT).expect("the unit file");
    let timeout = unit.lines().find_map(|line| line.strip_prefix("TimeoutStopSec=")).expect("a timeout");
    let reference =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/agent.toml")).expect("agent.toml");
    assert!(reference.contains("\ndrain_timeout = \"1h\"\n"));
    assert!(timeout.parse::<u64>().expect("seconds") >= 3600 + 30);
}

#[test]
fn systemd_hears_that_the_worker_is_ready_only_when_it_has_registered() {
    let server = LivekitServer::configured().expect("a server");
    let directory = tempfile::tempdir().expect("a directory");
    let socket = UnixDatagram::bind(directory.path().join("notify")).expect("a notification socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut voiced = start(directory.path(), &server);

    let waiting = until(&socket, "STATUS=cannot reach LiveKit");
    assert!(!waiting.contains("READY=1"), "{waiting}");
    server.restart().expect("the server comes up");
    let ready = until(&socket, "READY=1");
    assert!(ready.contains("STATUS=registered with LiveKit; no sessions"), "{ready}");

    voiced.terminate().expect("a signal");
    until(&socket, "STOPPING=1");
    let exit = voiced.wait(PATIENCE).expect("its exit").expect("it ends");
    assert_eq!(exit.code(), Some(0), "{}", voiced.log_tail());
}

fn start(directory: &Path, server: &LivekitServer) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voiced"));
    command
        .arg("start")
        .current_dir(directory)
        .envs(server.environment())
        .env("NOTIFY_SOCKET", directory.join("notify"))
        .env("OPENAI_API_KEY", "unused")
        .env("OTEL_SDK_DISABLED", "true")
        .env("VOICED_HTTP__LISTEN", "127.0.0.1:0");
    Process::spawn("voiced", &mut command, &directory.join("log")).expect("voiced starts")
}

/// Everything that is notified up to the message with `wanted`.
fn until(socket: &UnixDatagram, wanted: &str) -> String {
    let mut heard = String::new();
    while !heard.contains(wanted) {
        let mut message = [0; 4096];
        let length = socket.recv(&mut message).unwrap_or_else(|error| panic!("{error} after: {heard}"));
        heard.push_str(&String::from_utf8_lossy(&message[..length]));
    }
    heard
}
