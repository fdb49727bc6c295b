//! A segment on its way to sound.

use std::collections::VecDeque;

use speech::pieces::{Piece, Pieces};
use tokio::sync::oneshot;

use super::request::Request;
use super::{SoundEnd, Voice};
use crate::room::transcript::Grant;
use crate::voice::patience::Patience;
use crate::voice::piece_request::SpokenTo;

pub(super) struct Segment {
    pub(super) number: u64,
    /// None: it answers no turn.
    pub(super) turn: Option<SpokenTo>,
    /// Lets the text through.
    pub(super) grant: Grant,
    pieces: Pieces,
    waiting: VecDeque<Piece>,
    pub(super) requests: VecDeque<Request>,
    is_closed: bool,
    pub(super) has_failed: bool,
    pub(super) has_begun: bool,
    /// Its turn has come when there is one.
    pub(super) patience: Option<Patience>,
    ended: oneshot::Sender<SoundEnd>,
}

// === impl Segment ===

impl Segment {
    pub(super) fn new(
        number: u64,
        turn: Option<SpokenTo>,
        grant: Grant,
        ended: oneshot::Sender<SoundEnd>,
    ) -> Self {
        Self {
            number,
            turn,
            grant,
            pieces: Pieces::new(speech::pieces::Settings::default()),
            waiting: VecDeque::new(),
            requests: VecDeque::new(),
            is_closed: false,
            has_failed: false,
            has_begun: false,
            patience: None,
            ended,
        }
    }

    pub(super) fn say(&mut self, text: &str) {
        if !self.is_closed {
            self.waiting.extend(self.pieces.push(text));
        }
    }

    pub(super) fn close(&mut self) {
        if !std::mem::replace(&mut self.is_closed, true) {
            self.waiting.extend(self.pieces.finish());
        }
    }

    /// Asks for the speech of the next piece, once sound of the one before has come: a slow server makes the first words
    /// first.
    pub(super) fn ask(&mut self, voice: &Voice) {
        while !self.has_failed
            && self.may_ask()
            && let Some(piece) = self.waiting.pop_front()
        {
            self.requests.push_back(Request::new(piece, voice, self.turn.as_ref()));
        }
    }

    /// Whether no more sound of it will come.
    pub(super) fn is_spoken(&self) -> bool {
        let is_all = self.is_closed && self.waiting.is_empty() && self.requests.is_empty();
        is_all || self.has_failed
    }

    /// The rest of it is not spoken.
    pub(super) fn fail(&mut self) {
        self.has_failed = true;
        self.waiting.clear();
        self.requests.clear();
    }

    /// It is over; its text is let through.
    pub(super) fn end(mut self, end: SoundEnd) {
        // The session reads the record of requests once it knows of the end.
        self.requests.clear();
        // The session may have forgotten the segment.
        let _ = self.ended.send(end);
    }

    fn may_ask(&self) -> bool {
        match self.requests.front() {
            Some(request) => request.has_begun() && self.requests.len() == 1,
            None => true,
        }
    }
}
