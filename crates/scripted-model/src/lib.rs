//! An OpenAI-compatible server of chat completions, transcripts and speech that follows a script.
//!
//! The crate has two uses. The binary `scripted-model` is the demo's model: it answers from a few rules about the
//! user's words and says that it is no language model. The library gives tests a provider that misbehaves on demand, on
//! a real port: wrong statuses, silence, stalls, resets, broken streams.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use scripted_model::{Ending, Script, ScriptedModel, Step};
//!
//! let script = Script::new([
//!     Step::status(429).retry_after("1"),
//!     Step::reply("one two three").ending(Ending::Stall).after(2),
//! ]);
//! let model = ScriptedModel::start(script).await?;
//! println!("point a client at {}", model.base_url());
//! # Ok(())
//! # }
//! ```
//!
//! # Layout
//! - `script`: how each request is answered, and the behaviours that a model name can select.
//! - `server`: the HTTP routes; `shared`: what they share; `answer`: one answer as bytes and pauses; `talk`: the demo's words.
//! - `transcription`: what is answered to audio; `speech`: what to a text; `multipart`, `wav`: the forms of these.
//! - `log`: the requests with their times, for programs that measure.
//! - `record`: the requests, and whether the client stayed to the end of each answer.
//! - `listener`: connections that can be reset on purpose.

mod answer;
mod listener;
mod log;
mod multipart;
mod named;
mod record;
mod script;
mod server;
mod shared;
mod speech;
mod talk;
mod transcription;
mod wav;

pub use named::BEHAVIOURS;
pub use record::{Ended, Recorded, TimedOut};
pub use script::{Ending, Reply, Rule, Script, Step, Steps, Usage};
pub use server::ScriptedModel;
pub use speech::{Form, Sound, SpeechStep};
pub use wav::encode as wav;
