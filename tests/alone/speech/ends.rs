//! The two ends of a call, each a process: our SDK (`voice-bench`) or LiveKit's own (`tests/python/voice.py`).

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use testbed::{LivekitServer, Process, tools};

use crate::speech::synthesis::{RATE, Speech, from_bytes};
use crate::support::sdk::token;
use crate::support::world::PATIENCE;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sdk {
    Python,
    Rust,
}

/// The SDK that speaks and the SDK that listens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Way {
    pub(crate) from: Sdk,
    pub(crate) to: Sdk,
}

/// Runs a command where an end of the call is.
pub(crate) type Place<'a> = &'a dyn Fn(Command) -> Command;

/// A call under way.
pub(crate) struct Call {
    way: Way,
    ends: [Process; 2],
    said: PathBuf,
    heard: PathBuf,
}

/// The recordings of a call: files without their extensions.
pub(crate) struct Heard {
    pub(crate) said: PathBuf,
    pub(crate) heard: PathBuf,
}

/// A frame that begins with the sample at `position` came by at `time` (nanoseconds).
#[derive(Clone, Copy)]
struct Stamp {
    time: u64,
    position: usize,
}

pub(crate) const WAYS: [Way; 4] = [
    Way { from: Sdk::Python, to: Sdk::Python },
    Way { from: Sdk::Python, to: Sdk::Rust },
    Way { from: Sdk::Rust, to: Sdk::Python },
    Way { from: Sdk::Rust, to: Sdk::Rust },
];

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:?} -> {:?}", self.from, self.to))
    }
}

// === impl Sdk ===

impl Sdk {
    fn command(self) -> Command {
        match self {
            Self::Rust => Command::new(voice_bench()),
            Self::Python => {
                let mut command = Command::new(testbed::venv::python().unwrap());
                command.arg(testbed::root().join("tests/python/voice.py"));
                command
            }
        }
    }
}

/// The program `$VOICE_BENCH`, otherwise the one that cargo builds.
pub(crate) fn voice_bench() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| tools::voice_bench().unwrap())
}

// === impl Call ===

impl Call {
    /// Begins a call in a room of its own, with the files `NAME-said` and `NAME-heard`; the first holds the sound to
    /// play.
    pub(crate) fn begin(
        livekit: &LivekitServer,
        url: &str,
        way: Way,
        places: [Place<'_>; 2],
        rate: u32,
        files: &Path,
    ) -> Self {
        let room = testbed::unique_hex();
        let file =
            |end: &str| files.with_file_name(format!("{}-{end}", files.file_name().unwrap().display()));
        let (said, heard) = (file("said"), file("heard"));
        let end = |sdk: Sdk, verb: &str, place: Place<'_>, file: &Path| {
            let mut command = sdk.command();
            command.arg(verb).arg(rate.to_string()).arg(file);
            command.env("LIVEKIT_URL", url).env("LIVEKIT_TOKEN", token(livekit, &room, verb));
            command.env("RUST_LOG", "warn");
            Process::spawn(verb, &mut place(command), &file.with_extension("log")).unwrap()
        };
        let ends = [end(way.to, "hear", places[1], &heard), end(way.from, "say", places[0], &said)];
        Self { way, ends, said, heard }
    }

    /// Waits for the end of a call that lasts this long. `None` for a call between two official SDKs in which nothing
    /// was heard: through a network that loses packets the connection sometimes fails, and the call is no baseline
    /// then.
    pub(crate) fn finish(mut self, lasting: Duration) -> Option<Heard> {
        let deadline = Instant::now() + lasting + PATIENCE;
        let is_yardstick = self.way == WAYS[0];
        for end in &mut self.ends {
            let status = loop {
                if let Some(status) = end.exit_status().unwrap() {
                    break status;
                }
                if Instant::now() >= deadline {
                    assert!(is_yardstick, "a call {} does not end: {}", self.way, end.log_tail());
                    return None;
                }
                std::thread::sleep(Duration::from_millis(50));
            };
            assert!(status.success(), "an end of a call failed ({status}): {}", end.log_tail());
        }
        let heard = Heard { said: self.said, heard: self.heard };
        let came_about = !is_yardstick || !stamps(&heard.heard).is_empty();
        came_about.then_some(heard)
    }
}

// === impl Heard ===

impl Heard {
    /// The largest delay with which a frame was handed to the SDK: how busy the machine was.
    pub(crate) fn lateness(&self) -> Duration {
        let stamps = stamps(&self.said);
        let due = |stamp: &Stamp| stamps[0].time + stamp.position as u64 * 1_000_000_000 / u64::from(RATE);
        let late = stamps.iter().map(|stamp| stamp.time.saturating_sub(due(stamp))).max();
        Duration::from_nanos(late.unwrap_or_default())
    }
}

/// The received sound of each sentence, in files of its own.
pub(crate) fn cut(speech: &Speech, Heard { said, heard }: &Heard) -> Vec<PathBuf> {
    let (sent, came) = (stamps(said), stamps(heard));
    let sound = from_bytes(&fs::read(heard.with_extension("pcm")).unwrap());
    let at = |place| {
        let time = time_of(&sent, place);
        came.iter().find(|stamp| stamp.time >= time).map_or(sound.len(), |stamp| stamp.position)
    };
    speech.cut(&sound, at, heard)
}

fn time_of(stamps: &[Stamp], position: usize) -> u64 {
    let next = stamps.partition_point(|stamp| stamp.position <= position);
    let stamp = stamps[next.saturating_sub(1)];
    stamp.time + (position - stamp.position) as u64 * 1_000_000_000 / u64::from(RATE)
}

fn stamps(file: &Path) -> Vec<Stamp> {
    let text = fs::read_to_string(file.with_extension("times")).unwrap();
    let stamp = |line: &str| {
        let (time, position) = line.split_once(' ')?;
        Some(Stamp { time: time.parse().ok()?, position: position.parse().ok()? })
    };
    text.lines().filter_map(stamp).collect()
}
