//! Messages on a stream: STUN messages and channel data one after another (RFC 8656, section 12.5), and channel data itself.

/// The numbers a client may bind (RFC 8656, section 12).
pub(crate) const FIRST_CHANNEL: u16 = 0x4000;
pub(crate) const LAST_CHANNEL: u16 = 0x4fff;

const CHANNEL_HEADER: usize = 4;
const STUN_HEADER: usize = 20;

/// Collects the bytes of a stream until they form messages. It holds one message and the bytes of one read.
#[derive(Default)]
pub(crate) struct Framer {
    pub(crate) buffer: Vec<u8>,
    /// The length of the present message, without and with its padding.
    message: usize,
    consumed: usize,
}

/// The stream carries neither STUN nor channel data, so the beginning of the next message is unknown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Garbage;

impl Framer {
    /// Advances to the next message; returns whether it is complete. The bytes of the last one are dropped.
    pub(crate) fn advance(&mut self) -> Result<bool, Garbage> {
        self.buffer.drain(..std::mem::take(&mut self.consumed).min(self.buffer.len()));
        self.message = 0;
        let Some([first, _, high, low]) = self.buffer.first_chunk().copied() else { return Ok(false) };
        let len = usize::from(u16::from_be_bytes([high, low]));
        let (len, padded) = match first >> 6 {
            0 => (STUN_HEADER + len, STUN_HEADER + len),
            1 => (CHANNEL_HEADER + len, (CHANNEL_HEADER + len).next_multiple_of(4)),
            _ => return Err(Garbage),
        };
        if self.buffer.len() < padded {
            return Ok(false);
        }
        (self.message, self.consumed) = (len, padded);
        Ok(true)
    }

    /// The message that [`Framer::advance`] found.
    pub(crate) fn message(&self) -> &[u8] {
        &self.buffer[..self.message]
    }
}

/// Cuts a stream into messages, and reads the channel data among them.
#[cfg(any(debug_assertions, feature = "fuzzing"))]
pub(crate) fn cut(bytes: &[u8], step: usize) {
    let mut framer = Framer::default();
    for piece in bytes.chunks(step) {
        framer.buffer.extend_from_slice(piece);
        while let Ok(true) = framer.advance() {
            _ = read_channel_data(framer.message());
        }
    }
}

/// Splits channel data into its number and its payload; padding is left out.
pub(crate) fn read_channel_data(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let [number_high, number_low, len_high, len_low] = *bytes.first_chunk()?;
    let number = u16::from_be_bytes([number_high, number_low]);
    let len = usize::from(u16::from_be_bytes([len_high, len_low]));
    let data = bytes.get(CHANNEL_HEADER..CHANNEL_HEADER + len)?;
    (FIRST_CHANNEL..=LAST_CHANNEL).contains(&number).then_some((number, data))
}

/// `None` when the payload is too long. Only a stream needs padding.
pub(crate) fn write_channel_data(number: u16, data: &[u8], padded: bool) -> Option<Vec<u8>> {
    let len = u16::try_from(data.len()).ok()?;
    let mut bytes = Vec::with_capacity(CHANNEL_HEADER + data.len() + 3);
    bytes.extend_from_slice(&number.to_be_bytes());
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(data);
    if padded {
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::stun::message::{Builder, Class, Method};

    #[test]
    fn a_stream_is_cut_into_messages_wherever_reads_end() {
        let stun = Builder::new(Class::Success, Method::Refresh, [3; 12]).put(0x14, b"realm").finish();
        let data = write_channel_data(0x4001, b"hello", true).unwrap();
        let stream = [&stun[..], &data, &stun].concat();
        for step in 1..stream.len() {
            let (mut framer, mut messages) = (Framer::default(), Vec::new());
            for piece in stream.chunks(step) {
                framer.buffer.extend_from_slice(piece);
                while framer.advance().unwrap() {
                    messages.push(framer.message().to_vec());
                }
            }
            assert_eq!(messages.len(), 3, "{step}");
            assert_eq!(messages[0], stun);
            assert_eq!(read_channel_data(&messages[1]), Some((0x4001, &b"hello"[..])));
            assert_eq!(messages[2], stun);
        }
    }

    #[test]
    fn what_is_no_message_is_noticed() {
        let mut framer = Framer { buffer: b"\xffTTP/1.1".to_vec(), ..Framer::default() };
        assert_eq!(framer.advance(), Err(Garbage));
        assert_eq!(read_channel_data(&[0x40, 0, 0, 5, 1]), None);
        assert_eq!(read_channel_data(&[0x50, 0, 0, 0]), None);
        assert_eq!(read_channel_data(&[0x40]), None);
        assert_eq!(write_channel_data(0x4000, &[0; 70_000], false), None);
    }

    #[test]
    fn only_a_stream_is_padded() {
        assert_eq!(write_channel_data(0x4000, b"abcde", false).unwrap().len(), 9);
        assert_eq!(write_channel_data(0x4000, b"abcde", true).unwrap().len(), 12);
    }
}
