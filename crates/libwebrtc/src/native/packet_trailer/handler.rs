//! The handler of one track's trailers, and what it would report.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// The stages of an outgoing frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishTimingStage {
    /// Given to the encoder.
    EncoderUpload,
    /// Encoded.
    EncoderOutput,
    /// Given to the packetizer.
    WebrtcPacketize,
}

/// The stages of an incoming frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscribeTimingStage {
    /// Put together from its packets.
    WebrtcReceive,
    /// Given to the decoder.
    DecoderUpload,
    /// Decoded.
    DecoderOutput,
}

/// An outgoing frame reached a stage. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishTimingEvent {
    pub stage: PublishTimingStage,
    /// When the stage was reached.
    pub timestamp_us: u64,
    /// When the sender captured the frame.
    pub capture_timestamp_us: u64,
    /// The sender's number for the frame.
    pub frame_id: Option<u32>,
}

/// An incoming frame reached a stage. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscribeTimingEvent {
    pub stage: SubscribeTimingStage,
    /// When the stage was reached.
    pub timestamp_us: u64,
    /// When the sender captured the frame.
    pub capture_timestamp_us: u64,
    /// The sender's number for the frame.
    pub frame_id: Option<u32>,
}

/// Called for each stage of each outgoing frame.
pub type PublishTimingObserver = Arc<dyn Fn(PublishTimingEvent) + Send + Sync + 'static>;

/// Called for each stage of each incoming frame.
pub type SubscribeTimingObserver = Arc<dyn Fn(SubscribeTimingEvent) + Send + Sync + 'static>;

/// The trailers of one track. Clones are the same handler.
///
/// It stores whether it is enabled. As no video frame is sent or received, no metadata is stored, no lookup succeeds
/// and no observer is called.
#[derive(Clone)]
pub struct PacketTrailerHandler {
    enabled: Arc<AtomicBool>,
}

impl PacketTrailerHandler {
    pub(super) fn new() -> Self {
        Self { enabled: Arc::new(AtomicBool::new(true)) }
    }

    /// Remembers the switch.
    pub fn set_enabled(&self, enabled: bool) {
        self.enabled.store(enabled, Ordering::Relaxed);
    }

    /// The switch as last set, `true` at first.
    pub fn enabled(&self) -> bool {
        self.enabled.load(Ordering::Relaxed)
    }

    /// The user timestamp, frame id and user data that came with a frame: never any.
    pub fn lookup_frame_metadata(&self, _rtp_timestamp: u32) -> Option<(u64, u32, Vec<u8>)> {
        None
    }

    /// Accepted without effect: no frame will carry the metadata.
    pub fn store_frame_metadata(
        &self,
        _capture_timestamp_us: i64,
        _user_timestamp: u64,
        _frame_id: u32,
        _user_data: &[u8],
    ) {
    }

    /// Accepted without effect.
    pub fn set_publish_timing_observer(&self, _observer: Option<PublishTimingObserver>) {}

    /// Accepted without effect.
    pub fn set_subscribe_timing_observer(&self, _observer: Option<SubscribeTimingObserver>) {}
}
