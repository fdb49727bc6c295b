//! The unit files, checked by systemd itself, and a real process with a notification socket.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use testbed::{LivekitServer, Process};

use crate::support::skipped;

/// Ends a test that hangs; no test waits this long when all is well.
const PATIENCE: Duration = Duration::from_secs(60);

/// The units: one agent, and several on one machine.
const UNITS: [&str; 2] = ["voiced.service", "voiced@.service"];

fn text(unit: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(unit);
    fs::read_to_string(path).expect("the unit file")
}

/// The output of `systemd-analyze` for each unit, with a program that exists, since it looks for it. `None` where
/// systemd is not installed.
fn analyze(arguments: &[&str]) -> Option<Vec<Output>> {
    let directory = tempfile::tempdir().expect("a directory");
    let judge = |unit: &str| {
        assert!(text(unit).contains("ExecStart=/usr/bin/voiced start\n"));
        let path = directory.path().join(unit);
        fs::write(&path, text(unit).replace("/usr/bin/voiced", "/bin/true")).expect("the copy");
        Command::new("systemd-analyze").args(arguments).arg(path).output()
    };
    match UNITS.into_iter().map(judge).collect() {
        Ok(outputs) => Some(outputs),
        Err(error) => {
            skipped(&format!("systemd-analyze cannot be run: {error}"));
            None
        }
    }
}

#[test]
fn systemd_finds_nothing_to_complain_about_in_the_units() {
    for output in analyze(&["verify"]).into_iter().flatten() {
        // An unknown key is a line on stderr and no failure.
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert!(output.status.success());
    }
}

#[test]
fn the_units_expose_no_more_than_a_network_service_must() {
    for output in
        analyze(&["security", "--offline=true", "--threshold=15", "--no-pager"]).into_iter().flatten()
    {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// A core would hold secrets, and what people said.
#[test]
fn no_unit_lets_the_worker_leave_a_core_file() {
    for unit in UNITS {
        assert!(text(unit).lines().any(|line| line == "LimitCORE=0"), "{unit}");
    }
}

#[test]
fn the_unit_for_several_agents_differs_in_names_alone() {
    let [one, many] = UNITS.map(text);
    let differs: Vec<(&str, &str)> =
        one.lines().zip(many.lines()).filter(|(one, many)| one != many).collect();
    assert_eq!(one.lines().count(), many.lines().count());
    assert_eq!(differs.len(), 5, "{differs:?}");
    assert!(differs.iter().all(|(_, many)| many.contains("%i")), "{differs:?}");
}

#[test]
fn systemd_hears_that_the_worker_is_ready_only_when_it_has_registered() {
    let server = LivekitServer::configured().expect("a server");
    let (directory, socket) = notification_socket();
    let mut voiced = start(directory.path(), &server, None);

    let waiting = until(&socket, "STATUS=cannot reach LiveKit");
    assert!(!waiting.contains("READY=1"), "{waiting}");
    server.restart().expect("the server comes up");
    let ready = until(&socket, "READY=1");
    assert!(ready.contains("STATUS=registered with LiveKit; 0 of 100 sessions, load 0.00"), "{ready}");

    voiced.terminate().expect("a signal");
    let stopping = until(&socket, "STOPPING=1");
    assert!(stopping.contains("EXTEND_TIMEOUT_USEC="), "{stopping}");
    let exit = voiced.wait(PATIENCE).expect("its exit").expect("it ends");
    assert_eq!(exit.code(), Some(0), "{}", voiced.log_tail());
}

#[test]
fn the_worker_gives_signs_of_life_where_a_watchdog_waits_for_them() {
    let server = LivekitServer::configured().expect("a server");
    let (directory, socket) = notification_socket();
    let _voiced = start(directory.path(), &server, Some("400000"));
    // The worker notifies also while there is no server, which is not the worker's fault.
    for _ in 0..3 {
        until(&socket, "WATCHDOG=1");
    }
}

#[test]
fn a_reload_is_told_from_its_begin_to_its_end_whether_it_is_taken_or_refused() {
    let server = LivekitServer::start().expect("a server");
    let (directory, socket) = notification_socket();
    let mut voiced = start(directory.path(), &server, None);
    until(&socket, "READY=1");

    voiced.hang_up().expect("a signal");
    let taken = until(&socket, "READY=1");
    assert!(taken.contains("RELOADING=1\nMONOTONIC_USEC="), "{taken}");
    fs::write(directory.path().join("agent.toml"), "[agent]\nnmae = 1\n").expect("a broken file");
    voiced.hang_up().expect("a signal");
    let refused = until(&socket, "the last reload was refused");
    assert!(refused.contains("RELOADING=1\n") && refused.contains("READY=1\n"), "{refused}");
    assert!(voiced.log_tail().contains("agent.toml:2:1"), "{}", voiced.log_tail());
}

fn notification_socket() -> (tempfile::TempDir, UnixDatagram) {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = UnixDatagram::bind(directory.path().join("notify")).expect("a notification socket");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    (directory, socket)
}

/// Starts a worker with a watchdog of this many microseconds.
fn start(directory: &Path, server: &LivekitServer, watchdog: Option<&str>) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voiced"));
    command.envs(watchdog.map(|limit| ("WATCHDOG_USEC", limit)));
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

/// All notifications up to the one with `wanted`.
fn until(socket: &UnixDatagram, wanted: &str) -> String {
    let mut heard = String::new();
    while !heard.contains(wanted) {
        let mut message = [0; 4096];
        let length = socket.recv(&mut message).unwrap_or_else(|error| panic!("{error} after: {heard}"));
        heard.push_str(&String::from_utf8_lossy(&message[..length]));
    }
    heard
}
