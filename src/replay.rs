//! Plays the event log of a session again: its events are given to the same state machines, which have to do the same, and
//! what they do is told with its reason.
//!
//! - `file`: reads a log, line by line
//! - `speech`: the ends of turns and interruptions; `dialogue`: the conversation

mod dialogue;
mod file;
mod speech;

use std::time::{Duration, Instant};

use crate::event_log::line::{Entry, Header, Line};

use self::dialogue::Dialogue;
pub(crate) use self::file::LogFile;
use self::speech::{TurnEnds, Voice};

/// Times before the session began are times of machines as well.
const BEFORE: Duration = Duration::from_secs(24 * 3600);

/// A session that is played again.
pub(crate) struct Replay {
    base: Instant,
    header: Header,
    turn_ends: TurnEnds,
    voice: Voice,
    dialogue: Dialogue,
}

/// What a line was.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Played {
    /// What happened, a sentence each.
    pub(crate) notes: Vec<String>,
    /// What a machine did now, and what it did then.
    pub(crate) difference: Option<Difference>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) recorded: String,
    pub(crate) replayed: String,
}

// === impl Replay ===

impl Replay {
    pub(crate) fn new(header: Header) -> Self {
        Self {
            base: Instant::now() + BEFORE,
            turn_ends: TurnEnds::new(header.turn.as_ref()),
            voice: Voice::new(&header.interruption),
            dialogue: Dialogue::new(&header.agent),
            header,
        }
    }

    /// Gives the event of a line to its machine.
    pub(crate) fn play(&mut self, line: &Line) -> Played {
        let now = at(self.base, line.at_us);
        match &line.entry {
            Entry::Microphone => {
                self.turn_ends = TurnEnds::new(self.header.turn.as_ref());
                Played::note("a microphone is heard")
            }
            Entry::Turn { event, verdict } => self.turn_ends.play(self.base, now, event, *verdict),
            Entry::Interruption { event, action } => self.voice.play(self.base, now, event, *action),
            Entry::Dialogue { event, actions } => self.dialogue.play(now, event, actions),
            Entry::Lost(lost) => Played::note(format!("{lost} events are missing here")),
            Entry::Full => Played::note("the log is full; the session went on"),
        }
    }
}

// === impl Played ===

impl Played {
    fn note(note: impl Into<String>) -> Self {
        Self { notes: vec![note.into()], difference: None }
    }

    fn new<T: PartialEq + std::fmt::Debug>(notes: Vec<String>, recorded: &T, replayed: &T) -> Self {
        let difference = (recorded != replayed)
            .then(|| Difference { recorded: format!("{recorded:?}"), replayed: format!("{replayed:?}") });
        Self { notes, difference }
    }
}

fn at(base: Instant, us: i64) -> Instant {
    let distance = Duration::from_micros(us.unsigned_abs());
    let moved = if us < 0 { base.checked_sub(distance) } else { base.checked_add(distance) };
    moved.unwrap_or(base)
}

/// A length for people, in milliseconds up to a second.
fn length(length: Duration) -> String {
    match length.as_millis() {
        ms @ ..1000 => format!("{ms} ms"),
        _ => format!("{:.2} s", length.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests;
