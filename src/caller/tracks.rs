//! Two tracks of sound that come in pieces, side by side on one time line. Pure: the caller passes the time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How far a piece may stand from the end of the piece before it and still follow it: pieces are handed on a little early
/// or late, and a voice has no gaps for that.
const SLACK: Duration = Duration::from_millis(100);
/// How long a piece may be late. What has not come by then was silence.
const HOLD: Duration = Duration::from_millis(500);

/// The two sides of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

pub(super) struct Tracks {
    began: Instant,
    rate: u32,
    /// The samples that were taken of each track.
    taken: usize,
    left: VecDeque<i16>,
    right: VecDeque<i16>,
}

// === impl Tracks ===

impl Tracks {
    pub(super) fn new(began: Instant, rate: u32) -> Self {
        Self { began, rate, taken: 0, left: VecDeque::new(), right: VecDeque::new() }
    }

    /// A piece of a side that sounds from now on. Behind a gap it stands at its time. What comes in heaps, behind a time
    /// in which nothing was handed on, is cut by what is too much.
    pub(super) fn add(&mut self, now: Instant, side: Side, samples: &[i16]) {
        let (at, slack, taken) = (self.position(now), self.samples_in(SLACK), self.taken);
        let track = self.track(side);
        let end = taken + track.len();
        if at > end + slack {
            track.resize(at - taken, 0);
        }
        let too_much = if end > at + slack { (end - at).min(samples.len()) } else { 0 };
        track.extend(&samples[too_much..]);
    }

    /// The frames that nothing can change any more, left and right in turn.
    pub(super) fn take(&mut self, now: Instant) -> Vec<i16> {
        self.take_until(self.position(now).saturating_sub(self.samples_in(HOLD)))
    }

    /// The frames that are left.
    pub(super) fn finish(mut self) -> Vec<i16> {
        let most = self.left.len().max(self.right.len());
        self.take_until(self.taken + most)
    }

    fn take_until(&mut self, position: usize) -> Vec<i16> {
        let count = position.saturating_sub(self.taken);
        for track in [&mut self.left, &mut self.right] {
            track.resize(track.len().max(count), 0);
        }
        self.taken += count;
        self.left
            .drain(..count)
            .zip(self.right.drain(..count))
            .flat_map(|(left, right)| [left, right])
            .collect()
    }

    fn track(&mut self, side: Side) -> &mut VecDeque<i16> {
        match side {
            Side::Left => &mut self.left,
            Side::Right => &mut self.right,
        }
    }

    fn position(&self, now: Instant) -> usize {
        self.samples_in(now.saturating_duration_since(self.began))
    }

    fn samples_in(&self, time: Duration) -> usize {
        (time.as_secs_f64() * f64::from(self.rate)).round() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Tracks of a sample a millisecond.
    fn tracks() -> (Tracks, Instant) {
        let now = Instant::now();
        (Tracks::new(now, 1000), now)
    }

    fn sides(frames: &[i16]) -> (Vec<i16>, Vec<i16>) {
        frames.as_chunks::<2>().0.iter().map(|[left, right]| (*left, *right)).unzip()
    }

    #[test]
    fn each_side_stands_at_its_time() {
        let (mut tracks, start) = tracks();
        tracks.add(start + 200 * MS, Side::Left, &[1; 10]);
        tracks.add(start + 450 * MS, Side::Right, &[2; 10]);
        let (left, right) = sides(&tracks.finish());
        assert_eq!(left.iter().position(|sample| *sample == 1), Some(200));
        assert_eq!(right.iter().position(|sample| *sample == 2), Some(450));
        assert_eq!((left.len(), right.len()), (460, 460));
    }

    #[test]
    fn pieces_that_are_a_little_early_or_late_make_one_voice() {
        let (mut tracks, start) = tracks();
        for (number, shift) in [0_u32, 25, 3, 40, 0, 18].into_iter().enumerate() {
            tracks.add(start + MS * (number as u32 * 10 + shift), Side::Right, &[number as i16 + 1; 10]);
        }
        let (_, right) = sides(&tracks.finish());
        let expected: Vec<i16> = (1..=6).flat_map(|number| [number; 10]).collect();
        assert_eq!(right, expected);
    }

    #[test]
    fn what_comes_in_a_heap_moves_nothing_that_comes_after() {
        let (mut tracks, start) = tracks();
        // 400 ms are held up, and come at once.
        (0..40).for_each(|_| tracks.add(start + 400 * MS, Side::Right, &[1; 10]));
        (41..80).for_each(|number| tracks.add(start + MS * number * 10, Side::Right, &[2; 10]));
        tracks.add(start + 800 * MS, Side::Right, &[3; 10]);
        let (_, right) = sides(&tracks.finish());
        let last = right.iter().position(|sample| *sample == 3).unwrap();
        assert!((800..=900).contains(&last), "{last}");
    }

    #[test]
    fn frames_are_taken_once_their_time_is_over() {
        let (mut tracks, start) = tracks();
        tracks.add(start, Side::Left, &[1; 300]);
        assert!(tracks.take(start + 499 * MS).is_empty());
        let (left, right) = sides(&tracks.take(start + 700 * MS));
        assert_eq!((left, right), (vec![1; 200], vec![0; 200]));
        // What comes for a time that is over stands at the time of its coming.
        tracks.add(start + 900 * MS, Side::Right, &[2; 50]);
        let (left, right) = sides(&tracks.finish());
        assert_eq!(left.iter().filter(|sample| **sample == 1).count(), 100);
        assert_eq!(right.iter().position(|sample| *sample == 2), Some(700));
    }
}
