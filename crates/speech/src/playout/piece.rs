//! A piece of a reply with its sound, and how much of its text was heard.

use std::time::Duration;

use crate::pace::Pace;
use crate::pieces::Piece;

/// What is taken to follow at the least while more of a piece is to come.
const TO_COME: Duration = Duration::from_millis(200);
/// A voice that seems slower or faster than this, compared with the usual one, was measured wrong.
const RATIOS: std::ops::RangeInclusive<f64> = 0.4..=2.5;

/// A piece whose sound has begun to come.
#[derive(Debug)]
pub(super) struct Sounding {
    segment: u64,
    piece: Piece,
    pace: Pace,
    /// The first sample, and how many have come.
    start: u64,
    length: u64,
    state: State,
    /// The end of what was heard, in the reply.
    heard: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Coming,
    Whole,
    /// The rest does not come.
    Broken,
}

/// How long the voice takes for its words, learned from pieces that are whole.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Voice {
    spoken: Duration,
    estimated: Duration,
}

// === impl Sounding ===

impl Sounding {
    pub(super) fn new(segment: u64, piece: Piece, start: u64) -> Self {
        let pace = Pace::new(&piece.text);
        Self { segment, piece, pace, start, length: 0, state: State::Coming, heard: 0 }
    }

    pub(super) fn segment(&self) -> u64 {
        self.segment
    }

    /// Takes samples in; returns how many had come before.
    pub(super) fn add(&mut self, samples: usize) -> u64 {
        let before = self.length;
        self.length += samples as u64;
        before
    }

    /// No more sound of it comes.
    pub(super) fn end(&mut self, state: State) {
        self.state = state;
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The samples of it that were played once so many were in all.
    pub(super) fn sounded(&self, played: u64) -> u64 {
        played.saturating_sub(self.start).min(self.length)
    }

    pub(super) fn has_begun(&self, played: u64) -> bool {
        played > self.start
    }

    /// Whether all its sound was played.
    pub(super) fn is_over(&self, played: u64) -> bool {
        self.state != State::Coming && played >= self.start + self.length
    }

    /// The bytes of the reply that were heard once so much was played.
    pub(super) fn heard(&mut self, played: u64, voice: Voice, rate: u32) -> usize {
        if self.state == State::Whole && self.is_over(played) {
            self.heard = self.piece.source.end;
        }
        let sounded = self.sounded(played);
        if sounded == 0 {
            return self.heard;
        }
        let spoken = self.pace.spoken(time(sounded, rate), self.whole(voice, rate));
        self.heard = self.heard.max(self.piece.source_at(spoken));
        self.heard
    }

    /// The length of all its sound, estimated where that is not there yet.
    fn whole(&self, voice: Voice, rate: u32) -> Duration {
        let so_far = time(self.length, rate);
        match self.state {
            State::Whole => so_far,
            State::Coming | State::Broken => voice.length(&self.pace).max(so_far + TO_COME),
        }
    }
}

// === impl Voice ===

impl Voice {
    /// Learns from a piece that is whole.
    pub(super) fn learn(&mut self, piece: &Sounding, rate: u32) {
        let (spoken, estimated) = (time(piece.length, rate), piece.pace.estimate());
        if RATIOS.contains(&(spoken.as_secs_f64() / estimated.as_secs_f64())) {
            self.spoken += spoken;
            self.estimated += estimated;
        }
    }

    /// How long a text is likely to sound.
    fn length(&self, pace: &Pace) -> Duration {
        let estimate = pace.estimate();
        if self.estimated.is_zero() {
            return estimate;
        }
        estimate.mul_f64(self.spoken.as_secs_f64() / self.estimated.as_secs_f64())
    }
}

fn time(samples: u64, rate: u32) -> Duration {
    Duration::from_secs_f64(samples as f64 / f64::from(rate))
}
