//! Text turns through a network that loses packets, with the agent's end by us and by LiveKit's official SDK in turns:
//! `bench/loss-text.sh`, so this also keeps the benchmark alive.

use std::process::{Command, Stdio};

use testbed::{root, tools, venv};

use crate::support::skipped;

const LOST_PERCENT: &str = "10";
/// The largest ratio of the median time of a whole reply, ours over the official SDK's. With the SCTP timers of RFC
/// 4960 it is 3 to 6.
const MOST: f64 = 2.0;

/// The benchmark's table, or None where it cannot be run.
fn table(turns: &str) -> Option<String> {
    if !possible() {
        skipped("no network that loses packets can be made here (root and /dev/net/tun)");
        return None;
    }
    let mut bench = Command::new(root().join("bench/loss-text.sh"));
    bench.args([turns, LOST_PERCENT]).current_dir(root());
    bench.env("VOICED", env!("CARGO_BIN_EXE_voiced")).env("PYTHON", venv::python().unwrap());
    bench.env("SCRIPTED_MODEL", tools::scripted_model().unwrap());
    bench.env("VOICE_BENCH", tools::voice_bench().unwrap());
    bench.env("LIVEKIT_SERVER", tools::livekit_server().unwrap());
    let output = bench.output().unwrap();
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{table}{}", String::from_utf8_lossy(&output.stderr));
    Some(table)
}

fn possible() -> bool {
    let mut network = Command::new("unshare");
    network.args(["--net", "true"]).stderr(Stdio::null());
    let device = std::fs::File::options().read(true).write(true).open("/dev/net/tun");
    device.is_ok() && network.status().is_ok_and(|status| status.success())
}

#[test]
fn a_tenth_of_the_packets_costs_us_no_more_than_the_official_sdk() {
    compare("15");
}

#[test]
#[ignore = "--all: the test above with four times the turns"]
fn a_tenth_of_the_packets_costs_us_no_more_over_sixty_turns() {
    compare("60");
}

fn compare(turns: &str) {
    let Some(table) = table(turns) else { return };
    println!("{table}");
    let row = table.lines().find(|row| row.contains(" voiced ")).expect("a row of ours");
    // The last three figures: median, 95th percentile and worst over those of the official SDK.
    let mut ratios = row.rsplit(" / ").skip(2);
    let median: f64 = ratios.next().unwrap().rsplit(' ').next().unwrap().parse().unwrap();
    assert!(median < MOST, "{median} times the official SDK's:\n{table}");
}
