//! The `voiced` binary: parses the command line and runs it.

use std::process::ExitCode;

use clap::Parser;
use voiced::cli::Cli;

/// jemalloc, because it gives back to the system what a peak of sessions took, by a thread of its own some seconds later;
/// glibc's allocator gives back nothing and mimalloc little, at twice the size (`bench/allocator.md`). It wants `make` to be
/// built: `--no-default-features` does without.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    Cli::parse().run()
}
