//! SCTP packets (RFC 9260, section 3), as far as the recovery of lost data reads them.

use crc::{CRC_32_ISCSI, Crc};

const HEADER: usize = 12;
const CHECKSUM: std::ops::Range<usize> = 8..HEADER;
const CHUNK_HEADER: usize = 4;
const DATA_HEADER: usize = 16;
const SACK_HEADER: usize = 16;
/// The length of the shortest DATA chunk.
pub(super) const LEAST: usize = DATA_HEADER + 4;
/// A flag of a DATA chunk: its receiver is asked to acknowledge it at once (RFC 7053).
const IMMEDIATELY: u8 = 0x08;
static CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// The types of chunks.
pub(super) mod kind {
    pub(in super::super) const DATA: u8 = 0;
    pub(in super::super) const INIT: u8 = 1;
    pub(in super::super) const INIT_ACK: u8 = 2;
    pub(in super::super) const SACK: u8 = 3;
    pub(in super::super) const ABORT: u8 = 6;
    pub(in super::super) const COOKIE_ECHO: u8 = 10;
    pub(in super::super) const COOKIE_ACK: u8 = 11;
    pub(in super::super) const SHUTDOWN_COMPLETE: u8 = 14;
}

/// A chunk, with its header and without its padding.
#[derive(Clone, Copy)]
pub(super) struct Chunk<'a> {
    bytes: &'a [u8],
}

/// The header fields of a DATA chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Data {
    pub(super) tsn: u32,
    pub(super) stream: u16,
}

/// The received chunks: everything up to `cumulative`, and the blocks, whose numbers count from there.
pub(super) struct Sack<'a> {
    pub(super) cumulative: u32,
    blocks: &'a [u8],
}

/// The well-formed chunks of a packet.
pub(super) fn chunks(packet: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    let mut rest = packet.get(HEADER..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (chunk, after) = Chunk::first(rest)?;
        rest = after;
        Some(chunk)
    })
}

/// Ports and verification tag, which all packets of a direction share.
pub(super) fn address(packet: &[u8]) -> Option<[u8; CHECKSUM.start]> {
    packet.first_chunk().copied()
}

/// A packet of DATA chunks that its receiver acknowledges at once.
pub(super) fn with_data<'a>(
    address: [u8; CHECKSUM.start],
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<u8> {
    let mut packet = address.to_vec();
    packet.resize(HEADER, 0);
    for chunk in chunks {
        packet.extend_from_slice(chunk);
        packet.resize(padded(packet.len()), 0);
    }
    acknowledge_at_once(&mut packet);
    packet
}

/// Asks the receiver of the DATA chunks in `packet` to acknowledge them at once.
pub(super) fn acknowledge_at_once(packet: &mut [u8]) {
    let mut at = HEADER;
    while let Some((chunk, _)) = packet.get(at..).and_then(Chunk::first) {
        let (is_data, length) = (chunk.kind() == kind::DATA, padded(chunk.bytes.len()));
        if is_data {
            packet[at + 1] |= IMMEDIATELY;
        }
        at += length;
    }
    seal(packet);
}

/// Whether `packet` has the checksum of its sender.
pub(super) fn is_whole(packet: &[u8]) -> bool {
    let mut copy = packet.to_vec();
    seal(&mut copy);
    copy == packet
}

/// The length of a chunk in a packet.
pub(super) fn padded(length: usize) -> usize {
    length.next_multiple_of(4)
}

fn seal(packet: &mut [u8]) {
    let Some(checksum) = packet.get_mut(CHECKSUM) else { return };
    checksum.fill(0);
    let checksum = CRC.checksum(packet).to_le_bytes();
    packet[CHECKSUM].copy_from_slice(&checksum);
}

// === impl Chunk ===

impl<'a> Chunk<'a> {
    fn first(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let length = usize::from(u16_at(bytes, 2)?);
        let chunk = bytes.get(..length).filter(|_| length >= CHUNK_HEADER)?;
        Some((Self { bytes: chunk }, bytes.get(padded(length)..).unwrap_or_default()))
    }

    pub(super) fn kind(&self) -> u8 {
        self.bytes[0]
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn data(&self) -> Option<Data> {
        let is_data = self.kind() == kind::DATA && self.bytes.len() >= DATA_HEADER;
        is_data.then_some(Data { tsn: u32_at(self.bytes, 4)?, stream: u16_at(self.bytes, 8)? })
    }

    pub(super) fn sack(&self) -> Option<Sack<'a>> {
        let blocks = self.bytes.get(SACK_HEADER..).filter(|_| self.kind() == kind::SACK)?;
        let length = 4 * usize::from(u16_at(self.bytes, 12)?);
        Some(Sack { cumulative: u32_at(self.bytes, 4)?, blocks: blocks.get(..length)? })
    }
}

// === impl Sack ===

impl Sack<'_> {
    /// First and last TSN of each block, as distances from the cumulative one.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (u16, u16)> {
        let (blocks, _) = self.blocks.as_chunks::<4>();
        blocks.iter().map(|&[a, b, c, d]| (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}
