//! Data channels: messages between two peers over SCTP (RFC 8831).

use std::{
    fmt::{self, Debug},
    str::Utf8Error,
    sync::{Arc, OnceLock},
};

use thiserror::Error;

use crate::{pc::channel::Channel, rtp_parameters::Priority};

/// The delivery guarantees of a channel, and how it is opened.
#[derive(Clone, Debug)]
pub struct DataChannelInit {
    pub ordered: bool,
    /// Gives a message up after this many milliseconds. Excludes `max_retransmits`.
    pub max_retransmit_time: Option<i32>,
    /// Gives a message up after this many retransmissions. Excludes `max_retransmit_time`.
    pub max_retransmits: Option<i32>,
    pub protocol: String,
    /// Both peers create the channel with the same `id`, without an in-band handshake (RFC 8832).
    pub negotiated: bool,
    /// SCTP stream id, 0..=65534. Only used when `negotiated`; -1 lets the connection choose.
    pub id: i32,
    /// Accepted and ignored: channels share the association fairly.
    pub priority: Option<Priority>,
}

/// Why a message was not accepted.
#[derive(Debug, Error)]
pub enum DataChannelError {
    /// The channel is not open, the message is larger than the peer accepts, or the send queue (16 MiB) is full.
    #[error(
        "failed to send data: the channel is not open, the message is too large, or the send queue is full"
    )]
    Send,
    #[error("only utf8 strings can be sent")]
    Utf8(#[from] Utf8Error),
}

#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum DataChannelState {
    Connecting,
    Open,
    Closing,
    Closed,
}

/// One message, as it arrived.
#[derive(Debug)]
pub struct DataBuffer<'a> {
    pub data: &'a [u8],
    pub binary: bool,
}

pub type OnStateChange = Box<dyn FnMut(DataChannelState) + Send + Sync>;
pub type OnMessage = Box<dyn FnMut(DataBuffer) + Send + Sync>;
/// Receives the bytes of payload that left the send buffer since the last call.
pub type OnBufferedAmountChange = Box<dyn FnMut(u64) + Send + Sync>;

/// Takes one message as it arrived and returns the message that the program receives.
pub type IncomingFilter = fn(Vec<u8>) -> Vec<u8>;

static INCOMING_FILTER: OnceLock<IncomingFilter> = OnceLock::new();

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

    pub fn label(&self) -> String {
        self.inner.label().to_owned()
    }

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

    pub fn on_state_change(&self, callback: Option<OnStateChange>) {
        self.inner.callbacks().state_change.set(callback)
    }

    pub fn on_message(&self, callback: Option<OnMessage>) {
        self.inner.callbacks().message.set(callback)
    }

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

impl Default for DataChannelInit {
    fn default() -> Self {
        Self {
            ordered: true,
            max_retransmit_time: None,
            max_retransmits: None,
            protocol: String::new(),
            negotiated: false,
            id: -1,
            priority: None,
        }
    }
}
