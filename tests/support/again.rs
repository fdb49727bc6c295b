//! A test that runs once more, in a process of its own.

use std::process::{Command, Output, Stdio};

/// Runs the test at this path of the running test program alone, by a command that ends with the program. Ignored tests
/// run, too. The test must be there and pass.
pub(crate) fn run(command: &mut Command, test: &str) -> Output {
    command.args(["--exact", test, "--nocapture", "--include-ignored", "--test-threads=1"]);
    let output = command.stdout(Stdio::piped()).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    print!("{printed}");
    let reported = String::from_utf8_lossy(&output.stderr);
    let passed = output.status.success() && printed.contains(" 1 passed");
    assert!(passed, "{test} ran and failed, or is no test:\n{reported}");
    output
}

/// The running test program.
pub(crate) fn program() -> Command {
    Command::new(std::env::current_exe().unwrap())
}
