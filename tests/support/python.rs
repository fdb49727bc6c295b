//! A program of `tests/python` that takes orders: a line of JSON each, answered by a line of JSON.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;
use testbed::LivekitServer;

/// A running program. Dropping it ends it.
pub(crate) struct Python {
    child: Child,
    answers: BufReader<ChildStdout>,
}

// === impl Python ===

impl Python {
    /// Starts `tests/python/<script>` with the addresses and keys of `livekit` in its environment.
    pub(crate) fn start(livekit: &LivekitServer, script: &str, arguments: &[&str]) -> Self {
        let python = testbed::venv::python().expect("the Python environment; `cargo xtask setup` makes it");
        let mut child = Command::new(python)
            .arg(testbed::root().join("tests/python").join(script))
            .args(arguments)
            .envs(livekit.environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers }
    }

    pub(crate) fn order(&mut self, order: Value) -> Value {
        writeln!(self.child.stdin.as_mut().unwrap(), "{order}").unwrap();
        self.answer()
    }

    /// The next answer, for what the program says unasked.
    pub(crate) fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("the Python program broke off: {line:?}"))
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
