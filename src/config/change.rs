//! A configuration that was read again: its differences, and those of them that may take effect while the worker runs.

use super::Loaded;
use super::key::Key;
use super::load::winner;
use super::sections;

/// Keys whose values differ between two configurations.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The keys that a running worker takes, for new sessions.
    pub live: Vec<&'static str>,
    /// The keys that only a restart changes.
    pub fixed: Vec<&'static str>,
}

impl Loaded {
    /// The keys, `section.key`, whose values differ in `next`.
    pub fn changes(&self, next: &Self) -> Changes {
        let differs = |key: &&Key| self.value(key) != next.value(key);
        let (live, fixed): (Vec<_>, Vec<_>) = sections::all().filter(differs).partition(|key| key.is_live);
        let paths = |keys: Vec<&Key>| keys.into_iter().map(|key| key.path).collect();
        Changes { live: paths(live), fixed: paths(fixed) }
    }

    /// Compared by value alone: the source may have changed.
    fn value(&self, key: &Key) -> Option<&figment::value::Value> {
        winner(&self.settings, key).and_then(|setting| setting.said.notation())
    }
}
