//! What hears a person and speaks the replies, in tasks beside a session.
//!
//! ```text
//! microphone > ear (vad, speech to text, end of turn) > Heard > session
//! session > Mouth > pieces > text to speech > playout > player > the agent's track
//!                   how much was heard > Grant > the transcript
//! ```
//!
//! # Layout
//! - `ear`: one microphone, until its track ends, as the session sees it; `listener`: its task; `loudness` and
//!   `spoken_lately`: what tells the agent's echo from a person; `hearing_account`: what is counted; `speech_time`: how
//!   long a person spoke, pure
//! - `mouth`: the texts of the session on their way to sound; `piece_request`: a request for speech, `reply_record`: what
//!   became of those of a reply; `patience`: how long texts wait for their sound, pure; `player`: gives the sound to the
//!   room at its pace
//!
//! Sessions know both by what they send and receive here; neither knows a session.

mod ear;
mod hearing_account;
mod listener;
mod loudness;
mod mouth;
mod patience;
mod piece_request;
mod player;
mod reply_record;
mod speech_time;
mod spoken_lately;

use std::sync::Arc;

use speech_services::BuildError;
use speech_services::hearing::{self, Hearing};
use speech_services::speaking::{self, Speaking};
use url::Url;

use crate::config::Config;

pub(crate) use self::ear::{Ear, Heard, SpokenTurn};
pub(crate) use self::mouth::{Cut, Mouth, Said, SoundEnd};
pub(crate) use self::piece_request::SpokenTo;
pub(crate) use self::reply_record::{ReplyRecord, SpokenReply};
pub(crate) use self::spoken_lately::SpokenLately;

/// What the sessions of a worker hear and speak with.
#[derive(Clone, Default)]
pub struct Voice {
    pub(crate) hearing: Option<Listening>,
    pub(crate) speaking: Option<Speech>,
    pub(crate) interruption: speech::interruption::Settings,
}

/// How people are heard.
#[derive(Clone)]
pub(crate) struct Listening {
    pub(crate) provider: Arc<dyn Hearing>,
    pub(crate) vad: speech::vad::Settings,
    pub(crate) turn: speech::turn::Settings,
    /// Whether the model is asked before a turn is known to have ended.
    pub(crate) preemptive: bool,
    /// The language of what people say, where it is known.
    pub(crate) language: Option<String>,
    pub(crate) server: Server,
}

/// How replies are spoken.
#[derive(Clone)]
pub(crate) struct Speech {
    pub(crate) provider: Arc<dyn Speaking>,
    /// The language of the replies, where it is known.
    pub(crate) language: Option<String>,
    pub(crate) server: Server,
}

/// A provider's API and model, for spans.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) model: String,
    pub(crate) address: String,
    pub(crate) port: u16,
}

// === impl Voice ===

impl Voice {
    /// # Errors
    /// A key cannot be sent, or a URL cannot be called.
    pub fn new(config: &Config) -> Result<Self, BuildError> {
        let hearing = config.hearing().map(|settings| Listening::new(&settings, config)).transpose()?;
        let speaking = config.speaking().map(|settings| Speech::new(&settings)).transpose()?;
        Ok(Self { hearing, speaking, interruption: config.interruption.settings() })
    }

    /// The language of the replies, where it is known.
    pub(crate) fn language(&self) -> Option<String> {
        self.speaking.as_ref()?.language.clone()
    }
}

// === impl Listening ===

impl Listening {
    fn new(settings: &hearing::Settings, config: &Config) -> Result<Self, BuildError> {
        let transcriber = hearing::Transcriber::new(settings)?;
        Ok(Self {
            provider: Arc::new(hearing::Batch::new(transcriber).prefix(config.vad.prefix)),
            vad: config.vad.settings(),
            turn: config.turn.settings(),
            preemptive: config.turn.preemptive,
            language: config.stt.language.clone(),
            server: Server::new(&settings.service.base_url, &settings.service.model),
        })
    }
}

// === impl Speech ===

impl Speech {
    fn new(settings: &speaking::Settings) -> Result<Self, BuildError> {
        let server = Server::new(&settings.service.base_url, &settings.service.model);
        let language = settings.language.clone();
        Ok(Self { provider: Arc::new(speaking::OpenAi::new(settings)?), language, server })
    }
}

// === impl Server ===

impl Server {
    fn new(base_url: &Url, model: &str) -> Self {
        Self {
            model: model.to_owned(),
            address: base_url.host_str().unwrap_or_default().to_owned(),
            port: base_url.port_or_known_default().unwrap_or_default(),
        }
    }
}
