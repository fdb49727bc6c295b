//! The `voiced` binary: runs the command line, and returns its exit code.

#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

/// jemalloc, because it gives the memory of a peak of sessions back to the system, by a thread of its own some seconds
/// later; glibc's allocator gives back nothing and mimalloc little, at twice the size (`bench/allocator.md`). Its build
/// needs `make`: `--no-default-features` does without.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    voiced::cli::run()
}
