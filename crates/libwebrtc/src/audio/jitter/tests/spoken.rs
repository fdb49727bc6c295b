//! Speech through many bad networks, for a recogniser to read: `bench/loss.sh`.

use std::{env, fs, path::Path};

use crate::audio::{jitter::simulation::*, opus::SAMPLE_RATE, resample::Format, sounds::converted};

/// The format of the files, with 16 bits a sample.
const FILE: Format = Format { rate: 16_000, channels: 1 };
const INSIDE: Format = Format { rate: SAMPLE_RATE, channels: 1 };
const JITTER_MS: u64 = 40;

#[test]
#[ignore = "a measurement: bench/loss.sh"]
fn speech_is_heard_through_many_networks() {
    let directory = env::var("SPOKEN").expect("$SPOKEN is the directory of said.pcm");
    let [percent, networks] =
        ["LOSS_PERCENT", "NETWORKS"].map(|name| env::var(name).unwrap().parse().unwrap());
    let said = converted(FILE, INSIDE, &read(&Path::new(&directory).join("said.pcm")));
    let sent = Sent { is_redundant: true, ..Sent::of(said, &VOICE) };
    for seed in 1..=networks {
        let heard = sent.through(bad(percent, seed));
        println!("network {seed}: {heard}");
        let file = Path::new(&directory).join(format!("heard-{seed:04}.pcm"));
        write(&converted(INSIDE, FILE, &heard.samples), &file);
    }
}

fn bad(percent: u64, seed: u64) -> Network {
    let mut random = Random::new(seed);
    Box::new(move |_, _| {
        let late = random.below(JITTER_MS * 1000) as i64;
        (!random.chance(percent)).then_some(5_000 + late)
    })
}

fn read(file: &Path) -> Vec<i16> {
    let bytes = fs::read(file).unwrap();
    bytes.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
}

fn write(samples: &[i16], file: &Path) {
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    fs::write(file, bytes).unwrap();
}
