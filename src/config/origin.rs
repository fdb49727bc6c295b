//! The source of a value: for the listing, for errors, and for the order of strength.

use std::fmt;

use super::key::Key;

/// The sources, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layer {
    Default,
    File,
    Credential,
    Environment,
    Flag,
}

/// The place of one value within its layer. Errors point to its `Display`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Default,
    /// A line of agent.toml, counted from 1 as the column is.
    File {
        file: String,
        line: usize,
        column: usize,
    },
    /// A systemd credential, by name.
    Credential(String),
    Variable(String),
    /// A variable that a line of `.env` sets.
    Dotenv {
        name: String,
        line: usize,
    },
    /// `--set`, by the text before the `=`.
    Flag(String),
    /// The content of a file that another setting names.
    Content {
        file: String,
        named_by: Box<Origin>,
    },
    /// A default that gave way to a stronger wish for this other key.
    Limited {
        by: &'static str,
    },
    /// A default that follows from this other key.
    Implied {
        by: &'static str,
    },
}

impl Layer {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File => "agent.toml",
            Self::Credential => "credential",
            Self::Environment => "environment",
            Self::Flag => "--set",
        }
    }
}

impl Origin {
    pub(super) fn layer(&self) -> Layer {
        match self {
            Self::Default | Self::Limited { .. } | Self::Implied { .. } => Layer::Default,
            Self::Content { named_by, .. } => named_by.layer(),
            Self::File { .. } => Layer::File,
            Self::Credential(_) => Layer::Credential,
            Self::Variable(_) | Self::Dotenv { .. } => Layer::Environment,
            Self::Flag(_) => Layer::Flag,
        }
    }

    /// The environment variable of the value, wherever that was set.
    pub(super) fn variable(&self) -> Option<&str> {
        match self {
            Self::Variable(name) | Self::Dotenv { name, .. } => Some(name),
            Self::Content { named_by, .. } => named_by.variable(),
            _ => None,
        }
    }

    /// For the listing: without the column, which tells nothing about a value that is right.
    pub(super) fn short(&self) -> String {
        match self {
            Self::File { file, line, .. } => format!("{file}:{line}"),
            Self::Variable(name) => format!("env {name}"),
            Self::Dotenv { name, .. } => format!("env {name} ({self})"),
            Self::Flag(_) => "--set".to_owned(),
            Self::Content { file, named_by } => format!("{file} ({})", named_by.short()),
            other => other.to_string(),
        }
    }

    /// The notation of `key`, or its `_file`, in this layer, for a hint.
    pub(super) fn spell(&self, key: &Key, file: bool) -> String {
        let file = file && key.file_key().is_some();
        match self.layer() {
            Layer::Environment => key.own_variable() + if file { "_FILE" } else { "" },
            _ => key.path.to_owned() + if file { "_file" } else { "" },
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::Credential(name) => write!(f, "systemd credential {name}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Dotenv { line, .. } => write!(f, ".env:{line}"),
            Self::Flag(key) => write!(f, "--set {key}"),
            Self::Content { file, named_by } => write!(f, "{file}, named by {named_by}"),
            Self::Limited { by } => write!(f, "at most {by}"),
            Self::Implied { by } => write!(f, "default for {by}"),
        }
    }
}
