//! Turns a source's samples into packets: resampling, Opus, and the packets' level and activity.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    audio::{
        level::{self, Pauses},
        opus::{self, Channels, CodecError, Encoder, EncoderConfig},
        resample::{Format, Resampler},
        source::Sink,
    },
    audio_track::RtcAudioTrack,
};

/// A packet holds 20 ms, as WebRTC's do.
pub(crate) const PACKET_BLOCKS: usize = 2;
/// Samples of each channel in a packet, by which its RTP timestamp grows.
pub(crate) const PACKET_SAMPLES: u32 = (opus::BLOCK * PACKET_BLOCKS) as u32;
/// Packets that wait for the connection: half a second. An older one would arrive too late.
const OUTBOX: usize = 25;
/// A packet this short only announces silence (RFC 6716, section 2.1.9) and need not be sent.
const DTX_PACKET: usize = 2;
/// The packets of a round of silence that are remembered; a real one has about twenty.
const LONGEST_ROUND: usize = 64;
/// Bits per second for mono voice, as in WebRTC.
const MONO_BITRATE: u32 = 32_000;
const STEREO_BITRATE: u32 = 64_000;
/// The bitrates that Opus supports, in bits per second (RFC 7587, section 6.1).
const BITRATES: std::ops::RangeInclusive<u32> = 6_000..=510_000;

/// The settings that the peer and the program agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Settings {
    pub(crate) max_bitrate: Option<u64>,
    pub(crate) dtx: bool,
    /// The loss of the network, in percent.
    pub(crate) loss: u8,
}

/// One packet to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EncodedFrame {
    /// Samples since the sender's first block.
    pub(crate) time: u32,
    pub(crate) payload: Vec<u8>,
    pub(crate) level: i8,
    /// Whether sound begins here after silence.
    pub(crate) starts: bool,
}

/// Encodes for one m-line. The source's clock calls it; the connection takes the packets.
pub(crate) struct AudioSender {
    track: RtcAudioTrack,
    format: Format,
    encoding: Mutex<Encoding>,
    outbox: Mutex<VecDeque<EncodedFrame>>,
    dropped: AtomicU64,
    wake: Arc<Notify>,
}

struct Encoding {
    settings: Settings,
    resampler: Resampler,
    encoder: Encoder,
    pauses: Pauses,
    channels: Channels,
    pending: Vec<i16>,
    time: u32,
    /// The samples of each channel since the last packet that was sent.
    unsent: u32,
    silent: bool,
    silence: Silence,
    failed: bool,
}

/// What the encoder makes of digital silence: a packet with the sound of it now and then, and announcements between. They
/// come in rounds of one length that differ in the encoder's dither only, so after a few the last one is repeated: a track
/// on which nothing is played costs next to nothing.
#[derive(Default)]
struct Silence {
    /// The packets since the last one with sound.
    round: Vec<Vec<u8>>,
    /// The number of packets of the round before.
    before: usize,
    /// The next packet of the round, once it repeats.
    place: Option<usize>,
}

// === impl AudioSender ===

impl AudioSender {
    pub(crate) fn new(
        track: RtcAudioTrack,
        format: Format,
        settings: Settings,
        wake: Arc<Notify>,
    ) -> Result<Self, CodecError> {
        Ok(Self {
            track,
            format,
            encoding: Mutex::new(Encoding::new(format, settings)?),
            outbox: Mutex::default(),
            dropped: AtomicU64::new(0),
            wake,
        })
    }

    /// Applies new settings; the sound goes on without a gap.
    pub(crate) fn apply(&self, settings: Settings) {
        let mut encoding = self.encoding.lock();
        if encoding.settings == settings {
            return;
        }
        match Encoding::new(self.format, settings) {
            Ok(mut new) => {
                new.time =
                    encoding.time.wrapping_add((encoding.pending.len() / encoding.channels.count()) as u32);
                *encoding = new;
            }
            Err(error) => log::warn!("the settings of an audio sender stay as they are: {error}"),
        }
    }

    pub(crate) fn track(&self) -> &RtcAudioTrack {
        &self.track
    }

    /// The codec's bitrate, in bits per second.
    pub(crate) fn bitrate(&self) -> u32 {
        let encoding = self.encoding.lock();
        bitrate(encoding.channels, encoding.settings.max_bitrate)
    }

    /// The waiting packets, the oldest first.
    pub(crate) fn take(&self) -> VecDeque<EncodedFrame> {
        std::mem::take(&mut self.outbox.lock())
    }

    fn deliver(&self, frame: EncodedFrame) {
        let mut outbox = self.outbox.lock();
        if outbox.len() >= OUTBOX {
            outbox.pop_front();
            let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
            let level = if dropped == 1 { log::Level::Warn } else { log::Level::Trace };
            log::log!(level, "the connection does not take its audio packets: {dropped} dropped");
        }
        outbox.push_back(frame);
        drop(outbox);
        self.wake.notify_one();
    }
}

impl Sink for AudioSender {
    /// A disabled track sends silence, as the W3C says (mediacapture-streams, section 4.3.1).
    fn block(&self, samples: &[i16]) {
        // The missing part of a block is silence.
        let samples = if self.track.enabled() { samples } else { &[] };
        let frame = self.encoding.lock().block(samples);
        frame.into_iter().for_each(|frame| self.deliver(frame));
    }

    fn take_back(&self, blocks: usize) -> bool {
        self.encoding.lock().take_back(blocks)
    }

    fn rest(&self) -> u32 {
        self.encoding.lock().rest()
    }
}

// === impl Encoding ===

impl Encoding {
    fn new(format: Format, settings: Settings) -> Result<Self, CodecError> {
        let channels = Channels::of(format.channels);
        let config = EncoderConfig {
            channels,
            bitrate: bitrate(channels, settings.max_bitrate),
            dtx: settings.dtx,
            expected_loss: settings.loss,
        };
        Ok(Self {
            settings,
            resampler: Resampler::new(
                format,
                Format { rate: opus::SAMPLE_RATE, channels: channels.count() as u32 },
            )
            .map_err(CodecError::of)?,
            encoder: Encoder::new(&config)?,
            pauses: Pauses::default(),
            channels,
            pending: Vec::with_capacity(PACKET_BLOCKS * opus::BLOCK * channels.count()),
            time: 0,
            unsent: 0,
            silent: true,
            silence: Silence::default(),
            failed: false,
        })
    }

    fn block(&mut self, samples: &[i16]) -> Option<EncodedFrame> {
        self.pending.extend_from_slice(self.resampler.block(samples));
        if self.pending.len() < PACKET_BLOCKS * opus::BLOCK * self.channels.count() {
            return None;
        }
        let time = self.time;
        self.time = time.wrapping_add(PACKET_SAMPLES);
        let frame = self.packet(time);
        self.pending.clear();
        frame
    }

    /// Goes back in time by silence that was not sent.
    fn take_back(&mut self, blocks: usize) -> bool {
        let pending = (self.pending.len() / self.channels.count()) as u32;
        let back = (blocks * opus::BLOCK) as u32;
        if self.unsent + pending < back || self.pending.iter().any(|sample| *sample != 0) {
            return false;
        }
        self.pending.clear();
        self.time = self.time.wrapping_add(pending).wrapping_sub(back);
        self.unsent = self.unsent + pending - back;
        true
    }

    /// The blocks of silence that make no packet to send.
    fn rest(&self) -> u32 {
        let unsent = if self.silent { self.silence.unsent() * PACKET_BLOCKS } else { 0 };
        unsent.saturating_sub(self.pending.len() / opus::BLOCK / self.channels.count()) as u32
    }

    fn packet(&mut self, time: u32) -> Option<EncodedFrame> {
        let level = level::dbov(&self.pending);
        let payload = match self.encode(level) {
            Ok(payload) => payload,
            Err(error) => {
                if !std::mem::replace(&mut self.failed, true) {
                    log::error!("audio cannot be encoded: {error}");
                }
                return None;
            }
        };
        let was_silent = self.silent;
        self.silent = payload.len() <= DTX_PACKET;
        // Only the first packet of a silence is sent, to announce it.
        if self.silent && was_silent {
            self.unsent = self.unsent.saturating_add(PACKET_SAMPLES);
            return None;
        }
        self.unsent = 0;
        let starts = was_silent && !self.silent;
        Some(EncodedFrame { time, payload, level, starts })
    }

    fn encode(&mut self, level: i8) -> Result<Vec<u8>, CodecError> {
        if !self.settings.dtx {
            return self.encoder.encode(&self.pending);
        }
        let is_pause = self.pauses.is_pause(level);
        if self.pending.iter().any(|sample| *sample != 0) {
            self.silence = Silence::default();
        } else if let Some(known) = self.silence.next() {
            return Ok(known);
        }
        self.encoder.set_dtx(is_pause)?;
        let payload = self.encoder.encode(&self.pending)?;
        if level == level::SILENCE {
            self.silence.encoded(&payload);
        }
        Ok(payload)
    }
}

// === impl Silence ===

impl Silence {
    /// The next packet, if it is known.
    fn next(&mut self) -> Option<Vec<u8>> {
        let place = self.place?;
        self.place = Some((place + 1) % self.round.len());
        self.round.get(place).cloned()
    }

    /// The next packets that are known and only announce silence.
    fn unsent(&self) -> usize {
        let rest = self.place.and_then(|place| self.round.get(place..)).unwrap_or_default();
        rest.iter().take_while(|packet| packet.len() <= DTX_PACKET).count()
    }

    fn encoded(&mut self, payload: &[u8]) {
        if payload.len() > DTX_PACKET {
            if self.round.len() > 1 && self.round.len() == self.before {
                // This packet stands for the first of the round.
                self.place = Some(1);
                return;
            }
            self.before = self.round.len();
            self.round.clear();
        }
        if self.round.len() < LONGEST_ROUND {
            self.round.push(payload.to_vec());
        }
    }
}

fn bitrate(channels: Channels, wanted: Option<u64>) -> u32 {
    let default = match channels {
        Channels::Mono => MONO_BITRATE,
        Channels::Stereo => STEREO_BITRATE,
    };
    let wanted = wanted.map_or(default, |wanted| u32::try_from(wanted).unwrap_or(u32::MAX));
    wanted.clamp(*BITRATES.start(), *BITRATES.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: Format = Format { rate: 24_000, channels: 1 };

    fn sender(settings: Settings) -> (AudioSender, Arc<Notify>) {
        let wake = Arc::new(Notify::new());
        let track = RtcAudioTrack::remote("TR_1".to_owned());
        (AudioSender::new(track, FORMAT, settings, wake.clone()).unwrap(), wake)
    }

    fn noise(seed: &mut u32) -> Vec<i16> {
        let mut next = || {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (*seed >> 18) as i16
        };
        (0..FORMAT.samples()).map(|_| next()).collect()
    }

    #[test]
    fn two_blocks_make_a_packet() {
        let (sender, _) = sender(Settings::default());
        let seed = &mut 1;
        for count in 1..=10 {
            sender.block(&noise(seed));
            assert_eq!(sender.outbox.lock().len(), count / 2);
        }
        let frames = sender.take();
        let times: Vec<_> = frames.iter().map(|frame| frame.time).collect();
        assert_eq!(times, [0, 960, 1920, 2880, 3840]);
        assert!(frames[0].starts && !frames[1].starts);
        assert!(frames.iter().all(|frame| opus::duration(&frame.payload) == Some(960)));
        assert!(frames[3].level > -20, "{}", frames[3].level);
    }

    #[test]
    fn only_silence_that_was_not_sent_is_taken_back() {
        let (sender, _) = sender(Settings { dtx: true, ..Settings::default() });
        let (seed, silence) = (&mut 1, vec![0; FORMAT.samples()]);
        (0..20).for_each(|_| sender.block(&noise(seed)));
        assert!(!sender.take_back(2), "it was sent");
        (0..101).for_each(|_| sender.block(&silence));
        assert!(sender.take_back(2));
        let sent = sender.take().back().unwrap().time + PACKET_SAMPLES;
        (0..2).for_each(|_| sender.block(&noise(seed)));
        let [frame] = &Vec::from(sender.take())[..] else { panic!("one packet") };
        assert!(frame.starts && frame.time >= sent, "{} of {sent}", frame.time);
        assert_eq!(frame.time, 119 * opus::BLOCK as u32, "two of 121 blocks before");
        sender.block(&noise(seed));
        assert!(!sender.take_back(1), "it is sound");
    }

    #[test]
    fn silence_is_not_sent_where_the_peer_agreed_and_time_goes_on() {
        let (sender, _) = sender(Settings { dtx: true, ..Settings::default() });
        let seed = &mut 1;
        (0..20).for_each(|_| sender.block(&noise(seed)));
        sender.take();
        let mut sent = 0;
        for _ in 0..200 {
            sender.block(&vec![0; FORMAT.samples()]);
            sent += sender.take().len();
        }
        // An occasional packet carries the sound of the silence.
        assert!(sent < 25, "{sent} of 100 packets");
        sender.block(&noise(seed));
        sender.block(&noise(seed));
        let frame = sender.take().pop_back().unwrap();
        assert_eq!(frame.time, 220 * 480);
        assert!(frame.starts);
    }

    #[test]
    fn silence_is_repeated_without_asking_the_encoder() {
        let settings = Settings { dtx: true, ..Settings::default() };
        let [mut repeats, mut encodes] = [(); 2].map(|()| Encoding::new(FORMAT, settings).unwrap());
        let mut decoder = opus::Decoder::new(Channels::Mono).unwrap();
        let (seed, silence) = (&mut 1, vec![0; FORMAT.samples()]);
        let sound: Vec<_> = (0..40).map(|_| noise(seed)).collect();
        let mut out = [0; opus::MAX_SAMPLES];
        for (number, block) in sound.iter().chain(std::iter::repeat_n(&silence, 1000)).enumerate() {
            encodes.silence = Silence::default();
            let (repeated, encoded) = (repeats.block(block), encodes.block(block));
            let shape = |frame: &EncodedFrame| {
                (frame.time, frame.level, frame.starts, frame.payload.len() > DTX_PACKET)
            };
            assert_eq!(repeated.as_ref().map(shape), encoded.as_ref().map(shape));
            let Some(frame) = repeated else { continue };
            let samples = decoder.decode(&frame.payload, &mut out).unwrap();
            let loudest = out[..samples].iter().map(|sample| sample.unsigned_abs()).max();
            assert!(number < 100 || loudest <= Some(32), "block {number} has sound: {loudest:?}");
        }
        assert!(repeats.silence.place.is_some(), "the encoder was asked all the time");
        // The encoder goes on after the silence.
        let frames: Vec<_> = sound.iter().filter_map(|block| repeats.block(block)).collect();
        assert!(frames.len() == 20 && frames[0].starts && frames[10].payload.len() > 20);
        assert!(repeats.silence.place.is_none());
    }

    #[test]
    fn a_tone_that_goes_on_is_no_silence() {
        let (sender, _) = sender(Settings { dtx: true, ..Settings::default() });
        let mut decoder = opus::Decoder::new(Channels::Mono).unwrap();
        let angle = |at: usize| at as f64 * 60.0 * std::f64::consts::TAU / f64::from(FORMAT.rate);
        let tone: Vec<i16> =
            (0..FORMAT.samples() * 600).map(|at| (angle(at).sin() * 32_767.0) as i16).collect();
        let (mut packets, mut heard) = (0, 0);
        for block in tone.chunks(FORMAT.samples()) {
            sender.block(block);
            for frame in sender.take() {
                let mut out = [0; opus::MAX_SAMPLES];
                let samples = decoder.decode(&frame.payload, &mut out).unwrap();
                packets += 1;
                heard += out[..samples].windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
            }
        }
        assert_eq!(packets, 300);
        // 6 s of the tone; noise near zero splits some of its waves in two.
        assert!((350..=390).contains(&heard), "{heard} waves");
    }

    #[test]
    fn a_disabled_track_is_silent() {
        let (sender, _) = sender(Settings::default());
        sender.track.set_enabled(false);
        let seed = &mut 1;
        (0..2).for_each(|_| sender.block(&noise(seed)));
        assert_eq!(sender.take()[0].level, level::SILENCE);
    }

    #[test]
    fn packets_that_are_not_taken_are_dropped_oldest_first() {
        let (sender, _) = sender(Settings::default());
        let seed = &mut 1;
        (0..100).for_each(|_| sender.block(&noise(seed)));
        let frames = sender.take();
        assert_eq!((frames.len(), frames[0].time), (OUTBOX, 25 * 960));
        assert_eq!(sender.dropped.load(Ordering::Relaxed), 25);
    }

    #[test]
    fn new_settings_leave_no_gap() {
        let (sender, _) = sender(Settings::default());
        let seed = &mut 1;
        (0..4).for_each(|_| sender.block(&noise(seed)));
        sender.apply(Settings { max_bitrate: Some(12_000), ..Settings::default() });
        (0..40).for_each(|_| sender.block(&noise(seed)));
        let frames = sender.take();
        assert!(frames.iter().zip(frames.iter().skip(1)).all(|(one, next)| next.time == one.time + 960));
        assert!(frames.back().unwrap().payload.len() < frames[1].payload.len());
    }

    #[test]
    fn bitrates_stay_within_what_opus_takes() {
        assert_eq!(bitrate(Channels::Mono, None), 32_000);
        assert_eq!(bitrate(Channels::Stereo, None), 64_000);
        assert_eq!(bitrate(Channels::Mono, Some(1)), 6_000);
        assert_eq!(bitrate(Channels::Mono, Some(u64::MAX)), 510_000);
    }
}
