//! The values that a key may have. A [`Kind`] reads a raw value into the type of the key's field, or tells the expected
//! form.
//!
//! - `raw`: a value as the operator wrote it
//! - `text`, `number`, `choice`, `url`, `otlp`: the kinds

mod choice;
mod number;
mod otlp;
mod raw;
mod text;
mod url;

use std::marker::PhantomData;
use std::path::Path;

use figment::value::{Empty, Value};
use serde::Serialize;

use super::listing::Shown;

pub(super) use self::choice::{Gzip, Patterns, choice, set};
pub(super) use self::number::{Boolean, Length, integer, number};
pub(super) use self::otlp::{Attributes, AttributesError, Headers, SERVICE_NAME, attributes};
pub(super) use self::raw::{Raw, shortened};
pub(super) use self::text::{FilePath, Name, Text, secret};
pub(super) use self::url::{BaseUrl, Listen, Proxy, SignalEndpoint, TraceLink, TracesEndpoint};

/// The word for "none".
const OFF: &str = "off";

/// The values of a key.
pub(super) trait Kind: Sync + 'static {
    /// The type of the key's field.
    type Value;

    const IS_SECRET: bool = false;
    const IS_LIST: bool = false;
    const IS_PATTERN: bool = false;

    /// Reads `raw`. A relative path starts from `base`.
    fn read(&self, raw: &Raw, base: &Path) -> Result<Fit<Self::Value>, Misfit>;

    /// The expected form, to stand behind "expected".
    fn expected(&self) -> String;

    /// The part of a value that the listing shows.
    fn shown(&self, notation: &Value) -> Shown {
        if Self::IS_SECRET { Shown::Secret } else { Shown::plain(notation) }
    }
}

/// A value as it was read.
#[derive(Clone)]
pub(super) struct Read {
    /// The field's value in serde's form, in which figment takes it to its field.
    pub(super) value: Value,
    /// The same however it was written. The listing shows it, and a change of it is a change of the key.
    pub(super) notation: Value,
}

/// A value that fits fields of this type.
pub(super) struct Fit<T> {
    read: Read,
    of: PhantomData<fn() -> T>,
}

/// The refusal of a raw value.
#[derive(Debug)]
pub(super) struct Misfit {
    /// More than "expected this, found that", where there is more to say.
    pub(super) why: Option<String>,
}

/// The values of a kind, for a key that may be unset.
pub(super) struct OrUnset<K>(K);

pub(super) const fn optional<K: Kind>(kind: K) -> OrUnset<K> {
    OrUnset(kind)
}

// === impl Fit ===

impl<T> Fit<T> {
    fn of(value: &T, notation: impl Into<Value>) -> Result<Self, Misfit>
    where
        T: Serialize,
    {
        Ok(Self::carried(Value::serialize(value)?, notation))
    }

    /// A value in the form that its type deserialises from.
    fn carried(value: impl Into<Value>, notation: impl Into<Value>) -> Self {
        Self { read: Read { value: value.into(), notation: notation.into() }, of: PhantomData }
    }
}

impl<T> Fit<Option<T>> {
    fn none(notation: impl Into<Value>) -> Self {
        Self::carried(Empty::None, notation)
    }
}

impl<T> From<Fit<T>> for Read {
    fn from(fit: Fit<T>) -> Self {
        fit.read
    }
}

// === impl Misfit ===

impl Misfit {
    /// The value has another form than the expected one, which says it all.
    const FORM: Self = Self { why: None };

    fn because(why: impl Into<String>) -> Self {
        Self { why: Some(why.into()) }
    }
}

impl<E: std::error::Error> From<E> for Misfit {
    fn from(error: E) -> Self {
        Self::because(error.to_string())
    }
}

// === impl OrUnset ===

impl<K: Kind> Kind for OrUnset<K> {
    type Value = Option<K::Value>;

    const IS_SECRET: bool = K::IS_SECRET;
    const IS_LIST: bool = K::IS_LIST;
    const IS_PATTERN: bool = K::IS_PATTERN;

    fn read(&self, raw: &Raw, base: &Path) -> Result<Fit<Self::Value>, Misfit> {
        let Fit { read, .. } = self.0.read(raw, base)?;
        Ok(Fit { read, of: PhantomData })
    }

    fn expected(&self) -> String {
        self.0.expected()
    }

    fn shown(&self, notation: &Value) -> Shown {
        self.0.shown(notation)
    }
}

/// "a", "a or b", "a, b or c".
pub(super) fn either(names: &[String]) -> String {
    match names {
        [others @ .., last] if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => names.concat(),
    }
}
