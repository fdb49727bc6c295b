//! The known name that is nearest to an unknown one.

use super::key::Key;
use super::sections::{self, SECTIONS};

/// The candidate that the operator who typed `word` most likely meant: at most one slip in three letters. None when no
/// candidate is that near.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase().replace('-', "_");
    let slips = |candidate: &str| strsim::damerau_levenshtein(&word, candidate);
    candidates
        .into_iter()
        .map(|candidate| (slips(candidate), candidate))
        .filter(|(slips, candidate)| slips * 3 <= word.len().max(candidate.len()))
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// The key that `section.name` may have been meant for: one like it in the same section, else the same name in another
/// section, else the nearest of all.
pub(super) fn nearest_key(section: &str, name: &str) -> Option<&'static Key> {
    let name = name.strip_suffix("_file").unwrap_or(name);
    let siblings = || sections::all().filter(|key| key.section() == section);
    let by_name = |found: &str| siblings().find(|key| key.name() == found);
    nearest(name, siblings().map(Key::name))
        .and_then(by_name)
        .or_else(|| sections::all().find(|key| key.name() == name))
        .or_else(|| {
            nearest(&format!("{section}.{name}"), sections::all().map(|key| key.path))
                .and_then(sections::by_path)
        })
}

pub(super) fn nearest_section(name: &str) -> Option<&'static str> {
    nearest(name, SECTIONS.iter().map(|section| section.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(section: &str, name: &str) -> Option<&'static str> {
        nearest_key(section, name).map(|key| key.path)
    }

    #[test]
    fn slips_of_the_finger_find_the_key() {
        assert_eq!(path("llm", "modle"), Some("llm.model"));
        assert_eq!(path("worker", "max-sessions"), Some("worker.max_sessions"));
        assert_eq!(path("worker", "maxSessions"), Some("worker.max_sessions"));
        assert_eq!(path("livekit", "api_secrt_file"), Some("livekit.api_secret"));
        assert_eq!(nearest_section("livekitt"), Some("livekit"));
    }

    #[test]
    fn a_key_in_the_wrong_section_finds_its_own() {
        assert_eq!(path("agent", "model"), Some("llm.model"));
        assert_eq!(path("", "url"), Some("livekit.url"));
    }

    #[test]
    fn what_is_like_nothing_gets_no_hint() {
        assert_eq!(path("llm", "zzzzqq"), None);
        assert_eq!(nearest_section("qqq"), None);
    }
}
