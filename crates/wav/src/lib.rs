//! WAV files of 16-bit PCM with one or two channels: the header that goes out, and a reader of what comes in, in pieces of
//! any size.
//!
//! Servers that stream do not know the length and write 0, `0xFFFFFFFF` or more than they send: the data then goes to
//! the end of the body.

#![forbid(unsafe_code)]

use std::mem;
use std::time::Duration;

/// More in front of the samples than this is no header.
const MAX_HEADER_BYTES: usize = 64 << 10;
const PCM: u16 = 1;
/// The format stands in the first two bytes of an extension's GUID.
const EXTENSIBLE: u16 = 0xFFFE;
/// The bytes in front of the samples of a file that is written here.
const HEADER_BYTES: usize = 44;

/// The form of the samples behind a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    pub rate: u32,
    pub channels: u16,
}

/// Finds the samples in a stream of bytes.
#[derive(Default)]
pub struct Reader {
    /// The header as far as it has come.
    header: Vec<u8>,
    format: Option<Format>,
    /// The bytes of samples that are left; None: all that come.
    left: Option<u64>,
    in_data: bool,
}

/// The reason why a file cannot be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub &'static str);

/// A file of one channel.
pub fn encode(samples: &[i16], rate: u32) -> Vec<u8> {
    let bytes = u32::try_from(samples.len() * 2).unwrap_or(u32::MAX);
    let mut file = Vec::with_capacity(HEADER_BYTES + samples.len() * 2);
    file.extend_from_slice(&header(Format { rate, channels: 1 }, bytes));
    file.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    file
}

/// The header in front of so many bytes of samples. 0: the samples go to the end of the file.
pub fn header(format: Format, bytes: u32) -> Vec<u8> {
    let Format { rate, channels } = format;
    let frame = channels * 2;
    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend_from_slice(b"RIFF");
    header.extend_from_slice(&bytes.saturating_add(36).to_le_bytes());
    header.extend_from_slice(b"WAVEfmt ");
    header.extend_from_slice(&16_u32.to_le_bytes());
    header.extend_from_slice(&PCM.to_le_bytes());
    header.extend_from_slice(&channels.to_le_bytes());
    header.extend_from_slice(&rate.to_le_bytes());
    header.extend_from_slice(&rate.saturating_mul(u32::from(frame)).to_le_bytes());
    header.extend_from_slice(&frame.to_le_bytes());
    header.extend_from_slice(&16_u16.to_le_bytes());
    header.extend_from_slice(b"data");
    header.extend_from_slice(&bytes.to_le_bytes());
    header
}

/// The samples of a whole file, those of its channels in turn.
///
/// # Errors
/// It is no WAV file of 16-bit samples.
pub fn decode(file: &[u8]) -> Result<(Format, Vec<i16>), Unreadable> {
    let mut reader = Reader::default();
    let bytes = reader.feed(file)?;
    let format = reader.format().ok_or(Unreadable("a WAV file that ends within its header"))?;
    let samples = bytes.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
    Ok((format, samples))
}

/// The length of this many samples.
pub fn length(samples: usize, rate: u32) -> Duration {
    Duration::from_secs_f64(samples as f64 / f64::from(rate.max(1)))
}

// === impl Reader ===

impl Reader {
    /// The form of the samples, once the header is read.
    pub fn format(&self) -> Option<Format> {
        self.format.filter(|_| self.in_data)
    }

    /// The bytes of samples among these bytes.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Unreadable> {
        if self.in_data {
            return Ok(self.data(bytes.to_vec()));
        }
        self.header.extend_from_slice(bytes);
        match self.data_start()? {
            None if self.header.len() > MAX_HEADER_BYTES => Err(Unreadable("a WAV header without an end")),
            None => Ok(Vec::new()),
            Some(start) => {
                self.in_data = true;
                let mut rest = mem::take(&mut self.header);
                rest.drain(..start);
                Ok(self.data(rest))
            }
        }
    }

    fn data(&mut self, mut bytes: Vec<u8>) -> Vec<u8> {
        if let Some(left) = &mut self.left {
            bytes.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= bytes.len() as u64;
        }
        bytes
    }

    /// The place of the first sample. None: the header has not come as a whole.
    fn data_start(&mut self) -> Result<Option<usize>, Unreadable> {
        let Some(head) = self.header.get(..12) else { return Ok(None) };
        if &head[..4] != b"RIFF" || &head[8..] != b"WAVE" {
            return Err(Unreadable("a WAV file without its mark"));
        }
        let mut at = 12;
        while let Some((name, size)) = chunk(&self.header, at) {
            let body = at + 8;
            match &name {
                b"data" => return self.begin_data(size).map(|()| Some(body)),
                b"fmt " => match self.header.get(body..body + (size as usize).clamp(16, 40)) {
                    Some(format) => self.format = Some(Format::read(format)?),
                    None => return Ok(None),
                },
                _ => {}
            }
            // Chunks are padded to an even length.
            at = body + size as usize + (size as usize & 1);
            if at > MAX_HEADER_BYTES {
                return Err(Unreadable("a WAV header without an end"));
            }
        }
        Ok(None)
    }

    fn begin_data(&mut self, size: u32) -> Result<(), Unreadable> {
        if self.format.is_none() {
            return Err(Unreadable("a WAV file that does not tell its format"));
        }
        self.left = Some(u64::from(size)).filter(|_| !matches!(size, 0 | 0x7FFF_0000..));
        Ok(())
    }
}

/// The name and the size of the chunk at this place.
fn chunk(bytes: &[u8], at: usize) -> Option<([u8; 4], u32)> {
    let head = bytes.get(at..at.checked_add(8)?)?;
    Some((head[..4].try_into().ok()?, u32::from_le_bytes(head[4..].try_into().ok()?)))
}

// === impl Format ===

impl Format {
    fn read(chunk: &[u8]) -> Result<Self, Unreadable> {
        let half = |at: usize| chunk.get(at..at + 2).map_or(0, |two| u16::from_le_bytes([two[0], two[1]]));
        let code = if half(0) == EXTENSIBLE { half(24) } else { half(0) };
        let (channels, bits) = (half(2), half(14));
        let rate = u32::from(half(4)) | u32::from(half(6)) << 16;
        if code != PCM || bits != 16 {
            return Err(Unreadable("a WAV file of other samples than 16-bit PCM"));
        }
        if !(1..=2).contains(&channels) || !(4_000..=192_000).contains(&rate) {
            return Err(Unreadable("a WAV file with an odd rate or number of channels"));
        }
        Ok(Self { rate, channels })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &[u8], size: usize) -> Result<(Option<Format>, Vec<u8>), Unreadable> {
        let mut reader = Reader::default();
        let mut samples = Vec::new();
        for piece in file.chunks(size) {
            samples.extend(reader.feed(piece)?);
        }
        Ok((reader.format(), samples))
    }

    #[test]
    fn a_whole_file_is_read_with_its_channels() {
        let format = Format { rate: 44_100, channels: 2 };
        let file = [header(format, 0), vec![1, 0, 2, 0]].concat();
        assert_eq!(decode(&file), Ok((format, vec![1, 2])));
        assert!(decode(&file[..20]).unwrap_err().0.contains("ends within its header"));
    }

    fn with_size(mut file: Vec<u8>, size: u32) -> Vec<u8> {
        file[40..44].copy_from_slice(&size.to_le_bytes());
        file
    }

    #[test]
    fn a_file_is_read_in_pieces_of_any_size() {
        let file = encode(&[1, -2, 300], 16_000);
        for size in [1, 3, 7, 44, 100] {
            let (format, samples) = read(&file, size).unwrap();
            assert_eq!(format, Some(Format { rate: 16_000, channels: 1 }));
            assert_eq!(samples, [1, 0, 254, 255, 44, 1], "pieces of {size}");
        }
    }

    #[test]
    fn a_length_that_the_server_did_not_know_is_ignored() {
        for size in [0, u32::MAX, 0x7FFF_FFFF] {
            let file = with_size(encode(&[1, 2], 24_000), size);
            assert_eq!(read(&file, 5).unwrap().1.len(), 4, "{size}");
        }
    }

    #[test]
    fn what_stands_around_the_samples_is_left_out() {
        let mut file = encode(&[1, 2], 24_000);
        file.extend_from_slice(b"LIST\x04\0\0\0abcd");
        file.splice(36..36, *b"LIST\x03\0\0\0abc\0");
        assert_eq!(read(&file, 9).unwrap().1, [1, 0, 2, 0]);
    }

    #[test]
    fn other_samples_than_16_bit_are_refused() {
        let mut float = encode(&[1, 2], 24_000);
        float[20] = 3;
        let mut eight = encode(&[1, 2], 24_000);
        eight[34] = 8;
        for file in [float, eight] {
            assert!(read(&file, 100).unwrap_err().0.contains("16-bit PCM"));
        }
        assert!(read(&[b'x'; 20], 100).is_err());
    }

    #[test]
    fn a_header_without_an_end_is_given_up() {
        let file = [&b"RIFF\0\0\0\0WAVE"[..], &b"junk\xff\xff\0\0"[..], &[0; 80_000]].concat();
        assert!(read(&file, 4096).unwrap_err().0.contains("without an end"));
    }
}
