//! A detector that is fed frame by frame, with times in milliseconds.

use std::time::{Duration, Instant};

use speech::vad::{Event, RATE, Settings, Vad};

/// 20 ms.
pub(crate) const FRAME: usize = RATE as usize / 50;

pub(crate) struct Steps {
    pub(crate) vad: Vad,
    pub(crate) start: Instant,
    pub(crate) now: Instant,
}

/// An event and the milliseconds since the beginning at which it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) what: &'static str,
    pub(crate) at: u64,
    pub(crate) told: u64,
}

impl Steps {
    pub(crate) fn new(settings: Settings) -> Self {
        let start = Instant::now() + Duration::from_secs(10);
        Self { vad: Vad::new(settings), start, now: start }
    }

    pub(crate) fn hear(&mut self, samples: &[i16]) -> Vec<Told> {
        let mut told = Vec::new();
        for frame in samples.chunks(FRAME) {
            self.now += Duration::from_secs_f64(frame.len() as f64 / f64::from(RATE));
            let events = self.vad.step(self.now, frame);
            told.extend(events.into_iter().map(|event| self.told(event)));
        }
        told
    }

    pub(crate) fn told(&self, event: Event) -> Told {
        let (what, at) = match event {
            Event::SpeechStarted { at } => ("started", at),
            Event::SpeechPaused { at } => ("paused", at),
            Event::SpeechResumed { at } => ("resumed", at),
            Event::SpeechEnded { at } => ("ended", at),
        };
        let since = |time: Instant| time.duration_since(self.start).as_millis() as u64;
        Told { what, at: since(at), told: since(self.now) }
    }
}

/// The beginnings and ends of speech.
pub(crate) fn segments(told: &[Told]) -> Vec<(u64, u64)> {
    let starts = told.iter().filter(|told| told.what == "started").map(|told| told.at);
    starts.zip(told.iter().filter(|told| told.what == "ended").map(|told| told.at)).collect()
}
