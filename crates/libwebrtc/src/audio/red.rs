//! Redundant audio (RFC 2198): each packet also carries the frame before, so a single loss costs nothing.

/// A block of a packet: a frame, and how far before the packet's own time it belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block<'a> {
    /// RTP time units before the packet's timestamp; zero for the frame the packet is about.
    pub(crate) age: u32,
    pub(crate) payload: &'a [u8],
}

/// A header has 14 bits for the age and 10 for the length.
const MAX_AGE: u32 = (1 << 14) - 1;
const MAX_LENGTH: usize = (1 << 10) - 1;
/// More blocks than any sender puts into a packet.
const MAX_BLOCKS: usize = 10;
const MORE: u8 = 0x80;

/// The blocks of a packet that are of the payload type, the oldest first; none when it breaks the format.
pub(crate) fn blocks(packet: &[u8], payload_type: u8) -> Vec<Block<'_>> {
    read(packet, payload_type).unwrap_or_default()
}

/// A packet of `frame`, with `before`, if it fits, as a redundant block.
pub(crate) fn packet(payload_type: u8, before: Option<Block<'_>>, frame: &[u8]) -> Vec<u8> {
    let before = before.filter(|block| {
        (1..=MAX_AGE).contains(&block.age) && (1..=MAX_LENGTH).contains(&block.payload.len())
    });
    let mut packet = Vec::with_capacity(5 + frame.len() + before.map_or(0, |block| block.payload.len()));
    if let Some(block) = before {
        let fields = block.age << 10 | block.payload.len() as u32;
        packet.push(MORE | payload_type);
        packet.extend_from_slice(&fields.to_be_bytes()[1..]);
    }
    packet.push(payload_type & !MORE);
    packet.extend_from_slice(before.map_or(&[], |block| block.payload));
    packet.extend_from_slice(frame);
    packet
}

fn read(packet: &[u8], payload_type: u8) -> Option<Vec<Block<'_>>> {
    let mut rest = packet;
    let mut headers = Vec::new();
    let last = loop {
        let (&first, after) = rest.split_first()?;
        if first & MORE == 0 {
            rest = after;
            break first;
        }
        let (fields, after) = after.split_first_chunk::<3>()?;
        let fields = u32::from_be_bytes([0, fields[0], fields[1], fields[2]]);
        headers.push((first & !MORE, fields >> 10, (fields as usize) & MAX_LENGTH));
        if headers.len() > MAX_BLOCKS {
            return None;
        }
        rest = after;
    };
    let mut blocks = Vec::with_capacity(headers.len() + 1);
    for (kind, age, length) in headers {
        let (payload, after) = rest.split_at_checked(length)?;
        blocks.push((kind, Block { age, payload }));
        rest = after;
    }
    blocks.push((last, Block { age: 0, payload: rest }));
    let wanted = |(kind, block): (u8, Block<'_>)| !block.payload.is_empty() && kind == payload_type;
    Some(blocks.into_iter().filter(|entry| wanted(*entry)).map(|(_, block)| block).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPUS: u8 = 111;

    #[test]
    fn a_packet_carries_the_frame_before() {
        let before = Block { age: 960, payload: b"before" };
        let packet = packet(OPUS, Some(before), b"frame");
        assert_eq!(blocks(&packet, OPUS), [before, Block { age: 0, payload: b"frame" }]);
        assert!(blocks(&packet, 9).is_empty(), "another codec");
    }

    #[test]
    fn the_first_packet_of_all_carries_its_own_frame_alone() {
        let packet = packet(OPUS, None, b"frame");
        assert_eq!(packet[0], OPUS);
        assert_eq!(blocks(&packet, OPUS), [Block { age: 0, payload: b"frame" }]);
    }

    #[test]
    fn what_does_not_fit_into_the_header_is_left_out() {
        for (age, length) in [(960, 1024), (1 << 14, 10), (0, 10), (960, 0)] {
            let long = vec![1; length];
            let packet = packet(OPUS, Some(Block { age, payload: &long }), b"frame");
            assert_eq!(packet.len(), 6, "{age} {length}");
        }
    }

    #[test]
    fn a_broken_packet_has_no_blocks() {
        let whole = packet(OPUS, Some(Block { age: 960, payload: b"before" }), b"frame");
        for length in 0..11 {
            assert!(blocks(&whole[..length], OPUS).is_empty(), "{length}");
        }
        assert!(blocks(&[0xff; 400], OPUS).is_empty());
    }
}
