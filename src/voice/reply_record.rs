//! What became of the sound of a reply: the requests for it, and how much of it was played.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use speech_services::{Account, Report};

use crate::telemetry::spans::SpeechUsage;

/// The requests of a reply that are kept one by one. The usage is that of all.
const REQUESTS: usize = 32;

/// The record of a reply's sound, which the mouth writes and a session reads when the turn is over. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReplyRecord(Arc<Mutex<State>>);

/// How a reply was spoken.
#[derive(Clone, Debug, Default)]
pub(crate) struct SpokenReply {
    /// The first requests, in the order in which they ended.
    pub(crate) requests: Vec<Report>,
    /// None: nothing was asked for.
    pub(crate) usage: Option<SpeechUsage>,
    /// From the first request to its first sound.
    pub(crate) time_to_first_byte: Option<Duration>,
    /// The length of the sound that was played.
    pub(crate) played: Duration,
    /// The bytes of the text that were heard when it was cut.
    pub(crate) cut: Option<usize>,
}

/// A request in the record, until its end.
#[derive(Debug)]
pub(super) struct Entry {
    number: u64,
    record: ReplyRecord,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    /// The requests under way: as a rule the one that sounds and the next.
    open: Vec<(u64, Account)>,
    reply: SpokenReply,
}

// === impl ReplyRecord ===

impl ReplyRecord {
    /// The reply so far, with what its open requests have come to.
    pub(crate) fn reply(&self) -> SpokenReply {
        let state = self.lock();
        let mut reply = state.reply.clone();
        state.open.iter().for_each(|(_, account)| reply.add(account.report()));
        reply
    }

    /// So much more of its sound was played.
    pub(crate) fn played(&self, length: Duration) {
        self.lock().reply.played += length;
    }

    /// It was cut when so many bytes of its text were heard.
    pub(crate) fn cut(&self, heard: usize) {
        self.lock().reply.cut = Some(heard);
    }

    pub(super) fn began(&self, account: Account) -> Entry {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        state.open.push((number, account));
        Entry { number, record: self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Entry ===

impl Entry {
    /// The request is over.
    pub(super) fn end(self, report: Report) {
        let mut state = self.record.lock();
        state.open.retain(|(number, _)| *number != self.number);
        state.reply.add(report);
    }
}

// === impl SpokenReply ===

impl SpokenReply {
    fn add(&mut self, report: Report) {
        self.usage.get_or_insert_default().add(&report);
        self.time_to_first_byte = self.time_to_first_byte.or(report.time_to_first_byte);
        if self.requests.len() < REQUESTS {
            self.requests.push(report);
        }
    }
}
