//! The system time of one worker, which a test can set: a library that the worker is started with.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::skipped;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/clock_shift.c");

pub(crate) struct Clock {
    library: PathBuf,
    shift: PathBuf,
}

// === impl Clock ===

impl Clock {
    /// A clock whose files are in `dir`. `None`, with a line about it, where no C compiler is.
    pub(crate) fn new(dir: &Path) -> Option<Self> {
        let (library, shift) = (dir.join("clock_shift.so"), dir.join("clock_shift"));
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(SOURCE);
        match compiler.stderr(Stdio::inherit()).status() {
            Ok(status) => assert!(status.success(), "{SOURCE} is not compiled"),
            Err(error) => {
                skipped(&format!("no clock can be set: cc: {error}"));
                return None;
            }
        }
        std::fs::write(&shift, 0_i64.to_ne_bytes()).unwrap();
        Some(Self { library, shift })
    }

    /// `command`, which sees this clock.
    pub(crate) fn seen_by(&self, mut command: Command) -> Command {
        command.env("LD_PRELOAD", &self.library).env("CLOCK_SHIFT", &self.shift);
        command
    }

    /// Sets it to so many seconds from the real time.
    pub(crate) fn set(&self, seconds: i64) {
        let file = File::options().write(true).open(&self.shift).unwrap();
        file.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }
}
