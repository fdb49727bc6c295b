//! The time that sound takes from the speaker to the listener, for `bench/voice.sh`. No limit is asserted.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use testbed::LivekitServer;

use crate::speech::ends::{Call, Heard, Place, Sdk, WAYS, Way};
use crate::speech::steady::one_at_a_time;
use crate::speech::synthesis::spoken;
use crate::speech::wire::{Quality, Wire, possible};
use crate::support::private_network::inside;

/// The sample rate of microphones and loudspeakers.
const RATE: u32 = 48_000;
const LENGTH: Duration = Duration::from_secs(40);
const TEXT: &str = "we measure how long it takes until a word that was said is heard by somebody else";

/// The figures of `tests/python/delay.py`, in milliseconds.
#[derive(serde::Deserialize)]
struct Found {
    sought: u32,
    found: u32,
    median: Option<f64>,
    p90: Option<f64>,
}

#[test]
#[ignore = "a measurement: bench/voice.sh"]
fn over_loopback() {
    let _alone = one_at_a_time();
    let directory = tempfile::tempdir().unwrap();
    let livekit = LivekitServer::start().unwrap();
    let here: Place<'_> = &|command| command;
    measure("loopback", &livekit, livekit.url(), &WAYS.map(|way| (way, [here, here])), directory.path());
}

#[test]
#[ignore = "a measurement: bench/voice.sh"]
fn through_a_network_that_loses_a_tenth() {
    let _alone = one_at_a_time();
    if possible() && inside("speech::delay::through_a_network_that_loses_a_tenth") {
        let directory = tempfile::tempdir().unwrap();
        let wire = Wire::lay(Quality { loss_percent: 10, jitter_ms: 40 }, 1);
        let near: Place<'_> = &|command| command;
        let beyond: Place<'_> = &|command: Command| wire.beyond(&command);
        let way = |from, to| Way { from, to };
        let speaks = [Sdk::Python, Sdk::Rust].map(|sdk| (way(sdk, Sdk::Python), [beyond, near]));
        let listens = [Sdk::Python, Sdk::Rust].map(|sdk| (way(Sdk::Python, sdk), [near, beyond]));
        let (livekit, url) = (&wire.livekit, wire.url());
        measure("10 % lost, first end behind it", livekit, &url, &speaks, directory.path());
        measure("10 % lost, second end behind it", livekit, &url, &listens, directory.path());
    }
}

/// Measures all pairs at once, so that they share the load of the machine; the first is the baseline.
fn measure(
    network: &str,
    livekit: &LivekitServer,
    url: &str,
    ways: &[(Way, [Place<'_>; 2])],
    directory: &Path,
) {
    let seconds = LENGTH.as_secs().to_string();
    let Some(_) = spoken(TEXT, &directory.join("sound.wav")) else { return };
    python(["make".as_ref(), rate().as_ref(), seconds.as_ref(), directory.join("sound").as_ref()]);
    let begin = |(way, places): &(Way, [Place<'_>; 2])| {
        let files = directory.join(testbed::unique_hex());
        let said = format!("{}-said.pcm", files.file_name().unwrap().display());
        std::fs::copy(directory.join("sound.pcm"), directory.join(said)).unwrap();
        Call::begin(livekit, url, *way, *places, RATE, &files)
    };
    let calls: Vec<_> = ways.iter().map(begin).collect();
    println!("{network:<34} median     p90    found   against the yardstick");
    let mut yardstick = None;
    for ((way, _), call) in ways.iter().zip(calls) {
        let Heard { said, heard } = call.finish(LENGTH).expect("the official SDK hears something");
        let line = python(["measure".as_ref(), rate().as_ref(), said.as_ref(), heard.as_ref()]);
        let Found { sought, found, median, p90 } = serde_json::from_str(&line).unwrap();
        let (Some(median), Some(p90)) = (median, p90) else {
            println!("  {way:<32} nothing was heard");
            continue;
        };
        let difference = median - *yardstick.get_or_insert(median);
        println!("  {way:<30} {median:>5.1} ms {p90:>5.1} ms  {found:>2}/{sought}   {difference:+.1} ms");
    }
}

fn rate() -> String {
    RATE.to_string()
}

fn python<const N: usize>(arguments: [&std::ffi::OsStr; N]) -> String {
    let mut command = Command::new(testbed::venv::python().unwrap());
    let output = command.arg(testbed::root().join("tests/python/delay.py")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
