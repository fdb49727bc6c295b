//! The decoder and its output: samples that are ready to be played, whatever they were made from.

use crate::audio::opus::{Channels, CodecError, Decoder, MAX_SAMPLES};

use super::{head::BRIDGED, queue::Packet, stats::peak};

/// Opus conceals in steps of 2.5 ms.
const STEP: usize = 120;
/// A concealed sound is held, then fades out: after a longer gap a guess would be wrong.
const GUESS: Fade = Fade { hold: 2880, out: 2880 };
/// The background between two updates of a sender that is silent (DTX), which sends one every 400 ms.
const COMFORT: Fade = Fade { hold: 24_000, out: 4800 };
/// Sound after silence begins softly, because it would click otherwise.
const FADE_IN: usize = 240;
/// A sender whose loudest sample is no louder, 66 dB below full scale, is silent: its background need not be made.
pub(super) const INAUDIBLE: u16 = 16;
/// For two channels.
const SCRATCH: usize = (BRIDGED + MAX_SAMPLES) * 2;

struct Fade {
    hold: usize,
    out: usize,
}

pub(super) struct Voice {
    decoder: Decoder,
    channels: usize,
    scratch: Box<[i16; SCRATCH]>,
    ready: Vec<i16>,
    /// Samples of each channel since the last packet, up to the number at which concealment is silent.
    concealed: usize,
    is_comfort: bool,
    /// The last packet that was more than an announcement held silence.
    was_silence: bool,
}

// === impl Fade ===

impl Fade {
    fn end(&self) -> usize {
        self.hold + self.out
    }

    fn gain(&self, position: usize) -> f32 {
        let left = self.end().saturating_sub(position);
        (left as f32 / self.out as f32).min(1.0)
    }
}

// === impl Voice ===

impl Voice {
    pub(super) fn new(channels: Channels) -> Result<Self, CodecError> {
        let decoder = Decoder::new(channels)?;
        let (scratch, ready, channels) = (Box::new([0; SCRATCH]), Vec::new(), channels.count());
        Ok(Self {
            decoder,
            channels,
            scratch,
            ready,
            concealed: GUESS.end(),
            is_comfort: false,
            was_silence: false,
        })
    }

    /// Samples of each channel that are ready to be played.
    pub(super) fn len(&self) -> usize {
        self.ready.len() / self.channels
    }

    /// The ready samples, and their number of interleaved channels.
    pub(super) fn ready(&mut self) -> (&mut Vec<i16>, usize) {
        (&mut self.ready, self.channels)
    }

    /// Whether the last sound came from a packet.
    pub(super) fn is_live(&self) -> bool {
        self.concealed == 0
    }

    /// Whether concealment has faded out.
    pub(super) fn is_silent(&self) -> bool {
        self.concealed >= self.fade().end()
    }

    /// Whether the sender has announced that it is silent.
    pub(super) fn is_comfort(&self) -> bool {
        self.is_comfort
    }

    /// Whether there is only silence until the next packet.
    pub(super) fn is_at_rest(&self) -> bool {
        self.ready.is_empty() && (self.is_silent() || self.is_comfort && self.was_silence)
    }

    /// A packet that cannot be decoded becomes concealment of the same length.
    pub(super) fn decode(&mut self, packet: &Packet) -> Result<(), CodecError> {
        let decoded = self.decoder.decode(&packet.payload, &mut self.scratch[..]);
        self.arrived(decoded, packet.duration)?;
        self.is_comfort = packet.is_dtx();
        if !self.is_comfort {
            let sound = &self.scratch[..packet.duration * self.channels];
            self.was_silence = peak(sound) <= INAUDIBLE;
        }
        Ok(())
    }

    /// At least `samples`, at most [`BRIDGED`], of concealment that leads up to this packet, and the packet.
    pub(super) fn bridge(&mut self, samples: usize, packet: &Packet) -> Result<(), CodecError> {
        let missing = samples.next_multiple_of(STEP).min(BRIDGED);
        let (gap, out) = self.scratch.split_at_mut(missing * self.channels);
        match self.decoder.bridge(gap, &packet.payload, out) {
            Ok(decoded) => {
                self.push_fading(missing);
                self.push_rising(missing, decoded.min(packet.duration));
                Ok(())
            }
            Err(error) => {
                self.conceal(missing + packet.duration);
                Err(error)
            }
        }
    }

    /// The packet before this one, as long as this one.
    pub(super) fn recover(&mut self, packet: &Packet) -> Result<(), CodecError> {
        let out = &mut self.scratch[..packet.duration * self.channels];
        let decoded = self.decoder.decode_fec(&packet.payload, out);
        self.arrived(decoded, packet.duration)
    }

    /// At least `samples` of concealment or silence; returns how many were made.
    pub(super) fn conceal(&mut self, samples: usize) -> usize {
        if self.is_silent() {
            self.ready.resize(self.ready.len() + samples * self.channels, 0);
            return samples;
        }
        let samples = samples.next_multiple_of(STEP).min(MAX_SAMPLES);
        let out = &mut self.scratch[..samples * self.channels];
        let made = match self.is_comfort {
            true if self.was_silence => None,
            true => self.decoder.background(out).ok(),
            false => self.decoder.conceal(out).ok(),
        };
        if made.is_none() {
            out.fill(0);
        }
        self.push_fading(samples);
        samples
    }

    /// Drops the ready samples.
    pub(super) fn forget(&mut self) {
        self.ready.clear();
        self.concealed = self.fade().end();
    }

    /// Fills `out`, with silence at the end if there is not enough.
    pub(super) fn take(&mut self, out: &mut [i16]) {
        let ready = out.len().min(self.ready.len());
        out[..ready].copy_from_slice(&self.ready[..ready]);
        out[ready..].fill(0);
        self.ready.drain(..ready);
    }

    fn fade(&self) -> &'static Fade {
        if self.is_comfort { &COMFORT } else { &GUESS }
    }

    fn arrived(&mut self, decoded: Result<usize, CodecError>, expected: usize) -> Result<(), CodecError> {
        match decoded {
            Ok(samples) => self.push_rising(0, samples.min(expected)),
            Err(error) => {
                self.conceal(expected);
                return Err(error);
            }
        }
        Ok(())
    }

    fn push_fading(&mut self, samples: usize) {
        let (fade, begin) = (self.fade(), self.concealed);
        for (at, frame) in self.scratch[..samples * self.channels].chunks_exact(self.channels).enumerate() {
            let gain = fade.gain(begin + at);
            self.ready.extend(frame.iter().map(|sample| (f32::from(*sample) * gain) as i16));
        }
        self.concealed = (begin + samples).min(fade.end());
    }

    /// Appends samples from `first` on, with a rising volume.
    fn push_rising(&mut self, first: usize, samples: usize) {
        let begin = self.fade().gain(self.concealed);
        let frames = self.scratch.chunks_exact(self.channels).skip(first).take(samples);
        for (at, frame) in frames.enumerate() {
            let gain = begin + (1.0 - begin) * (at as f32 / FADE_IN as f32).min(1.0);
            self.ready.extend(frame.iter().map(|sample| (f32::from(*sample) * gain) as i16));
        }
        self.concealed = 0;
    }
}
