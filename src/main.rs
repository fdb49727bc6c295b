//! The `voiced` binary: parses the command line and runs it.

use std::process::ExitCode;

use clap::Parser;
use voiced::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run()
}
