//! The network between two TUN devices. Needs root, also as the root of a user namespace only.

use std::cell::Cell;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::time::{sleep, sleep_until};
use tokio_tun::Tun;

use crate::link::{Counts, Link, Quality};

const MTU: usize = 1_500;
const TELL_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The process in whose network namespace the other end is.
    #[arg(long)]
    far: u32,
    /// The address here, in a network of 256.
    #[arg(long, default_value = "10.78.0.1")]
    near_address: Ipv4Addr,
    #[arg(long, default_value = "10.78.0.2")]
    far_address: Ipv4Addr,
    /// The share of packets that are lost in each direction, from 0 to 1.
    #[arg(long, default_value_t = 0.0)]
    loss: f64,
    /// What each packet takes, in milliseconds.
    #[arg(long, default_value_t = 0)]
    delay_ms: u64,
    /// Each packet takes a random time up to this more, in milliseconds.
    #[arg(long, default_value_t = 0)]
    jitter_ms: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to write twice a second how many packets passed, were lost, and were too many.
    #[arg(long)]
    counts: PathBuf,
}

/// Runs until it is killed; the devices end with it.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let (near, far) = (device("near")?, device("far")?);
    ip(None, &["link", "set", "far", "netns", &options.far.to_string()])?;
    up(None, "near", options.near_address)?;
    up(Some(options.far), "far", options.far_address)?;
    let [delay, jitter] = [options.delay_ms, options.jitter_ms].map(Duration::from_millis);
    let quality = Quality { loss: options.loss, delay, jitter };
    println!("up");
    let [out, back] = [Cell::default(), Cell::default()];
    // The seeds of the directions must differ, else both would lose the same packets.
    tokio::try_join!(
        carry(&near, &far, Link::new(quality, options.seed), &out),
        carry(&far, &near, Link::new(quality, !options.seed), &back),
        tell(&options.counts, &out, &back),
    )?;
    Ok(())
}

async fn tell(file: &Path, out: &Cell<Counts>, back: &Cell<Counts>) -> Result<()> {
    loop {
        sleep(TELL_EVERY).await;
        let (out, back) = (out.get(), back.get());
        let sums = [out.passed + back.passed, out.lost + back.lost, out.overflowed + back.overflowed];
        // The file is replaced as a whole, so that a reader sees the counts of one moment.
        let unfinished = file.with_extension("unfinished");
        fs::write(&unfinished, sums.map(|sum| sum.to_string()).join(" "))?;
        fs::rename(&unfinished, file)?;
    }
}

async fn carry(from: &Tun, to: &Tun, mut link: Link, counts: &Cell<Counts>) -> Result<()> {
    let mut packet = [0; MTU];
    loop {
        let due = link.next_due();
        tokio::select! {
            length = from.recv(&mut packet) => link.take(Instant::now(), &packet[..length?]),
            () = sleep_until(due.unwrap_or_else(Instant::now).into()), if due.is_some() => {}
        }
        counts.set(link.counts());
        while let Some(packet) = link.give(Instant::now()) {
            // A device that is being removed takes no more packets.
            let _ = to.send(&packet).await;
        }
    }
}

fn device(name: &str) -> Result<Tun> {
    let mut devices = Tun::builder()
        .name(name)
        .mtu(MTU as i32)
        .build()
        .with_context(|| format!("cannot make the TUN device {name}; it needs root and /dev/net/tun"))?;
    devices.pop().context("no TUN device was made")
}

fn up(namespace: Option<u32>, device: &str, address: Ipv4Addr) -> Result<()> {
    ip(namespace, &["addr", "add", &format!("{address}/24"), "dev", device])?;
    ip(namespace, &["link", "set", device, "up"])
}

fn ip(namespace: Option<u32>, arguments: &[&str]) -> Result<()> {
    let mut command = match namespace {
        None => Command::new("ip"),
        Some(process) => {
            let mut command = Command::new("nsenter");
            command.arg(format!("--net=/proc/{process}/ns/net")).arg("ip");
            command
        }
    };
    let status = command.args(arguments).status().context("cannot run ip (iproute2)")?;
    ensure!(status.success(), "ip {arguments:?} failed");
    Ok(())
}
