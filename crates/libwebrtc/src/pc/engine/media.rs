//! Sound on the wire: encoded frames become RTP, and RTP goes to the receivers of the tracks.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use str0m::{
    media::Mid,
    rtp::{ExtensionValues, RtpPacket, RtpWrite, Ssrc},
};

use crate::{
    audio::{
        jitter::AudioPacket,
        level,
        opus::SAMPLE_RATE,
        red::{self, Block},
        sender::{AudioSender, EncodedFrame},
    },
    pc::{
        engine::Engine,
        frame_transform::FrameTransform,
        sdp::AudioFormat,
        transceiver::{Kind, Sending, Transceiver},
    },
    random::random_u64,
    unsupported::Unsupported,
};

/// Sequence numbers start low, so that the peer need not be told how often they wrapped (RFC 3711, section 3.3.1).
const FIRST_SEQUENCE: std::ops::Range<u64> = 1..1 << 15;
/// The most senders of media that are remembered. With one more all are forgotten, and looked up again.
const MAX_SSRCS: usize = 1024;

/// The engine's state of media between packets.
#[derive(Default)]
pub(super) struct Media {
    outgoing: HashMap<Mid, Outgoing>,
    /// By SSRC: only the first packets of a sender name their m-line.
    incoming: HashMap<Ssrc, Incoming>,
}

/// The stream of one sender of the peer.
pub(super) struct Incoming {
    mid: Mid,
    /// Whether a new description may give the stream to another m-line.
    doubted: bool,
    pub(super) packets: u64,
    /// Bytes of payload.
    pub(super) bytes: u64,
    pub(super) last: Option<Instant>,
    first: u64,
    highest: u64,
}

/// The outgoing RTP stream of an m-line. It outlives the tracks that are sent on it.
pub(super) struct Outgoing {
    sender: Arc<AudioSender>,
    pub(super) ssrc: u32,
    pub(super) packets: u64,
    /// Bytes of payload.
    pub(super) bytes: u64,
    sequence: u64,
    /// The RTP time of the sender's first sample.
    origin: u32,
    /// The RTP time of the last packet, and when it was sent.
    last: Option<(u32, Instant)>,
    /// The previous frame, for the redundant block.
    before: Option<(u32, Vec<u8>)>,
}

impl Engine {
    /// Attaches and detaches sources as agreed, and sends their encoded frames.
    pub(super) fn sync_media(&mut self, now: Instant) {
        let sending: Vec<Sending> = {
            let state = self.shared.state.lock();
            let is_up = state.transport.is_secured() && !state.is_closed();
            state.transceivers().iter().filter_map(|transceiver| transceiver.sync_sending(is_up)).collect()
        };
        let mut sent = false;
        for sending in sending {
            let frames = sending.sender.take();
            sent |= !frames.is_empty();
            frames.into_iter().for_each(|frame| self.send_frame(now, &sending, frame));
        }
        if sent {
            // `str0m` sends packets only when its time moves on.
            self.kick(now);
        }
    }

    fn send_frame(&mut self, now: Instant, sending: &Sending, frame: EncodedFrame) {
        let Some(payload_type) = sending.format.opus else { return };
        let mut api = self.rtc.direct_api();
        let Some(stream) = api.stream_tx_by_mid(sending.mid, None) else { return };
        let ssrc = *stream.ssrc();
        let new = || Outgoing::new(ssrc, &sending.sender);
        let outgoing = self.media.outgoing.entry(sending.mid).or_insert_with(new);
        outgoing.follow(&sending.sender, frame.time, now);
        let time = outgoing.origin.wrapping_add(frame.time);
        let starts = frame.starts;
        let extensions = ExtensionValues {
            audio_level: Some(frame.level),
            voice_activity: Some(level::is_voice(frame.level)),
            ..Default::default()
        };
        let Some(frame) = transformed(sending.transform.as_deref(), ssrc, time, frame.payload) else {
            return;
        };
        let (payload_type, payload) = outgoing.wrap(&sending.format, payload_type, time, frame);
        outgoing.packets += 1;
        outgoing.bytes += payload.len() as u64;
        let write = RtpWrite::new(payload_type.into(), outgoing.sequence.into(), time, now, payload)
            .marker(starts)
            .ext_vals(extensions);
        stream.write_rtp(write);
        outgoing.sequence += 1;
        outgoing.last = Some((time, now));
        self.drain(now);
    }

    pub(super) fn rtp_packet(&mut self, now: Instant, packet: &RtpPacket) {
        // Padding and probes have no payload.
        if packet.payload.is_empty() {
            return;
        }
        let Some(mid) = self.incoming(now, packet) else { return };
        let found = {
            let state = self.shared.state.lock();
            let is_it = |own: &&Arc<Transceiver>| own.mid().is_some_and(|own| own == *mid);
            state.transceivers().iter().find(is_it).cloned()
        };
        match found {
            Some(transceiver) if transceiver.kind() == Kind::Audio => {
                receive_audio(now, &transceiver, packet)
            }
            Some(_) => {
                Unsupported::VideoReceive.warn_once();
            }
            None => {}
        }
    }

    /// Counts the packet, and returns the m-line it belongs to.
    fn incoming(&mut self, now: Instant, packet: &RtpPacket) -> Option<Mid> {
        let (ssrc, sequence) = (packet.header.ssrc, *packet.seq_no);
        if self.media.incoming.get(&ssrc).is_none_or(|incoming| incoming.doubted) {
            let mid = self.rtc.direct_api().stream_rx(&ssrc)?.mid();
            self.media.belongs(ssrc, mid, sequence);
        }
        let incoming = self.media.incoming.get_mut(&ssrc)?;
        incoming.count(now, sequence, packet.payload.len());
        Some(incoming.mid)
    }

    /// Doubts the m-lines after a new description; the counts go on.
    pub(super) fn doubt_incoming(&mut self) {
        self.media.incoming.values_mut().for_each(|incoming| incoming.doubted = true);
    }
}

fn transformed(
    transform: Option<&dyn FrameTransform>,
    ssrc: u32,
    timestamp: u32,
    payload: Vec<u8>,
) -> Option<Vec<u8>> {
    match transform {
        Some(transform) => transform.transform(ssrc, timestamp, payload),
        None => Some(payload),
    }
}

/// Unpacks the audio of a track that has a stream.
fn receive_audio(now: Instant, transceiver: &Transceiver, packet: &RtpPacket) {
    let Some((receiver, format)) = transceiver.receiving() else { return };
    let (sequence, timestamp) = (*packet.seq_no, packet.header.timestamp);
    let (ssrc, transform) = (*packet.header.ssrc, transceiver.receiver_transform());
    let payload = transformed(transform.as_deref(), ssrc, timestamp, packet.payload.to_vec());
    let Some(payload) = payload else { return };
    let payload_type = Some(*packet.header.payload_type);
    if payload_type == format.opus {
        receiver.insert(now, AudioPacket { sequence, timestamp, payload });
    } else if let (true, Some(opus)) = (payload_type == format.red, format.opus) {
        let blocks = red::blocks(&payload, opus);
        let count = blocks.len() as u64;
        for (at, block) in (1..).zip(blocks) {
            let sequence = sequence.saturating_sub(count - at);
            let timestamp = timestamp.wrapping_sub(block.age);
            receiver.insert(now, AudioPacket { sequence, timestamp, payload: block.payload.to_vec() });
        }
    } else {
        log::trace!("audio of payload type {payload_type:?} dropped: it was not agreed on");
    }
}

// === impl Media ===

impl Media {
    /// Assigns a sender to an m-line. The counts of a known sender go on, unless another one took its SSRC.
    fn belongs(&mut self, ssrc: Ssrc, mid: Mid, sequence: u64) {
        if let Some(known) = self.incoming.get_mut(&ssrc).filter(|known| known.mid == mid) {
            known.doubted = false;
            return;
        }
        if self.incoming.len() >= MAX_SSRCS {
            self.incoming.clear();
        }
        self.incoming.insert(ssrc, Incoming::new(mid, sequence));
    }

    pub(super) fn outgoing(&self, mid: Mid) -> Option<&Outgoing> {
        self.outgoing.get(&mid)
    }

    /// The stream on an m-line: the latest one, if the peer changed its sender.
    pub(super) fn incoming(&self, mid: Mid) -> Option<(u32, &Incoming)> {
        let streams = self.incoming.iter().filter(|(_, incoming)| incoming.mid == mid);
        streams.max_by_key(|(_, incoming)| incoming.last).map(|(ssrc, incoming)| (**ssrc, incoming))
    }
}

// === impl Incoming ===

impl Incoming {
    fn new(mid: Mid, first: u64) -> Self {
        Self { mid, doubted: false, packets: 0, bytes: 0, last: None, first, highest: first }
    }

    fn count(&mut self, now: Instant, sequence: u64, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
        self.last = Some(now);
        self.highest = self.highest.max(sequence);
    }

    /// Negative when packets arrive twice (RFC 3550, section 6.4.1).
    pub(super) fn lost(&self) -> i64 {
        let expected = i64::try_from(self.highest - self.first.min(self.highest)).unwrap_or(i64::MAX);
        expected.saturating_add(1).saturating_sub(i64::try_from(self.packets).unwrap_or(i64::MAX))
    }
}

// === impl Outgoing ===

impl Outgoing {
    /// Sequence and time begin at random numbers (RFC 3550, section 5.1).
    fn new(ssrc: u32, sender: &Arc<AudioSender>) -> Self {
        let sequence = FIRST_SEQUENCE.start + random_u64() % (FIRST_SEQUENCE.end - FIRST_SEQUENCE.start);
        let (origin, sender) = (random_u64() as u32, sender.clone());
        Self { sender, ssrc, packets: 0, bytes: 0, sequence, origin, last: None, before: None }
    }

    /// Another track on the m-line has its own time; the peer must see a continuous one.
    fn follow(&mut self, sender: &Arc<AudioSender>, time: u32, now: Instant) {
        if Arc::ptr_eq(&self.sender, sender) {
            return;
        }
        self.sender = sender.clone();
        self.before = None;
        if let Some((last, at)) = self.last {
            let passed = samples(now.saturating_duration_since(at)).max(1);
            self.origin = last.wrapping_add(passed).wrapping_sub(time);
        }
    }

    /// The payload, with the previous frame if the peer accepts redundancy.
    fn wrap(&mut self, format: &AudioFormat, opus: u8, time: u32, frame: Vec<u8>) -> (u8, Vec<u8>) {
        let Some(red) = format.red else { return (opus, frame) };
        let before = self.before.as_ref().map(|(at, payload)| Block { age: time.wrapping_sub(*at), payload });
        let packet = red::packet(opus, before, &frame);
        self.before = Some((time, frame));
        (red, packet)
    }
}

fn samples(duration: Duration) -> u32 {
    (duration.as_secs_f64() * f64::from(SAMPLE_RATE)) as u32
}
