//! Texts, secrets and paths.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use figment::value::Empty;
use serde::de::DeserializeOwned;

use super::{Fit, Kind, Misfit, OFF, Raw};

pub(in crate::config) struct Text;

/// Text that is not empty.
pub(in crate::config) struct Name;

/// Never shown; empty is unset.
pub(in crate::config) struct SecretText<T>(PhantomData<fn() -> T>);

/// The path of a file, or "off".
pub(in crate::config) struct FilePath;

pub(in crate::config) const fn secret<T>() -> SecretText<T> {
    SecretText(PhantomData)
}

// === impl Text ===

impl Kind for Text {
    type Value = String;

    fn read(&self, raw: &Raw, _: &Path) -> Result<Fit<String>, Misfit> {
        let text = raw.text()?;
        Ok(Fit::carried(text, text))
    }

    fn expected(&self) -> String {
        "a string".to_owned()
    }
}

// === impl Name ===

impl Kind for Name {
    type Value = String;

    fn read(&self, raw: &Raw, _: &Path) -> Result<Fit<String>, Misfit> {
        let text = filled(raw)?;
        Ok(Fit::carried(text, text))
    }

    fn expected(&self) -> String {
        "a string that is not empty".to_owned()
    }
}

fn filled(raw: &Raw) -> Result<&str, Misfit> {
    raw.text().and_then(|text| if text.trim().is_empty() { Err(Misfit::FORM) } else { Ok(text) })
}

// === impl SecretText ===

impl<T: DeserializeOwned + 'static> Kind for SecretText<T> {
    type Value = Option<T>;

    const IS_SECRET: bool = true;

    /// White space around a key comes with copying and from files that end in a newline; no key has any.
    fn read(&self, raw: &Raw, _: &Path) -> Result<Fit<Option<T>>, Misfit> {
        match raw.text()?.trim() {
            "" => Ok(Fit::none(Empty::None)),
            text => Ok(Fit::carried(text, text)),
        }
    }

    fn expected(&self) -> String {
        "a string".to_owned()
    }
}

// === impl FilePath ===

impl Kind for FilePath {
    type Value = Option<PathBuf>;

    fn read(&self, raw: &Raw, base: &Path) -> Result<Fit<Option<PathBuf>>, Misfit> {
        match filled(raw)? {
            OFF => Ok(Fit::none(OFF)),
            text => {
                let path = base.join(text).to_string_lossy().into_owned();
                Ok(Fit::carried(path.clone(), path))
            }
        }
    }

    fn expected(&self) -> String {
        "the path of a file, or \"off\"".to_owned()
    }
}
