//! Voice activity: where the person's speech begins, pauses and ends.
//!
//! [`Vad::step`] takes frames of 16 kHz mono with the time at which each ends and returns what has happened. It knows
//! no clock: times of events come from the frames' times, so pass the frames' own time, not that of their arrival.
//!
//! ```text
//! frame > listener (windows of 32 ms) > silero (how probably speech) > gate (whose) > machine (since when)
//! ```
//!
//! - `silero`: Silero VAD's model in safe Rust; `weights` are its weights, one copy for the process
//! - `listener`: windows, and where the model need not be asked; a silent microphone costs next to nothing
//! - `gate`: only what is near the person's own level counts, so a crowd 30 dB below does not
//! - `fall`: where the level falls at the end of a word, for a detector that goes by loudness
//! - `level`: loudness and the background; `onset`: what was struck rather than spoken; `passed_over`: what was like
//!   speech and did not count
//!
//! A step allocates nothing but the list of what has happened, which is empty nearly always.

mod fall;
mod gate;
mod level;
mod listener;
mod onset;
mod passed_over;
mod settings;
mod silero;
mod spectrum;
mod weights;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use self::fall::Fall;
use self::gate::Said;
use self::listener::Listener;
use self::passed_over::PassedOver;
pub use self::settings::{Provider, Settings};
pub use self::silero::{Silero, WINDOW};

/// The sample rate of frames.
pub const RATE: u32 = 16_000;
/// The sound that is kept besides the prefix: the longest frame, and the speech before it counts.
const KEPT: Duration = Duration::from_millis(2500);

/// What happened to speech. `SpeechStarted` begins, `SpeechEnded` ends, and between them are pauses: each
/// `SpeechPaused` is followed by `SpeechResumed` or `SpeechEnded`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// `at` is the first moment of speech.
    SpeechStarted { at: Instant },
    /// `at` is the last moment of speech before the pause.
    SpeechPaused { at: Instant },
    /// `at` is the first moment of speech after the pause.
    SpeechResumed { at: Instant },
    /// `at` is the last moment of speech.
    SpeechEnded { at: Instant },
}

/// Loudness in dB below full scale.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Of the last window.
    pub now: f32,
    /// That this person speaks at, once it is known.
    pub person: Option<f32>,
    /// Of the last seconds' quietest moment, known after a second.
    pub background: Option<f32>,
}

/// Hears one person.
pub struct Vad {
    settings: Settings,
    listener: Listener,
    state: State,
    /// None: windows alone tell a pause.
    fall: Option<Fall>,
    passed_over: PassedOver,
    /// The last samples, and how many there were in all.
    recent: VecDeque<i16>,
    heard: u64,
    /// The first sample of the speech under way.
    began: u64,
    /// When the last frame ended.
    last_frame: Option<Instant>,
}

/// Durations are counted in windows.
#[derive(Clone, Copy)]
enum State {
    Idle,
    /// Sound that may be speech.
    Starting {
        since: Instant,
        began: u64,
        windows: u32,
    },
    Speaking {
        last: Instant,
    },
    /// Silence after speech.
    Pausing {
        last: Instant,
        windows: u32,
        told: bool,
    },
}

/// When a window was heard, and where it begins in the stream.
struct Heard {
    from: Instant,
    to: Instant,
    began: u64,
}

// === impl Vad ===

impl Vad {
    pub fn new(settings: Settings) -> Self {
        Self {
            listener: Listener::new(&settings),
            state: State::Idle,
            fall: (settings.provider == Provider::Energy).then(Fall::default),
            passed_over: PassedOver::default(),
            recent: VecDeque::with_capacity(samples(settings.prefix + KEPT)),
            heard: 0,
            began: 0,
            last_frame: None,
            settings,
        }
    }

    /// Takes in a frame that ends at `now`: at most a second, usually 10 to 60 ms.
    pub fn step(&mut self, now: Instant, frame: &[i16]) -> Vec<Event> {
        let mut events = Vec::new();
        if frame.is_empty() {
            return events;
        }
        events.extend(self.tick(earlier(now, frame.len())));
        self.last_frame = Some(now);
        self.keep(frame);
        let mut rest = frame;
        loop {
            let (full, left) = self.listener.fill(rest);
            rest = left;
            if !full {
                events.extend(self.fallen(now, frame));
                return events;
            }
            let to = earlier(now, rest.len());
            let began = self.heard.saturating_sub((rest.len() + WINDOW) as u64);
            events.extend(self.hear(&Heard { from: earlier(to, WINDOW), to, began }));
        }
    }

    /// Ends speech whose frames stopped coming. To be called at [`Vad::deadline`].
    pub fn tick(&mut self, now: Instant) -> Option<Event> {
        if self.last_frame.is_none_or(|last| now < last + self.settings.missing) {
            return None;
        }
        self.last_frame = None;
        self.listener.reset();
        let state = std::mem::replace(&mut self.state, State::Idle);
        state.last_speech().map(|at| Event::SpeechEnded { at })
    }

    /// When [`Vad::tick`] has to be called if no frame comes: while speech goes on.
    pub fn deadline(&self) -> Option<Instant> {
        self.state.last_speech()?;
        Some(self.last_frame? + self.settings.missing)
    }

    /// The sound of the speech under way from [`Settings::prefix`] before it, in two parts. Right after
    /// `SpeechStarted` it is whole; the oldest of it is gone within a second.
    pub fn prefix(&self) -> (&[i16], &[i16]) {
        let from = self.began.saturating_sub(samples(self.settings.prefix) as u64);
        let oldest = self.heard - self.recent.len() as u64;
        let skip = from.saturating_sub(oldest) as usize;
        let (first, second) = self.recent.as_slices();
        (&first[skip.min(first.len())..], &second[skip.saturating_sub(first.len()).min(second.len())..])
    }

    pub fn is_speaking(&self) -> bool {
        self.state.last_speech().is_some()
    }

    pub fn level(&self) -> Level {
        self.listener.level()
    }

    /// How probably the last window was speech, of any person.
    pub fn probability(&self) -> f32 {
        self.listener.probability()
    }

    /// The sounds so far that the model took for speech and that did not count: too short, too quiet, or struck.
    pub fn passed_over(&self) -> u64 {
        self.passed_over.count()
    }

    /// How often the model was asked, for metrics.
    pub fn passes(&self) -> u64 {
        self.listener.passes()
    }

    fn keep(&mut self, frame: &[i16]) {
        let capacity = samples(self.settings.prefix + KEPT);
        self.heard += frame.len() as u64;
        let frame = &frame[frame.len().saturating_sub(capacity)..];
        let surplus = (self.recent.len() + frame.len()).saturating_sub(capacity);
        self.recent.drain(..surplus);
        self.recent.extend(frame);
    }

    fn hear(&mut self, window: &Heard) -> Option<Event> {
        let goes_on = !matches!(self.state, State::Idle);
        let event = match self.listener.judge(goes_on, self.is_speaking()) {
            Said::Nothing => self.silence(),
            Said::Speech => self.speech(window),
            Said::Word { began, silent } => Some(self.word(window, began as usize, silent)),
        };
        let gap = windows_of(self.settings.min_silence);
        self.passed_over.hear(self.kind(), gap);
        event
    }

    /// The level has fallen at the end of a frame: a pause, before a window is there that says so.
    fn fallen(&mut self, now: Instant, frame: &[i16]) -> Option<Event> {
        let (level, fall) = (self.listener.level(), self.fall.as_mut()?);
        let State::Speaking { .. } = self.state else { return None };
        let since = fall.hear(frame, level, self.settings.below_person)?;
        let last = earlier(now, since);
        self.state = State::Pausing { last, windows: 0, told: true };
        Some(Event::SpeechPaused { at: last })
    }

    /// What the last window is to the count of sounds that are passed over.
    fn kind(&self) -> passed_over::Window {
        if self.is_speaking() {
            passed_over::Window::Counted
        } else if self.listener.probability() >= self.settings.start {
            passed_over::Window::LikeSpeech
        } else {
            passed_over::Window::Silence
        }
    }

    /// A word that is known to be one at its end.
    fn word(&mut self, window: &Heard, began: usize, silent: u32) -> Event {
        self.began = (window.began + WINDOW as u64).saturating_sub((began * WINDOW) as u64);
        let last = earlier(window.to, silent as usize * WINDOW);
        self.state = State::Pausing { last, windows: silent, told: false };
        Event::SpeechStarted { at: earlier(window.to, began * WINDOW) }
    }

    fn speech(&mut self, window: &Heard) -> Option<Event> {
        let (since, began, windows) = match self.state {
            State::Idle => (window.from, window.began, 1),
            State::Starting { since, began, windows } => (since, began, windows + 1),
            // The window is of the word that has ended.
            State::Pausing { last, .. } if window.from < last => return None,
            State::Speaking { .. } | State::Pausing { .. } => {
                let paused = matches!(self.state, State::Pausing { told: true, .. });
                self.state = State::Speaking { last: window.to };
                return paused.then_some(Event::SpeechResumed { at: window.from });
            }
        };
        if windows < windows_of(self.settings.min_speech) {
            self.state = State::Starting { since, began, windows };
            return None;
        }
        self.began = began;
        self.state = State::Speaking { last: window.to };
        self.fall.iter_mut().for_each(Fall::begin);
        Some(Event::SpeechStarted { at: since })
    }

    fn silence(&mut self) -> Option<Event> {
        let (last, windows, told) = match self.state {
            State::Idle | State::Starting { .. } => {
                self.state = State::Idle;
                return None;
            }
            State::Speaking { last } => (last, 1, false),
            State::Pausing { last, windows, told } => (last, windows + 1, told),
        };
        if windows >= windows_of(self.settings.min_silence) {
            self.state = State::Idle;
            return Some(Event::SpeechEnded { at: last });
        }
        let tell = !told && windows >= windows_of(self.settings.pause);
        self.state = State::Pausing { last, windows, told: told || tell };
        tell.then_some(Event::SpeechPaused { at: last })
    }
}

// === impl State ===

impl State {
    /// The last moment of the speech under way.
    fn last_speech(self) -> Option<Instant> {
        match self {
            Self::Speaking { last } | Self::Pausing { last, .. } => Some(last),
            Self::Idle | Self::Starting { .. } => None,
        }
    }
}

fn samples(duration: Duration) -> usize {
    (duration.as_secs_f64() * f64::from(RATE)) as usize
}

/// The windows that it takes for a duration to pass.
fn windows_of(duration: Duration) -> u32 {
    samples(duration).div_ceil(WINDOW).max(1) as u32
}

/// The time so many samples before.
fn earlier(time: Instant, samples: usize) -> Instant {
    time.checked_sub(Duration::from_secs_f64(samples as f64 / f64::from(RATE))).unwrap_or(time)
}
