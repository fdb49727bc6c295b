//! The end of a person's turn, as a pure state machine: voice activity and transcripts in, [`TurnEnded`] out.
//!
//! - Delays count from the last moment of speech, not from the transcript. One that has passed already when the
//!   transcript comes ends the turn at once.
//! - The delay depends on the text ([`rules`]): [`Settings::min_delay`] behind a finished sentence,
//!   [`Settings::max_delay`] behind an unfinished one, and else the length of this person's pauses between the two.
//! - Without a final transcript there is no turn. A provider that sends partial ones and never a final one loses its
//!   turn to the last partial one, [`Settings::without_final`] later than it would have ended.
//! - Speech whose transcript is under way holds its turn up, for [`Settings::late`] at most: a slow provider must not cut a
//!   turn in two.
//! - A final transcript without speech is a turn as well: the detector may have missed a "yes".
//! - A final transcript that comes after its turn has ended makes that turn longer ([`Verdict::Grown`]), unless the
//!   person has begun to speak again.
//! - A provider's own end of turn is the verdict.

pub mod rules;

mod pauses;

use std::time::{Duration, Instant};

use self::pauses::Pauses;
use self::rules::Completeness;

/// The longest text of a turn, in bytes; what comes behind it is dropped.
const LONGEST: usize = 32 * 1024;
/// Speech that is so long ago is not what a transcript is of.
const STALE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The silence behind a finished sentence: 500 ms.
    pub min_delay: Duration,
    /// The silence behind an unfinished one: 3 s.
    pub max_delay: Duration,
    /// Whether the delay in between follows this person's pauses; else it is `min_delay`: yes.
    pub learns: bool,
    /// How long after the last speech a final transcript belongs to the turn that has ended: 5 s.
    pub late: Duration,
    /// How much later a turn ends whose final transcript does not come: 2 s.
    pub without_final: Duration,
    /// Whether each utterance has a transcript of its own, as of a batch recogniser; else a transcript is of all speech
    /// before it: yes.
    pub transcript_each: bool,
}

/// What was heard. Times of events are those of speech, `now` is when they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// As the detector's event of the same name.
    SpeechStarted { at: Instant },
    /// As the detector's.
    SpeechPaused { at: Instant },
    /// As the detector's.
    SpeechResumed { at: Instant },
    /// As the detector's.
    SpeechEnded { at: Instant },
    /// What was understood since the last final transcript, so far.
    Partial(&'a str),
    /// What was understood since the last final transcript.
    Final(&'a str),
    /// The speech since the last final transcript had no words.
    Nothing,
    /// The provider says that the turn has ended.
    EndOfTurn,
    /// The time of [`Turn::deadline`] came.
    Tick,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A turn.
    Ended(TurnEnded),
    /// The turn that ended last, with the words that came late.
    Grown(TurnEnded),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TurnEnded {
    /// All that was understood in the turn.
    pub text: String,
    /// The last moment of speech; None if the detector heard none.
    pub last_speech: Option<Instant>,
    /// When the last final transcript came; None if there was none.
    pub final_at: Option<Instant>,
}

/// Hears one person.
#[derive(Debug)]
pub struct Turn {
    settings: Settings,
    heard: Heard,
    is_speaking: bool,
    /// The utterances whose transcripts are to come.
    awaited: u32,
    /// The provider has said that the turn ends, before its text came.
    verdict: bool,
    pauses: Pauses,
    /// The turn that ended last, as long as words can still join it.
    ended: Option<Heard>,
}

/// What was heard of a turn.
#[derive(Clone, Debug, Default)]
struct Heard {
    finals: String,
    partial: String,
    /// Of the text. Judged where the text changes, for the deadline is asked for at each frame.
    completeness: Completeness,
    last_speech: Option<Instant>,
    final_at: Option<Instant>,
    /// When anything was heard of it last.
    heard_at: Option<Instant>,
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            min_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(3),
            learns: true,
            late: Duration::from_secs(5),
            without_final: Duration::from_secs(2),
            transcript_each: true,
        }
    }
}

// === impl Turn ===

impl Turn {
    /// Before the person's first word.
    pub fn new(settings: Settings) -> Self {
        let pauses = Pauses::new(settings.min_delay, settings.max_delay);
        Self {
            settings,
            heard: Heard::default(),
            is_speaking: false,
            awaited: 0,
            verdict: false,
            pauses,
            ended: None,
        }
    }

    /// Takes an event in.
    pub fn step(&mut self, now: Instant, event: Event<'_>) -> Option<Verdict> {
        match event {
            Event::SpeechStarted { at } => self.started(at),
            Event::SpeechResumed { .. } => self.is_speaking = true,
            Event::SpeechPaused { at } => self.heard.last_speech = Some(at),
            Event::SpeechEnded { at } => {
                self.is_speaking = false;
                self.heard.last_speech = Some(at);
            }
            Event::Partial(text) => self.partial(now, text),
            Event::Final(text) => {
                self.transcribed();
                return self.finished(now, text);
            }
            Event::Nothing => self.transcribed(),
            Event::EndOfTurn => self.verdict = true,
            Event::Tick => {}
        }
        self.decide(now)
    }

    /// When the turn ends if nothing more is heard.
    pub fn deadline(&self) -> Option<Instant> {
        if self.is_speaking {
            return None;
        }
        let anchor = self.heard.last_speech.or(self.heard.heard_at)?;
        if self.heard.is_empty() {
            return None;
        }
        let delay = self.delay();
        let wait = match (self.heard.partial.is_empty(), self.awaited) {
            (false, _) => self.settings.without_final,
            (true, 0) => Duration::ZERO,
            (true, _) => self.settings.late,
        };
        Some(anchor + delay + wait)
    }

    /// Forgets what was heard, and keeps what was learned of the person's pauses. For a turn that is taken by other
    /// means, as when a tool asks for digits.
    pub fn clear(&mut self) {
        self.heard = Heard::default();
        self.verdict = false;
        self.awaited = 0;
        self.ended = None;
    }

    /// What was finally understood of the turn under way.
    pub fn finals(&self) -> &str {
        &self.heard.finals
    }

    /// The last moment of speech of the turn under way.
    pub fn last_speech(&self) -> Option<Instant> {
        self.heard.last_speech
    }

    /// Ends the turn under way with what was understood of it, as when the person has left. None: there were no words.
    pub fn close(&mut self) -> Option<TurnEnded> {
        let heard = std::mem::take(&mut self.heard);
        self.clear();
        (!heard.is_empty()).then(|| heard.turn())
    }

    /// What was understood of the turn under way, the last part of it uncertain.
    pub fn text(&self) -> String {
        self.heard.text()
    }

    /// The delay that a text without a clear end has now.
    pub fn learned_delay(&self) -> Duration {
        if self.settings.learns { self.pauses.delay() } else { self.settings.min_delay }
    }

    /// What the text of the turn under way says about its end, with the words of an event that is to come.
    pub fn completeness_with(&self, event: &Event<'_>) -> Completeness {
        let (Event::Partial(text) | Event::Final(text)) = event else { return self.heard.completeness };
        rules::completeness(&self.text_with(text))
    }

    /// What was finally understood of the turn under way, with more words behind it.
    pub fn text_with(&self, more: &str) -> String {
        self.heard.text_with(more)
    }

    fn delay(&self) -> Duration {
        match self.heard.completeness {
            Completeness::Finished => self.settings.min_delay,
            Completeness::Unfinished => self.settings.max_delay,
            Completeness::Unclear => self.learned_delay(),
        }
    }

    fn started(&mut self, at: Instant) {
        self.is_speaking = true;
        self.awaited = self.awaited.saturating_add(1);
        // A verdict without text was of what came before.
        self.verdict = false;
        let before = self.heard.last_speech.filter(|_| !self.heard.is_empty());
        // Speech right behind a turn says that the turn was ended in the middle of it.
        let before = before.or_else(|| self.ended.as_ref()?.last_speech);
        if let Some(last) = before {
            self.pauses.hear(at.saturating_duration_since(last));
        }
        self.ended = None;
    }

    /// A transcript has come.
    fn transcribed(&mut self) {
        self.awaited = match self.settings.transcript_each {
            // Of speech that goes on more is to come, as where a recogniser cuts a long utterance.
            true => self.awaited.saturating_sub(1).max(u32::from(self.is_speaking)),
            false => 0,
        };
    }

    fn partial(&mut self, now: Instant, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        self.heard.heard_at = Some(now);
        self.heard.set_partial(text);
    }

    fn finished(&mut self, now: Instant, text: &str) -> Option<Verdict> {
        if text.trim().is_empty() {
            self.heard.set_partial("");
            return self.decide(now);
        }
        if let Some(grown) = self.grown(now, text) {
            return Some(Verdict::Grown(grown));
        }
        self.heard.last_speech = self.heard.last_speech.filter(|last| now < *last + STALE);
        self.heard.add_final(now, text);
        self.decide(now)
    }

    /// The turn that has ended with these words behind it.
    fn grown(&mut self, now: Instant, text: &str) -> Option<TurnEnded> {
        let ended = self.ended.as_mut()?;
        let anchor = ended.last_speech.max(ended.heard_at)?;
        if now > anchor + self.settings.late {
            self.ended = None;
            return None;
        }
        // It ended without a final transcript: this is the one that was missing.
        ended.add_final(now, text);
        self.heard = Heard::default();
        self.verdict = false;
        Some(ended.turn())
    }

    fn decide(&mut self, now: Instant) -> Option<Verdict> {
        let by_provider = self.verdict && !self.heard.finals.is_empty();
        if !by_provider && self.deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        let heard = std::mem::take(&mut self.heard);
        self.verdict = false;
        let turn = heard.turn();
        self.ended = Some(heard);
        Some(Verdict::Ended(turn))
    }
}

// === impl Heard ===

impl Heard {
    fn is_empty(&self) -> bool {
        self.finals.is_empty() && self.partial.is_empty()
    }

    fn set_partial(&mut self, text: &str) {
        self.partial.clear();
        append(&mut self.partial, text);
        self.completeness = rules::completeness(&self.text());
    }

    fn add_final(&mut self, now: Instant, text: &str) {
        append(&mut self.finals, text);
        self.set_partial("");
        self.final_at = Some(now);
        self.heard_at = Some(now);
    }

    fn text(&self) -> String {
        self.text_with(&self.partial)
    }

    fn text_with(&self, more: &str) -> String {
        let mut text = self.finals.clone();
        append(&mut text, more);
        text
    }

    fn turn(&self) -> TurnEnded {
        TurnEnded { text: self.text(), last_speech: self.last_speech, final_at: self.final_at }
    }
}

/// Joins texts with a space, within the bound.
fn append(text: &mut String, more: &str) {
    let more = more.trim();
    if more.is_empty() || text.len() + 1 + more.len() > LONGEST {
        return;
    }
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(more);
}

#[cfg(test)]
mod tests;
