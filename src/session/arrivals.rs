//! The texts that are arriving in a room: being read, or read while their recordable form is made. Each sender has a
//! share of the places, so that a sender who floods the room is refused alone.

use std::collections::HashMap;
use std::time::Instant;

use futures::future::BoxFuture;
use futures::stream::{FuturesOrdered, FuturesUnordered};
use futures::{FutureExt, StreamExt};
use thiserror::Error;

use crate::room::text::Reading;

use super::machine::Event;

/// Text streams of one sender that have not ended. People write one text at a time, and programs a few.
const OPEN_OF_SENDER: usize = 64;
/// Texts of one sender that are arriving, open or whole. A burst of some hundred short texts must pass.
const OF_SENDER: usize = 512;
/// Texts of the whole room. The worst case is this many times `agent.max_turn_bytes` of memory.
const OF_ROOM: usize = 1024;
/// The same, with the texts of senders who have no other text there, for whom a place is kept.
const WITH_RESERVE: usize = 2 * OF_ROOM;

/// The texts that are arriving.
#[derive(Default)]
pub(super) struct Arrivals {
    shares: Shares,
    reading: FuturesUnordered<BoxFuture<'static, Read>>,
    /// The texts that were read, in this order, while their recordable form is made.
    recording: FuturesOrdered<BoxFuture<'static, Received>>,
}

/// A text's next stage.
pub(super) enum Arrived {
    Read(Read),
    /// Its recordable form is made; it was read at this time.
    Received(Instant, Event),
}

/// A text that was read.
pub(super) struct Read {
    /// The sender whose share the text's place is of.
    pub(super) sender: String,
    pub(super) reading: Reading,
    was_open: bool,
}

struct Received {
    sender: String,
    at: Instant,
    event: Event,
}

/// Why there is no place for a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Full {
    #[error("its sender has {OPEN_OF_SENDER} texts open that have not ended")]
    Open,
    #[error("{OF_SENDER} texts of its sender are arriving at once")]
    Sender,
    #[error("{OF_ROOM} texts are arriving at once in this room")]
    Room,
}

/// The number of places that each sender has.
#[derive(Debug, Default)]
struct Shares {
    of: HashMap<String, Share>,
    total: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Share {
    /// Those of `all` that have not ended.
    open: usize,
    all: usize,
}

// === impl Arrivals ===

impl Arrivals {
    /// Whether there is a place for a stream that its sender has opened; `read` takes it then.
    pub(super) fn admit_open(&mut self, sender: &str) -> Result<(), Full> {
        self.shares.take(sender, true)
    }

    /// Reads a stream that was admitted.
    pub(super) fn read(&mut self, sender: String, reading: impl Future<Output = Reading> + Send + 'static) {
        let read = async move { Read { sender, reading: reading.await, was_open: true } };
        // Unconstrained, because tokio's cooperative budget would send a reader that is done to the back of the queue
        // behind later ones, and turns would change places.
        self.reading.push(Box::pin(tokio::task::unconstrained(read)));
    }

    /// Takes a text that has come as a whole. Its place is behind those that are being read.
    pub(super) fn take_whole(&mut self, sender: &str, reading: Reading) -> Result<(), Full> {
        self.shares.take(sender, false)?;
        let read = Read { sender: sender.to_owned(), reading, was_open: false };
        self.reading.push(Box::pin(std::future::ready(read)));
        Ok(())
    }

    /// A text whose reading has ended already.
    pub(super) fn read_by_now(&mut self) -> Option<Read> {
        let read = self.reading.next().now_or_never().flatten()?;
        Some(self.ended(read))
    }

    /// Keeps the text's place until `recording` has made an event of it, with the form of it that may be recorded.
    pub(super) fn record(&mut self, sender: String, recording: impl Future<Output = Event> + Send + 'static) {
        let at = Instant::now();
        self.recording.push_back(Box::pin(async move {
            let event = recording.await;
            Received { sender, at, event }
        }));
    }

    /// Frees the place of a text that is not used.
    pub(super) fn forget(&mut self, sender: &str) {
        self.shares.give_back(sender);
    }

    /// The next text that was read or received; pending while there is none. Safe to drop and call again.
    pub(super) async fn next(&mut self) -> Arrived {
        tokio::select! {
            Some(read) = self.reading.next() => Arrived::Read(self.ended(read)),
            Some(Received { sender, at, event }) = self.recording.next() => {
                self.shares.give_back(&sender);
                Arrived::Received(at, event)
            }
            else => std::future::pending().await,
        }
    }

    fn ended(&mut self, read: Read) -> Read {
        if read.was_open {
            self.shares.end(&read.sender);
        }
        read
    }
}

// === impl Shares ===

impl Shares {
    fn take(&mut self, sender: &str, open: bool) -> Result<(), Full> {
        let share = self.of.get(sender).copied().unwrap_or_default();
        let room = if share.all == 0 { WITH_RESERVE } else { OF_ROOM };
        match share {
            Share { open: others, .. } if open && others >= OPEN_OF_SENDER => return Err(Full::Open),
            Share { all, .. } if all >= OF_SENDER => return Err(Full::Sender),
            _ if self.total >= room => return Err(Full::Room),
            Share { open: others, all } => {
                let share = Share { open: others + usize::from(open), all: all + 1 };
                self.of.insert(sender.to_owned(), share);
            }
        }
        self.total += 1;
        Ok(())
    }

    /// One of the sender's open texts has ended.
    fn end(&mut self, sender: &str) {
        if let Some(share) = self.of.get_mut(sender) {
            share.open = share.open.saturating_sub(1);
        }
    }

    fn give_back(&mut self, sender: &str) {
        let Some(share) = self.of.get_mut(sender) else { return };
        share.all -= 1;
        self.total -= 1;
        if share.all == 0 {
            self.of.remove(sender);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(shares: &mut Shares, sender: &str, open: bool, wanted: usize) -> (usize, Option<Full>) {
        let mut taken = 0;
        while taken < wanted {
            match shares.take(sender, open) {
                Ok(()) => taken += 1,
                Err(full) => return (taken, Some(full)),
            }
        }
        (taken, None)
    }

    #[test]
    fn a_sender_who_opens_without_end_is_refused_and_no_other() {
        let mut shares = Shares::default();
        assert_eq!(taken(&mut shares, "mallory", true, 1500), (64, Some(Full::Open)));
        assert_eq!(taken(&mut shares, "ada", true, 64), (64, None));
        shares.end("mallory");
        assert_eq!(taken(&mut shares, "mallory", true, 2), (1, Some(Full::Open)));
    }

    #[test]
    fn a_burst_of_whole_texts_passes_and_a_flood_leaves_room_for_others() {
        let mut shares = Shares::default();
        assert_eq!(taken(&mut shares, "mallory", false, 5000), (512, Some(Full::Sender)));
        assert_eq!(taken(&mut shares, "ada", false, 500), (500, None));
    }

    #[test]
    fn in_a_full_room_each_sender_without_a_text_gets_a_place_up_to_the_reserve() {
        let mut shares = Shares::default();
        for flooder in ["a", "b"] {
            assert_eq!(taken(&mut shares, flooder, false, 512), (512, None));
        }
        assert_eq!(taken(&mut shares, "ada", true, 2), (1, Some(Full::Room)));
        assert_eq!(taken(&mut shares, "bob", false, 2), (1, Some(Full::Room)));
        let many = (0..5000).filter(|number| shares.take(&format!("bot {number}"), true).is_ok()).count();
        assert_eq!(many, WITH_RESERVE - OF_ROOM - 2);
    }

    #[test]
    fn every_place_is_given_back_once() {
        let mut shares = Shares::default();
        for open in [true, false] {
            assert_eq!(taken(&mut shares, "ada", open, 50), (50, None));
        }
        (0..50).for_each(|_| shares.end("ada"));
        (0..100).for_each(|_| shares.give_back("ada"));
        assert!(shares.of.is_empty() && shares.total == 0, "{shares:?}");
        shares.give_back("ada");
    }
}
