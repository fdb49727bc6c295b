//! What a data channel begins with, what it carries, and what is told of it (RFC 8831).

use std::str::Utf8Error;

use thiserror::Error;

use crate::rtp_parameters::Priority;

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

/// How far a channel is (W3C webrtc-pc, section 6.2). It takes messages while it is open.
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

/// Receives each new state.
pub type OnStateChange = Box<dyn FnMut(DataChannelState) + Send + Sync>;
/// Receives each message, in the order of the channel.
pub type OnMessage = Box<dyn FnMut(DataBuffer) + Send + Sync>;
/// Receives the bytes of payload that left the send buffer since the last call.
pub type OnBufferedAmountChange = Box<dyn FnMut(u64) + Send + Sync>;

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
