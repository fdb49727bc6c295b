//! The parsers of foreign input, each as a function of bytes, for `fuzz/` and for the bounded run of it in
//! `tests/offline/fuzz_corpus.rs`. This is not a part of the library that others may use, and not in release builds.
//!
//! A target may take any bytes. It panics when a parser does, and when the result breaks a promise of ours.

use std::time::{Duration, SystemTime};

use outbound::retry_after;
use redaction::{CaptureContent, Privacy};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};

use crate::{config, http, llm, recovery, room, telemetry};

pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("agent_toml", config::fuzzing::agent_toml),
    ("chat_packet", room::fuzzing::packet),
    ("environment", config::fuzzing::environment),
    ("http_access", http::fuzzing::access),
    ("http_query", http::fuzzing::query),
    ("llm_refusal", llm::fuzzing::refusal),
    ("llm_stream", llm::fuzzing::stream),
    ("otlp_answer", otlp_spool::fuzzing::answer),
    ("recovery_note", recovery::fuzzing::note),
    ("redaction", redaction),
    ("retry_after", retry_after),
    ("room_service", room::fuzzing::service),
    ("speech_sound", speech_services::fuzzing::sound),
    ("speech_transcript", speech_services::fuzzing::transcript),
    ("spool_journal", otlp_spool::fuzzing::journal),
    ("text_stream", room::fuzzing::text),
    ("traceparent", telemetry::fuzzing::traceparent),
    ("webrtc_audio", room::fuzzing::webrtc::audio),
    ("webrtc_candidate", room::fuzzing::webrtc::candidate),
    ("webrtc_datagrams", room::fuzzing::webrtc::datagrams),
    ("webrtc_description", room::fuzzing::webrtc::description),
    ("webrtc_encrypted", room::fuzzing::webrtc::encrypted),
    ("webrtc_sctp", room::fuzzing::webrtc::sctp),
    ("webrtc_stun", room::fuzzing::webrtc::stun),
    ("webrtc_turn", room::fuzzing::webrtc::turn),
    ("worker_frames", agent_worker::fuzzing::frames),
];

/// Gives bytes to the target of this name.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    target.unwrap_or_else(|| panic!("there is no target {name}")).1(bytes);
}

/// The text goes through all finders.
fn redaction(bytes: &[u8]) {
    thread_local!(static PRIVACY: Privacy = Privacy::from(CaptureContent::Redacted));
    let privacy = PRIVACY.with(Clone::clone);
    let redacted = privacy.quoted(&text(bytes)).unwrap_or_default();
    assert!(privacy.quoted(&redacted).is_some(), "what was redacted can be redacted");
}

fn retry_after(bytes: &[u8]) {
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let names = [HeaderName::from_static("retry-after-ms"), RETRY_AFTER];
    let headers: HeaderMap = names
        .into_iter()
        .filter_map(|name| Some((name, HeaderValue::from_bytes(lines.next()?).ok()?)))
        .collect();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_764_000_000);
    let _ = retry_after::retry_after(&headers, now);
}

/// The bytes in the form in which people or servers would send them where only text can come.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The first byte as a number, and the rest; how targets take choices out of their bytes.
pub(crate) fn choice(bytes: &mut &[u8]) -> Option<u8> {
    let (first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*first)
}

/// A piece of the bytes: two bytes of length, and as many as there are of it.
pub(crate) fn piece<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::from(choice(bytes)?) << 8 | usize::from(choice(bytes)?);
    let (piece, rest) = bytes.split_at(length.min(bytes.len()));
    *bytes = rest;
    Some(piece)
}
