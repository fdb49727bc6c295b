//! Rules of the recovery, packet by packet, and attacks of a peer.

use std::time::Duration;

use super::*;

const ROUND_TRIP: Duration = Duration::from_millis(40);
const STREAM: u16 = 7;

/// A packet with one chunk.
fn packet(kind: u8, value: &[u8]) -> Vec<u8> {
    let mut chunk = vec![kind, 3];
    chunk.extend(u16::try_from(4 + value.len()).unwrap().to_be_bytes());
    chunk.extend(value);
    let mut packet = vec![0; 12];
    packet.extend(chunk);
    packet.resize(packet.len().next_multiple_of(4), 0);
    packet
}

fn data(tsn: u32, length: usize) -> Vec<u8> {
    let stream = STREAM.to_be_bytes();
    packet(kind::DATA, &[&tsn.to_be_bytes()[..], &stream, &[0; 6], &vec![b'x'; length]].concat())
}

fn sack(cumulative: u32, blocks: &[(u16, u16)]) -> Vec<u8> {
    let count = u16::try_from(blocks.len()).unwrap().to_be_bytes();
    let blocks: Vec<u8> =
        blocks.iter().flat_map(|(a, b)| [a.to_be_bytes(), b.to_be_bytes()]).flatten().collect();
    packet(kind::SACK, &[&cumulative.to_be_bytes()[..], &[0, 1, 0, 0], &count, &[0, 0], &blocks].concat())
}

/// The TSNs of the packets to be sent again.
fn taken(recovery: &mut Recovery) -> Vec<u32> {
    let packets: Vec<_> = std::iter::from_fn(|| recovery.take()).collect();
    packets.iter().flat_map(|packet| packet::chunks(packet)).map(|chunk| chunk.data().unwrap().tsn).collect()
}

/// A recovery that has measured the round trip, with DATA up to the TSN before `next`.
fn experienced(now: &mut Instant, next: u32) -> Recovery {
    let mut recovery = Recovery::default();
    for tsn in (1..=8).rev().map(|before| next.wrapping_sub(before)) {
        recovery.outgoing(*now, &data(tsn, 100)).unwrap();
        *now += ROUND_TRIP;
        recovery.incoming(*now, &mut sack(tsn, &[]));
    }
    assert_eq!(recovery.deadline(), None);
    recovery
}

#[test]
fn numbers_start_anew_without_a_gap() {
    let mut now = Instant::now();
    let mut recovery = experienced(&mut now, u32::MAX - 1);
    let tsns = [u32::MAX - 1, u32::MAX, 0, 1, 2];
    for tsn in tsns {
        recovery.outgoing(now, &data(tsn, 100)).unwrap();
    }
    now += ROUND_TRIP;
    recovery.incoming(now, &mut sack(u32::MAX - 1, &[(3, 4)]));
    now += ROUND_TRIP;
    recovery.timeout(now);
    assert_eq!(taken(&mut recovery), [u32::MAX, 0]);
    recovery.incoming(now + ROUND_TRIP, &mut sack(2, &[]));
    assert_eq!(recovery.deadline(), None);
}

#[test]
fn small_packets_are_to_be_acknowledged_at_once_and_full_ones_are_not_touched() {
    let (mut recovery, now) = (Recovery::default(), Instant::now());
    let (small, full) = (data(1, 100), data(2, 1_000));
    let mut asked = small.clone();
    packet::acknowledge_at_once(&mut asked);
    assert!(packet::is_whole(&asked) && !packet::is_whole(&small));
    assert_eq!(recovery.outgoing(now, &small).unwrap(), asked);
    assert_eq!(recovery.outgoing(now, &full).unwrap(), full);
    let mut came = asked.clone();
    came[13] &= !8;
    let damaged = came.clone();
    recovery.incoming(now, &mut came);
    assert_eq!(came, damaged, "what a checksum says of a packet is left to the association");
}

#[test]
fn what_was_just_sent_again_is_not_sent_once_more_by_the_association() {
    let mut now = Instant::now();
    let mut recovery = experienced(&mut now, 1);
    recovery.outgoing(now, &data(1, 100)).unwrap();
    now = recovery.deadline().unwrap();
    recovery.timeout(now);
    assert_eq!(taken(&mut recovery), [1]);
    assert_eq!(recovery.outgoing(now + ROUND_TRIP / 2, &data(1, 100)), None);
    assert!(recovery.outgoing(now + 2 * ROUND_TRIP, &data(1, 100)).is_some());
}

#[test]
fn waits_grow_to_three_seconds_and_start_anew_with_an_answer() {
    let mut now = Instant::now();
    let mut recovery = experienced(&mut now, 1);
    recovery.outgoing(now, &data(1, 100)).unwrap();
    let mut waits = Vec::new();
    for _ in 0..10 {
        let due = recovery.deadline().unwrap();
        waits.push(due - now);
        now = due;
        recovery.timeout(now);
        assert_eq!(taken(&mut recovery), [1]);
    }
    assert!(waits.is_sorted() && waits[0] < 3 * ROUND_TRIP, "{waits:?}");
    assert_eq!(waits[9], Duration::from_secs(3));
    recovery.incoming(now, &mut sack(1, &[]));
    recovery.outgoing(now, &data(2, 100)).unwrap();
    assert!(recovery.deadline().unwrap() - now < 3 * ROUND_TRIP);
}

#[test]
fn what_there_is_no_room_for_is_counted_and_left_to_the_association() {
    let (mut recovery, now) = (Recovery::default(), Instant::now());
    let count = u32::try_from(KEPT).unwrap() + 5;
    for tsn in 0..count {
        assert!(recovery.outgoing(now, &data(tsn, 1_000)).is_some());
    }
    assert_eq!((recovery.sent.len(), recovery.counts().not_kept), (KEPT, 5));
}

#[test]
fn the_end_of_the_association_ends_everything() {
    let now = Instant::now();
    for end in [kind::ABORT, kind::SHUTDOWN_COMPLETE] {
        for ours in [false, true] {
            let mut recovery = Recovery::default();
            recovery.outgoing(now, &packet(kind::INIT, &[0; 16])).unwrap();
            recovery.outgoing(now, &data(1, 100)).unwrap();
            assert!(recovery.deadline().is_some());
            if ours {
                recovery.outgoing(now, &packet(end, &[])).unwrap();
            } else {
                recovery.incoming(now, &mut packet(end, &[]));
            }
            assert_eq!((recovery.deadline(), recovery.sent.len()), (None, 0));
        }
    }
}

#[test]
fn acknowledgements_of_what_was_never_sent_change_nothing() {
    let mut now = Instant::now();
    let mut recovery = experienced(&mut now, 1);
    recovery.outgoing(now, &data(1, 100)).unwrap();
    let due = recovery.deadline();
    for (cumulative, blocks) in [(2, &[][..]), (1 << 31, &[]), (0, &[(9, 3)]), (0, &[(2, u16::MAX)])] {
        recovery.incoming(now + ROUND_TRIP, &mut sack(cumulative, blocks));
        assert_eq!((recovery.deadline(), recovery.sent.len()), (due, 1), "{cumulative} {blocks:?}");
    }
}

/// Damaged packets in both directions, at any time, from a fixed seed.
#[test]
fn no_packet_makes_it_panic_or_grow() {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let (mut recovery, mut now) = (Recovery::default(), Instant::now());
    for _ in 0..50_000 {
        let mut packet = match next(4) {
            0 => {
                sack(next(64) as u32, &[(next(9) as u16, next(9) as u16), (next(99) as u16, next(99) as u16)])
            }
            1 => packet(next(16) as u8, &[next(256) as u8; 24]),
            _ => data(next(64) as u32, next(1_200) as usize),
        };
        for _ in 0..next(3) {
            let at = next(packet.len() as u64) as usize;
            packet[at] = next(256) as u8;
        }
        packet.truncate(packet.len() - next(3) as usize);
        if next(2) == 0 {
            recovery.outgoing(now, &packet);
        } else {
            recovery.incoming(now, &mut packet);
        }
        now += Duration::from_millis(next(100));
        recovery.timeout(now);
        assert!(recovery.sent.len() <= KEPT);
        while let Some(packet) = recovery.take() {
            assert!(packet.len() <= 1_500);
        }
    }
}
