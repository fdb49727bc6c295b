//! Each command, with each end of its output. Those that need a LiveKit server get as far as they get without one.

use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What a command writes when all goes well, and to which stream.
enum Says {
    /// A result on stdout.
    Result,
    /// A complaint on stderr.
    Complaint,
}

use Says::{Complaint, Result};

use super::end::{End, Ran, run};
use crate::support::recorded::{Recorded, turn};

/// The arguments, the output, and the exit code when all of the output is read.
const COMMANDS: &[(&[&str], Says, i32)] = &[
    (&["--help"], Result, 0),
    (&["-h"], Result, 0),
    (&["help", "ask"], Result, 0),
    (&["sessions", "show", "--help"], Result, 0),
    (&["--version"], Result, 0),
    (&[], Complaint, 2),
    (&["frobnicate"], Complaint, 2),
    (&["start", "--bogus"], Complaint, 2),
    (&["ask", "--json", "one", "two"], Complaint, 2),
    (&["call"], Complaint, 2),
    (&["sessions", "--status", "asleep"], Complaint, 2),
    (&["config", "--log-format", "loud"], Complaint, 2),
    (&["config"], Result, 0),
    (&["config", "--json"], Result, 0),
    (&["sessions", "--since", "all"], Result, 0),
    (&["sessions", "--json"], Result, 0),
    (&["sessions", "show", "RM_one"], Result, 0),
    (&["sessions", "show", "RM_one", "--json"], Result, 0),
    (&["sessions", "show", "RM_none"], Complaint, 1),
    (&["sessions", "--since", "yesterday"], Complaint, 1),
    (&["--set", "llm.modle=x", "config"], Complaint, 78),
    (&["--set", "llm.modle=x", "sessions"], Complaint, 78),
    (&["--set", "llm.modle=x", "start"], Complaint, 78),
    (&["--set", "llm.modle=x", "ask", "hello"], Complaint, 78),
    (&["--set", "llm.modle=x", "call", "--room", "r", "--say", "hi"], Complaint, 78),
    (&["--config", "missing.toml", "check"], Complaint, 78),
    (&["start"], Complaint, 78),
    (&["connect", "--room", "r"], Complaint, 78),
    (&["call", "--room", "r", "--say", "hi"], Complaint, 78),
    (&["call", "--room", "r", "--rooms", "2", "--say", "hi"], Complaint, 78),
    (&["call", "--room", "r"], Complaint, 78),
    (&["openobserve", "install", "--dry-run"], Complaint, 1),
    (&["ask", ""], Complaint, 1),
    (&["ask", "hello"], Complaint, 1),
];

/// A working directory with a record and without anything else.
struct Place {
    dir: tempfile::TempDir,
    record: PathBuf,
    _recorded: Recorded,
}

impl Place {
    fn new() -> Self {
        let recorded = Recorded::new();
        recorded.put((1..=3).map(|index| turn("RM_one", "desk", index, 60)));
        Self { dir: tempfile::tempdir().unwrap(), record: recorded.path(), _recorded: recorded }
    }

    fn voiced(&self, arguments: &[&str]) -> Command {
        voiced(self.dir.path(), &self.record, arguments)
    }
}

fn voiced(directory: &Path, record: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voiced"));
    command.current_dir(directory).env_clear().args(arguments);
    command.env("VOICED_STORE__PATH", record).env("OPENAI_API_KEY", "sk-test");
    // Nothing listens on that port, so there is nothing to wait for.
    command.env("OPENAI_BASE_URL", "http://127.0.0.1:1/v1").env("VOICED_LLM__MAX_ATTEMPTS", "1");
    command
}

#[test]
fn the_table_is_true_when_every_word_is_read() {
    let place = Place::new();
    for (arguments, says, code) in COMMANDS {
        let ran = run(place.voiced(arguments), End::Read, End::Read);
        assert_eq!(ran.code, Some(*code), "{arguments:?}: {ran:?}");
        match says {
            Result => assert!(!ran.stdout.is_empty(), "{arguments:?}: {ran:?}"),
            Complaint => {
                assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{arguments:?}: {ran:?}")
            }
        }
    }
}

#[test]
fn no_exit_code_depends_on_stderr() {
    let place = Place::new();
    for (arguments, _, code) in COMMANDS {
        for stderr in [End::ClosedPipe, End::FullDisk, End::Nowhere] {
            let ran = run(place.voiced(arguments), End::Read, stderr);
            assert_eq!(ran.code, Some(*code), "{arguments:?} with stderr {stderr:?}: {ran:?}");
        }
    }
}

#[test]
fn a_reader_of_stdout_that_has_gone_is_a_quiet_end() {
    each_result(End::ClosedPipe, |ran, arguments| {
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{arguments:?}: {ran:?}");
    });
}

#[test]
fn a_full_disk_behind_stdout_is_an_error() {
    each_result(End::FullDisk, |ran, arguments| {
        let said = "error: cannot write to stdout: No space left on device (os error 28)\n";
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), said), "{arguments:?}: {ran:?}");
    });
}

#[test]
fn a_stdout_that_was_never_there_stops_nothing() {
    each_result(End::Nowhere, |ran, arguments| {
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{arguments:?}: {ran:?}");
    });
}

#[test]
fn with_neither_stream_the_exit_code_still_tells() {
    let place = Place::new();
    for (arguments, says, code) in COMMANDS {
        for end in [End::ClosedPipe, End::FullDisk, End::Nowhere] {
            let expected = if matches!((says, end), (Result, End::FullDisk)) { 1 } else { *code };
            let ran = run(place.voiced(arguments), end, end);
            assert_eq!(ran.code, Some(expected), "{arguments:?} with both {end:?}: {ran:?}");
        }
    }
}

/// The exit code of `voiced check` holds its results too, and its only neighbours are files.
#[test]
fn a_check_without_a_reader_has_the_code_of_its_findings() {
    let place = Place::new();
    for arguments in
        [&["--set", "http.listen=off", "check"][..], &["--set", "http.listen=off", "check", "--json"]]
    {
        for (stdout, code) in [(End::Read, 78), (End::ClosedPipe, 78), (End::Nowhere, 78), (End::FullDisk, 1)]
        {
            let ran = run(place.voiced(arguments), stdout, End::Read);
            assert_eq!(ran.code, Some(code), "{arguments:?} with stdout {stdout:?}: {ran:?}");
        }
        for stderr in [End::ClosedPipe, End::FullDisk, End::Nowhere] {
            let ran = run(place.voiced(arguments), End::Read, stderr);
            assert_eq!(ran.code, Some(78), "{arguments:?} with stderr {stderr:?}: {ran:?}");
        }
    }
}

/// Other programs that share a terminal or pipe can set it to non-blocking, and its reader may be slow.
#[test]
fn a_stdout_that_does_not_block_gets_every_word() {
    let recorded = Recorded::new();
    recorded.put((1..=2_000).map(|index| turn("RM_long", "desk", index, 60)));
    let (mut reader, writer) = UnixStream::pair().unwrap();
    writer.set_nonblocking(true).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut command = voiced(directory.path(), &recorded.path(), &["sessions", "show", "RM_long", "--json"]);
    let mut child = command.stdout(OwnedFd::from(writer)).spawn().unwrap();
    drop(command);
    std::thread::sleep(Duration::from_secs(1));
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(text.len() > 1 << 20, "{} bytes fill no buffer", text.len());
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["turns"].as_array().unwrap().len(), 2_000);
}

fn each_result(stdout: End, assert: impl Fn(&Ran, &[&str])) {
    let place = Place::new();
    for (arguments, ..) in COMMANDS.iter().filter(|(_, says, _)| matches!(says, Result)) {
        assert(&run(place.voiced(arguments), stdout, End::Read), arguments);
    }
}
