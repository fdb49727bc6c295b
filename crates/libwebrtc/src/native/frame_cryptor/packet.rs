//! Data packets: the whole payload is encrypted, and the IV travels beside it.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand;
use thiserror::Error;

use super::{
    EncryptedPacket, EncryptionAlgorithm, frame,
    key_set::{Iv, TAG_LEN},
    key_store::KeyStore,
};

/// Why a data packet was neither encrypted nor decrypted.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum PacketError {
    #[error("{0:?} encrypts no data packets: use AesGcm")]
    Unsupported(EncryptionAlgorithm),
    #[error(
        "there is no key {index} for {participant}: set it with KeyProvider::set_key, or set_shared_key where one key serves all"
    )]
    NoKey { participant: String, index: u32 },
    #[error("an encrypted packet of {participant} is malformed: {bytes} bytes with an IV of {iv}")]
    Malformed { participant: String, bytes: usize, iv: usize },
    #[error(
        "a packet of {participant} cannot be decrypted with key {index}: its key differs, or it was changed"
    )]
    Undecryptable { participant: String, index: u32 },
    #[error("a packet could not be encrypted: the cryptographic library refused")]
    Refused,
}

pub(super) fn encrypt(
    keys: &KeyStore,
    algorithm: EncryptionAlgorithm,
    participant: &str,
    index: u32,
    count: u32,
    mut data: Vec<u8>,
) -> Result<EncryptedPacket, PacketError> {
    check(algorithm)?;
    let iv = new_iv(count)?;
    let key = keys.ring_of(participant).and_then(|ring| ring.get(i32::try_from(index).ok()?));
    let (_, key) = key.ok_or_else(|| no_key(participant, index))?;
    let tag = key.seal(iv, &[], &mut data).ok_or(PacketError::Refused)?;
    data.extend_from_slice(&tag);
    Ok(EncryptedPacket { data, iv: iv.to_vec(), key_index: index })
}

pub(super) fn decrypt(
    keys: &KeyStore,
    algorithm: EncryptionAlgorithm,
    participant: &str,
    packet: &EncryptedPacket,
) -> Result<Vec<u8>, PacketError> {
    check(algorithm)?;
    let EncryptedPacket { data, iv, key_index } = packet;
    let sound = Iv::try_from(iv.as_slice()).ok().filter(|_| data.len() >= TAG_LEN);
    let iv = sound.ok_or_else(|| malformed(participant, packet))?;
    let ring = keys.ring_of(participant).ok_or_else(|| no_key(participant, *key_index))?;
    let key = i32::try_from(*key_index).ok().and_then(|index| ring.get(index));
    let (index, key) = key.ok_or_else(|| no_key(participant, *key_index))?;
    if let Some(opened) = key.open(iv, &[], data) {
        return Ok(opened);
    }
    // Packets are reliable, so this one waits for the derivation of keys, which happens once for each key.
    let (next, opened) = keys.open_ahead(&key, |key| key.open(iv, &[], data)).ok_or_else(|| {
        PacketError::Undecryptable { participant: participant.to_owned(), index: *key_index }
    })?;
    ring.advance(index, &key, next);
    Ok(opened)
}

fn check(algorithm: EncryptionAlgorithm) -> Result<(), PacketError> {
    match algorithm {
        EncryptionAlgorithm::AesGcm => Ok(()),
        EncryptionAlgorithm::AesCbc => Err(PacketError::Unsupported(algorithm)),
    }
}

/// A random number takes the place of media's SSRC, and the time in milliseconds that of its timestamp.
fn new_iv(count: u32) -> Result<Iv, PacketError> {
    let mut random = [0; 4];
    rand::fill(&mut random).map_err(|_| PacketError::Refused)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(frame::iv(u32::from_be_bytes(random), now.as_millis() as u32, count))
}

fn no_key(participant: &str, index: u32) -> PacketError {
    PacketError::NoKey { participant: participant.to_owned(), index }
}

fn malformed(participant: &str, packet: &EncryptedPacket) -> PacketError {
    let EncryptedPacket { data, iv, .. } = packet;
    PacketError::Malformed { participant: participant.to_owned(), bytes: data.len(), iv: iv.len() }
}
