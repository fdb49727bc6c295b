//! agent.toml: its place, and its settings with their lines.

use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};

use statedir::named_file::{self, Content, FileBounds, FileError};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::env::Env;
use super::error::Problem;
use super::hint;
use super::kind::Raw;
use super::origin::Origin;
use super::sections::SECTIONS;
use super::setting::{Gathered, Said, Setting, Target, not_available, sections};
use super::variables;

/// Far more than an operator writes by hand; a longer file is some other file.
const MAX_BYTES: u64 = 1 << 20;

/// An agent.toml that was read.
struct Document {
    /// The name that was used for it, for messages.
    label: String,
    text: String,
    lines: Lines,
}

/// The file to read: the named one, else the first that exists. None: there is none.
pub(super) fn find(named: Option<&Path>, env: &Env) -> Option<PathBuf> {
    let named = named.map(Path::to_owned).or_else(|| env.var(variables::CONFIG).map(PathBuf::from));
    if let Some(path) = named {
        return Some(env.dir().join(path));
    }
    let candidates = [env.dir().join("agent.toml"), env.system_file().to_owned()];
    candidates.into_iter().find(|path| !is_absent(path))
}

/// A file that cannot be examined is not absent: reading it will tell the reason.
fn is_absent(path: &Path) -> bool {
    let absent = |error: io::Error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
    path.metadata().is_err_and(absent)
}

/// All settings of the file.
pub(super) fn read(path: &Path) -> Gathered {
    match Document::open(path) {
        Ok(document) => document.settings(path.parent().unwrap_or(Path::new(""))),
        Err(problem) => Gathered { problems: vec![problem], ..Gathered::default() },
    }
}

/// The settings of a text that is no file, such as the built-in defaults.
pub(super) fn read_text(label: &str, text: &str) -> Gathered {
    Document::of(label.to_owned(), text.to_owned()).settings(Path::new(""))
}

/// The content of a file as text, or the fault in it. `what` names the file in messages.
pub(super) fn utf8(bytes: Vec<u8>, path: &Path, what: &str) -> Result<String, Problem> {
    String::from_utf8(bytes).map_err(|error| {
        let (text, at) = (error.as_bytes(), error.utf8_error().valid_up_to());
        let (line, column) = Lines::of(text).position(text, at);
        Problem::new(format!("{what} is not UTF-8 text")).at(format!("{}:{line}:{column}", path.display()))
    })
}

/// A whole file, or a pipe to its end.
pub(super) fn read_bytes(path: &Path, max_bytes: u64, what: &str) -> Result<Content, Problem> {
    named_file::read(path, FileBounds::regular_or_pipe(max_bytes)).map_err(|error| unread(path, &error, what))
}

/// The message about a file that was not read.
pub(super) fn unread(path: &Path, error: &FileError, what: &str) -> Problem {
    let shown = path.display();
    match error {
        FileError::TooLarge(max_bytes) => {
            Problem::new(format!("{what} {shown} is larger than {max_bytes} bytes"))
        }
        error => Problem::new(format!("cannot read {what} {shown}: {error}")),
    }
}

/// Where the lines of a text begin.
#[derive(Debug)]
struct Lines(Vec<usize>);

// === impl Lines ===

impl Lines {
    fn of(text: &[u8]) -> Self {
        let newlines = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        Self(std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect())
    }

    /// Line and column, counted from 1, of a byte offset; columns are characters, as editors count them.
    fn position(&self, text: &[u8], offset: usize) -> (usize, usize) {
        let before = &text[..offset.min(text.len())];
        let line = self.0.partition_point(|start| *start <= before.len());
        (line, String::from_utf8_lossy(&before[self.0[line - 1]..]).chars().count() + 1)
    }
}

// === impl Document ===

impl Document {
    fn open(path: &Path) -> Result<Self, Problem> {
        let what = "the configuration file";
        let text = read_bytes(path, MAX_BYTES, what).and_then(|content| utf8(content.bytes, path, what));
        let text = text.map_err(|problem| problem.help("--config or VOICED_CONFIG name another file"))?;
        // Some editors begin a file with a byte order mark, which TOML does not know.
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        Ok(Self::of(path.display().to_string(), text))
    }

    fn of(label: String, text: String) -> Self {
        let lines = Lines::of(text.as_bytes());
        Self { label, text, lines }
    }

    fn origin(&self, span: Range<usize>) -> Origin {
        let (line, column) = self.lines.position(self.text.as_bytes(), span.start);
        Origin::File { file: self.label.clone(), line, column }
    }

    fn settings(&self, base: &Path) -> Gathered {
        let mut gathered = Gathered::default();
        let (table, errors) = DeTable::parse_recoverable(&self.text);
        if !errors.is_empty() {
            gathered.problems = errors.iter().map(|error| self.syntax(error)).collect();
            return gathered;
        }
        for (section, value) in in_order(table.get_ref()) {
            match self.section(section, value) {
                Ok(keys) => self.keys(section.get_ref(), keys, base, &mut gathered),
                Err(problem) => gathered.problems.push(problem.at(self.origin(section.span()).to_string())),
            }
        }
        self.refuse_twice_said(&mut gathered);
        gathered
    }

    /// The parser's own display would print the line, which may hold a secret.
    fn syntax(&self, error: &toml::de::Error) -> Problem {
        let message = error.message().replace('\n', ", ");
        let place = self.origin(error.span().unwrap_or_default());
        Problem::new(format!("not valid TOML: {message}")).at(place.to_string())
    }

    fn section<'t>(
        &self,
        name: &Spanned<impl AsRef<str>>,
        value: &'t Spanned<DeValue<'_>>,
    ) -> Result<&'t DeTable<'t>, Problem> {
        let name = name.get_ref().as_ref();
        let known = SECTIONS.iter().any(|section| section.name == name);
        match value.get_ref() {
            DeValue::Table(keys) if known => Ok(keys),
            _ if known => {
                Err(Problem::new(format!("`{name}` is a section: write [{name}] and its keys below it")))
            }
            value => Err(not_available(name).unwrap_or_else(|| unknown_section(name, value))),
        }
    }

    fn keys(&self, section: &str, keys: &DeTable<'_>, base: &Path, gathered: &mut Gathered) {
        for (name, value) in in_order(keys) {
            let target = Target::find(section, name.get_ref(), &self.origin(name.span()));
            gathered.push(target.and_then(|target| self.setting(target, value, base)));
        }
    }

    fn setting(&self, target: Target, value: &Spanned<DeValue<'_>>, base: &Path) -> Result<Setting, Problem> {
        let raw = raw(value.get_ref());
        Setting::read(target, &raw, base, self.origin(value.span())).map_err(|problem| {
            // A list may span many lines: the line with the mistake is the one to point at.
            let wrong = target.key().kind.wrong_item(&raw).zip(value.get_ref().as_array());
            match wrong.and_then(|(index, items)| items.get(index)) {
                Some(item) => problem.at(self.origin(item.span()).to_string()),
                None => problem,
            }
        })
    }

    /// Neither of a key and its `_file` in the same file is the stronger.
    fn refuse_twice_said(&self, gathered: &mut Gathered) {
        for setting in &gathered.settings {
            let same_key = |other: &&Setting| other.key.path == setting.key.path;
            let file =
                gathered.settings.iter().filter(same_key).find(|other| matches!(other.said, Said::File(_)));
            if let (Said::Value(_), Some(file)) = (&setting.said, file) {
                let path = setting.key.path;
                let problem = Problem::new(format!("both `{path}` and `{path}_file` are set"))
                    .at(setting.origin.to_string())
                    .help(format!("the other is at {}; keep one of them", file.origin));
                gathered.problems.push(problem);
            }
        }
    }
}

fn unknown_section(name: &str, value: &DeValue<'_>) -> Problem {
    if !matches!(value, DeValue::Table(_)) {
        let problem = Problem::new(format!("`{name}` stands outside of a section"));
        return match hint::nearest_key("", name) {
            Some(key) => problem.help(format!("did you mean `{}` in [{}]?", key.name(), key.section())),
            None => problem.help(sections()),
        };
    }
    let problem = Problem::new(format!("unknown section [{name}]"));
    match hint::nearest_section(name) {
        Some(near) => problem.help(format!("did you mean [{near}]?")),
        None => problem.help(sections()),
    }
}

/// A table's entries as they stand in the file.
fn in_order<'t, 'i>(
    table: &'t DeTable<'i>,
) -> Vec<(&'t Spanned<std::borrow::Cow<'i, str>>, &'t Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

fn raw(value: &DeValue<'_>) -> Raw {
    match value {
        DeValue::String(text) => Raw::String(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Raw::Integer(number),
            Err(_) => Raw::Other("integer of more than 64 bits"),
        },
        DeValue::Float(number) => number.as_str().parse().map_or(Raw::Other("float"), Raw::Float),
        DeValue::Boolean(value) => Raw::Boolean(*value),
        DeValue::Array(items) => Raw::Array(items.iter().map(|item| raw(item.get_ref())).collect()),
        DeValue::Table(_) => Raw::Other("table"),
        DeValue::Datetime(_) => Raw::Other("date or time"),
    }
}
