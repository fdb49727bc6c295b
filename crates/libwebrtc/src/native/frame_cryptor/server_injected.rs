//! Frames that the server creates: when a track is muted or ends it sends silence, which it cannot encrypt. It marks
//! them with a trailer that it announces at the join. Every participant of a room knows that trailer, so only this
//! silence is let through.

use std::sync::Arc;

/// The room's mark; empty for none.
#[derive(Clone, Default)]
pub(super) struct Trailer(Arc<[u8]>);

const OPUS_SILENCE: [u8; 80] = {
    let mut frame = [0; 80];
    [frame[0], frame[1], frame[2]] = [0xf8, 0xff, 0xfe];
    frame
};
/// Silence in G.711, of the μ-law and of the A-law.
const PCM_SILENCE: [[u8; 160]; 2] = [[0xff; 160], [0xd5; 160]];
/// Set in the header of each block of RED (RFC 2198) but the last.
const ANOTHER_BLOCK_FOLLOWS: u8 = 0x80;

impl Trailer {
    pub(super) fn new(mark: Vec<u8>) -> Self {
        Self(mark.into())
    }

    /// The frame without the mark, if it ends in it.
    pub(super) fn strip<'a>(&self, frame: &'a [u8]) -> Option<&'a [u8]> {
        if self.0.is_empty() { None } else { frame.strip_suffix(&*self.0) }
    }
}

/// Whether this is audio that a LiveKit server creates.
pub(super) fn is_silence(frame: &[u8]) -> bool {
    frame == OPUS_SILENCE
        || PCM_SILENCE.iter().any(|silence| frame == silence)
        || matches!(frame, [header, block @ ..] if header & ANOTHER_BLOCK_FOLLOWS == 0 && block == OPUS_SILENCE)
}
