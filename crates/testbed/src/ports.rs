//! Ports that are free.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use anyhow::{Result, bail};

/// Below the ephemeral ranges of Linux and macOS: no outgoing connection takes a port that its server gives up during a
/// restart.
const RANGE: std::ops::Range<u16> = 15_000..32_000;
const ATTEMPTS: usize = 1_000;

/// A port that is free for TCP and UDP on every address.
pub fn free_port() -> Result<u16> {
    let [port] = free_ports()?;
    Ok(port)
}

/// Several different free ports.
pub fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut ports = [0; N];
    let mut found = 0;
    for _ in 0..ATTEMPTS {
        if found == N {
            return Ok(ports);
        }
        let port = random_port();
        if !ports.contains(&port) && is_free(port) {
            ports[found] = port;
            found += 1;
        }
    }
    bail!("found no free port in {RANGE:?} after {ATTEMPTS} attempts")
}

fn random_port() -> u16 {
    let width = u64::from(RANGE.end - RANGE.start);
    // The remainder is below the width of the range, so it fits.
    RANGE.start + (RandomState::new().hash_one(0) % width) as u16
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
        && UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn ports_are_different_and_free() {
        let ports = free_ports::<8>().unwrap();
        for (index, port) in ports.iter().enumerate() {
            assert!(RANGE.contains(port));
            assert!(!ports[..index].contains(port));
            assert!(becomes_free(*port), "port {port} stays in use");
        }
    }

    /// A program that another thread starts holds a copy of the probe's socket between its fork and its exec, so a port
    /// can stay in use for a moment after the probe has been closed.
    fn becomes_free(port: u16) -> bool {
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if is_free(port) {
                return true;
            }
            thread::sleep(Duration::from_millis(5));
        }
        false
    }

    #[test]
    fn a_port_in_use_is_not_free() {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        assert!(!is_free(listener.local_addr().unwrap().port()));
    }
}
