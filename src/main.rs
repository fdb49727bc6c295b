//! The `voiced` binary: what is typed becomes an exit code.

#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

/// jemalloc, because it gives back to the system what a peak of sessions took, by a thread of its own some seconds later;
/// glibc's allocator gives back nothing and mimalloc little, at twice the size (`bench/allocator.md`). It wants `make` to be
/// built: `--no-default-features` does without.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    voiced::cli::run()
}
