//! The place of end-to-end encryption in the media path.

/// Changes each encoded frame on its way between codec and network.
pub(crate) trait FrameTransform: Send + Sync {
    /// The new payload, or `None` to drop the frame.
    ///
    /// `ssrc` and `timestamp` are those of the RTP packet that carries the frame. No lock may be held: this may call
    /// the program, which may call back.
    fn transform(&self, ssrc: u32, timestamp: u32, payload: Vec<u8>) -> Option<Vec<u8>>;
}
