//! The layout of an encrypted frame, which all of LiveKit's SDKs share:
//!
//! ```text
//! header | ciphertext | tag (16) | IV (12) | length of the IV (1) | key index (1)
//! ```
//!
//! The header stays readable and is authenticated. That of audio is the first byte of the Opus packet.

use std::sync::atomic::AtomicU32;

use aws_lc_rs::rand;

use super::key_set::{IV_LEN, Iv, KeySet, TAG_LEN};

pub(super) const AUDIO_HEADER_LEN: usize = 1;

const TRAILER_LEN: usize = 2;

/// An encrypted frame, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sealed<'a> {
    pub(super) header: &'a [u8],
    pub(super) data_and_tag: &'a [u8],
    pub(super) iv: Iv,
    pub(super) key_index: u8,
}

/// The IV: it differs for each frame of a stream by the timestamp, and for each stream by the SSRC. `count`
/// distinguishes frames that a stream sends with the same timestamp.
pub(super) fn iv(ssrc: u32, timestamp: u32, count: u32) -> Iv {
    let mut iv = Iv::default();
    iv[..4].copy_from_slice(&ssrc.to_be_bytes());
    iv[4..8].copy_from_slice(&timestamp.to_be_bytes());
    iv[8..].copy_from_slice(&timestamp.wrapping_sub(count % 0xffff).to_be_bytes());
    iv
}

/// The count of a new cryptor, for [`iv`]. It begins at a random number, in case another cryptor used the same stream
/// and key before.
pub(super) fn new_count() -> AtomicU32 {
    let mut start = [0; 4];
    // Without randomness it begins at zero, as in the C++ library.
    let _ = rand::fill(&mut start);
    AtomicU32::new(u32::from_ne_bytes(start))
}

/// Encrypts all but the header.
pub(super) fn seal(mut frame: Vec<u8>, key: &KeySet, key_index: u8, iv: Iv) -> Option<Vec<u8>> {
    let (header, data) = frame.split_at_mut_checked(AUDIO_HEADER_LEN)?;
    let tag = key.seal(iv, header, data)?;
    frame.reserve_exact(TAG_LEN + IV_LEN + TRAILER_LEN);
    frame.extend_from_slice(&tag);
    frame.extend_from_slice(&iv);
    frame.extend_from_slice(&[IV_LEN as u8, key_index]);
    Some(frame)
}

impl<'a> Sealed<'a> {
    /// `None` for a frame that is too short, or has an IV of another length.
    pub(super) fn parse(frame: &'a [u8]) -> Option<Self> {
        let (header, rest) = frame.split_at_checked(AUDIO_HEADER_LEN)?;
        let (rest, &[iv_len, key_index]) = rest.split_last_chunk::<TRAILER_LEN>()?;
        let (data_and_tag, &iv) = rest.split_last_chunk::<IV_LEN>()?;
        let whole = usize::from(iv_len) == IV_LEN && data_and_tag.len() >= TAG_LEN;
        whole.then_some(Self { header, data_and_tag, iv, key_index })
    }

    pub(super) fn open(&self, key: &KeySet) -> Option<Vec<u8>> {
        let data = key.open(self.iv, self.header, self.data_and_tag)?;
        Some([self.header, &data].concat())
    }
}
