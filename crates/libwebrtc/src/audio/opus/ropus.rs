//! Opus by the crate `ropus`.

use ropus::{Application, Bitrate, DecodeMode, InbandFec};

use super::{Channels, CodecError, EncoderConfig, MAX_PACKET, SAMPLE_RATE, concealment::Concealment};

pub(crate) struct Encoder {
    inner: ropus::Encoder,
    packet: Box<[u8; MAX_PACKET]>,
}

pub(crate) struct Decoder {
    inner: ropus::Decoder,
    channels: usize,
    concealment: Concealment,
}

// === impl Encoder ===

impl Encoder {
    pub(crate) fn new(config: &EncoderConfig) -> Result<Self, CodecError> {
        let fec = if config.expected_loss > 0 { InbandFec::Enabled } else { InbandFec::Disabled };
        let inner = ropus::Encoder::builder(SAMPLE_RATE, of(config.channels), Application::Voip)
            .complexity(config.complexity())
            .bitrate(Bitrate::Bits(config.bitrate))
            .dtx(config.dtx)
            .inband_fec(fec)
            .packet_loss_perc(config.expected_loss.min(100))
            .build()
            .map_err(CodecError::of)?;
        Ok(Self { inner, packet: Box::new([0; MAX_PACKET]) })
    }

    /// Lets the encoder send nearly nothing during what it detects as silence.
    pub(crate) fn set_dtx(&mut self, on: bool) -> Result<(), CodecError> {
        self.inner.set_dtx(on).map_err(CodecError::of)
    }

    /// One packet of interleaved samples, 10 or 20 ms long.
    pub(crate) fn encode(&mut self, samples: &[i16]) -> Result<Vec<u8>, CodecError> {
        let length = self.inner.encode(samples, &mut self.packet[..]).map_err(CodecError::of)?;
        Ok(self.packet[..length].to_vec())
    }
}

// === impl Decoder ===

impl Decoder {
    pub(crate) fn new(channels: Channels) -> Result<Self, CodecError> {
        let inner = ropus::Decoder::new(SAMPLE_RATE, of(channels)).map_err(CodecError::of)?;
        let channels = channels.count();
        Ok(Self { inner, channels, concealment: Concealment::new(channels) })
    }

    /// Samples of each channel; `out` is interleaved and holds the longest packet.
    pub(crate) fn decode(&mut self, packet: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        if packet.is_empty() {
            return Err(CodecError("a packet without a byte".to_owned()));
        }
        self.decoded(packet, out, DecodeMode::Normal)
    }

    /// Fills `out`, as long as the packet before, with the coarse copy of it that `packet` carries.
    pub(crate) fn decode_fec(&mut self, packet: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        self.decoded(packet, out, DecodeMode::Fec)
    }

    /// Fills `out`, a multiple of 2.5 ms, with concealment.
    pub(crate) fn conceal(&mut self, out: &mut [i16]) -> Result<usize, CodecError> {
        self.concealment.conceal(out);
        Ok(out.len() / self.channels)
    }

    /// Decodes a packet, and fills `gap`, a multiple of 2.5 ms, with concealment of the sound before it.
    pub(crate) fn bridge(
        &mut self,
        gap: &mut [i16],
        packet: &[u8],
        out: &mut [i16],
    ) -> Result<usize, CodecError> {
        let samples = self.inner.decode(packet, out, DecodeMode::Normal).map_err(CodecError::of)?;
        self.concealment.bridge(gap, &mut out[..samples * self.channels]);
        Ok(samples)
    }

    /// Fills `out`, a multiple of 2.5 ms, with the background noise of a sender that announced silence.
    pub(crate) fn background(&mut self, out: &mut [i16]) -> Result<usize, CodecError> {
        self.decoded(&[], out, DecodeMode::Normal)
    }

    fn decoded(&mut self, packet: &[u8], out: &mut [i16], mode: DecodeMode) -> Result<usize, CodecError> {
        let samples = self.inner.decode(packet, out, mode).map_err(CodecError::of)?;
        self.concealment.heard(&mut out[..samples * self.channels]);
        Ok(samples)
    }
}

fn of(channels: Channels) -> ropus::Channels {
    match channels {
        Channels::Mono => ropus::Channels::Mono,
        Channels::Stereo => ropus::Channels::Stereo,
    }
}
