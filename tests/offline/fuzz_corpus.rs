//! Every parser of outside bytes over its corpus in `fuzz/corpus` and a thousand mutations of it: a bounded run of
//! `fuzz/` that needs no libFuzzer. The mutations are the same every time unless `VOICED_FUZZ_SEED` is set;
//! `VOICED_FUZZ_RUNS` sets their number for each target.
#![cfg(any(debug_assertions, feature = "fuzzing"))]
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use fastrand::Rng;
use voiced::fuzzing::TARGETS;

/// Only a hang takes this long for one input.
const PATIENCE: Duration = Duration::from_secs(60);
/// Mutations of each target.
const RUNS: usize = 1_000;
const SEED: u64 = 0x0976_7f3b;
/// The longest input, which bounds the memory of a target.
const LONGEST: usize = 64 << 10;
/// More memory than a target may take for any input of that length, including all that it leaves behind.
const MOST_MEMORY: usize = 256 << 20;

/// Bytes that parsers tend to treat specially.
const INTERESTING: [&[u8]; 24] = [
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\"",
    b"\\",
    b"'",
    b"[",
    b"{",
    b"}",
    b"=",
    b"%",
    b"%00",
    b",",
    b";",
    b"-1",
    b"99999999999999999999",
    b"1e999",
    b"\xc3\xa9",
    b"\xed\xa0\x80",
    b"data: ",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// The committed inputs of a target.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let mut corpus = files(&folder().join("corpus").join(target));
    if matches!(target, "llm_stream" | "llm_refusal") {
        corpus.extend(streams(target));
    }
    corpus
}

/// Streams of real servers, from `tests/streams`. The target of streams takes the size of pieces first.
fn streams(target: &str) -> Vec<Vec<u8>> {
    let streams = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/streams");
    let servers = std::fs::read_dir(streams).unwrap().map(|entry| entry.unwrap().path());
    let bodies = servers.filter(|path| path.is_dir()).flat_map(|server| files(&server));
    let head = if target == "llm_stream" { &b"\x10"[..] } else { b"" };
    bodies.map(|body| [head, &body].concat()).collect()
}

fn files(directory: &Path) -> Vec<Vec<u8>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_none_or(|extension| extension != "toml"))
        .collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

/// One to eight changes of an input.
fn mutated(rng: &mut Rng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = rng.choice(corpus).unwrap().clone();
    for _ in 0..rng.usize(1..=8) {
        let at = rng.usize(0..=bytes.len());
        let end = rng.usize(at..=bytes.len().min(at + 64));
        match rng.u8(0..9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << rng.u8(0..8),
            1 if at < bytes.len() => bytes[at] = rng.u8(..),
            2 => drop(bytes.splice(at..at, rng.choice(INTERESTING).unwrap().iter().copied())),
            3 => drop(bytes.splice(at..end, rng.choice(INTERESTING).unwrap().iter().copied())),
            4 => drop(bytes.drain(at..end)),
            5 => bytes.truncate(at),
            6 => {
                let other = rng.choice(corpus).unwrap();
                let from = rng.usize(0..=other.len());
                bytes.splice(at..end, other[from..].iter().copied());
            }
            7 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece.repeat(rng.usize(1..200)));
            }
            _ => bytes.extend((0..rng.usize(0..32)).map(|_| rng.u8(..)).collect::<Vec<_>>()),
        }
        bytes.truncate(LONGEST);
    }
    bytes
}

/// A figure of this process in bytes, as Linux has it.
fn memory(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.split_whitespace().next()?.parse::<usize>().ok()).map_or(0, |kib| kib << 10)
}

/// Runs a target over all its inputs, and prints the current one.
fn run(name: &'static str, runs: usize) -> usize {
    let corpus = corpus(name);
    assert!(!corpus.is_empty(), "{name} has no corpus");
    let mut rng = Rng::with_seed(number("VOICED_FUZZ_SEED", SEED) ^ u64::from(crc32(name)));
    let mutations: Vec<_> = (0..runs).map(|_| mutated(&mut rng, &corpus)).collect();
    let inputs: Vec<Vec<u8>> = corpus.into_iter().chain(mutations).collect();
    // Resets the kernel's peak of this process, so that it is this target's.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let before = memory("VmRSS");
    let (at, watched) = mpsc::channel();
    let count = inputs.len();
    let watched_inputs = inputs.clone();
    let running = std::thread::spawn(move || {
        for (index, input) in watched_inputs.iter().enumerate() {
            let _ = at.send(index);
            voiced::fuzzing::run(name, input);
        }
    });
    let mut last = 0;
    loop {
        match watched.recv_timeout(PATIENCE) {
            Ok(index) => last = index,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                panic!("{name} hangs; the input is {}", kept(name, &inputs[last]))
            }
        }
    }
    if running.join().is_err() {
        panic!("{name} broke down; the input is {}", kept(name, &inputs[last]));
    }
    let taken = memory("VmHWM").saturating_sub(before);
    assert!(taken < MOST_MEMORY, "{name} took {} MiB", taken >> 20);
    println!("{name}: {count} inputs, {} MiB at most", taken >> 20);
    count
}

/// Writes an input to a file, so that it can be run again and join the corpus once the bug is fixed.
fn kept(name: &str, input: &[u8]) -> String {
    let directory = folder().join("found").join(name);
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join(format!("{:08x}", crc32fast::hash(input)));
    std::fs::write(&file, input).unwrap();
    format!("in {}", file.display())
}

fn crc32(text: &str) -> u32 {
    crc32fast::hash(text.as_bytes())
}

// One after the other, in one test: the memory is that of the process.
#[test]
fn no_parser_breaks_down_hangs_or_takes_absurdly_much_memory() {
    let runs = usize::try_from(number("VOICED_FUZZ_RUNS", RUNS as u64)).unwrap();
    let inputs: usize = TARGETS.iter().map(|(name, _)| run(name, runs)).sum();
    assert!(inputs >= TARGETS.len() * runs);
}

#[test]
fn every_target_is_one_of_cargo_fuzz_too_and_has_a_corpus() {
    let names = |directory: &str| {
        let entries = std::fs::read_dir(folder().join(directory)).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    let targets: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("corpus"), targets);
    let manifest = std::fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    for target in targets {
        let file = std::fs::read_to_string(folder().join(format!("fuzz_targets/{target}.rs"))).unwrap();
        assert!(file.contains(&format!("voiced::fuzzing::run(\"{target}\", bytes)")), "{target}");
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")), "{target}");
    }
}
