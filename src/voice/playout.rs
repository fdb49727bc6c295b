//! The sound that is to be played, and how far it has come: pure.
//!
//! Positions are samples since the session began. What is cut counts as passed, so that they only grow.

use std::collections::VecDeque;
use std::time::Duration;

use speech::pace::Pace;
use speech::pieces::Piece;

use crate::room::audio::SPOKEN_RATE;

/// A frame: 10 ms.
const FRAME: usize = SPOKEN_RATE as usize / 100;
/// The sound that waits before it begins, so that a slow server makes no gap in the first word: 100 ms.
const BEGINNING: usize = 10 * FRAME;
/// The sound that waits at most: 2 s.
const MOST: usize = 200 * FRAME;

#[derive(Default)]
pub(super) struct Playout {
    samples: VecDeque<i16>,
    /// The samples that were put in, and those that were played or dropped.
    given: u64,
    played: u64,
    pieces: VecDeque<Sounding>,
    is_playing: bool,
    /// No more sound follows soon: the rest is played as it is.
    is_last: bool,
    pause: Pause,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Pause {
    #[default]
    None,
    /// One more frame is to fade out.
    Wanted,
    Paused,
    /// The next frame is to fade in.
    Over,
}

/// A piece of a reply with its sound.
struct Sounding {
    segment: u64,
    piece: Piece,
    pace: Pace,
    start: u64,
    length: u64,
    is_whole: bool,
}

// === impl Playout ===

impl Playout {
    /// Begins a piece, whose sound follows.
    pub(super) fn begin(&mut self, segment: u64, piece: Piece) {
        let pace = Pace::new(&piece.text);
        self.pieces.push_back(Sounding {
            segment,
            piece,
            pace,
            start: self.given,
            length: 0,
            is_whole: false,
        });
        self.is_last = false;
    }

    /// Adds to the piece that was begun last.
    pub(super) fn add(&mut self, samples: &[i16]) {
        let Some(piece) = self.pieces.back_mut() else { return };
        piece.length += samples.len() as u64;
        self.given += samples.len() as u64;
        self.samples.extend(samples);
    }

    /// The piece that was begun last has all its sound.
    pub(super) fn whole(&mut self) {
        if let Some(piece) = self.pieces.back_mut() {
            piece.is_whole = true;
        }
        self.is_last = true;
    }

    pub(super) fn has_room(&self) -> bool {
        self.samples.len() < MOST
    }

    /// The next frame; None while there is none to be played.
    pub(super) fn next(&mut self) -> Option<Vec<i16>> {
        match self.pause {
            Pause::Wanted => {
                self.pause = Pause::Paused;
                return self.fade_out();
            }
            Pause::Paused => return None,
            Pause::None | Pause::Over => {}
        }
        let enough = if self.is_playing { FRAME } else { BEGINNING };
        if self.samples.is_empty() || self.samples.len() < enough && !self.is_last {
            self.is_playing = false;
            return None;
        }
        self.is_playing = true;
        let taken = FRAME.min(self.samples.len());
        let mut frame: Vec<i16> = self.samples.drain(..taken).collect();
        self.played += taken as u64;
        frame.resize(FRAME, 0);
        if std::mem::take(&mut self.pause) == Pause::Over {
            fade(&mut frame, |at| at);
        }
        Some(frame)
    }

    /// Stops within a frame; nothing is lost.
    pub(super) fn pause(&mut self) {
        if matches!(self.pause, Pause::None | Pause::Over) {
            self.pause = Pause::Wanted;
        }
    }

    pub(super) fn resume(&mut self) {
        self.pause = match self.pause {
            Pause::Wanted => Pause::None,
            Pause::Paused => Pause::Over,
            other => other,
        };
    }

    /// The bytes of the segment's text that were heard.
    pub(super) fn heard(&self, segment: u64) -> usize {
        let mut heard = 0;
        for piece in self.pieces.iter().filter(|piece| piece.segment == segment) {
            heard = heard.max(piece.heard(self.played));
        }
        heard
    }

    /// The length of the segment's sound that was played.
    pub(super) fn sounded(&self, segment: u64) -> Duration {
        let pieces = self.pieces.iter().filter(|piece| piece.segment == segment);
        length(pieces.map(|piece| piece.sounded(self.played)).sum())
    }

    /// Whether any of the segment has sounded.
    pub(super) fn has_begun(&self, segment: u64) -> bool {
        self.pieces
            .iter()
            .any(|piece| piece.segment == segment && piece.length > 0 && self.played > piece.start)
    }

    /// Whether all sound that came of the segment was played.
    pub(super) fn is_played(&self, segment: u64) -> bool {
        let mut pieces = self.pieces.iter().filter(|piece| piece.segment == segment);
        pieces.all(|piece| piece.is_whole && self.played >= piece.start + piece.length)
    }

    /// Drops the sound that waits, but for a frame that fades out.
    pub(super) fn clear(&mut self) {
        // A pause has faded out already.
        let last = if self.pause == Pause::Paused { None } else { self.fade_out() };
        self.samples.clear();
        self.played = self.given;
        self.is_playing = false;
        self.pieces.clear();
        self.pause = Pause::None;
        if let Some(last) = last {
            self.given += last.len() as u64;
            self.samples.extend(last);
            self.is_last = true;
        }
    }

    /// Drops what was put in since [`Playout::clear`].
    pub(super) fn clear_rest(&mut self) {
        if !self.pieces.is_empty() {
            self.clear();
        }
    }

    /// Forgets a segment that is over.
    pub(super) fn forget(&mut self, segment: u64) {
        self.pieces.retain(|piece| piece.segment != segment);
    }

    fn fade_out(&self) -> Option<Vec<i16>> {
        if self.samples.is_empty() || !self.is_playing {
            return None;
        }
        let mut frame: Vec<i16> = self.samples.iter().take(FRAME).copied().collect();
        frame.resize(FRAME, 0);
        fade(&mut frame, |at| 1.0 - at);
        Some(frame)
    }
}

// === impl Sounding ===

impl Sounding {
    /// The samples of it that were played once so many were in all.
    fn sounded(&self, played: u64) -> u64 {
        played.saturating_sub(self.start).min(self.length)
    }

    /// The bytes of the reply that are heard once so much was played.
    fn heard(&self, played: u64) -> usize {
        let sounded = self.sounded(played);
        if sounded == 0 {
            return if self.is_whole && self.length == 0 && played >= self.start {
                self.piece.source.end
            } else {
                0
            };
        }
        if self.is_whole && sounded == self.length {
            return self.piece.source.end;
        }
        let so_far = length(self.length);
        let whole = if self.is_whole { so_far } else { so_far.max(self.pace.estimate()) };
        self.piece.source_at(self.pace.spoken(length(sounded), whole))
    }
}

fn length(samples: u64) -> Duration {
    Duration::from_secs_f64(samples as f64 / f64::from(SPOKEN_RATE))
}

/// Scales each sample by its place in the frame, from 0 to 1.
fn fade(frame: &mut [i16], gain: impl Fn(f32) -> f32) {
    let length = frame.len() as f32;
    for (index, sample) in frame.iter_mut().enumerate() {
        *sample = (f32::from(*sample) * gain(index as f32 / length)) as i16;
    }
}

#[cfg(test)]
mod tests {
    use speech::pieces::Pieces;

    use super::*;

    const SECOND: usize = SPOKEN_RATE as usize;

    fn piece(text: &str) -> Piece {
        let mut pieces = Pieces::new(Default::default());
        let mut all = pieces.push(text);
        all.extend(pieces.finish());
        all.remove(0)
    }

    /// A playout with a piece of one second.
    fn playout(text: &str) -> Playout {
        let mut playout = Playout::default();
        playout.begin(7, piece(text));
        playout.add(&vec![1000; SECOND]);
        playout.whole();
        playout
    }

    fn play(playout: &mut Playout, frames: usize) -> usize {
        (0..frames).map_while(|_| playout.next()).map(|frame| frame.len()).sum()
    }

    #[test]
    fn half_the_sound_is_half_the_words() {
        let mut playout = playout("one two three four");
        assert_eq!(play(&mut playout, 50), SECOND / 2);
        assert_eq!(playout.heard(7), "one two ".len());
        assert_eq!((playout.sounded(7), playout.sounded(8)), (Duration::from_millis(500), Duration::ZERO));
        assert!(playout.has_begun(7) && !playout.is_played(7));
        play(&mut playout, 100);
        assert_eq!(playout.heard(7), "one two three four".len());
        assert!(playout.is_played(7));
    }

    #[test]
    fn a_pause_fades_and_loses_no_sample() {
        let mut playout = playout("one two three four");
        let before = play(&mut playout, 10);
        playout.pause();
        let faded = playout.next().unwrap();
        assert!(faded[0] > 990 && faded[FRAME - 1] < 10);
        assert!(playout.next().is_none());
        playout.resume();
        let first = playout.next().unwrap();
        assert!(first[0] == 0 && first[FRAME - 1] > 990);
        assert_eq!(before + FRAME + play(&mut playout, 200), SECOND);
    }

    #[test]
    fn a_cut_leaves_one_frame_that_fades() {
        let mut playout = playout("one two three four");
        play(&mut playout, 50);
        playout.clear();
        let last = playout.next().unwrap();
        assert!(last[0] > 990 && last[FRAME - 1] < 10);
        assert!(playout.next().is_none());
        assert_eq!(playout.heard(7), 0, "a cut segment is forgotten");
    }

    #[test]
    fn sound_begins_once_100_ms_of_it_wait() {
        let mut playout = Playout::default();
        playout.begin(7, piece("hello there"));
        playout.add(&[0; BEGINNING - 1]);
        assert!(playout.next().is_none() && !playout.has_begun(7));
        playout.add(&[0]);
        assert!(playout.next().is_some() && playout.has_begun(7));
    }
}
