//! Writes segments into the room, each as one text stream, and once more where a stream died with its connection.
//!
//! A stream belongs to one stay in the room. When the SDK had to rejoin as a new participant, the others have dropped
//! half-written streams, and text that went into a dead connection is gone. So three kinds of segments are written
//! again as a whole, under the ids that they had: those that were under way, those that were said while the line was
//! down, and those that were finished a moment before the loss was noticed. `lk.segment_id` tells frontends that it is
//! the same segment.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, mpsc, watch};

use super::segment::{Outlet, Segment};
use super::{Line, Word, WriteError};
use crate::runtime::sleep_until;

/// How long a new stay is before its first stream. The others may learn of the new participant only then, and their
/// SDKs end all streams of a participant whose earlier stay is over.
const SETTLING: Duration = Duration::from_secs(1);
/// Segments that are kept for another stay. Each is at most as long as a reply may be.
const KEPT: usize = 4;

pub(super) struct Writer {
    outlet: Outlet,
    line: watch::Receiver<Line>,
    /// The stay in the room that the segments are written in.
    stay: u32,
    /// More of a segment may be written.
    raised: Arc<Notify>,
    /// The first streams of this stay wait until then.
    settled: Option<Instant>,
    /// The latest ones; the last is under way until it is finished.
    segments: VecDeque<Segment>,
}

// === impl Writer ===

impl Writer {
    pub(super) fn new(outlet: Outlet, mut line: watch::Receiver<Line>, raised: Arc<Notify>) -> Self {
        // Here and not in the task: the next stay may begin before the task does.
        let stay = line.borrow_and_update().stay;
        Self { outlet, line, stay, raised, settled: None, segments: VecDeque::new() }
    }

    /// Runs until there will be no more words.
    pub(super) async fn run(mut self, mut words: mpsc::Receiver<Word>) {
        loop {
            tokio::select! {
                biased;
                Ok(()) = self.line.changed() => {
                    let line = *self.line.borrow_and_update();
                    if line.up && line.stay != self.stay {
                        self.stay = line.stay;
                        self.settled = Some(Instant::now() + SETTLING);
                        self.segments.iter_mut().for_each(|segment| segment.start_again(line.lost));
                    }
                }
                word = words.recv() => match word {
                    Some(word) => self.take(word),
                    // What was still to be heard may be written by now.
                    None => {
                        if self.settled.is_some() {
                            sleep_until(self.settled).await;
                        }
                        return self.write().await;
                    }
                },
                () = self.raised.notified() => {}
                () = sleep_until(self.settled) => self.settled = None,
            }
            if self.settled.is_none() {
                self.write().await;
            }
        }
    }

    fn take(&mut self, word: Word) {
        match (word, self.segments.back_mut()) {
            (Word::Open { only, progress, ended }, _) => self.begin(Segment::new(only, progress, ended)),
            (Word::Say(text), Some(segment)) => segment.say(text.expose()),
            (Word::Close(chat), Some(segment)) => segment.finish(chat),
            (_, None) => {}
        }
    }

    fn begin(&mut self, segment: Segment) {
        self.segments.retain(|segment| !segment.done || !segment.is_old());
        if self.segments.len() == KEPT
            && let Some(mut oldest) = self.segments.pop_front()
            && !oldest.done
        {
            tracing::warn!("a reply that waited for the connection to the room is dropped for newer ones");
            oldest.fail(&WriteError::Replaced);
        }
        self.segments.push_back(segment);
    }

    /// Writes the text that this stay has not got yet, for as long as the line is up.
    async fn write(&mut self) {
        for segment in self.segments.iter_mut().filter(|segment| !segment.done) {
            if !self.line.borrow().up {
                return;
            }
            let written = tokio::select! {
                biased;
                written = segment.write(&self.outlet) => written,
                () = down(self.line.clone()) => Err(WriteError::Lost),
            };
            if let Err(error) = written {
                if self.line.borrow().up {
                    tracing::warn!(
                        %error,
                        "a reply could not be written to the room; the rest of this segment is skipped"
                    );
                    segment.fail(&error);
                }
                segment.lose();
            }
        }
    }
}

/// Returns when the line goes down; never, once the sender of its state is gone. It takes a receiver of its own,
/// because a change that this one has seen must still come to the speaker as a change.
async fn down(mut line: watch::Receiver<Line>) {
    if line.wait_for(|line| !line.up).await.is_err() {
        std::future::pending().await
    }
}
