//! Whether the agent's voice gives way to a person's, as a pure state machine: speech, words and the state of the voice
//! in, [`Action`] out.
//!
//! - Sound pauses the voice once it has lasted [`Settings::min_duration`]. A voice that has not begun waits for as long
//!   as the person speaks, since nothing of it is lost.
//! - Words make the pause an interruption: the voice stays silent until [`Event::TurnEnded`].
//! - Sound without words lets the voice go on where it paused: when a transcript says so, or else
//!   [`Settings::resume_after`] behind it.
//! - Too few words, and those by which people show that they listen ([`backchannel`]), do not count.
//! - For [`Settings::warm_up`] after the first sound of the voice only words pause it: the echo cancellation of the
//!   person's device learns in this time, and lets our own voice through.

pub mod backchannel;

use std::time::{Duration, Instant};

/// A pause ends after this time at the latest, whatever was understood.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether the voice gives way at all: yes.
    pub enabled: bool,
    /// The length of sound that pauses the voice: 500 ms.
    pub min_duration: Duration,
    /// The words that interrupt; 0 and 1 are any words: 0.
    pub min_words: usize,
    /// The silence behind sound without words after which the voice goes on: 2 s.
    pub resume_after: Duration,
    /// The time from the voice's first sound in which only words pause it: 3 s.
    pub warm_up: Duration,
}

/// The state of the agent's voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Voice {
    Silent,
    /// A text is on its way to sound.
    Coming,
    Sounding,
}

/// What has happened. Times of events are those of speech, `now` is when they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The voice is in another state.
    Voice(Voice),
    /// The person's speech began at this time.
    SpeechStarted { at: Instant },
    /// The person's speech ended at this time.
    SpeechEnded { at: Instant },
    /// What was understood of the turn so far.
    Words(&'a str),
    /// The sound so far had no words, or was an echo of the voice.
    Nothing,
    /// The person's turn has ended, and was answered or dismissed.
    TurnEnded,
    /// The time of [`Interruption::deadline`] came.
    Tick,
}

/// What becomes of the voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Pause,
    /// It goes on where it paused.
    Resume,
}

/// What becomes of a turn that ends while the voice sounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It takes the place of the voice.
    Interrupts,
    /// It waits for the end of the voice.
    Waits,
    /// It shows that the person listens, and is no turn.
    Backchannel,
}

/// The agent's voice beside one person.
#[derive(Debug)]
pub struct Interruption {
    settings: Settings,
    voice: Voice,
    first_sound: Option<Instant>,
    /// Since when the person speaks.
    speech: Option<Instant>,
    has_words: bool,
    is_paused: bool,
    resume_at: Option<Instant>,
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            enabled: true,
            min_duration: Duration::from_millis(500),
            min_words: 0,
            resume_after: Duration::from_secs(2),
            warm_up: Duration::from_secs(3),
        }
    }
}

// === impl Interruption ===

impl Interruption {
    /// Before the first sound of either.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            voice: Voice::Silent,
            first_sound: None,
            speech: None,
            has_words: false,
            is_paused: false,
            resume_at: None,
        }
    }

    /// Takes an event in.
    pub fn step(&mut self, now: Instant, event: Event<'_>) -> Option<Action> {
        match event {
            Event::Voice(voice) => self.voice_changed(now, voice),
            Event::SpeechStarted { at } => {
                self.speech = Some(at);
                self.resume_at = None;
            }
            Event::SpeechEnded { at } => self.speech_ended(at),
            Event::Words(text) => return self.understood(now, text),
            Event::Nothing => {
                self.speech = None;
                return if self.has_words { None } else { self.resume() };
            }
            Event::TurnEnded => {
                self.has_words = false;
                return self.resume();
            }
            Event::Tick => {}
        }
        self.decide(now)
    }

    /// When the voice pauses or goes on if nothing more happens.
    pub fn deadline(&self) -> Option<Instant> {
        [self.pause_at(), self.resume_at].into_iter().flatten().min()
    }

    /// What becomes of a turn of these words now.
    pub fn verdict(&self, text: &str) -> Verdict {
        match self.voice {
            Voice::Silent => Verdict::Interrupts,
            _ if !self.counts(text) => Verdict::Backchannel,
            _ if !self.settings.enabled => Verdict::Waits,
            _ => Verdict::Interrupts,
        }
    }

    /// The state of the voice that was told last.
    pub fn voice(&self) -> Voice {
        self.voice
    }

    /// Whether the voice is silent for the person.
    pub fn is_paused(&self) -> bool {
        self.is_paused
    }

    fn voice_changed(&mut self, now: Instant, voice: Voice) {
        self.voice = voice;
        match voice {
            Voice::Sounding => drop(self.first_sound.get_or_insert(now)),
            Voice::Silent => (self.is_paused, self.resume_at) = (false, None),
            Voice::Coming => {}
        }
    }

    fn speech_ended(&mut self, at: Instant) {
        self.speech = None;
        if self.is_paused {
            let wait = if self.has_words { LONGEST_PAUSE } else { self.settings.resume_after };
            self.resume_at = Some(at + wait);
        }
    }

    fn understood(&mut self, now: Instant, text: &str) -> Option<Action> {
        if !self.counts(text) {
            return None;
        }
        self.has_words = true;
        if self.is_paused {
            self.resume_at = Some(now + LONGEST_PAUSE);
            return None;
        }
        let gives_way = self.settings.enabled && self.voice != Voice::Silent;
        gives_way.then(|| self.pause(now))
    }

    fn counts(&self, text: &str) -> bool {
        text.split_whitespace().count() >= self.settings.min_words.max(1)
            && !backchannel::is_backchannel(text)
    }

    fn decide(&mut self, now: Instant) -> Option<Action> {
        if self.pause_at().is_some_and(|at| now >= at) {
            return Some(self.pause(now));
        }
        if self.resume_at.is_some_and(|at| now >= at) { self.resume() } else { None }
    }

    /// When the sound under way pauses the voice.
    fn pause_at(&self) -> Option<Instant> {
        let since = self.speech.filter(|_| self.settings.enabled && !self.is_paused)?;
        match self.voice {
            Voice::Silent => None,
            Voice::Coming => Some(since),
            Voice::Sounding => {
                let warm = self.first_sound.map(|first| first + self.settings.warm_up);
                warm.into_iter().chain([since + self.settings.min_duration]).max()
            }
        }
    }

    fn pause(&mut self, now: Instant) -> Action {
        self.is_paused = true;
        // Without an end of speech the pause still ends.
        self.resume_at = self.speech.is_none().then_some(now + LONGEST_PAUSE);
        Action::Pause
    }

    fn resume(&mut self) -> Option<Action> {
        self.resume_at = None;
        std::mem::take(&mut self.is_paused).then_some(Action::Resume)
    }
}

#[cfg(test)]
mod tests;
