//! The definition of a key: its field, type, kind, default, variables and documentation in one place.
//!
//! `section!` makes of such definitions the section's struct and its list of keys. A definition is of the field's type,
//! so one whose kind reads another type does not compile.

use std::marker::PhantomData;
use std::path::Path;

use figment::value::{Dict, Empty, Value};
use serde::de::DeserializeOwned;

use super::kind::{Kind, Misfit, Raw, Read};
use super::listing::Shown;
use super::variables::Variable;

/// One `[section]`.
pub(super) struct Section {
    pub(super) name: &'static str,
    /// The section's subject; the comment above it in `agent.toml`.
    pub(super) doc: &'static str,
    pub(super) keys: &'static [Key],
}

/// One key of a section.
#[derive(Clone, Copy)]
pub(super) struct Key {
    /// `section.name`.
    pub(super) path: &'static str,
    pub(super) kind: &'static dyn AnyKind,
    pub(super) default: Default,
    /// Well-known environment variables that set this key too, the strongest first.
    pub(super) variables: &'static [Variable],
    /// The comment above the key in `agent.toml`.
    pub(super) doc: &'static str,
    /// Whether a running worker takes a new value of it, for new sessions.
    pub(super) is_live: bool,
    /// The name of the default in the state directory, where there is one.
    pub(super) state_file: Option<&'static str>,
}

/// The value of a key that the operator leaves unset, written as TOML.
#[derive(Clone, Copy)]
pub(super) enum Default {
    Is(&'static str),
    /// Unset; the text is the example that `agent.toml` shows commented out.
    Unset(&'static str),
}

/// A key without its name, for a field of this type.
pub(super) struct Definition<T> {
    key: Key,
    of: PhantomData<fn() -> T>,
}

/// The types that have a value for an unset key.
pub(super) trait Absent {}

/// A kind of any type.
pub(super) trait AnyKind: Sync {
    fn read(&self, raw: &Raw, base: &Path) -> Result<Read, Misfit>;
    fn expected(&self) -> String;
    fn shown(&self, notation: &Value) -> Shown;
    fn is_secret(&self) -> bool;
    /// Whether a `${NAME}` in a value may be meant.
    fn is_pattern(&self) -> bool;
    /// The first item of a list that is wrong by itself. None: the fault is elsewhere.
    fn wrong_item(&self, raw: &Raw) -> Option<usize>;
}

/// A key with this default, written as TOML.
pub(super) const fn of<K: Kind>(kind: &'static K, default: &'static str) -> Definition<K::Value> {
    Definition::new(kind, Default::Is(default))
}

/// A key that is unset by default. `agent.toml` shows the example commented out.
pub(super) const fn unset<K: Kind>(kind: &'static K, example: &'static str) -> Definition<K::Value>
where
    K::Value: Absent,
{
    Definition::new(kind, Default::Unset(example))
}

/// The value of a key in its section, or that of an unset key. The sections' fields are read one by one, since a
/// derived reader is compiled once for each section, and four times for figment's own types: half a megabyte.
pub(super) fn value<T: DeserializeOwned>(section: &Dict, name: &str) -> Result<T, figment::Error> {
    let Some(value) = section.get(name) else {
        let none = Value::from(Empty::None).deserialize();
        return none.or_else(|_| Value::from(Vec::<Value>::new()).deserialize());
    };
    value.deserialize()
}

/// The key's name: that of its field, or the one behind `as`.
macro_rules! name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident as $key:literal) => {
        $key
    };
}
pub(super) use name;

/// A section: its struct, name and subject, and each field with the definition of its key.
macro_rules! section {
    (
        $(#[$meta:meta])*
        $struct:ident, $section:literal, $doc:literal;
        $($(#[$field_meta:meta])* $field:ident $(as $key:literal)?: $type:ty = $definition:expr;)*
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug)]
        pub struct $struct {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $struct {
            pub(in crate::config) const SECTION: $crate::config::key::Section = $crate::config::key::Section {
                name: $section,
                doc: $doc,
                keys: &[$({
                    const DEFINITION: $crate::config::key::Definition<$type> = $definition;
                    DEFINITION.named(concat!($section, ".", $crate::config::key::name!($field $(as $key)?)))
                },)*],
            };

            /// The section of these values, each as its kind has read it.
            pub(in crate::config) fn of(values: &figment::value::Dict) -> Result<Self, figment::Error> {
                use $crate::config::key::{name, value};
                Ok(Self { $($field: value(values, name!($field $(as $key)?))?,)* })
            }

            /// This section with the values of `next` for the keys that a running worker takes.
            pub(in crate::config) fn renewed(&self, next: &Self) -> Self {
                let newest = |key: &str| if Self::SECTION.is_live(key) { next } else { self };
                Self { $($field: newest($crate::config::key::name!($field $(as $key)?)).$field.clone(),)* }
            }
        }
    };
}
pub(super) use section;

// === impl Section ===

impl Section {
    pub(super) fn is_live(&self, name: &str) -> bool {
        self.keys.iter().any(|key| key.is_live && key.name() == name)
    }
}

// === impl Definition ===

impl<T> Definition<T> {
    const fn new<K: Kind<Value = T>>(kind: &'static K, default: Default) -> Self {
        let key = Key { path: "", kind, default, variables: &[], doc: "", is_live: false, state_file: None };
        Self { key, of: PhantomData }
    }

    pub(super) const fn variables(mut self, variables: &'static [Variable]) -> Self {
        self.key.variables = variables;
        self
    }

    pub(super) const fn doc(mut self, doc: &'static str) -> Self {
        self.key.doc = doc;
        self
    }

    pub(super) const fn live(mut self) -> Self {
        self.key.is_live = true;
        self
    }

    pub(super) const fn state_file(mut self, name: &'static str) -> Self {
        self.key.state_file = Some(name);
        self
    }

    pub(super) const fn named(self, path: &'static str) -> Key {
        Key { path, ..self.key }
    }
}

// === impl Absent ===

impl<T> Absent for Option<T> {}

impl<T> Absent for Vec<T> {}

// === impl AnyKind ===

impl<K: Kind> AnyKind for K {
    fn read(&self, raw: &Raw, base: &Path) -> Result<Read, Misfit> {
        Kind::read(self, raw, base).map(Into::into)
    }

    fn expected(&self) -> String {
        Kind::expected(self)
    }

    fn shown(&self, notation: &Value) -> Shown {
        Kind::shown(self, notation)
    }

    fn is_secret(&self) -> bool {
        K::IS_SECRET
    }

    fn is_pattern(&self) -> bool {
        K::IS_PATTERN
    }

    fn wrong_item(&self, raw: &Raw) -> Option<usize> {
        let Raw::Array(items) = raw else { return None };
        let is_wrong = |item: &Raw| Kind::read(self, &Raw::Array(vec![item.clone()]), Path::new("")).is_err();
        if K::IS_LIST { items.iter().position(is_wrong) } else { None }
    }
}

// === impl Key ===

impl Key {
    pub(super) fn section(&self) -> &'static str {
        self.path.split_once('.').map_or("", |(section, _)| section)
    }

    pub(super) fn name(&self) -> &'static str {
        self.path.split_once('.').map_or("", |(_, name)| name)
    }

    /// `VOICED_<SECTION>__<KEY>`.
    pub(super) fn own_variable(&self) -> String {
        format!("VOICED_{}__{}", self.section(), self.name()).to_ascii_uppercase()
    }

    /// Whether a `${NAME}` in its value may be meant: in texts that people read or hear, and in patterns.
    pub(super) fn is_prose(&self) -> bool {
        self.section() == "agent" || self.kind.is_pattern()
    }

    /// The name of the systemd credential, for secrets.
    pub(super) fn credential(&self) -> Option<String> {
        self.kind.is_secret().then(|| self.path.replace('.', "_"))
    }

    /// The key beside this one that names a file with the value, for secrets.
    pub(super) fn file_key(&self) -> Option<String> {
        self.kind.is_secret().then(|| format!("{}_file", self.name()))
    }
}
