//! The environment: variables, the working directory, and the `.env` file in it.

mod settings;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use statedir::named_file::{self, FileBounds};

use super::dotenv::{self, Entry, Refusal};
use super::error::Problem;
use super::origin::Origin;
use super::{file, variables};

/// A longer `.env` is some other file.
const MAX_DOTENV_BYTES: u64 = 1 << 20;

/// The surroundings of a process. Tests make their own instead of changing those of the test process.
#[derive(Clone, Debug)]
pub struct Env {
    dir: PathBuf,
    system_file: PathBuf,
    variables: BTreeMap<String, Found>,
    /// The lines of `.env` that cannot be read and have no name of ours.
    skipped: Option<Skipped>,
}

/// A variable and its source.
#[derive(Clone)]
pub(super) struct Found {
    text: Text,
    pub(super) origin: Origin,
}

#[derive(Clone)]
enum Text {
    Plain(OsString),
    /// The text stood in quotes; this is their content.
    Unquoted(String),
    /// A line of `.env` sets it, and is refused for this reason.
    Broken(Refusal),
}

/// Unreadable lines of `.env`: the first of them, and their number.
#[derive(Clone, Debug)]
struct Skipped {
    line: usize,
    refusal: Refusal,
    count: usize,
}

// === impl Env ===

impl Env {
    /// The environment of this process.
    pub fn process() -> Self {
        Self::new("", std::env::vars_os())
    }

    /// These variables in this working directory; an empty directory is the process's own.
    pub fn new<N, V>(dir: impl Into<PathBuf>, variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<OsString>,
        V: Into<OsString>,
    {
        // All names that matter here are ASCII.
        let named = |(name, text): (N, V)| Some((name.into().into_string().ok()?, text.into()));
        let found = |(name, text): (String, OsString)| {
            let origin = Origin::Variable(name.clone());
            let text = Text::of(&name, text);
            (name, Found { text, origin })
        };
        Self {
            dir: dir.into(),
            system_file: PathBuf::from("/etc/voiced/agent.toml"),
            variables: variables.into_iter().filter_map(named).map(found).collect(),
            skipped: None,
        }
    }

    /// The file to read instead of /etc/voiced/agent.toml.
    pub fn with_system_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.system_file = file.into();
        self
    }

    /// A variable; an empty one counts as unset.
    pub fn var(&self, name: &str) -> Option<&OsStr> {
        self.get(name).and_then(Found::text)
    }

    fn get(&self, name: &str) -> Option<&Found> {
        self.variables.get(name).filter(|found| found.text().is_none_or(|text| !text.is_empty()))
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The `.env` file, which fills unset variables.
    pub(super) fn dotenv(&self) -> PathBuf {
        self.dir.join(".env")
    }

    pub(super) fn system_file(&self) -> &Path {
        &self.system_file
    }

    /// This environment with the additions of `.env`.
    pub(super) fn with_dotenv(&self) -> (Self, Vec<Problem>) {
        let path = self.dotenv();
        match named_file::read(&path, FileBounds::regular_or_pipe(MAX_DOTENV_BYTES)) {
            Ok(content) => self.filled(&dotenv::decoded(&content.bytes)),
            // A directory of this name is a Python environment.
            Err(error) if error.is_absent() || error.is_directory() => (self.clone(), Vec::new()),
            Err(error) => (self.clone(), vec![file::unread(&path, &error, "the environment file")]),
        }
    }

    /// This environment with the additions of the text of a `.env`.
    pub(super) fn filled(&self, text: &str) -> (Self, Vec<Problem>) {
        let mut env = self.clone();
        let given = |name: &str| self.var(name)?.to_str().map(str::to_owned);
        for entry in dotenv::entries(text, given) {
            env.fill(entry);
        }
        // This variable sets no key, so no key would report it.
        let broken = env.variables.get(variables::CONFIG).filter(|found| found.text().is_none());
        let problems = broken.and_then(|found| found.read().err()).into_iter().collect();
        (env, problems)
    }

    /// Within `.env` the last line of a name wins; the variables of the process win over all of them.
    fn fill(&mut self, Entry { name, line, value }: Entry) {
        let given = self.get(&name).is_some_and(|found| matches!(found.origin, Origin::Variable(_)));
        let origin = Origin::Dotenv { name: name.clone(), line };
        match value {
            _ if given => {}
            Ok(text) => {
                let text = Text::of(&name, text.into());
                self.variables.insert(name, Found { text, origin });
            }
            Err(refusal) if variables::is_read(&name) => {
                self.variables.insert(name, Found { text: Text::Broken(refusal), origin });
            }
            // Other readers fill in nothing there, and go on.
            Err(Refusal::Unset(_)) => {}
            Err(refusal) => match &mut self.skipped {
                Some(skipped) => skipped.count += 1,
                None => self.skipped = Some(Skipped { line, refusal, count: 1 }),
            },
        }
    }

    /// The remarks on the variables' notation. Each is one line, however many variables it is about.
    pub(super) fn oddities(&self) -> impl Iterator<Item = String> {
        let quoted: Vec<&str> = self
            .variables
            .iter()
            .filter(|(_, found)| matches!(found.text, Text::Unquoted(_)))
            .map(|(name, _)| name.as_str())
            .collect();
        let quoted = (!quoted.is_empty()).then(|| {
            format!(
                "{}: the quotes around the value are taken off; `docker run --env-file` and the like pass them on",
                quoted.join(", ")
            )
        });
        self.skipped.iter().map(Skipped::to_string).chain(quoted)
    }
}

// === impl Found ===

impl Found {
    /// None where a line of `.env` cannot be read.
    fn text(&self) -> Option<&OsStr> {
        match &self.text {
            Text::Plain(text) => Some(text),
            Text::Unquoted(text) => Some(text.as_ref()),
            Text::Broken(_) => None,
        }
    }

    fn read(&self) -> Result<&str, Problem> {
        let problem = |what: String| Problem::new(what).at(self.origin.to_string());
        match (&self.text, self.text()) {
            (Text::Broken(refusal), _) => {
                let name = self.origin.variable().unwrap_or_default();
                Err(problem(format!("cannot read {name}: {refusal}")))
            }
            (_, Some(text)) if text.to_str().is_some() => Ok(text.to_str().unwrap_or_default()),
            _ => Err(problem("the value is not UTF-8 text".to_owned())),
        }
    }
}

impl std::fmt::Debug for Found {
    /// The environment holds secrets, ours and those of other programs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{}]", self.origin)
    }
}

// === impl Text ===

impl Text {
    /// Quotes around the whole of a variable that is read here are not part of it; variables of other programs stay as
    /// they are.
    fn of(name: &str, text: OsString) -> Self {
        let is_seen = variables::is_read(name) || name.starts_with(variables::OTEL);
        let unquoted = text.to_str().filter(|_| is_seen).and_then(dotenv::unquoted);
        unquoted.map_or(Self::Plain(text), Self::Unquoted)
    }
}

// === impl Skipped ===

impl std::fmt::Display for Skipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { line, refusal, count } = self;
        match count {
            1 => write!(f, ".env:{line} cannot be read and is skipped: {refusal}"),
            _ => write!(
                f,
                "{count} lines of .env cannot be read and are skipped; the first, .env:{line}: {refusal}"
            ),
        }
    }
}
