//! The answer to a transcription request, read leniently.
//!
//! OpenAI answers `{"text", "usage"}`; compatible servers leave `usage` out, add fields of `verbose_json` unasked, or
//! answer text/plain. Of an object only what is known is read, and a field in an odd form counts as absent.

use std::time::Duration;

use conversation::Text;
use serde_json::Value;

use super::Word;
use crate::http::{is_page, words_of};
use crate::trouble::{Fault, Kind};

/// Whisper's own rule for a segment that it takes for silence (`no_speech_threshold`, `logprob_threshold`).
const NO_SPEECH: f32 = 0.6;
const LOW_LOGPROB: f32 = -1.0;
/// The most words and segments that are read.
const MAX_ITEMS: usize = 10_000;

/// What was said in an utterance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transcript {
    /// Without white space around it. Empty: nothing was said.
    pub text: Text,
    pub language: Option<String>,
    /// Empty where the server sends no times.
    pub words: Vec<Word>,
    /// The mean of the segments' probability that there was no speech, from Whisper servers.
    pub no_speech: Option<f32>,
    /// The mean of the segments' log probability, from Whisper servers.
    pub avg_logprob: Option<f32>,
    /// The tokens that the provider counted.
    pub tokens: Option<u64>,
    /// The audio that the provider counted.
    pub audio: Option<Duration>,
    pub request_id: Option<String>,
}

// === impl Transcript ===

impl Transcript {
    /// Whether there are no words, or words that Whisper itself takes for made up of silence, such as "Thank you.".
    pub fn is_nothing(&self) -> bool {
        let is_doubtful = self.no_speech.is_some_and(|p| p > NO_SPEECH)
            && self.avg_logprob.is_none_or(|logprob| logprob < LOW_LOGPROB);
        self.text.is_empty() || is_doubtful
    }

    /// The probability of the words, between 0 and 1, where the server tells.
    pub fn confidence(&self) -> Option<f32> {
        self.avg_logprob.map(|logprob| logprob.exp().clamp(0.0, 1.0))
    }

    /// Reads the body of an answer with status 200.
    pub(crate) fn read(content_type: &str, body: &[u8]) -> Result<Self, Fault> {
        let text = String::from_utf8_lossy(body);
        let text = text.trim().trim_start_matches('\u{feff}');
        if content_type.starts_with("text/html") || is_page(text) {
            return Err(Kind::NotATranscript.into());
        }
        match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(fields)) => Self::of(&Value::Object(fields), body),
            Ok(Value::String(text)) => Ok(Self::plain(&text)),
            _ if content_type.contains("json") || content_type.contains("event-stream") => {
                Err(Kind::NotATranscript.into())
            }
            _ => Ok(Self::plain(text)),
        }
    }

    fn plain(text: &str) -> Self {
        Self { text: Text::from(text.trim()), ..Self::default() }
    }

    fn of(answer: &Value, body: &[u8]) -> Result<Self, Fault> {
        let Some(text) = answer["text"].as_str() else { return Err(no_text(answer, body)) };
        let usage = &answer["usage"];
        let tokens = usage["total_tokens"]
            .as_u64()
            .or_else(|| usage["input_tokens"].as_u64()?.checked_add(usage["output_tokens"].as_u64()?));
        Ok(Self {
            language: answer["language"].as_str().filter(|name| !name.is_empty()).map(str::to_owned),
            words: items(&answer["words"]).filter_map(word).collect(),
            no_speech: mean(
                items(&answer["segments"]).filter_map(|segment| segment["no_speech_prob"].as_f64()),
            ),
            avg_logprob: mean(
                items(&answer["segments"]).filter_map(|segment| segment["avg_logprob"].as_f64()),
            ),
            tokens,
            audio: seconds(&usage["seconds"]).or_else(|| seconds(&answer["duration"])),
            ..Self::plain(text)
        })
    }
}

/// Some servers report an error with status 200.
fn no_text(answer: &Value, body: &[u8]) -> Fault {
    let is_error = ["error", "detail", "message"].iter().any(|field| !answer[field].is_null());
    let kind = if is_error { Kind::Reported } else { Kind::NotATranscript };
    Fault { words: words_of(body).filter(|_| is_error), ..Fault::from(kind) }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten().take(MAX_ITEMS)
}

fn word(item: &Value) -> Option<Word> {
    let text = item["word"].as_str().or_else(|| item["text"].as_str())?.trim();
    Some(Word { text: text.into(), start: seconds(&item["start"])?, end: seconds(&item["end"])? })
}

/// A length of time as a number, or as the text of one (`"duration": "1.5"`).
fn seconds(value: &Value) -> Option<Duration> {
    let seconds = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    Duration::try_from_secs_f64(seconds).ok()
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f32> {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| (sum / f64::from(count)) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = "application/json";

    fn read(content_type: &str, body: &str) -> Result<Transcript, Kind> {
        Transcript::read(content_type, body.as_bytes()).map_err(|fault| fault.kind)
    }

    #[test]
    fn a_transcript_comes_as_an_object_a_string_or_plain_text() {
        for (content_type, body) in [
            (JSON, r#"{"text": " Good morning. ", "usage": {"type": "duration", "seconds": 2}}"#),
            (JSON, r#"{"text":"Good morning."}"#),
            (JSON, r#""Good morning.""#),
            ("text/plain; charset=utf-8", "Good morning.\n"),
            ("", "\u{feff}Good morning."),
            ("text/plain", r#"{"text":"Good morning."}"#),
        ] {
            assert_eq!(read(content_type, body).unwrap().text.expose(), "Good morning.", "{body}");
        }
    }

    #[test]
    fn usage_is_read_in_either_form() {
        let tokens = r#"{"text":"a","usage":{"type":"tokens","input_tokens":14,"output_tokens":45}}"#;
        assert_eq!(read(JSON, tokens).unwrap().tokens, Some(59));
        let duration = r#"{"text":"a","usage":{"type":"duration","seconds":9}}"#;
        assert_eq!(read(JSON, duration).unwrap().audio, Some(Duration::from_secs(9)));
        let verbose = r#"{"text":"a","duration":"1.5"}"#;
        assert_eq!(read(JSON, verbose).unwrap().audio, Some(Duration::from_millis(1500)));
    }

    #[test]
    fn words_that_whisper_doubts_are_nothing() {
        let answer = |no_speech: f32, logprob: f32| {
            let segment = format!(r#"{{"no_speech_prob":{no_speech},"avg_logprob":{logprob}}}"#);
            let body = format!(r#"{{"text":"Thank you.","language":"english","segments":[{segment}]}}"#);
            read(JSON, &body).unwrap()
        };
        assert!(answer(0.9, -1.2).is_nothing());
        assert!(!answer(0.9, -0.2).is_nothing() && !answer(0.1, -1.2).is_nothing());
        assert!((answer(0.1, -0.5).confidence().unwrap() - 0.606).abs() < 0.001);
        assert!(read(JSON, r#"{"text":"  "}"#).unwrap().is_nothing());
    }

    #[test]
    fn word_times_are_read_where_they_are_whole() {
        let body = r#"{"text":"a b","words":[{"word":" a","start":0.1,"end":0.25},{"word":"b","start":-1,"end":1},{}]}"#;
        let words = read(JSON, body).unwrap().words;
        let expected =
            Word { text: "a".into(), start: Duration::from_millis(100), end: Duration::from_millis(250) };
        assert_eq!(words, [expected]);
    }

    #[test]
    fn what_is_no_transcript_is_told() {
        for (content_type, body) in [
            ("text/html", "hello"),
            ("text/plain", "<!DOCTYPE html><title>x"),
            (JSON, "{\"text\": 5}"),
            (JSON, "Good morning"),
            (JSON, "[]"),
            ("text/event-stream", "data: {}"),
        ] {
            assert_eq!(read(content_type, body), Err(Kind::NotATranscript), "{body}");
        }
        let error = Transcript::read(JSON, br#"{"error":{"message":"no model is loaded"}}"#).unwrap_err();
        assert_eq!((error.kind, error.words.as_deref()), (Kind::Reported, Some("no model is loaded")));
    }
}
