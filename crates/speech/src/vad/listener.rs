//! Frames become windows, and windows become the answer to one question: is this the person's speech?
//!
//! The model is not asked where the answer is known: in silence, below the gate, and while nothing but the steady
//! background is heard. When sound comes back the last window is heard again first, so that the model knows how the
//! sound began.

use super::gate::{Gate, Said, Sound, probability_of_level};
use super::level::{Floor, Meter};
use super::silero::{Silero, WINDOW};
use super::{Level, Provider, Settings};

/// What is less far above the steady background is the background, in dB.
const STEADY: f32 = 3.0;
/// The probability below which a window is clearly no speech.
const CLEAR: f32 = 0.1;
/// The silent windows in a row after which the model forgets: 160 ms. Music makes it hard of hearing for the word behind
/// it; in the middle of music it may not forget, as it takes music that begins for speech.
const FORGETS: u32 = 5;

pub(super) struct Listener {
    model: Model,
    start: f32,
    stop: f32,
    window: [f32; WINDOW],
    filled: usize,
    previous: [f32; WINDOW],
    meter: Meter,
    floor: Floor,
    gate: Gate,
    level: f32,
    probability: f32,
    /// Whether the model was not asked about the last window, and the silent ones in a row.
    is_behind: bool,
    silent: u32,
    passes: u64,
}

#[expect(clippy::large_enum_variant, reason = "one a session, and the larger one is the usual one")]
enum Model {
    Silero(Silero),
    Energy,
}

// === impl Listener ===

impl Listener {
    pub(super) fn new(settings: &Settings) -> Self {
        let mut listener = Self {
            model: match settings.provider {
                Provider::Silero => Model::Silero(Silero::new()),
                Provider::Energy => Model::Energy,
            },
            start: settings.start,
            stop: settings.stop,
            window: [0.0; WINDOW],
            filled: 0,
            previous: [0.0; WINDOW],
            meter: Meter::default(),
            floor: Floor::new(),
            gate: Gate::new(settings.below_person),
            level: super::level::SILENCE,
            probability: 0.0,
            is_behind: false,
            silent: 0,
            passes: 0,
        };
        listener.forget();
        listener
    }

    /// Takes samples until a window is full; what is left of them then is to be given again.
    pub(super) fn fill<'a>(&mut self, samples: &'a [i16]) -> (bool, &'a [i16]) {
        let (taken, rest) = samples.split_at(samples.len().min(WINDOW - self.filled));
        for (to, sample) in self.window[self.filled..].iter_mut().zip(taken) {
            *to = f32::from(*sample) / 32_768.0;
        }
        self.filled += taken.len();
        let full = self.filled == WINDOW;
        self.filled %= WINDOW;
        (full, rest)
    }

    /// What the full window is to the person's speech. `goes_on` while it follows what may be speech, `is_certain` once
    /// that is.
    pub(super) fn judge(&mut self, goes_on: bool, is_certain: bool) -> Said {
        self.level = self.meter.level(&self.window);
        self.floor.hear(self.level);
        self.probability = if self.is_known_to_be_none(goes_on) { self.pass_over() } else { self.ask() };
        self.previous = self.window;
        let enough = if goes_on { self.stop } else { self.start };
        let sound = match self.probability >= enough {
            false => Sound::Other,
            true if !is_certain && self.meter.is_struck() => Sound::Struck,
            true => Sound::Speech,
        };
        self.gate.judge(sound, self.level, goes_on)
    }

    /// Forgets the stream, as after a gap, but not the person.
    pub(super) fn reset(&mut self) {
        self.filled = 0;
        self.is_behind = false;
        self.probability = 0.0;
        self.previous = [0.0; WINDOW];
        self.forget();
    }

    pub(super) fn level(&self) -> Level {
        Level { now: self.level, person: self.gate.person(), background: self.floor.level() }
    }

    pub(super) fn probability(&self) -> f32 {
        self.probability
    }

    pub(super) fn passes(&self) -> u64 {
        self.passes
    }

    fn is_known_to_be_none(&self, goes_on: bool) -> bool {
        let background = || self.floor.level().is_some_and(|floor| self.level < floor + STEADY);
        !goes_on && self.probability < CLEAR && (self.is_silent() || background())
    }

    fn is_silent(&self) -> bool {
        self.level < self.gate.audible()
    }

    fn pass_over(&mut self) -> f32 {
        self.is_behind = true;
        self.silent = if self.is_silent() { self.silent.saturating_add(1) } else { 0 };
        if self.silent == FORGETS {
            self.forget();
        }
        0.0
    }

    fn ask(&mut self) -> f32 {
        self.passes += 1;
        let Model::Silero(model) = &mut self.model else {
            return probability_of_level(self.level, self.floor.level());
        };
        if std::mem::take(&mut self.is_behind) {
            model.probability(&self.previous);
            self.passes += 1;
        }
        self.silent = 0;
        model.probability(&self.window)
    }

    fn forget(&mut self) {
        if let Model::Silero(model) = &mut self.model {
            model.settle();
        }
    }
}
