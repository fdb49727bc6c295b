//! The keys of `[stt]`, `[tts]`, `[vad]`, `[turn]` and `[interruption]`.

use std::time::Duration;

use conversation::Secret;
use serde::Deserialize;
use url::Url;

use crate::config::key::{of, section, unset};
use crate::config::kind::{BaseUrl, Length, Name, choice, integer, number, optional, secret};

/// The provider of transcripts, or of speech.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpeechProvider {
    Off,
    Openai,
}

/// What tells speech from other sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VadProvider {
    Silero,
    Energy,
}

section! {
    /// `[stt]`: speech to text.
    Stt, "stt",
        "Speech to text: with it the agent hears the first person who joins. Without it, it reads.";

    provider: SpeechProvider = of(&choice(&["off", "openai"]), r#""off""#).live()
        .doc("off, or openai: a server with OpenAI's /audio/transcriptions, at base_url with model.");

    base_url: Option<Url> = unset(&optional(BaseUrl { schemes: &["http", "https"] }), r#""http://127.0.0.1:8000/v1""#)
        .live()
        .doc("The base URL of the API. Unset: https://api.openai.com/v1");

    api_key: Option<Secret> = unset(&secret(), r#""sk-...""#).live()
        .doc("The API key. Unset: OPENAI_API_KEY of the environment, where base_url is unset; else none.");

    model: Option<String> = unset(&optional(Name), r#""whisper-1""#).live()
        .doc("The model that listens. The provider openai needs one.");

    language: Option<String> = unset(&optional(Name), r#""en""#).live()
        .doc("The language of what people say. Unset: the server finds it out.");

    timeout: Duration = of(&Length::above_zero(), r#""5s""#).live()
        .doc("How long an attempt at a transcript may take.");

    max_attempts: u32 = of(&integer(1, 10), "2").live()
        .doc("How often a transcript is asked for, the first time included.");
}

section! {
    /// `[tts]`: text to speech.
    Tts, "tts",
        "Text to speech: with it the agent speaks its replies, and writes them as well. Without it, it writes.";

    provider: SpeechProvider = of(&choice(&["off", "openai"]), r#""off""#).live()
        .doc("off, or openai: a server with OpenAI's /audio/speech, at base_url with model and voice.");

    base_url: Option<Url> = unset(&optional(BaseUrl { schemes: &["http", "https"] }), r#""http://127.0.0.1:8000/v1""#)
        .live()
        .doc("The base URL of the API. Unset: https://api.openai.com/v1");

    api_key: Option<Secret> = unset(&secret(), r#""sk-...""#).live()
        .doc("The API key. Unset: OPENAI_API_KEY of the environment, where base_url is unset; else none.");

    model: Option<String> = unset(&optional(Name), r#""kokoro""#).live()
        .doc("The model that speaks. The provider openai needs one.");

    voice: String = of(&Name, r#""alloy""#).live()
        .doc("The voice, by the server's name of it.");

    language: Option<String> = unset(&optional(Name), r#""en""#).live()
        .doc("The language of the replies, for servers that want to know. Unset: not sent.");

    sample_rate: Option<u32> = unset(&optional(integer(8_000, 48_000)), "24000").live()
        .doc("The sample rate of the server's raw sound, where it does not tell it. Unset: 24000, as OpenAI's.");

    speed: Option<f32> = unset(&optional(number(0.25, 4.0)), "1.1").live()
        .doc("How fast the voice speaks, 1 being its own pace. Unset: not sent.");

    timeout: Duration = of(&Length::above_zero(), r#""5s""#).live()
        .doc("How long an attempt may take to the first sound.");

    max_attempts: u32 = of(&integer(1, 10), "2").live()
        .doc("How often a piece of a reply is asked for, the first time included. What has begun to sound is not asked again.");
}

section! {
    /// `[vad]`: what counts as speech.
    Vad, "vad",
        "Where speech begins and pauses. Used where stt is on.";

    provider: VadProvider = of(&choice(&["silero", "energy"]), r#""silero""#).live()
        .doc("silero: a small model, within voiced. energy: loudness alone; music and clicks are speech to it.");

    threshold: f32 = of(&number(0.05, 0.95), "0.5").live()
        .doc("How probable speech must be to begin, 0.05 to 0.95; it ends 0.15 below that.");

    min_speech: Duration = of(&Length::above_zero(), r#""50ms""#).live()
        .doc("Shorter sounds are no speech.");

    min_silence: Duration = of(&Length::above_zero(), r#""250ms""#).live()
        .doc("The silence that ends an utterance. The turn goes on until [turn] says that it has ended.");

    prefix: Duration = of(&Length::any(), r#""500ms""#).live()
        .doc("The sound in front of speech that is transcribed with it.");
}

section! {
    /// `[turn]`: when a person has finished.
    Turn, "turn",
        "When a person has finished speaking. Delays count from the last moment of speech.";

    min_delay: Duration = of(&Length::above_zero(), r#""500ms""#).live()
        .doc("The silence behind a sentence that has ended.");

    max_delay: Duration = of(&Length::above_zero(), r#""3s""#).live()
        .doc("The silence behind one that cannot be over, as after \"and\" or in a telephone number.");
}

section! {
    /// `[interruption]`: a person who speaks while the agent does.
    Interruption, "interruption",
        "A person who speaks while the agent does: the agent pauses at once, and stops when words were understood.";

    resume_after: Duration = of(&Length::above_zero(), r#""2s""#).live()
        .doc("The silence after which the agent goes on where it paused, when no words were understood.");
}

// === impl Stt ===

impl Stt {
    pub fn is_on(&self) -> bool {
        self.provider != SpeechProvider::Off
    }
}

// === impl Tts ===

impl Tts {
    pub fn is_on(&self) -> bool {
        self.provider != SpeechProvider::Off
    }
}
