//! Makes speech a little faster or slower, to change the delay: one period of the voice is removed or repeated.
//!
//! `neteq` has an `Accelerate` and a `PreemptiveExpand` of its own, which cannot be used: they cut at quiet places
//! instead of at the pitch, and treat interleaved channels as one. This module is built on its correlation search and
//! its crossfade.

use neteq::signal::{best_normalized_correlation, crossfade};

use super::clock::Micros;

/// 30 ms, the length of the search.
pub(super) const WINDOW: usize = 1440;
const MIN_WINDOW: usize = 960;
/// A pitch of 400 Hz; the longest, of 67 Hz, is half of the window.
const MIN_PERIOD: usize = 120;
/// The search looks at every fourth sample.
const COARSE: usize = 4;
/// Mean square of samples in -1..1: below -50 dB a cut is not audible.
const QUIET: f32 = 1e-5;
/// Periods with less similarity are not joined.
const SIMILAR: f32 = 0.9;
const SIMILAR_IN_HASTE: f32 = 0.5;
/// A longer period is preferred to a shorter one unless its similarity is lower by more than this.
const LONGER_BONUS: f32 = 0.02;

/// The delay is changed when it deviates by this much, until it is right; otherwise it is left alone.
const SHRINK_ABOVE: Micros = 15_000;
const SHRINK_UNTIL: Micros = 5_000;
const GROW_BELOW: Micros = -10_000;
/// Above this excess, speed matters more than quality.
const HASTE_ABOVE: Micros = 60_000;
const PACE: Micros = 100_000;
const PACE_IN_HASTE: Micros = 50_000;
const PACE_AFTER_FAILURE: Micros = 20_000;
const PACE_IN_SILENCE: Micros = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Shrink,
    Grow,
}

/// Decides when to change the delay.
#[derive(Debug, Default)]
pub(super) struct Stretch {
    direction: Option<Direction>,
    not_before: Micros,
}

/// The goal of a change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    pub(super) direction: Direction,
    /// In samples, at most.
    pub(super) most: usize,
    pub(super) is_hasty: bool,
}

/// The place where a period and its repetition are joined.
#[derive(Debug, Clone, Copy)]
struct Joint {
    at: usize,
    period: usize,
    overlap: usize,
    is_quiet: bool,
}

// === impl Stretch ===

impl Stretch {
    /// The change that is due now, for a delay that is `excess` above its target.
    pub(super) fn plan(&mut self, now: Micros, excess: Micros) -> Option<Change> {
        self.direction = match self.direction {
            Some(Direction::Shrink) if excess > SHRINK_UNTIL => Some(Direction::Shrink),
            Some(Direction::Grow) if excess < 0 => Some(Direction::Grow),
            _ if excess > SHRINK_ABOVE => Some(Direction::Shrink),
            _ if excess < GROW_BELOW => Some(Direction::Grow),
            _ => None,
        };
        let direction = self.direction.filter(|_| now >= self.not_before)?;
        let most = excess.unsigned_abs().saturating_mul(6) / 125;
        let most = usize::try_from(most).unwrap_or(usize::MAX).max(MIN_PERIOD);
        Some(Change { direction, most, is_hasty: excess > HASTE_ABOVE })
    }

    /// Changes the samples; returns by how many per channel.
    pub(super) fn apply(
        &mut self,
        now: Micros,
        change: Change,
        samples: &mut Vec<i16>,
        channels: usize,
    ) -> usize {
        let Some(joint) = Joint::find(samples, channels, change) else {
            self.not_before = now + PACE_AFTER_FAILURE;
            return 0;
        };
        joint.join(samples, channels, change.direction);
        self.not_before = now + joint.pace(change.is_hasty);
        joint.period
    }

    /// Whether there are enough samples for a change.
    pub(super) fn is_enough(samples: usize) -> bool {
        samples >= MIN_WINDOW
    }
}

// === impl Joint ===

impl Joint {
    fn find(samples: &[i16], channels: usize, change: Change) -> Option<Self> {
        let mono = mix(&samples[..samples.len().min(WINDOW * channels)], channels);
        if !Stretch::is_enough(mono.len()) {
            return None;
        }
        let (overlap, longest) = (mono.len() / 4, (mono.len() / 2).min(change.most));
        if energy(&mono) < QUIET {
            return Some(Self { at: 0, period: longest, overlap, is_quiet: true });
        }
        let similar = if change.is_hasty { SIMILAR_IN_HASTE } else { SIMILAR };
        let coarse: Vec<f32> = mono.chunks_exact(COARSE).map(|four| four.iter().sum()).collect();
        let (at, period) = search(&coarse, overlap / COARSE, longest / COARSE, similar)?;
        let (at, period) = (at * COARSE, refine(&mono, at * COARSE, period * COARSE, overlap));
        Some(Self { at, period: period.min(longest), overlap, is_quiet: false })
    }

    /// The pause after a change.
    fn pace(self, is_hasty: bool) -> Micros {
        match (self.is_quiet, is_hasty) {
            (true, _) => PACE_IN_SILENCE,
            (false, true) => PACE_IN_HASTE,
            (false, false) => PACE,
        }
    }

    /// Crossfades from one period to the other: forwards skips it, backwards repeats it.
    fn join(self, samples: &mut Vec<i16>, channels: usize, direction: Direction) {
        let (early, late) = (self.at, self.at + self.period);
        let (from, to) = match direction {
            Direction::Shrink => (early, late),
            Direction::Grow => (late, early),
        };
        let mut joined = samples[..from * channels].to_vec();
        joined.extend(self.faded(samples, channels, from, to));
        joined.extend_from_slice(&samples[(to + self.overlap) * channels..]);
        *samples = joined;
    }

    fn faded(self, samples: &[i16], channels: usize, from: usize, to: usize) -> Vec<i16> {
        let mut faded = vec![0; self.overlap * channels];
        let mut out = vec![0.0; self.overlap];
        for channel in 0..channels {
            let part =
                |at| channel_of(&samples[at * channels..(at + self.overlap) * channels], channels, channel);
            crossfade(&part(from), &part(to), self.overlap, &mut out);
            let places = faded.iter_mut().skip(channel).step_by(channels);
            places.zip(&out).for_each(|(place, sample)| *place = sample.round() as i16);
        }
        faded
    }
}

fn channel_of(samples: &[i16], channels: usize, channel: usize) -> Vec<f32> {
    samples.iter().skip(channel).step_by(channels).map(|sample| f32::from(*sample)).collect()
}

fn mix(samples: &[i16], channels: usize) -> Vec<f32> {
    let scale = 32768.0 * channels as f32;
    let sum = |frame: &[i16]| frame.iter().map(|sample| f32::from(*sample)).sum::<f32>();
    samples.chunks_exact(channels).map(|frame| sum(frame) / scale).collect()
}

fn energy(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32
}

/// The place and the period of the greatest self-similarity of the signal, if it is similar enough.
fn search(signal: &[f32], overlap: usize, longest: usize, similar: f32) -> Option<(usize, usize)> {
    let mut best: Option<(f32, usize, usize)> = None;
    for period in (MIN_PERIOD / COARSE..=longest).rev() {
        let (a, b) = (&signal[..signal.len() - period], &signal[period..]);
        let (at, likeness) = best_normalized_correlation(a, b, overlap);
        if best.is_none_or(|(best, ..)| likeness > best + LONGER_BONUS) {
            best = Some((likeness, at, period));
        }
    }
    best.filter(|(likeness, ..)| *likeness >= similar).map(|(_, at, period)| (at, period))
}

/// The period, refined to one sample.
fn refine(signal: &[f32], at: usize, period: usize, overlap: usize) -> usize {
    let likeness = |period: &usize| {
        let repeated = signal.get(at + period..at + period + overlap)?;
        Some(best_normalized_correlation(&signal[at..at + overlap], repeated, overlap).1)
    };
    let around = (period - COARSE).max(MIN_PERIOD)..=period + COARSE;
    let scored = around.filter_map(|period| Some((likeness(&period)?, period)));
    scored.max_by(|a, b| a.0.total_cmp(&b.0)).map_or(period, |(_, period)| period)
}

#[cfg(test)]
mod tests {
    use crate::audio::{opus::SAMPLE_RATE, sounds::noise};

    use super::*;

    fn change(direction: Direction) -> Change {
        Change { direction, most: WINDOW, is_hasty: false }
    }

    fn tone(samples: usize, channels: usize, hertz: f64) -> Vec<i16> {
        let angle = |at: usize| at as f64 * hertz * std::f64::consts::TAU / f64::from(SAMPLE_RATE);
        (0..samples * channels).map(|at| (angle(at / channels).sin() * 12_000.0) as i16).collect()
    }

    fn largest_step(samples: &[i16], channels: usize) -> i32 {
        let steps = samples.iter().zip(&samples[channels..]);
        steps.map(|(a, b)| (i32::from(*a) - i32::from(*b)).abs()).max().unwrap()
    }

    #[test]
    fn a_tone_stays_one_when_a_period_is_taken_or_added() {
        for (channels, hertz) in [(1, 440.0), (2, 440.0), (1, 110.0), (2, 233.3)] {
            let before = tone(WINDOW, channels, hertz);
            for direction in [Direction::Shrink, Direction::Grow] {
                let mut after = before.clone();
                let by = Stretch::default().apply(0, change(direction), &mut after, channels);
                let (longer, shorter) = match direction {
                    Direction::Shrink => (&before, &after),
                    Direction::Grow => (&after, &before),
                };
                assert_eq!(longer.len() - shorter.len(), by * channels);
                assert!(by >= MIN_PERIOD, "{hertz} Hz, {direction:?}: {by}");
                let (is, was) = (largest_step(&after, channels), largest_step(&before, channels));
                assert!(is <= was + was / 10, "{hertz} Hz, {direction:?}: {is} after {was}");
            }
        }
    }

    #[test]
    fn noise_has_no_period_unless_in_haste_and_silence_may_be_cut() {
        let mut noise = noise(WINDOW, 1);
        assert_eq!(Stretch::default().apply(0, change(Direction::Shrink), &mut noise, 1), 0);
        let mut silence = vec![0; WINDOW];
        assert_eq!(Stretch::default().apply(0, change(Direction::Shrink), &mut silence, 1), WINDOW / 2);
    }

    #[test]
    fn the_delay_is_let_alone_within_bounds_and_changed_until_it_is_right() {
        let mut stretch = Stretch::default();
        let mut plan = |excess| stretch.plan(0, excess).map(|change| change.direction);
        assert_eq!(plan(14_000), None);
        assert_eq!(plan(16_000), Some(Direction::Shrink));
        assert_eq!(plan(6_000), Some(Direction::Shrink));
        assert_eq!(plan(4_000), None);
        assert_eq!(plan(-9_000), None);
        assert_eq!(plan(-11_000), Some(Direction::Grow));
        assert_eq!(plan(-1_000), Some(Direction::Grow));
        assert_eq!(plan(1_000), None);
    }

    #[test]
    fn too_little_to_look_at_is_left_alone() {
        let mut short = tone(MIN_WINDOW - 1, 1, 440.0);
        assert_eq!(Stretch::default().apply(0, change(Direction::Shrink), &mut short, 1), 0);
    }
}
