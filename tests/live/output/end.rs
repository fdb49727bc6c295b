//! The ends of a command's output, and a command that writes to them.

use std::fs::OpenOptions;
use std::io::Read;
use std::process::{Command, Output, Stdio};
use std::thread;

/// The destination of an output stream of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It is read to its end.
    Read,
    /// A pipe whose reader has gone.
    ClosedPipe,
    /// `/dev/full`, where every write meets a full disk.
    FullDisk,
    /// No file at all, as after `>&-`.
    Nowhere,
}

/// The result of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl End {
    pub(crate) fn stdio(self) -> Stdio {
        match self {
            // `Nowhere` is made by the shell.
            Self::Read | Self::Nowhere => Stdio::piped(),
            Self::FullDisk => OpenOptions::new().write(true).open("/dev/full").unwrap().into(),
            Self::ClosedPipe => std::io::pipe().unwrap().1.into(),
        }
    }
}

/// Runs a command with these ends of stdout and stderr.
pub(crate) fn run(command: Command, stdout: End, stderr: End) -> Ran {
    let mut command = closing(command, stdout, stderr);
    command.stdin(Stdio::null()).stdout(stdout.stdio()).stderr(stderr.stdio());
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    Ran::of(&output)
}

/// Runs a command and closes its stdout after the first byte.
pub(crate) fn run_and_leave(mut command: Command) -> Ran {
    let (mut reader, writer) = std::io::pipe().unwrap();
    command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    // Drops our copy of the pipe's other end, the only one beside the child's.
    drop(command);
    let leaving = thread::spawn(move || reader.read_exact(&mut [0]).unwrap());
    let output = child.wait_with_output().unwrap();
    leaving.join().unwrap();
    Ran::of(&output)
}

/// The command, started by a shell that closes the streams that lead nowhere.
fn closing(command: Command, stdout: End, stderr: End) -> Command {
    let closed = |end: End, shell: &'static str| if end == End::Nowhere { shell } else { "" };
    let script = format!("exec \"$0\" \"$@\" {} {}", closed(stdout, ">&-"), closed(stderr, "2>&-"));
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &script]).arg(command.get_program()).args(command.get_args());
    shell.env_clear();
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(directory) = command.get_current_dir() {
        shell.current_dir(directory);
    }
    shell
}

// === impl Ran ===

impl Ran {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ran =
            Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) };
        assert!(!ran.stderr.contains("panicked"), "{ran:?}");
        ran
    }
}
