//! Plays recordings as a microphone, one after the other, and prints what was understood and answered, with its times.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::sync::oneshot;

use crate::caller::{CallError, Recording, SpokenCaller, Times, Told, VoiceFile};
use crate::output::{self, StdoutError};
use crate::terminal;

use super::{Line, millis};

/// How long an expected greeting is waited for: its words are spoken by a server first.
pub(super) const GREETING_PATIENCE: Duration = Duration::from_secs(5);

/// What is seen of a turn, on its way to stdout.
struct Printer {
    /// A reply is being printed.
    in_reply: bool,
    /// Takes the reason why stdout takes no more, once.
    failed: Option<oneshot::Sender<StdoutError>>,
}

/// The recordings, or the first reason why one cannot be played.
pub(super) fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<VoiceFile>> {
    paths.iter().map(|path| Ok(VoiceFile::read(path)?)).collect()
}

/// `count` recordings, taken round and round; all of them once when no number is given.
pub(super) fn round(voices: Vec<VoiceFile>, count: Option<u32>) -> Vec<VoiceFile> {
    let count = count.map_or(voices.len(), |count| count as usize);
    voices.into_iter().cycle().take(count).collect()
}

/// Begins the file that a call is recorded in.
pub(super) fn recording(path: Option<&PathBuf>) -> anyhow::Result<Option<Recording>> {
    let create = |path: &PathBuf| {
        Recording::create(path).with_context(|| format!("--record {} cannot be written", path.display()))
    };
    path.map(create).transpose()
}

pub(super) async fn run(
    line: Line,
    voices: Vec<VoiceFile>,
    record: Option<PathBuf>,
) -> anyhow::Result<ExitCode> {
    let mut caller = line.dial_spoken(recording(record.as_ref())?).await?;
    let said = tokio::select! {
        said = say_all(&mut caller, &line, &voices) => said,
        _ = tokio::signal::ctrl_c() => Err(anyhow!("the call was interrupted")),
    };
    // Leaves also when stdout takes no more words: an agent waits for a caller that vanishes.
    let left = caller.leave().await;
    said?;
    left?;
    if let Some(path) = record {
        output::line(format!("\nrecorded in {}", terminal::escaped(&path.display().to_string())))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn say_all(caller: &mut SpokenCaller, line: &Line, voices: &[VoiceFile]) -> anyhow::Result<()> {
    let names = [&line.room, &line.identity, caller.agent()].map(terminal::escaped);
    output::line(format!("joined {} as {}; {} is listening", names[0], names[1], names[2]))?;
    if line.expects_greeting {
        output::line("")?;
        printed(async |tell| caller.listen(GREETING_PATIENCE, tell).await).await?;
    }
    for voice in voices {
        output::line(format!("\n> {}", terminal::escaped(&voice.name())))?;
        let times = printed(async |tell| caller.say(voice, line.timeout, tell).await).await?;
        output::line(format!("  ({})", shown(&times)))?;
    }
    Ok(())
}

/// Prints a turn as it comes. Ends at once when stdout takes no more of it.
async fn printed<T>(
    turn: impl AsyncFnOnce(&mut dyn FnMut(Told)) -> Result<T, CallError>,
) -> anyhow::Result<T> {
    let (failed, failure) = oneshot::channel();
    let mut printer = Printer { in_reply: false, failed: Some(failed) };
    let mut tell = |told: Told| printer.tell(told);
    let done = tokio::select! {
        biased;
        Ok(error) = failure => return Err(error.into()),
        done = turn(&mut tell) => done,
    };
    printer.end_line()?;
    Ok(done?)
}

/// The times of a turn by their names.
pub(super) fn named(times: &Times) -> impl Iterator<Item = (&'static str, Duration)> {
    let Times { transcript, first_word, first_sound, whole } = *times;
    [
        ("transcript", transcript),
        ("first word", first_word),
        ("first sound", first_sound),
        ("whole reply", whole),
    ]
    .into_iter()
    .filter_map(|(name, time)| Some((name, time?)))
}

fn shown(times: &Times) -> String {
    let shown: Vec<String> = named(times).map(|(name, time)| format!("{name} {}", millis(time))).collect();
    shown.join(", ")
}

// === impl Printer ===

impl Printer {
    fn tell(&mut self, told: Told) {
        if self.failed.is_some()
            && let Err(error) = self.print(told)
            && let Some(failed) = self.failed.take()
        {
            let _ = failed.send(error);
        }
    }

    fn print(&mut self, told: Told) -> Result<(), StdoutError> {
        match told {
            Told::Transcript(text) => {
                self.end_line()?;
                output::line(format!("  understood: {}", terminal::text(text)))
            }
            Told::Words(words) => {
                self.in_reply = true;
                output::print(&terminal::text(words))
            }
            Told::ReplyEnded => self.end_line(),
        }
    }

    fn end_line(&mut self) -> Result<(), StdoutError> {
        if std::mem::take(&mut self.in_reply) { output::line("") } else { Ok(()) }
    }
}
