//! Packets are lost at random and overtake each other. One end is behind the bad network, the other beside the server: so it
//! is known whose sending or receiving has to cope.

use std::path::Path;
use std::process::Command;

use crate::ends::{Call, Sdk, Way};
use crate::private_network::inside;
use crate::reading::compare;
use crate::speech::{RATE, Speech, write};
use crate::wire::{Quality, Wire, possible};

/// Each is a network with losses of its own, so that a result is not luck.
const SEEDS: [u64; 2] = [1, 2];
const JITTER_MS: u32 = 40;

/// The end behind the bad network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Far {
    Speaks,
    Listens,
}

const FARS: [Far; 2] = [Far::Speaks, Far::Listens];

/// Wrong words of ours and of the yardstick.
#[derive(Debug, Default)]
struct Wrong {
    ours: usize,
    yardstick: usize,
}

#[test]
fn a_tenth_of_the_packets_is_not_missed() {
    if possible() && inside("lossy::a_tenth_of_the_packets_is_not_missed") {
        judge(10);
    }
}

/// At such a loss Python to Python is not always read word for word either.
#[test]
fn a_fifth_of_the_packets_is_missed_no_more_than_by_the_official_sdk() {
    if possible() && inside("lossy::a_fifth_of_the_packets_is_missed_no_more_than_by_the_official_sdk") {
        judge(20);
    }
}

/// Requires every word where the yardstick has every word, else no more than one wrong word more than the yardstick has.
fn judge(loss_percent: u32) {
    let directory = tempfile::tempdir().unwrap();
    let Some(speech) = Speech::synthesised(directory.path()) else { return };
    let cases = || FARS.into_iter().flat_map(|far| [(far, Sdk::Python), (far, Sdk::Rust)]);
    let mut heard = Vec::new();
    for seed in SEEDS {
        let wire = Wire::lay(Quality { loss_percent, jitter_ms: JITTER_MS }, seed);
        let calls: Vec<_> =
            cases().map(|(far, sdk)| begin(&wire, &speech, far, sdk, directory.path())).collect();
        for ((far, sdk), call) in cases().zip(calls) {
            let name = format!("{loss_percent} % lost (seed {seed}) where {sdk:?} {far:?}");
            heard.push((name, call.finish(speech.length())));
        }
        wire.check();
    }
    let mut wrong = [Wrong::default(), Wrong::default()];
    for ((far, sdk), words) in cases().cycle().zip(compare(&speech, &heard)) {
        wrong[far as usize].add(sdk, words);
    }
    for (far, Wrong { ours, yardstick }) in FARS.into_iter().zip(&wrong) {
        let all = SEEDS.len() * speech.words();
        println!(
            "{loss_percent} % lost, far {far:?}: {ours} of {all} words wrong, with the official SDK {yardstick}"
        );
    }
    for Wrong { ours, yardstick } in wrong {
        let allowed = if yardstick == 0 && loss_percent <= 10 { 0 } else { yardstick + 1 };
        assert!(ours <= allowed, "{ours} words wrong, {yardstick} with the official SDK");
    }
}

/// The end behind the bad network is by `sdk`, the other is always the official one.
fn begin(wire: &Wire, speech: &Speech, far: Far, sdk: Sdk, directory: &Path) -> Call {
    let files = directory.join(testbed::unique_hex());
    write(
        &speech.samples,
        &files.with_file_name(format!("{}-said.pcm", files.file_name().unwrap().display())),
    );
    let near = &|command| command;
    let beyond = &|command: Command| wire.beyond(&command);
    match far {
        Far::Speaks => {
            let way = Way { from: sdk, to: Sdk::Python };
            Call::begin(&wire.livekit, &wire.url(), way, [beyond, near], RATE, &files)
        }
        Far::Listens => {
            let way = Way { from: Sdk::Python, to: sdk };
            Call::begin(&wire.livekit, &wire.url(), way, [near, beyond], RATE, &files)
        }
    }
}

// === impl Wrong ===

impl Wrong {
    fn add(&mut self, sdk: Sdk, words: usize) {
        match sdk {
            Sdk::Python => self.yardstick += words,
            Sdk::Rust => self.ours += words,
        }
    }
}
