//! A person who asks an agent by voice, again and again, or speaks into its answers, and when what was heard.
//!
//! ```text
//! spoken (a line of JSON each turn)  +  the log of the scripted vendors  +  the worker's spans  >  steps (a table)
//! ```
//!
//! A sample counts as said when its frame was handed to the SDK, plus its place in the frame, and as heard likewise.

mod person;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use self::person::Person;
use crate::packets::Packets;
use crate::{clock, wav};

/// The agent has subscribed to the microphone by then.
const SETTLE: Duration = Duration::from_secs(2);
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(15);
/// An answer is over after so much silence.
const OVER: Duration = Duration::from_millis(800);
/// The agent has stopped when it is silent for so long.
const STOPPED: Duration = Duration::from_millis(400);
/// How far into an answer the person speaks.
const INTO: Duration = Duration::from_millis(1500);

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[arg(long, env = "LIVEKIT_URL")]
    pub(crate) url: String,
    #[arg(long, env = "LIVEKIT_API_KEY")]
    pub(crate) key: String,
    #[arg(long, env = "LIVEKIT_API_SECRET", hide_env_values = true)]
    pub(crate) secret: String,
    /// The agent that is dispatched.
    #[arg(long)]
    pub(crate) agent: String,
    #[arg(long, default_value = "spoken")]
    pub(crate) room: String,
    #[arg(long, default_value_t = 50)]
    turns: usize,
    /// Turns before these, which do not count.
    #[arg(long, default_value_t = 2)]
    warm_up: usize,
    /// Speak into each answer, in place of letting it end.
    #[arg(long)]
    interrupt: bool,
    /// The server's port for media, to see when the agent's packets leave. Needs root.
    #[arg(long)]
    media_port: Option<u16>,
    /// What is asked, in turn: WAV files of 16-bit mono at 16 kHz.
    #[arg(required = true)]
    questions: Vec<PathBuf>,
}

/// One turn, in microseconds since 1970.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Turn {
    /// The first and the last audible sample of the question.
    pub(crate) began_us: u64,
    pub(crate) said_us: u64,
    /// The first sound of the answer: its packet, and at the caller's ear. None: there was no answer.
    pub(crate) packet_us: Option<u64>,
    pub(crate) heard_us: Option<u64>,
    /// The last sound of the answer before, into which the question was spoken.
    pub(crate) stopped_us: Option<u64>,
}

/// Prints a line for each turn.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let questions: Vec<_> = options.questions.iter().map(|file| wav::samples(file)).collect::<Result<_>>()?;
    let person = Person::join(options).await?;
    let packets = options.media_port.map(Packets::watch).transpose()?;
    sleep(SETTLE).await;
    for number in 0..options.warm_up + options.turns {
        let turn = ask(&person, packets.as_ref(), &questions[number % questions.len()], options).await?;
        if number >= options.warm_up {
            println!("{}", serde_json::to_string(&turn)?);
        }
    }
    person.leave().await
}

async fn ask(
    person: &Person,
    packets: Option<&Packets>,
    question: &[i16],
    options: &Options,
) -> Result<Turn> {
    let is_answering = person.is_heard_within(STOPPED);
    let (began, said) = person.say(question).await?;
    let heard = person.heard_since(said, PATIENCE).await;
    let stopped = is_answering.then(|| person.stopped_since(began, STOPPED)).flatten();
    let packet = packets.and_then(|packets| packets.first_since(said));
    match heard {
        Some(_) if options.interrupt => sleep(INTO).await,
        Some(_) => person.wait_for_silence(OVER).await,
        None => {}
    }
    let micros = |time: Duration| time.as_micros() as u64;
    Ok(Turn {
        began_us: micros(began),
        said_us: micros(said),
        packet_us: packet.map(micros),
        heard_us: heard.map(micros),
        stopped_us: stopped.map(micros),
    })
}

/// The time since 1970 of a sample of a frame that came or went now.
fn at(samples: usize, rate: u32) -> Duration {
    clock::unix() + Duration::from_secs_f64(samples as f64 / f64::from(rate))
}
