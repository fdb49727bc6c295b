//! Data channels: messages between two peers over SCTP (RFC 8831).

use std::{
    fmt::{self, Debug},
    sync::{Arc, OnceLock},
};

use crate::pc::channel::Channel;

pub use crate::channel_init::{
    DataBuffer, DataChannelError, DataChannelInit, DataChannelState, OnBufferedAmountChange, OnMessage,
    OnStateChange,
};

/// Takes one message as it arrived and returns the message that the program receives.
pub type IncomingFilter = fn(Vec<u8>) -> Vec<u8>;

static INCOMING_FILTER: OnceLock<IncomingFilter> = OnceLock::new();

/// A handle to a channel. Clones are the same channel; it stays open without a handle.
#[derive(Clone)]
pub struct DataChannel {
    pub(crate) inner: Arc<Channel>,
}

/// Lets `filter` see and change every message that arrives on a data channel of this process, before the channel's own
/// callback gets it. Returns whether the filter was installed: only the first call in a process installs one.
///
/// The original crate has no such function. The filter runs on the connection's task, as callbacks do: it must not
/// block.
pub fn set_incoming_filter(filter: IncomingFilter) -> bool {
    INCOMING_FILTER.set(filter).is_ok()
}

pub(crate) fn filtered(message: Vec<u8>) -> Vec<u8> {
    match INCOMING_FILTER.get() {
        Some(filter) => filter(message),
        None => message,
    }
}

impl DataChannel {
    /// Queues one message. This never blocks; queued messages are sent in order as the peer acknowledges.
    ///
    /// Empty messages are refused: the SCTP stack below cannot send them.
    pub fn send(&self, data: &[u8], binary: bool) -> Result<(), DataChannelError> {
        if !binary {
            std::str::from_utf8(data)?;
        }
        self.inner.send(data, binary)
    }

    /// The SCTP stream id, -1 while none is assigned.
    pub fn id(&self) -> i32 {
        self.inner.id()
    }

    /// The name that the opening side chose.
    pub fn label(&self) -> String {
        self.inner.label().to_owned()
    }

    /// The state at the moment.
    pub fn state(&self) -> DataChannelState {
        self.inner.state()
    }

    /// Sends the queued messages, then closes the channel on both sides.
    pub fn close(&self) {
        self.inner.close()
    }

    /// Bytes of payload that were given to [`DataChannel::send`] and are not acknowledged by the peer.
    pub fn buffered_amount(&self) -> u64 {
        self.inner.buffered_amount()
    }

    /// Replaces the callback for states.
    pub fn on_state_change(&self, callback: Option<OnStateChange>) {
        self.inner.callbacks().state_change.set(callback)
    }

    /// Replaces the callback for messages. One that comes while there is none is lost.
    pub fn on_message(&self, callback: Option<OnMessage>) {
        self.inner.callbacks().message.set(callback)
    }

    /// Replaces the callback for acknowledged bytes.
    pub fn on_buffered_amount_change(&self, callback: Option<OnBufferedAmountChange>) {
        self.inner.callbacks().buffered_amount_change.set(callback)
    }
}

impl Debug for DataChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataChannel")
            .field("id", &self.id())
            .field("label", &self.label())
            .field("state", &self.state())
            .finish()
    }
}
