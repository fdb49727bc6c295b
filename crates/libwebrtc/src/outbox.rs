//! What a program has sent over reliable data channels and its peers have not acknowledged, for all connections that share
//! a configuration: a client that replaces its connection keeps one account.

use std::sync::Arc;

use tokio::sync::watch;

/// Bytes under way, to be put into [`RtcConfiguration::outbox`]. Clones are the same account.
///
/// The original crate has no such thing. A program that waits here before it sends waits in none of its client's calls:
/// `livekit` 0.10 holds a lock while its own queue is full, and makes no new connection meanwhile.
///
/// [`RtcConfiguration::outbox`]: crate::peer_connection_factory::RtcConfiguration::outbox
#[derive(Clone, Debug)]
pub struct Outbox(Arc<watch::Sender<Account>>);

#[derive(Clone, Copy, Debug, Default)]
struct Account {
    under_way: u64,
    acknowledged: u64,
}

impl Outbox {
    /// An account with nothing under way.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes that were sent and not acknowledged. Those of a channel that closes count no longer.
    pub fn under_way(&self) -> u64 {
        self.0.borrow().under_way
    }

    /// How far what was sent until now will have come once it is acknowledged; see [`Outbox::has_passed`].
    pub fn mark(&self) -> u64 {
        let account = *self.0.borrow();
        account.acknowledged + account.under_way
    }

    /// Whether the peers have acknowledged everything that was sent before `mark` was taken. Marks of a connection that is
    /// gone mean nothing.
    pub fn has_passed(&self, mark: u64) -> bool {
        self.0.borrow().acknowledged >= mark
    }

    /// Waits until no more than `most` bytes are under way.
    pub async fn at_most(&self, most: u64) {
        // The sender is in our hands, so the wait cannot fail.
        let _ = self.0.subscribe().wait_for(|account| account.under_way <= most).await;
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.0.send_modify(|account| account.under_way += bytes as u64);
    }

    pub(crate) fn acknowledged(&self, bytes: u64) {
        self.0.send_modify(|account| {
            account.under_way = account.under_way.saturating_sub(bytes);
            account.acknowledged += bytes;
        });
    }

    pub(crate) fn lost(&self, bytes: usize) {
        self.0.send_modify(|account| account.under_way = account.under_way.saturating_sub(bytes as u64));
    }
}

impl Default for Outbox {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Account::default())))
    }
}

#[cfg(test)]
mod tests {
    use std::{future::Future, pin::pin, task::Poll};

    use super::*;

    #[tokio::test]
    async fn who_waits_for_room_goes_on_when_enough_is_acknowledged_or_lost() {
        let outbox = Outbox::new();
        outbox.sent(300);
        let mut waiting = pin!(outbox.at_most(100));
        let mut is_waiting = async || {
            std::future::poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context).is_pending())).await
        };
        assert!(is_waiting().await);
        outbox.acknowledged(100);
        assert!(is_waiting().await, "200 bytes are under way");
        outbox.lost(100);
        assert!(!is_waiting().await);
    }

    #[test]
    fn a_mark_is_passed_by_acknowledgements_and_not_by_losses() {
        let outbox = Outbox::new();
        outbox.sent(10);
        let mark = outbox.mark();
        outbox.sent(10);
        outbox.acknowledged(9);
        assert!(!outbox.has_passed(mark));
        outbox.lost(11);
        assert!(!outbox.has_passed(mark) && outbox.under_way() == 0);
        outbox.sent(1);
        outbox.acknowledged(1);
        assert!(outbox.has_passed(mark));
    }
}
