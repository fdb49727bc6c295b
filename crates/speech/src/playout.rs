//! The sound of replies on its way out, and how far it has come.
//!
//! Sound is put in as it is made and taken in frames of 10 ms. It begins once a little of it waits, so that a slow
//! synthesiser makes no gap in the first word. When it runs dry in the middle of a piece it fades out and waits for
//! more than before: one pause is understood, a stutter is not. What is held back loses no sample.
//!
//! Positions are samples since the beginning. What is cut counts as passed, so they only grow.

mod fade;
mod piece;

use std::collections::VecDeque;
use std::time::Duration;

use crate::pieces::Piece;

use self::piece::{Sounding, State, Voice};

/// What is faded where sound begins and ends: 5 ms, as a part of a second.
const EDGE: u32 = 200;

/// How sound is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Samples a second.
    pub rate: u32,
    /// The sound that waits before any is played: 100 ms. Within a segment it doubles whenever the sound runs dry.
    pub beginning: Duration,
    /// The sound that waits at most, and is awaited at most: 2 s.
    pub most: Duration,
}

/// Why nothing is played for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// A person speaks.
    Speech,
    /// The listeners cannot be reached.
    Line,
}

/// The sound of segments, one after the other.
#[derive(Debug)]
pub struct Playout {
    settings: Settings,
    samples: VecDeque<i16>,
    /// The samples that were put in, and those that were played or dropped.
    given: u64,
    played: u64,
    pieces: VecDeque<Sounding>,
    voice: Voice,
    /// The samples that are awaited before sound begins.
    awaited: usize,
    /// The piece that was begun last has all its sound: no more follows soon.
    is_whole: bool,
    /// The last frame ended at full level.
    is_sounding: bool,
    /// The next frame is to fade in: the last sound faded out.
    fades_in: bool,
    held: [bool; 2],
}

// === impl Settings ===

impl Settings {
    pub fn new(rate: u32) -> Self {
        Self { rate, beginning: Duration::from_millis(100), most: Duration::from_secs(2) }
    }

    fn samples(&self, length: Duration) -> usize {
        (length.as_millis() as usize * self.rate as usize) / 1000
    }

    /// The samples that are faded where sound begins and ends.
    fn edge(&self) -> usize {
        (self.rate / EDGE) as usize
    }
}

// === impl Playout ===

impl Playout {
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            samples: VecDeque::new(),
            given: 0,
            played: 0,
            pieces: VecDeque::new(),
            voice: Voice::default(),
            awaited: settings.samples(settings.beginning),
            is_whole: false,
            is_sounding: false,
            fades_in: false,
            held: [false; 2],
        }
    }

    /// The samples of a frame: 10 ms.
    pub fn frame(&self) -> usize {
        self.settings.rate as usize / 100
    }

    /// Begins a piece of a segment, whose sound follows.
    pub fn begin(&mut self, segment: u64, piece: Piece) {
        if self.pieces.back().is_none_or(|last| last.segment() != segment) {
            self.awaited = self.settings.samples(self.settings.beginning);
        }
        self.pieces.push_back(Sounding::new(segment, piece, self.given));
        self.is_whole = false;
    }

    /// Adds to the piece that was begun last.
    pub fn add(&mut self, samples: &[i16]) {
        let Some(piece) = self.pieces.back_mut() else { return };
        let before = piece.add(samples.len());
        self.given += samples.len() as u64;
        let (first, edge) = (self.samples.len(), self.settings.edge());
        self.samples.extend(samples);
        fade::in_from(self.samples.range_mut(first..), before as usize, edge);
    }

    /// The piece that was begun last has all its sound.
    pub fn whole(&mut self) {
        self.end(State::Whole);
        if let Some(piece) = self.pieces.back() {
            self.voice.learn(piece, self.settings.rate);
        }
    }

    /// The rest of the sound of the piece that was begun last does not come.
    pub fn broken(&mut self) {
        self.end(State::Broken);
    }

    fn end(&mut self, state: State) {
        let edge = self.settings.edge() as u64;
        let Some(piece) = self.pieces.back_mut() else { return };
        piece.end(state);
        let edge = edge.min(piece.length()) as usize;
        let from = self.samples.len().saturating_sub(edge);
        fade::out(self.samples.range_mut(from..));
        self.is_whole = true;
    }

    /// Whether more sound may be put in.
    pub fn has_room(&self) -> bool {
        self.samples.len() < self.settings.samples(self.settings.most)
    }

    /// Whether sound waits for its turn, and for nothing else.
    pub fn is_ready(&self) -> bool {
        let enough = if self.is_sounding { self.frame() } else { self.awaited };
        !self.is_held() && !self.samples.is_empty() && (self.is_whole || self.samples.len() >= enough)
    }

    /// Whether no sound can be played since none has come.
    pub fn is_dry(&self) -> bool {
        !self.is_held() && !self.is_ready()
    }

    /// Fills the next frame, which has [`Playout::frame`] samples; false while there is none.
    pub fn next(&mut self, frame: &mut [i16]) -> bool {
        let (is_ready, ends) = (self.is_ready(), self.is_held() && self.is_sounding);
        if !is_ready && !ends {
            self.is_sounding = false;
            return false;
        }
        let filled = frame.len().min(self.samples.len());
        frame[filled..].fill(0);
        frame.iter_mut().zip(&self.samples).for_each(|(to, from)| *to = *from);
        if !is_ready {
            // These samples are played again when the hold is over.
            self.fade_out(frame);
            return filled > 0;
        }
        self.samples.drain(..filled);
        self.played += filled as u64;
        self.is_sounding = true;
        if std::mem::take(&mut self.fades_in) {
            let length = frame.len();
            fade::in_from(frame.iter_mut(), 0, length);
        }
        if self.samples.len() < frame.len() && !self.is_whole {
            // It runs dry here, unless more comes within the frame, which cannot be known.
            self.fade_out(frame);
            self.awaited = (self.awaited * 2).min(self.settings.samples(self.settings.most));
        }
        true
    }

    /// Stops within a frame; nothing is lost.
    pub fn hold(&mut self, why: Hold) {
        self.held[why as usize] = true;
    }

    pub fn release(&mut self, why: Hold) {
        self.held[why as usize] = false;
    }

    /// The bytes of the segment's text that were heard. They only grow.
    pub fn heard(&mut self, segment: u64) -> usize {
        let (played, voice, rate) = (self.played, self.voice, self.settings.rate);
        let pieces = self.pieces.iter_mut().rev().filter(|piece| piece.segment() == segment);
        pieces.map(|piece| piece.heard(played, voice, rate)).find(|heard| *heard > 0).unwrap_or_default()
    }

    /// The length of the segment's sound that was played.
    pub fn sounded(&self, segment: u64) -> Duration {
        let pieces = self.pieces.iter().filter(|piece| piece.segment() == segment);
        let samples: u64 = pieces.map(|piece| piece.sounded(self.played)).sum();
        Duration::from_secs_f64(samples as f64 / f64::from(self.settings.rate))
    }

    /// Whether any of the segment has sounded.
    pub fn has_begun(&self, segment: u64) -> bool {
        let mut pieces = self.pieces.iter().filter(|piece| piece.segment() == segment);
        pieces.find(|piece| piece.length() > 0).is_some_and(|first| first.has_begun(self.played))
    }

    /// Whether all sound that came of the segment was played.
    pub fn is_played(&self, segment: u64) -> bool {
        let last = self.pieces.iter().rfind(|piece| piece.segment() == segment);
        last.is_none_or(|last| last.is_over(self.played))
    }

    /// Drops the sound that waits, but for a frame that fades out.
    pub fn clear(&mut self) {
        let kept = if self.is_sounding { self.frame().min(self.samples.len()) } else { 0 };
        self.samples.truncate(kept);
        fade::out(self.samples.range_mut(..));
        self.played = self.given;
        self.given += kept as u64;
        self.pieces.clear();
        (self.is_whole, self.fades_in) = (true, false);
        self.release(Hold::Speech);
    }

    /// Drops what was put in since [`Playout::clear`].
    pub fn clear_rest(&mut self) {
        if !self.pieces.is_empty() {
            self.clear();
        }
    }

    /// Forgets a segment that is over.
    pub fn forget(&mut self, segment: u64) {
        self.pieces.retain(|piece| piece.segment() != segment);
    }

    fn is_held(&self) -> bool {
        self.held.contains(&true)
    }

    fn fade_out(&mut self, frame: &mut [i16]) {
        fade::out(frame.iter_mut());
        (self.is_sounding, self.fades_in) = (false, true);
    }
}

#[cfg(test)]
mod tests;
