//! A segment on its way to sound.

use std::collections::VecDeque;
use std::time::Duration;

use speech::pieces::{Piece, Pieces};
use tokio::sync::oneshot;

use super::SoundEnd;
use super::request::Request;
use crate::room::transcript::Grant;
use crate::telemetry::spans::TurnContext;
use crate::voice::Speech;
use crate::voice::patience::Patience;

pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) context: Option<TurnContext>,
    /// Lets the text through.
    pub(super) grant: Grant,
    pieces: Pieces,
    waiting: VecDeque<Piece>,
    pub(super) requests: VecDeque<Request>,
    is_closed: bool,
    pub(super) has_failed: bool,
    pub(super) has_begun: bool,
    pub(super) time_to_first_byte: Option<Duration>,
    /// Its turn has come when there is one.
    pub(super) patience: Option<Patience>,
    ended: oneshot::Sender<SoundEnd>,
}

// === impl Segment ===

impl Segment {
    pub(super) fn new(
        number: u64,
        context: Option<TurnContext>,
        grant: Grant,
        ended: oneshot::Sender<SoundEnd>,
    ) -> Self {
        Self {
            number,
            context,
            grant,
            pieces: Pieces::new(speech::pieces::Settings::default()),
            waiting: VecDeque::new(),
            requests: VecDeque::new(),
            is_closed: false,
            has_failed: false,
            has_begun: false,
            time_to_first_byte: None,
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
    pub(super) fn ask(&mut self, speech: &Speech) {
        while !self.has_failed
            && self.may_ask()
            && let Some(piece) = self.waiting.pop_front()
        {
            self.requests.push_back(Request::new(piece, speech));
        }
    }

    /// Whether no more sound of it will come.
    pub(super) fn is_spoken(&self) -> bool {
        let is_all = self.is_closed && self.waiting.is_empty() && self.requests.is_empty();
        is_all || self.has_failed
    }

    /// The rest of it is not spoken.
    pub(super) fn fail(&mut self, speech: &Speech) {
        self.has_failed = true;
        self.waiting.clear();
        self.abandon(speech);
    }

    /// It is over; its text is let through.
    pub(super) fn end(mut self, end: SoundEnd, speech: &Speech) {
        self.abandon(speech);
        // The session may have forgotten the segment.
        let _ = self.ended.send(end);
    }

    fn abandon(&mut self, speech: &Speech) {
        let requests = std::mem::take(&mut self.requests);
        requests.iter().for_each(|request| request.trace(self.context.as_ref(), speech));
    }

    fn may_ask(&self) -> bool {
        match self.requests.front() {
            Some(request) => request.has_begun() && self.requests.len() == 1,
            None => true,
        }
    }
}
