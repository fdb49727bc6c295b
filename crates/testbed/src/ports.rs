//! Ports that are free.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Error, Result, bail};

/// Below the ephemeral ranges of Linux and macOS: no outgoing connection takes a port that its server gives up during a
/// restart.
const RANGE: std::ops::Range<u16> = 15_000..32_000;
const ATTEMPTS: usize = 1_000;
/// Another program may take a port between our probe and the server's bind.
const SERVERS: usize = 4;
/// While a server is stopped, a program that looks for a free port may hold the server's for a moment.
const HELD: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

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

/// Launches one server after the other, each with ports of its own, until no other program has taken those of one.
pub(crate) fn launch_one<S>(
    configured: impl Fn() -> Result<S>,
    launch: impl Fn(&S) -> Result<()>,
) -> Result<S> {
    let mut attempt = 1;
    loop {
        let server = configured()?;
        match launch(&server) {
            Ok(()) => return Ok(server),
            Err(error) if attempt < SERVERS && is_clash(&error) => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Launches a server again at the ports that it had.
pub(crate) fn launch_again(launch: impl Fn() -> Result<()>) -> Result<()> {
    let deadline = Instant::now() + HELD;
    loop {
        match launch() {
            Err(error) if is_clash(&error) && Instant::now() < deadline => thread::sleep(POLL),
            launched => return launched,
        }
    }
}

fn is_clash(error: &Error) -> bool {
    format!("{error:#}").contains("address already in use")
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_clash_of_ports_is_told_from_other_failures() {
        assert!(is_clash(&anyhow::anyhow!("listen tcp :7880: bind: address already in use")));
        assert!(!is_clash(&anyhow::anyhow!("one of key-file or keys must be provided")));
    }

    #[test]
    fn a_port_that_is_held_for_a_moment_is_waited_for_and_nothing_else() {
        let launched = Cell::new(0);
        let launch = |clashes: u32, error: &'static str| {
            launched.set(launched.get() + 1);
            if launched.get() <= clashes { Err(anyhow::anyhow!(error)) } else { Ok(()) }
        };
        assert!(launch_again(|| launch(3, "bind: address already in use")).is_ok());
        assert_eq!(launched.replace(0), 4);
        assert!(launch_again(|| launch(3, "no such file")).is_err());
        assert_eq!(launched.replace(0), 1);
        assert!(launch_one(|| Ok(()), |()| launch(3, "address already in use")).is_ok());
        assert_eq!(launched.replace(0), 4);
        assert!(launch_one(|| Ok(()), |()| launch(4, "address already in use")).is_err());
    }

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
