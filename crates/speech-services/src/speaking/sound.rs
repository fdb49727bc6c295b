//! The bytes of an answer as samples, whatever their form.
//!
//! We ask for raw samples, and servers answer with raw samples, WAV, events, or whatever they always make. `Content-Type`
//! decides where it says something definite, else the first bytes do.

use std::mem;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use super::event_stream::EventStream;
use crate::http::words_of;
use crate::trouble::{Fault, Kind};
use wav::{Format, Reader, Unreadable};

/// The mark of a WAV file.
const RIFF: &[u8] = b"RIFF";
/// The first bytes that decide about the form.
const SNIFFED: usize = 16;
/// The part of an answer in words that is read.
const MAX_WORDS_BYTES: usize = 16 << 10;
/// Some encoders leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Reads the body of an answer.
pub(crate) struct Decoder {
    body: Body,
    /// The tokens that the provider counted.
    tokens: Option<u64>,
    /// The provider said that this was all.
    is_done: bool,
}

enum Body {
    /// The first bytes are awaited.
    Unknown {
        held: Vec<u8>,
        samples: Samples,
    },
    Samples(Samples),
    Events {
        stream: EventStream,
        samples: Samples,
    },
    /// What was said in place of audio.
    Words(Vec<u8>),
}

/// Bytes of audio in either form.
struct Samples {
    /// None: the first bytes decide.
    wav: Option<Reader>,
    format: Format,
    is_known: bool,
    /// The bytes that make no whole sample yet.
    rest: Vec<u8>,
}

// === impl Decoder ===

impl Decoder {
    /// `content_type` in lower case. `rate` is that of raw samples, unless the type names one. Raw samples are
    /// little-endian, also as `audio/L16`: that is what servers of this API mean by pcm, whatever RFC 2586 says.
    ///
    /// # Errors
    /// The type is one that cannot be played.
    pub(crate) fn new(content_type: &str, rate: u32) -> Result<Self, Fault> {
        let (essence, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
        let channels = parameter(parameters, "channels").filter(|channels| *channels == 2).map_or(1, |_| 2);
        let rate =
            parameter(parameters, "rate").filter(|rate| (4_000..=192_000).contains(rate)).unwrap_or(rate);
        let samples = Samples::new(Format { rate, channels });
        let body = match essence.trim() {
            "text/event-stream" => Body::Events { stream: EventStream::default(), samples },
            "text/html" => return Err(Kind::NotPlayable("a page").into()),
            json if json.ends_with("json") => Body::Words(Vec::new()),
            known => match compressed(known) {
                Some(form) => return Err(Kind::NotPlayable(form).into()),
                None => Body::Unknown { held: Vec::new(), samples },
            },
        };
        Ok(Self { body, tokens: None, is_done: false })
    }

    /// Whether the provider said that this was all.
    pub(crate) fn is_done(&self) -> bool {
        self.is_done
    }

    pub(crate) fn tokens(&self) -> Option<u64> {
        self.tokens
    }

    /// The rate of the samples that were returned.
    pub(crate) fn rate(&self) -> u32 {
        match &self.body {
            Body::Unknown { samples, .. } | Body::Samples(samples) | Body::Events { samples, .. } => {
                samples.format.rate
            }
            Body::Words(_) => 0,
        }
    }

    /// The samples that are whole with these bytes, of one channel.
    pub(crate) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<i16>, Fault> {
        match &mut self.body {
            Body::Unknown { held, .. } => {
                held.extend_from_slice(bytes);
                if held.len() >= SNIFFED { self.begin() } else { Ok(Vec::new()) }
            }
            Body::Samples(samples) => samples.feed(bytes),
            Body::Events { stream, .. } => {
                let events = stream.feed(bytes).map_err(|_| Fault::from(Kind::TooLong))?;
                self.events(&events)
            }
            Body::Words(words) => {
                let room = MAX_WORDS_BYTES.saturating_sub(words.len());
                words.extend_from_slice(&bytes[..bytes.len().min(room)]);
                Ok(Vec::new())
            }
        }
    }

    /// The samples that are left when the body has ended.
    pub(crate) fn finish(&mut self) -> Result<Vec<i16>, Fault> {
        let mut left = match &self.body {
            Body::Unknown { .. } => self.begin()?,
            _ => Vec::new(),
        };
        match &mut self.body {
            Body::Events { stream, .. } => {
                let last = stream.finish().map_err(|_| Fault::from(Kind::TooLong))?;
                left.extend(self.events(last.as_slice())?);
                Ok(left)
            }
            Body::Words(words) => {
                let words = words_of(words);
                let kind = if words.is_some() { Kind::Reported } else { Kind::NotPlayable("JSON") };
                Err(Fault { words, ..Fault::from(kind) })
            }
            Body::Samples(samples) if !samples.has_begun() => {
                Err(Kind::Malformed("its WAV header is cut off").into())
            }
            Body::Samples(_) | Body::Unknown { .. } => Ok(left),
        }
    }

    /// Decides by the first bytes, and reads them.
    fn begin(&mut self) -> Result<Vec<i16>, Fault> {
        let unknown = mem::replace(&mut self.body, Body::Words(Vec::new()));
        let Body::Unknown { held, samples } = unknown else { return Ok(Vec::new()) };
        if let Some(form) = mark(&held) {
            return Err(Kind::NotPlayable(form).into());
        }
        self.body = match text_form(&held) {
            Some(Text::Events) => Body::Events { stream: EventStream::default(), samples },
            Some(Text::Json) => Body::Words(Vec::new()),
            Some(Text::Page) => return Err(Kind::NotPlayable("a page").into()),
            None => Body::Samples(samples),
        };
        self.feed(&held)
    }

    fn events(&mut self, events: &[String]) -> Result<Vec<i16>, Fault> {
        let mut all = Vec::new();
        for event in events {
            if event.trim() == "[DONE]" {
                self.is_done = true;
                continue;
            }
            // What is no JSON is a comment of a proxy.
            let Ok(event) = serde_json::from_str::<Value>(event) else { continue };
            all.extend(self.event(&event)?);
        }
        Ok(all)
    }

    fn event(&mut self, event: &Value) -> Result<Vec<i16>, Fault> {
        if !event["error"].is_null() || event["type"] == "error" {
            let words = words_of(event.to_string().as_bytes());
            return Err(Fault { words, ..Fault::from(Kind::Reported) });
        }
        if event["type"].as_str().is_some_and(|kind| kind.ends_with("audio.done")) {
            self.is_done = true;
            self.tokens = event["usage"]["total_tokens"].as_u64();
        }
        let audio = event["audio"].as_str().or_else(|| event["delta"].as_str());
        let (Some(audio), Body::Events { samples, .. }) = (audio, &mut self.body) else {
            return Ok(Vec::new());
        };
        let bytes = BASE64.decode(audio.trim()).map_err(|_| Kind::Malformed("its events hold no base64"))?;
        samples.feed(&bytes)
    }
}

/// A parameter of a media type with a number as its value.
fn parameter(parameters: &str, name: &str) -> Option<u32> {
    let pairs = parameters.split(';').filter_map(|pair| pair.split_once('='));
    let mut named = pairs.filter(|(given, _)| given.trim() == name);
    named.next()?.1.trim().trim_matches('"').parse().ok()
}

/// The name of a media type that holds no plain samples.
fn compressed(essence: &str) -> Option<&'static str> {
    match essence {
        "audio/mpeg" | "audio/mp3" | "audio/mpeg3" => Some("mp3"),
        "audio/ogg" | "audio/opus" | "application/ogg" => Some("Opus in Ogg"),
        "audio/webm" | "video/webm" => Some("WebM"),
        "audio/aac" | "audio/aacp" | "audio/mp4" | "audio/x-m4a" => Some("AAC"),
        "audio/flac" | "audio/x-flac" => Some("FLAC"),
        "audio/basic" | "audio/pcmu" | "audio/mulaw" | "audio/x-mulaw" => Some("µ-law"),
        _ => None,
    }
}

/// The form of compressed audio, by the marks at its beginning.
fn mark(bytes: &[u8]) -> Option<&'static str> {
    let is_frame = |second: u8, third: u8| {
        // MPEG 1 or 2, layer 3, with a bit rate and a sample rate that exist.
        matches!(second, 0xFA | 0xFB | 0xF2 | 0xF3) && !matches!(third >> 4, 0 | 15) && third & 0x0C != 0x0C
    };
    match bytes {
        [b'I', b'D', b'3', ..] => Some("mp3"),
        [0xFF, second, third, ..] if is_frame(*second, *third) => Some("mp3"),
        [b'O', b'g', b'g', b'S', ..] => Some("Opus in Ogg"),
        [b'f', b'L', b'a', b'C', ..] => Some("FLAC"),
        [0x1A, 0x45, 0xDF, 0xA3, ..] => Some("WebM"),
        _ => None,
    }
}

/// What a body in words is.
enum Text {
    Events,
    Json,
    Page,
}

/// The form of a body in words. Samples can hold any bytes, so all that are looked at have to be letters.
fn text_form(bytes: &[u8]) -> Option<Text> {
    let start = &bytes[..bytes.len().min(SNIFFED)];
    let is_text =
        start.len() >= 2 && start.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\n' | b'\r'));
    let text = String::from_utf8_lossy(start);
    let text = text.trim_start();
    if !is_text {
        None
    } else if text.starts_with('<') {
        Some(Text::Page)
    } else if text.starts_with('{') {
        Some(Text::Json)
    } else {
        let is_event = ["data:", "event:", ":"].iter().any(|field| text.starts_with(field));
        is_event.then_some(Text::Events)
    }
}

// === impl Samples ===

impl Samples {
    fn new(format: Format) -> Self {
        Self { wav: None, format, is_known: false, rest: Vec::new() }
    }

    /// Whether the place of the first sample is known.
    fn has_begun(&self) -> bool {
        self.wav.as_ref().is_none_or(|wav| wav.format().is_some())
    }

    fn feed(&mut self, bytes: &[u8]) -> Result<Vec<i16>, Fault> {
        if self.is_known {
            return self.read(bytes);
        }
        let start = [&mem::take(&mut self.rest), bytes].concat();
        if start.len() < RIFF.len() && RIFF.starts_with(&start) {
            self.rest = start;
            return Ok(Vec::new());
        }
        self.is_known = true;
        self.wav = start.starts_with(RIFF).then(Reader::default);
        self.read(&start)
    }

    fn read(&mut self, bytes: &[u8]) -> Result<Vec<i16>, Fault> {
        let rest = mem::take(&mut self.rest);
        let Some(wav) = &mut self.wav else { return Ok(self.whole([&rest, bytes].concat())) };
        let data = wav.feed(bytes).map_err(|Unreadable(fault)| Fault::from(Kind::Malformed(fault)))?;
        self.format = wav.format().unwrap_or(self.format);
        Ok(self.whole([rest, data].concat()))
    }

    /// The whole samples, mixed to one channel; the rest waits.
    fn whole(&mut self, mut bytes: Vec<u8>) -> Vec<i16> {
        let frame = usize::from(self.format.channels) * 2;
        self.rest = bytes.split_off(bytes.len() - bytes.len() % frame);
        bytes.chunks_exact(frame).map(mixed).collect()
    }
}

fn mixed(frame: &[u8]) -> i16 {
    let sum: i32 = frame.chunks_exact(2).map(|two| i32::from(i16::from_le_bytes([two[0], two[1]]))).sum();
    let channels = (frame.len() / 2) as i32;
    // The mean of 16-bit numbers is one.
    (sum / channels) as i16
}

#[cfg(test)]
mod tests;
