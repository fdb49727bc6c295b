//! Names out of a set, and lists.

use std::marker::PhantomData;
use std::path::Path;

use redaction::pattern::{self, Pattern};
use serde::de::value::{Error, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer};

use super::{Fit, Kind, Misfit, Raw, either, shortened};
use crate::config::hint;

/// One of these names.
pub(in crate::config) struct Choice<T> {
    of: &'static [&'static str],
    value: PhantomData<fn() -> T>,
}

/// Any of these names, each once.
pub(in crate::config) struct Set<T> {
    of: &'static [&'static str],
    item: PhantomData<fn() -> T>,
}

/// Whether what is sent is compressed: "gzip" or "none".
pub(in crate::config) struct Gzip;

/// Regular expressions, each compiled once to see that it can be.
pub(in crate::config) struct Patterns;

/// The values of a type that deserialises from these names.
pub(in crate::config) const fn choice<T>(of: &'static [&'static str]) -> Choice<T> {
    Choice { of, value: PhantomData }
}

pub(in crate::config) const fn set<T>(of: &'static [&'static str]) -> Set<T> {
    Set { of, item: PhantomData }
}

fn quoted(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("\"{name}\"")).collect()
}

/// Fails when the type has no value of this name.
fn value_of<T: DeserializeOwned>(name: &str) -> Result<T, Error> {
    let name: StrDeserializer<'_, Error> = name.into_deserializer();
    T::deserialize(name)
}

// === impl Choice ===

impl<T: DeserializeOwned + 'static> Kind for Choice<T> {
    type Value = T;

    fn read(&self, raw: &Raw, _: &Path) -> Result<Fit<T>, Misfit> {
        let text = raw.text()?.trim();
        if self.of.contains(&text) {
            value_of::<T>(text)?;
            return Ok(Fit::carried(text, text));
        }
        let why =
            hint::nearest(text, self.of.iter().copied()).map(|near| format!("did you mean \"{near}\"?"));
        Err(Misfit { why })
    }

    fn expected(&self) -> String {
        either(&quoted(self.of))
    }
}

// === impl Gzip ===

impl Gzip {
    const NAMES: Choice<String> = choice(&["gzip", "none"]);
}

impl Kind for Gzip {
    type Value = bool;

    fn read(&self, raw: &Raw, base: &Path) -> Result<Fit<bool>, Misfit> {
        let name = Self::NAMES.read(raw, base)?.read.notation;
        Fit::of(&(name.as_str() == Some("gzip")), name)
    }

    fn expected(&self) -> String {
        Self::NAMES.expected()
    }
}

// === impl Set ===

impl<T: DeserializeOwned + 'static> Kind for Set<T> {
    type Value = Vec<T>;

    const IS_LIST: bool = true;

    /// A list, or names between commas where there is only text.
    fn read(&self, raw: &Raw, _: &Path) -> Result<Fit<Vec<T>>, Misfit> {
        let names: Vec<&str> = match raw {
            Raw::Array(items) => items.iter().map(Raw::text).collect::<Result<_, _>>()?,
            Raw::Untyped(text) => text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect(),
            _ => return Err(Misfit::FORM),
        };
        let mut set: Vec<&str> = Vec::new();
        for name in names {
            if !self.of.contains(&name) {
                return Err(self.unknown(name));
            }
            value_of::<T>(name)?;
            if !set.contains(&name) {
                set.push(name);
            }
        }
        Ok(Fit::carried(set.clone(), set))
    }

    fn expected(&self) -> String {
        format!("a list of {}", either(&quoted(self.of)))
    }
}

impl<T> Set<T> {
    fn unknown(&self, name: &str) -> Misfit {
        let near = hint::nearest(name, self.of.iter().copied());
        let near = near.map_or(String::new(), |near| format!("; did you mean \"{near}\"?"));
        Misfit::because(format!("\"{name}\" is none of them{near}"))
    }
}

// === impl Patterns ===

impl Kind for Patterns {
    type Value = Vec<Pattern>;

    const IS_LIST: bool = true;
    const IS_PATTERN: bool = true;

    /// A list. Where there is only text, a list in JSON, or one pattern: a comma may be part of it.
    fn read(&self, raw: &Raw, _: &Path) -> Result<Fit<Vec<Pattern>>, Misfit> {
        let texts: Vec<String> = match raw {
            Raw::Array(items) => {
                items.iter().map(|item| item.text().map(str::to_owned)).collect::<Result<_, _>>()?
            }
            Raw::Untyped(text) if text.trim().is_empty() => Vec::new(),
            Raw::Untyped(text) => serde_json::from_str(text).unwrap_or_else(|_| vec![text.clone()]),
            _ => return Err(Misfit::FORM),
        };
        if texts.len() > pattern::MOST {
            let why = format!("there are {}; at most {} are allowed", texts.len(), pattern::MOST);
            return Err(Misfit::because(why));
        }
        for (index, text) in texts.iter().enumerate() {
            let refused =
                |error| Misfit::because(format!("pattern {}, {}: {error}", index + 1, shortened(text)));
            Pattern::new(text).map_err(refused)?;
        }
        Ok(Fit::carried(texts.clone(), texts))
    }

    fn expected(&self) -> String {
        "a list of regular expressions like ['C-[0-9]{6}']".to_owned()
    }
}
