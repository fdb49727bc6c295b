//! The faults of a configuration, for the person who wrote it.

use std::fmt;

/// The exit code of a bad configuration: `EX_CONFIG` of sysexits.h.
pub const EX_CONFIG: u8 = 78;

/// All faults, reported at once. Its `Display` is the text to print: an `error:` for each, with its place and the
/// remedy. It holds no value of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    problems: Vec<Problem>,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    message: String,
    /// `agent.toml:14:1`, or the variable or flag.
    place: Option<String>,
    /// The remedy, a line each.
    help: Vec<String>,
}

// === impl ConfigError ===

impl ConfigError {
    pub(super) fn of(problems: Vec<Problem>) -> Self {
        Self { problems }
    }

    /// Fails with all problems, if there are any.
    pub(super) fn check(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self { problems }) }
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

// === impl Problem ===

impl Problem {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), place: None, help: Vec::new() }
    }

    pub(super) fn at(mut self, place: impl Into<String>) -> Self {
        self.place = Some(place.into());
        self
    }

    /// The fault and its remedy, in one line and without its place.
    pub(super) fn in_one_line(&self) -> String {
        std::iter::once(&self.message).chain(&self.help).map(String::as_str).collect::<Vec<_>>().join("; ")
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        if let Some(place) = &self.place {
            write!(f, "\n  --> {place}")?;
        }
        for help in &self.help {
            write!(f, "\n  = {help}")?;
        }
        Ok(())
    }
}
