//! The program that the voice tests and benchmarks run beside the official SDK: the crate `livekit` over our
//! `libwebrtc`, without anything of `voiced`.
//!
//! # Layout
//! - `end`: one end of a voice connection, as `tests/python/voice.py` is it in Python
//! - `spoken`: a person who asks an agent by voice, and `steps`: what the answers took; `packets` are those of the network
//! - `rooms`: many rooms in one process, and what they cost it
//! - `wire`: a network that loses and delays packets; `link` is one direction of it, as a pure state machine
//! - `audio`: publishing and subscribing; `wav`: files; `clock`: the machine's clocks; `token`: who joins what;
//!   `transport`: the SDK's websocket

mod audio;
mod clock;
mod end;
#[cfg(target_os = "linux")]
mod link;
#[cfg(target_os = "linux")]
mod packets;
mod rooms;
#[cfg(target_os = "linux")]
mod spoken;
#[cfg(target_os = "linux")]
mod steps;
mod token;
mod transport;
mod wav;
#[cfg(target_os = "linux")]
mod wire;

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;

#[derive(Debug, Parser)]
#[command(version, about)]
enum Arguments {
    /// Publish FILE.pcm (16-bit mono) in real time once a participant has subscribed to it, and leave.
    Say(End),
    /// Write the first audio track that comes to FILE.pcm until its sender leaves; nothing if none comes.
    Hear(End),
    /// Join many rooms, and print what they cost this process.
    Rooms(rooms::Options),
    /// Ask an agent by voice, and print when it was heard: a line of JSON for each turn.
    #[cfg(target_os = "linux")]
    Spoken(spoken::Options),
    /// Print what the steps of spoken turns took.
    #[cfg(target_os = "linux")]
    Steps(steps::Options),
    /// Two TUN devices, `near` here and `far` in the network namespace of another process, and between them a network.
    #[cfg(target_os = "linux")]
    Wire(wire::Options),
}

/// Beside FILE.pcm, FILE.times gets a line `NANOSECONDS POSITION` for each frame: when, on CLOCK_MONOTONIC, the frame that
/// begins with the sample at POSITION was handed to the SDK or came from it.
#[derive(Debug, clap::Args)]
pub(crate) struct End {
    #[arg(long, env = "LIVEKIT_URL")]
    url: String,
    #[arg(long, env = "LIVEKIT_TOKEN", hide_env_values = true)]
    token: String,
    /// Samples a second.
    rate: u32,
    file: PathBuf,
}

#[tokio::main]
async fn main() -> Result<()> {
    transport::install();
    match Arguments::parse() {
        Arguments::Say(end) => end::say(&end).await,
        Arguments::Hear(end) => end::hear(&end).await,
        Arguments::Rooms(options) => rooms::run(&options).await,
        #[cfg(target_os = "linux")]
        Arguments::Spoken(options) => spoken::run(&options).await,
        #[cfg(target_os = "linux")]
        Arguments::Steps(options) => steps::run(&options),
        #[cfg(target_os = "linux")]
        Arguments::Wire(options) => wire::run(&options).await,
    }
}
