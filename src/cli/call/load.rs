//! Many callers at the same time, and a summary of their calls.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Line, numbered, voice};
use crate::caller::VoiceFile;
use crate::output::{self, StdoutError};
use crate::shutdown;

/// The texts that are said when none were given.
const SMALL_TALK: [&str; 4] =
    ["Hello, who are you?", "What can you do?", "Tell me something short.", "Thank you, that was all."];

/// The time between the starts of two joins: a hundred at the same instant would measure the server's door, not the
/// agent.
const STAGGER: Duration = Duration::from_millis(20);

/// The times of a turn, by their names.
type Times = Vec<(&'static str, Duration)>;

/// The observations of one caller.
#[derive(Default)]
struct Seen {
    turns: Vec<Times>,
    error: Option<String>,
}

/// The outcome of all calls.
struct Outcome<'a> {
    turns: Vec<&'a Times>,
    errors: Vec<&'a str>,
    /// The number of turns that were to be made; None when they were ended early.
    asked: Option<usize>,
}

/// Writes these texts in each room.
pub(super) async fn write(line: Line, rooms: u32, texts: Vec<String>) -> anyhow::Result<ExitCode> {
    let turns = texts.len();
    run(rooms, turns, |number, stop| written(line.in_room(number), texts.clone(), stop)).await
}

/// Plays these recordings in each room.
pub(super) async fn speak(
    line: Line,
    rooms: u32,
    voices: Vec<VoiceFile>,
    record: Option<PathBuf>,
) -> anyhow::Result<ExitCode> {
    let turns = voices.len();
    let call = |number, stop| {
        let record = record.as_ref().map(|path| numbered(path, number));
        spoken(line.in_room(number), voices.clone(), record, stop)
    };
    run(rooms, turns, call).await
}

/// Ends early on SIGTERM or SIGINT: each caller hears its reply out and leaves.
async fn run<C>(
    rooms: u32,
    turns: usize,
    call: impl Fn(u32, CancellationToken) -> C,
) -> anyhow::Result<ExitCode>
where
    C: Future<Output = Seen> + Send + 'static,
{
    output::line(format!("calling {rooms} rooms, {turns} turns each"))?;
    let shutdown = shutdown::on_signals()?;
    let started = Instant::now();
    let mut calls = JoinSet::new();
    for number in (1..=rooms).take_while(|_| !shutdown.drain.is_cancelled()) {
        calls.spawn(call(number, shutdown.drain.clone()));
        tokio::time::sleep(STAGGER).await;
    }
    let seen = tokio::select! {
        seen = calls.join_all() => seen,
        () = shutdown.end_now.cancelled() => bail!("ended by a second signal; the callers vanish from their rooms"),
    };
    let asked = (!shutdown.drain.is_cancelled()).then_some(rooms as usize * turns);
    let outcome = Outcome::of(&seen, asked);
    match outcome.tell(started.elapsed()) {
        // The outcome of the calls is known, and the exit code reports it.
        Err(error) if !error.is_closed() => Err(error.into()),
        _ => Ok(outcome.exit_code()),
    }
}

/// `turns` texts, taken round and round; all of them once when no number is given.
pub(super) fn texts(say: Vec<String>, turns: Option<u32>) -> Vec<String> {
    let all = if say.is_empty() { SMALL_TALK.map(String::from).to_vec() } else { say };
    let count = turns.map_or(all.len(), |turns| turns as usize);
    all.into_iter().cycle().take(count).collect()
}

async fn written(line: Line, texts: Vec<String>, stop: CancellationToken) -> Seen {
    let mut seen = Seen::default();
    let mut caller = match line.dial().await {
        Ok(caller) => caller,
        Err(error) => return Seen::failed(&error),
    };
    line.greeting(&mut caller).await;
    for text in texts.into_iter().take_while(|_| !stop.is_cancelled()) {
        match caller.say(&text, line.timeout, |_| ()).await {
            Ok(reply) => {
                seen.turns.push(vec![("first word", reply.first_word), ("whole reply", reply.total)]);
            }
            Err(error) => {
                seen.error = Some(error.to_string());
                break;
            }
        }
    }
    caller.leave().await;
    seen
}

async fn spoken(
    line: Line,
    voices: Vec<VoiceFile>,
    record: Option<PathBuf>,
    stop: CancellationToken,
) -> Seen {
    let mut seen = Seen::default();
    let dialled = async { line.dial_spoken(voice::recording(record.as_ref())?).await };
    let mut caller = match dialled.await {
        Ok(caller) => caller,
        Err(error) => return Seen::failed(&error),
    };
    let greeted =
        if line.expects_greeting { caller.listen(voice::GREETING_PATIENCE, |_| ()).await } else { Ok(()) };
    seen.error = greeted.err().map(|error| error.to_string());
    for voice in voices {
        if stop.is_cancelled() || seen.error.is_some() {
            break;
        }
        match caller.say(&voice, line.timeout, |_| ()).await {
            Ok(times) => seen.turns.push(voice::named(&times).collect()),
            Err(error) => seen.error = Some(error.to_string()),
        }
    }
    let left = caller.leave().await;
    seen.error = seen.error.or(left.err().map(|error| error.to_string()));
    seen
}

// === impl Seen ===

impl Seen {
    fn failed(error: &anyhow::Error) -> Self {
        Self { error: Some(format!("{error:#}")), ..Self::default() }
    }
}

// === impl Outcome ===

impl<'a> Outcome<'a> {
    fn of(seen: &'a [Seen], asked: Option<usize>) -> Self {
        let turns = seen.iter().flat_map(|seen| &seen.turns).collect();
        let errors = seen.iter().filter_map(|seen| seen.error.as_deref()).collect();
        Self { turns, errors, asked }
    }

    fn tell(&self, took: Duration) -> Result<(), StdoutError> {
        self.errors.iter().take(10).for_each(|error| output::complain(format!("error: {error}")));
        output::line(format!(
            "{}{} turns answered in {:.1} s, {} rooms failed",
            self.turns.len(),
            self.asked.map(|asked| format!(" of {asked}")).unwrap_or_default(),
            took.as_secs_f64(),
            self.errors.len()
        ))?;
        self.names().into_iter().try_for_each(|name| tell_quantiles(name, self.times(name)))
    }

    /// The names of all times, in the order of the first turn that has them.
    fn names(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for (name, _) in self.turns.iter().copied().flatten() {
            if !names.contains(name) {
                names.push(*name);
            }
        }
        names
    }

    fn times(&self, name: &str) -> Vec<Duration> {
        let named = self.turns.iter().copied().flatten().filter(|(other, _)| *other == name);
        named.map(|(_, time)| *time).collect()
    }

    fn exit_code(&self) -> ExitCode {
        let complete = self.asked.is_none_or(|asked| self.turns.len() == asked);
        if self.errors.is_empty() && complete { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn tell_quantiles(name: &str, mut times: Vec<Duration>) -> Result<(), StdoutError> {
    times.sort();
    let Some(last) = times.last() else { return Ok(()) };
    let millis = |time: Duration| format!("{:.2} ms", time.as_secs_f64() * 1e3);
    let at = |share: f64| millis(quantile(&times, share));
    output::line(format!("{name:<12} p50 {}, p95 {}, max {}", at(0.50), at(0.95), millis(*last)))
}

/// The smallest value that at least `share` of the sorted values do not exceed.
fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (share * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_go_round_until_there_are_enough() {
        let said = texts(vec!["a".into(), "b".into()], Some(3));
        assert_eq!(said, ["a", "b", "a"]);
        assert_eq!(texts(vec!["a".into(), "b".into()], None).len(), 2);
        assert_eq!(texts(vec![], None).len(), SMALL_TALK.len());
    }

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let times: Vec<_> = (1..=20).map(Duration::from_millis).collect();
        assert_eq!(quantile(&times, 0.50), Duration::from_millis(10));
        assert_eq!(quantile(&times, 0.95), Duration::from_millis(19));
        assert_eq!(quantile(&times[..1], 0.50), Duration::from_millis(1));
    }
}
