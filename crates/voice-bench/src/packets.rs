//! The packets of sound on the machine's own network: when others sent the first one that is loud.
//!
//! The header of an RTP packet is not encrypted, and neither is the level of its sound (RFC 6464), so the packets tell when
//! a participant begins to speak without a jitter buffer in between. Needs root.

use std::collections::HashSet;
use std::fs;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::net::{AddressFamily, RecvFlags, SocketType, eth, recv, socket};

use crate::clock;

const UDP: u8 = 17;
/// The header of an RTP packet, with an extension and without.
const RTP_HEADER: usize = 12;
/// Extensions of one byte each (RFC 8285), and the number of the level among them that LiveKit's server gives it.
const ONE_BYTE: u16 = 0xBEDE;
const LEVEL: u8 = 1;
/// Of 127 levels below full scale; a sound above is loud.
const LOUD: u8 = 50;
/// The number of loud packets that are remembered.
const REMEMBERED: usize = 10_000;

/// The loud packets to a port of this machine that other processes sent.
#[derive(Clone, Default)]
pub(crate) struct Packets {
    loud: Arc<Mutex<Vec<Duration>>>,
}

// === impl Packets ===

impl Packets {
    /// Watches the packets to a port from now on, but for those from sockets of this process.
    ///
    /// # Errors
    /// The process may not watch the network.
    pub(crate) fn watch(port: u16) -> Result<Self> {
        let socket = socket(AddressFamily::PACKET, SocketType::DGRAM, Some(eth::IP))
            .context("cannot watch the network's packets; it needs root")?;
        let packets = Self::default();
        let (watching, own) = (packets.clone(), own_ports()?);
        thread::spawn(move || watching.run(&socket, port, &own));
        Ok(packets)
    }

    /// The first loud packet since then.
    pub(crate) fn first_since(&self, since: Duration) -> Option<Duration> {
        let loud = self.loud.lock().unwrap_or_else(PoisonError::into_inner);
        loud.iter().copied().find(|at| *at >= since)
    }

    fn run(&self, socket: &OwnedFd, port: u16, own: &HashSet<u16>) {
        let mut buffer = [0; 2048];
        while let Ok((bytes, _)) = recv(socket, &mut buffer[..], RecvFlags::empty()) {
            let now = clock::unix();
            let Some((from, to, payload)) = datagram(&buffer[..bytes]) else { continue };
            if to == port && !own.contains(&from) && level(payload).is_some_and(|level| level < LOUD) {
                let mut loud = self.loud.lock().unwrap_or_else(PoisonError::into_inner);
                if loud.len() == REMEMBERED {
                    loud.remove(0);
                }
                loud.push(now);
            }
        }
    }
}

/// The ports and the payload of an IPv4 packet that holds UDP.
fn datagram(packet: &[u8]) -> Option<(u16, u16, &[u8])> {
    let first = packet.first().filter(|first| **first >> 4 == 4)?;
    let (header, rest) = packet.split_at_checked(usize::from(first & 0x0F) * 4)?;
    let (udp, payload) = rest.split_at_checked(8)?;
    let port = |at: usize| u16::from_be_bytes([udp[at], udp[at + 1]]);
    (*header.get(9)? == UDP).then(|| (port(0), port(2), payload))
}

/// The level of an RTP packet's sound, as decibels below full scale.
fn level(packet: &[u8]) -> Option<u8> {
    let (header, rest) = packet.split_at_checked(RTP_HEADER)?;
    let is_rtp = header[0] >> 6 == 2 && !(64..96).contains(&(header[1] & 0x7F));
    let has_extension = header[0] & 0x10 != 0;
    if !is_rtp || !has_extension {
        return None;
    }
    let (head, rest) = rest.get(usize::from(header[0] & 0x0F) * 4..)?.split_at_checked(4)?;
    let number = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let mut elements = rest.get(..usize::from(number(2)) * 4).filter(|_| number(0) == ONE_BYTE)?;
    while let Some((&first, after)) = elements.split_first() {
        let (id, length) = (first >> 4, usize::from(first & 0x0F) + 1);
        match id {
            0 => elements = after,
            LEVEL => return after.first().map(|byte| byte & 0x7F),
            _ => elements = after.get(length..)?,
        }
    }
    None
}

/// The UDP ports of this process.
fn own_ports() -> Result<HashSet<u16>> {
    let mut own = HashSet::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        let link = fs::read_link(entry?.path()).unwrap_or_default();
        let inode = link.to_str().and_then(|link| link.strip_prefix("socket:[")?.strip_suffix(']'));
        own.extend(inode.map(str::to_owned));
    }
    let table = fs::read_to_string("/proc/self/net/udp")?;
    let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    let ours = rows.filter(|row| row.get(9).is_some_and(|inode| own.contains(*inode)));
    let port = |row: Vec<&str>| u16::from_str_radix(row.get(1)?.rsplit(':').next()?, 16).ok();
    Ok(ours.filter_map(port).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An RTP packet with two extensions: the number 3 of two bytes, and the level.
    const RTP: [u8; 28] = [
        0x90,
        111,
        0,
        1,
        0,
        0,
        0,
        1,
        0,
        0,
        0,
        2,
        0xBE,
        0xDE,
        0,
        2,
        0x31,
        7,
        7,
        0x10,
        0x80 | 23,
        0,
        0,
        0,
        9,
        9,
        9,
        9,
    ];

    #[test]
    fn the_level_is_found_among_the_extensions() {
        assert_eq!(level(&RTP), Some(23));
        let mut rtcp = RTP;
        rtcp[1] = 200;
        assert_eq!(level(&rtcp), None, "a report is no sound");
        assert_eq!(level(&RTP[..18]), None);
    }

    #[test]
    fn ports_and_payload_are_found_behind_the_headers() {
        let mut packet = vec![0; 20];
        (packet[0], packet[9]) = (0x45, UDP);
        packet.extend([0x1F, 0x90, 0x45, 0xDA, 0, 12, 0, 0, 1, 2, 3, 4]);
        assert_eq!(datagram(&packet), Some((8080, 17882, &[1, 2, 3, 4][..])));
        packet[9] = 6;
        assert_eq!(datagram(&packet), None);
        assert_eq!(datagram(&[]), None);
    }
}
