//! Speech to text and text to speech for a voice agent: two seams, and an OpenAI-compatible provider behind each.
//!
//! [`hearing::Hearing`] makes texts of a stream of audio, [`speaking::Speaking`] makes audio of a text. The provider of
//! both speaks the common tongue of hosted and self-hosted servers: `/audio/transcriptions` and `/audio/speech` below a
//! base URL. Streaming vendors have their place behind the same seams.
//!
//! ```no_run
//! use conversation::Text;
//! use speech_services::hearing::{self, Transcriber};
//! use speech_services::speaking::{self, Event, OpenAi, Speaking, Voice};
//! use speech_services::Service;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let service = |model| Ok::<_, url::ParseError>(Service::new("http://localhost:8000/v1".parse()?, model));
//! let mouth = OpenAi::new(&speaking::Settings::new(service("kokoro")?, "af_heart"))?;
//! let mut utterance = mouth.speak(&Text::from("Good morning."), &Voice::default());
//! let (mut samples, mut rate) = (Vec::new(), 0);
//! while let Some(event) = utterance.next().await {
//!     match event {
//!         Event::Audio(sound) => {
//!             rate = sound.rate;
//!             samples.extend(sound.samples);
//!         }
//!         Event::Failed { trouble, .. } => eprintln!("{}", trouble.failure.message),
//!         Event::Words(_) | Event::Done { .. } => {}
//!     }
//! }
//! let ear = Transcriber::new(&hearing::Settings::new(service("whisper")?))?;
//! match ear.transcribe(&samples, rate, Some("en")).await {
//!     Ok(transcript) => println!("{} bytes were understood", transcript.text.len()),
//!     Err(trouble) => eprintln!("{}", trouble.failure.message),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Layout
//! - [`hearing`]: speech to text. [`speaking`]: text to speech
//! - `service`: the settings of a provider. [`check`]: does it answer?
//! - `http`: requests to a provider. `retries`: when one is made again, a pure state
//! - `trouble`: failures, with what to do about them. `words`: the part of a provider's own words that may be shown
//! - `report`: what telemetry wants to know of a request
//!
//! # Invariants
//!
//! The crate knows no room, no telemetry and no configuration. Every connection is opened by `outbound`. Nothing logs;
//! what happened is in events and reports. Neither keys nor what people say stand in a message: transcripts and texts are
//! [`conversation::Text`], and a provider's words that repeat the text are left out. Answers, events, waits and attempts
//! have bounds.

#![forbid(unsafe_code)]

pub mod check;
#[cfg(any(debug_assertions, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
pub mod hearing;
mod http;
mod report;
mod retries;
mod service;
pub mod speaking;
mod trouble;
mod words;

pub use self::report::{Account, Outcome, Report};
pub use self::service::{Names, Quoting, Service};
pub use self::trouble::{BuildError, Trouble};
