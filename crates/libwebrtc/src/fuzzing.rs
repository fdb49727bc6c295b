//! The parsers of network input, each as a function of bytes, for fuzzing. None of them may panic on any input. Not
//! part of the API, and not in release builds.

use std::time::{Duration, Instant};

use crate::{
    audio::{
        jitter::{AudioPacket, JitterBuffer},
        opus::{self, Channels},
        red,
    },
    ice_candidate::IceCandidate,
    native::frame_cryptor,
    net::{stun, turn, url::ServerUrl},
    pc,
    sdp_type::SdpType,
    session_description::SessionDescription,
};

/// The payload type of audio packets in the targets.
const OPUS: u8 = 111;
const BEAT: Duration = Duration::from_millis(10);

/// A STUN message with every attribute that is read from one; then a stream from a TURN server that arrives in pieces.
pub fn stun(bytes: &[u8]) {
    stun::message::read_everything(bytes);
    for step in [1, 7, bytes.len()] {
        turn::framing::cut(bytes, step.max(1));
    }
}

/// Messages of a TURN server to a client that wants an allocation. Each begins with its length.
pub fn turn(bytes: &[u8]) {
    turn::fuzz_client(pieces(bytes));
}

/// The URL of an ICE server, and a candidate of the peer.
pub fn candidate(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    _ = ServerUrl::parse(&text);
    _ = IceCandidate::parse("0", 0, &text);
}

/// A description of the peer: an offer to a connection without media, and an answer to one that has offered everything.
pub fn description(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for kind in [SdpType::Offer, SdpType::Answer] {
        if let Ok(description) = SessionDescription::parse(&text, kind) {
            pc::fuzzing::describe(description);
        }
    }
}

/// Datagrams from the peer's address to a connection that is up: STUN, DTLS, RTP and RTCP. Each begins with its length.
pub fn datagrams(bytes: &[u8]) {
    pc::fuzzing::datagrams(&pieces(bytes));
}

/// SCTP packets of both sides of an association. Each begins with its length and a byte: whether it is ours, and how many
/// milliseconds have passed.
pub fn sctp(bytes: &[u8]) {
    pc::fuzzing::sctp(&pieces(bytes));
}

/// Audio packets after SRTP: each begins with six bytes for sequence and timestamp, and one that says whether it is
/// redundant (RFC 2198).
pub fn audio(bytes: &[u8]) {
    let mut now = Instant::now();
    let Ok(mut jitter) = JitterBuffer::new(Channels::Stereo) else { return };
    let mut block = [0; 2 * opus::BLOCK];
    for piece in pieces(bytes) {
        let Some((header, payload)) = piece.split_first_chunk::<7>() else { continue };
        let sequence = u64::from(u16::from_be_bytes([header[0], header[1]]));
        let timestamp = u32::from_be_bytes([header[2], header[3], header[4], header[5]]);
        for (at, age, payload) in unwrapped(header[6] % 2 == 1, payload) {
            let sequence = sequence.saturating_sub(at);
            let timestamp = timestamp.wrapping_sub(age);
            jitter.insert(now, AudioPacket { sequence, timestamp, payload });
        }
        now += BEAT;
        jitter.pull(now, &mut block);
    }
    (0..20).for_each(|beat| jitter.pull(now + beat * BEAT, &mut block));
}

/// An encrypted data packet and an encrypted frame of a participant with a known key.
pub fn encrypted(bytes: &[u8]) {
    frame_cryptor::fuzzing::fuzzing(bytes);
}

/// The blocks of a payload: the number of blocks after each, its age and its content.
fn unwrapped(redundant: bool, payload: &[u8]) -> Vec<(u64, u32, Vec<u8>)> {
    if !redundant {
        return vec![(0, 0, payload.to_vec())];
    }
    let blocks = red::blocks(payload, OPUS);
    let count = blocks.len() as u64;
    (1..).zip(blocks).map(|(at, block)| (count - at, block.age, block.payload.to_vec())).collect()
}

/// Cuts the input into pieces, each of which begins with its length in two bytes.
fn pieces(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (piece, rest) = rest.split_at(length);
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}
