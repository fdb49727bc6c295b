//! The environment: variables, the working directory, and the `.env` file in it.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::dotenv;
use super::error::Problem;
use super::file;
use super::keys::{self, Key};
use super::kind::Raw;
use super::origin::Origin;
use super::setting::{Gathered, Setting, Target};
use super::variables::{PROTOCOL, Variable};

/// A longer `.env` is some other file.
const MAX_DOTENV_BYTES: u64 = 1 << 20;

/// What a process finds around it. Tests make their own instead of changing that of the test process.
#[derive(Clone, Debug)]
pub struct Env {
    dir: PathBuf,
    system_file: PathBuf,
    variables: BTreeMap<String, Found>,
}

/// A variable's text and where it stands.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) text: OsString,
    pub(super) origin: Origin,
}

// === impl Env ===

impl Env {
    /// That of this process.
    pub fn process() -> Self {
        Self::new("", std::env::vars_os())
    }

    /// These variables in this working directory; an empty directory is the process's own.
    pub fn new<N, V>(dir: impl Into<PathBuf>, variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<OsString>,
        V: Into<OsString>,
    {
        // None of the names that matter here is outside of ASCII.
        let named = |(name, text): (N, V)| Some((name.into().into_string().ok()?, text.into()));
        let found = |(name, text): (String, OsString)| {
            let origin = Origin::Variable(name.clone());
            (name, Found { text, origin })
        };
        Self {
            dir: dir.into(),
            system_file: PathBuf::from("/etc/voiced/agent.toml"),
            variables: variables.into_iter().filter_map(named).map(found).collect(),
        }
    }

    /// Instead of /etc/voiced/agent.toml.
    pub fn with_system_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.system_file = file.into();
        self
    }

    /// A variable; an empty one counts as unset.
    pub fn var(&self, name: &str) -> Option<&OsStr> {
        self.get(name).map(|found| found.text.as_os_str())
    }

    pub(super) fn get(&self, name: &str) -> Option<&Found> {
        self.variables.get(name).filter(|found| !found.text.is_empty())
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file that fills what is unset.
    pub(super) fn dotenv(&self) -> PathBuf {
        self.dir.join(".env")
    }

    pub(super) fn system_file(&self) -> &Path {
        &self.system_file
    }

    /// This environment with what `.env` adds to it.
    pub(super) fn with_dotenv(&self) -> (Self, Vec<Problem>) {
        let mut env = self.clone();
        let path = self.dotenv();
        // A directory of this name is a Python environment.
        if !path.is_file() {
            return (env, Vec::new());
        }
        let text = match file::read_utf8(&path, MAX_DOTENV_BYTES, "the environment file") {
            Ok(text) => text,
            Err(problem) => return (env, vec![problem]),
        };
        let mut problems = Vec::new();
        for line in dotenv::parse(&text) {
            match line {
                Ok((name, value, line)) => env.fill(name, value, line),
                Err((line, reason)) => {
                    problems.push(
                        Problem::new(format!("cannot read line {line}: {reason}")).at(format!(".env:{line}")),
                    );
                }
            }
        }
        (env, problems)
    }

    /// Within `.env` the last line of a name wins; what the process was given wins over all of them.
    fn fill(&mut self, name: String, text: String, line: usize) {
        let given = self.get(&name).is_some_and(|found| matches!(found.origin, Origin::Variable(_)));
        if !given {
            let origin = Origin::Dotenv { name: name.clone(), line };
            self.variables.insert(name, Found { text: text.into(), origin });
        }
    }

    /// What the variables set: one value for a key, of the strongest variable that says something about it.
    pub(super) fn settings(&self) -> Gathered {
        let mut gathered = Gathered::default();
        for key in keys::all() {
            if let Some(setting) = self.own(key).or_else(|| self.well_known(key)) {
                gathered.push(setting);
            }
        }
        gathered.problems.extend(self.unknown());
        gathered.problems.extend(self.protocol());
        gathered
    }

    /// `VOICED_<SECTION>__<KEY>`, or the same with `_FILE`.
    fn own(&self, key: &'static Key) -> Option<Result<Setting, Problem>> {
        let name = key.own_variable();
        let file = key.file_key().and_then(|_| self.get(&format!("{name}_FILE")));
        match (self.get(&name), file) {
            (Some(value), None) => Some(self.setting(Target::Value(key), value)),
            (None, Some(file)) => Some(self.setting(Target::File(key), file)),
            (Some(value), Some(_)) => {
                let problem = Problem::new(format!("both {name} and {name}_FILE are set"));
                Some(Err(problem.at(value.origin.to_string()).help("keep one of them")))
            }
            (None, None) => None,
        }
    }

    fn setting(&self, target: Target, found: &Found) -> Result<Setting, Problem> {
        let raw = Raw::Untyped(text_of(found)?.to_owned());
        Setting::read(target, &raw, &self.dir, found.origin.clone())
    }

    fn well_known(&self, key: &'static Key) -> Option<Result<Setting, Problem>> {
        key.variables.iter().find_map(|variable| {
            let found = self.get(variable.name)?;
            self.read_well_known(key, variable, found).transpose()
        })
    }

    fn read_well_known(
        &self,
        key: &'static Key,
        variable: &Variable,
        found: &Found,
    ) -> Result<Option<Setting>, Problem> {
        let refused = |reason: String| {
            Problem::new(format!("{} is not valid", variable.name)).at(found.origin.to_string()).help(reason)
        };
        let Some(raw) = (variable.read)(text_of(found)?.trim()).map_err(refused)? else {
            return Ok(None);
        };
        Setting::read(Target::Value(key), &raw, &self.dir, found.origin.clone()).map(Some)
    }

    /// Variables that look like ours and set nothing.
    fn unknown(&self) -> impl Iterator<Item = Problem> {
        self.variables.keys().filter_map(|name| {
            let path = name.strip_prefix("VOICED_")?.to_ascii_lowercase();
            let (section, key) = path.split_once("__")?;
            let found = self.get(name)?;
            Target::find(section, key, &found.origin).err()
        })
    }

    /// Variables that miss an underscore to be ours. They are no error: Kubernetes makes names like VOICED_HTTP_PORT
    /// out of the names of services.
    pub(super) fn nearly_ours(&self) -> impl Iterator<Item = String> {
        self.variables.keys().filter(|name| self.get(name).is_some()).filter_map(|name| {
            let key = keys::all().find(|key| key.own_variable().replace("__", "_") == *name)?;
            Some(format!("{name} sets nothing; did you mean {}?", key.own_variable()))
        })
    }

    fn protocol(&self) -> Option<Problem> {
        let found = PROTOCOL.iter().find_map(|name| self.get(name))?;
        match found.text.to_str() {
            Some("http/protobuf") => None,
            _ => Some(
                Problem::new(format!("traces are sent by http/protobuf, not {:?}", found.text))
                    .at(found.origin.to_string())
                    .help("unset it, and name the collector's HTTP port, usually 4318, as the endpoint"),
            ),
        }
    }
}

fn text_of(found: &Found) -> Result<&str, Problem> {
    found
        .text
        .to_str()
        .ok_or_else(|| Problem::new("the value is not UTF-8 text").at(found.origin.to_string()))
}

impl std::fmt::Debug for Found {
    /// The environment holds secrets, ours and others'.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{}]", self.origin)
    }
}
