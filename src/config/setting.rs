//! One key, set once: the item that every source consists of, and that figment merges.

use std::fmt;
use std::path::{Path, PathBuf};

use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};
use serde::de::DeserializeOwned;

use super::error::Problem;
use super::hint;
use super::key::Key;
use super::kind::{Misfit, Raw, Read};
use super::origin::Origin;
use super::otel::Ignored;
use super::sections::{self, LATER, SECTIONS};

/// One key, set by one source.
#[derive(Clone)]
pub(super) struct Setting {
    pub(super) key: &'static Key,
    pub(super) said: Said,
    pub(super) origin: Origin,
}

#[derive(Clone)]
pub(super) enum Said {
    Value(Read),
    /// The value is the content of this file.
    File(PathBuf),
    /// It cannot be read, and a weaker setting counts unless something needs this one.
    Wrong(Problem),
}

/// The part of a key that a name means.
#[derive(Clone, Copy)]
pub(super) enum Target {
    Value(&'static Key),
    /// `<key>_file`.
    File(&'static Key),
}

/// The settings of one source, and their faults.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) settings: Vec<Setting>,
    pub(super) problems: Vec<Problem>,
    pub(super) ignored: Vec<Ignored>,
}

// === impl Target ===

impl Target {
    /// The target that `origin` names, or the reason why there is none.
    pub(super) fn find(section: &str, name: &str, origin: &Origin) -> Result<Self, Problem> {
        let path = format!("{section}.{name}");
        let file_of = |key: &&Key| key.section() == section && key.file_key().as_deref() == Some(name);
        if let Some(key) = sections::by_path(&path) {
            return Ok(Self::Value(key));
        }
        if let Some(key) = sections::all().find(file_of) {
            return Ok(Self::File(key));
        }
        Err(not_available(&path).unwrap_or_else(|| unknown_key(section, name, origin)).at(origin.to_string()))
    }

    pub(super) fn key(self) -> &'static Key {
        match self {
            Self::Value(key) | Self::File(key) => key,
        }
    }
}

/// The refusal of `path` when it belongs to a feature of a later version.
pub(super) fn not_available(path: &str) -> Option<Problem> {
    let is_or_holds =
        |later: &str| path.strip_prefix(later).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let later = LATER.iter().find(|later| is_or_holds(later.path))?;
    Some(
        Problem::new(format!("`{path}`: {} is not available in this version", later.feature))
            .help("remove it"),
    )
}

fn unknown_key(section: &str, name: &str, origin: &Origin) -> Problem {
    let problem = Problem::new(format!("unknown key `{section}.{name}`"));
    if let Some(key) = hint::nearest_key(section, name) {
        return problem.help(format!("did you mean `{}`?", origin.spell(key, name.ends_with("_file"))));
    }
    match SECTIONS.iter().find(|known| known.name == section) {
        Some(section) => {
            let names: Vec<&str> = section.keys.iter().map(Key::name).collect();
            problem.help(format!("[{}] has the keys {}", section.name, names.join(", ")))
        }
        None => problem.help(sections()),
    }
}

pub(super) fn sections() -> String {
    let names: Vec<String> = SECTIONS.iter().map(|section| format!("[{}]", section.name)).collect();
    format!("the sections are {}", names.join(", "))
}

// === impl Said ===

impl Said {
    /// The value as one of its field's type. None while it still stands in a file, and when it cannot be read.
    pub(super) fn value<T: DeserializeOwned>(&self) -> Option<T> {
        match self {
            Self::Value(read) => read.value.deserialize().ok(),
            Self::File(_) | Self::Wrong(_) => None,
        }
    }

    /// None while it still stands in a file, and when it cannot be read.
    pub(super) fn notation(&self) -> Option<&Value> {
        match self {
            Self::Value(read) => Some(&read.notation),
            Self::File(_) | Self::Wrong(_) => None,
        }
    }
}

// === impl Setting ===

impl fmt::Debug for Setting {
    /// The value is left out, since it may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.key.path, self.origin)
    }
}

impl Setting {
    /// Whether it names a value, and not the absence of one.
    pub(super) fn is_set(&self) -> bool {
        match &self.said {
            Said::Value(read) => !matches!(read.value, Value::Empty(..)),
            Said::File(_) => true,
            Said::Wrong(_) => false,
        }
    }

    /// Reads a value for `target`. A relative path is taken from `base`.
    pub(super) fn read(target: Target, raw: &Raw, base: &Path, origin: Origin) -> Result<Self, Problem> {
        let key = target.key();
        let said = match target {
            Target::Value(key) => {
                key.kind.read(raw, base).map(Said::Value).map_err(|misfit| mistyped(key, raw, misfit))
            }
            Target::File(key) => file_name(key, raw).map(|name| Said::File(base.join(name))),
        };
        match said {
            Ok(said) => Ok(Self { key, said, origin }),
            Err(problem) => Err(problem.at(origin.to_string())),
        }
    }
}

fn mistyped(key: &Key, raw: &Raw, misfit: Misfit) -> Problem {
    let found = raw.found(key.kind.is_secret());
    let problem = Problem::new(format!("`{}` expects {}, found {found}", key.path, key.kind.expected()));
    match misfit.why {
        Some(why) => problem.help(why),
        None => problem,
    }
}

fn file_name<'a>(key: &Key, raw: &'a Raw) -> Result<&'a str, Problem> {
    match raw {
        Raw::Untyped(text) | Raw::String(text) if !text.is_empty() => Ok(text),
        _ => Err(Problem::new(format!("`{}_file` expects the path of a file", key.path))),
    }
}

impl Provider for Setting {
    fn metadata(&self) -> Metadata {
        Metadata::from(self.origin.layer().name(), self.origin.short().as_str())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        // A file that still counted was read before, and its content is a setting of its own.
        let Said::Value(read) = &self.said else { return Ok(Map::new()) };
        let section = Dict::from([(self.key.name().to_owned(), read.value.clone())]);
        let whole = Dict::from([(self.key.section().to_owned(), section.into())]);
        Ok(Map::from([(Profile::Default, whole)]))
    }
}

// === impl Gathered ===

impl Gathered {
    pub(super) fn push(&mut self, setting: Result<Setting, Problem>) {
        match setting {
            Ok(setting) => self.settings.push(setting),
            Err(problem) => self.problems.push(problem),
        }
    }

    pub(super) fn append(&mut self, mut other: Self) {
        self.settings.append(&mut other.settings);
        self.problems.append(&mut other.problems);
        self.ignored.append(&mut other.ignored);
    }
}
