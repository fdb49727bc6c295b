//! Opus by the C library, through the crate `opus`.

use opus::{Application, Bitrate};

use super::{Channels, CodecError, EncoderConfig, MAX_PACKET, SAMPLE_RATE};

pub(crate) struct Encoder {
    inner: opus::Encoder,
    packet: Box<[u8; MAX_PACKET]>,
}

pub(crate) struct Decoder {
    inner: opus::Decoder,
}

// === impl Encoder ===

impl Encoder {
    pub(crate) fn new(config: &EncoderConfig) -> Result<Self, CodecError> {
        let inner = configured(config).map_err(CodecError::of)?;
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

fn configured(config: &EncoderConfig) -> opus::Result<opus::Encoder> {
    let mut encoder = opus::Encoder::new(SAMPLE_RATE, of(config.channels), Application::Voip)?;
    encoder.set_bitrate(Bitrate::Bits(i32::try_from(config.bitrate).unwrap_or(i32::MAX)))?;
    encoder.set_complexity(config.complexity().into())?;
    encoder.set_dtx(config.dtx)?;
    encoder.set_inband_fec(config.expected_loss > 0)?;
    encoder.set_packet_loss_perc(i32::from(config.expected_loss.min(100)))?;
    Ok(encoder)
}

// === impl Decoder ===

impl Decoder {
    pub(crate) fn new(channels: Channels) -> Result<Self, CodecError> {
        let inner = opus::Decoder::new(SAMPLE_RATE, of(channels)).map_err(CodecError::of)?;
        Ok(Self { inner })
    }

    /// Samples of each channel; `out` is interleaved and holds the longest packet.
    pub(crate) fn decode(&mut self, packet: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        if packet.is_empty() {
            return Err(CodecError("a packet without a byte".to_owned()));
        }
        self.inner.decode(packet, out, false).map_err(CodecError::of)
    }

    /// Fills `out`, as long as the packet before, with the coarse copy of it that `packet` carries.
    pub(crate) fn decode_fec(&mut self, packet: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        self.inner.decode(packet, out, true).map_err(CodecError::of)
    }

    /// Fills `out`, a multiple of 2.5 ms, with concealment.
    pub(crate) fn conceal(&mut self, out: &mut [i16]) -> Result<usize, CodecError> {
        self.inner.decode(&[], out, false).map_err(CodecError::of)
    }

    /// Decodes a packet, and fills `gap`, a multiple of 2.5 ms, with concealment of the sound before it.
    pub(crate) fn bridge(
        &mut self,
        gap: &mut [i16],
        packet: &[u8],
        out: &mut [i16],
    ) -> Result<usize, CodecError> {
        self.conceal(gap)?;
        self.decode(packet, out)
    }

    /// Fills `out`, a multiple of 2.5 ms, with the background noise of a sender that announced silence.
    pub(crate) fn background(&mut self, out: &mut [i16]) -> Result<usize, CodecError> {
        self.conceal(out)
    }
}

fn of(channels: Channels) -> opus::Channels {
    match channels {
        Channels::Mono => opus::Channels::Mono,
        Channels::Stereo => opus::Channels::Stereo,
    }
}
