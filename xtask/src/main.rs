//! The project's own commands: `cargo xtask check | demo | test | upstream-tests | faults | soak | test-systemd | dist | sbom | ci | setup`.
//!
//! Each does its own set-up, says what takes long, and ends what it started, also when it is interrupted.

mod check;
mod ci;
mod demo;
mod dist;
mod faults;
mod harness;
mod interrupt;
mod lanes;
mod model;
mod sbom;
mod setup;
mod soak;
mod systemd;
mod terminal;
mod test;
mod upstream;
mod waterfall;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Everything a clone of this repository can do without further knowledge.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = ENVIRONMENT)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Shows the whole thing: a LiveKit server, the worker, a caller, and each turn's trace.
    ///
    /// Builds what it needs, starts a LiveKit server, an OpenTelemetry Collector and a model on free loopback ports,
    /// lets `voiced start` register and `voiced call` talk to it, then draws each turn's trace as the collector got it
    /// and drains the worker. The first run takes up to 15 minutes on 2 cores, all of it building; later ones seconds.
    Demo(demo::Options),
    /// The fast loop: format, structure, lints, unit tests, and the tests that need no server.
    ///
    /// Takes under a minute after a change in `src` once all is built.
    Check,
    /// Runs all tests, after the set-up they need, and ends with the line `N passed, N failed`.
    ///
    /// The first run takes up to 25 minutes on 2 cores.
    Test(test::Options),
    /// Runs the tests that the crate livekit was published with, over our libwebrtc and against a real LiveKit server.
    ///
    /// Prints a table with what is expected of each of its test files, and ends with 1 when one fails, does not run or has
    /// another number of tests. What fails beside others is tried again alone, and the table says so. Takes 2 minutes on 2
    /// cores once all is built.
    UpstreamTests(upstream::Options),
    /// Thousands of sessions through one worker: memory, files, sockets, threads and tasks must come back.
    ///
    /// Sessions one after the other, a third of them ended hard, then many at the same time, then a rest without
    /// callers. Writes a report, and ends with 1 when something does not stay flat. The default takes half an hour or
    /// more on 2 cores, after a release build.
    Soak(soak::Options),

    /// Measures what each fault of tests/faults.toml costs, and writes the table in docs/faults.md.
    ///
    /// Runs each test alone, several times, and fails when one of them lost something or reported nothing. Takes half an
    /// hour on 2 cores.
    Faults(faults::Options),
    /// Tries the systemd units under a real systemd, in a container. Needs root and systemd-nspawn.
    ///
    /// Start, reload, credentials, watchdog, drain, restart after a crash, and an upgrade without a gap. Takes three
    /// minutes once all is built.
    TestSystemd,
    /// Writes what is handed on with the program, besides the program: man pages and completions, into target/dist.
    Dist,
    /// Writes the software bill of materials: what the program is made of, as CycloneDX JSON.
    Sbom(sbom::Options),
    /// What has to be green before a change goes in: format, lints, documentation, dependencies, all tests, and livekit's.
    Ci,
    /// Makes ready what the tests run: the LiveKit server, the OpenTelemetry Collector, LiveKit's Python SDK.
    ///
    /// Installs missing Debian packages when it may (as root), else prints the line to run. Takes seconds when all is
    /// there.
    Setup,
}

const ENVIRONMENT: &str = "\
Environment:
  LIVEKIT_SERVER   the LiveKit server; else `livekit-server` on PATH, else built into target/tools/
  OTELCOL          the OpenTelemetry Collector, likewise
  OPENAI_API_KEY, OPENAI_BASE_URL
                   demo: the model that answers; else a built-in stand-in
  NO_COLOR         no colours; there are none either when the output is no terminal";

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Demo(options) => demo::run(&options),
        Command::Check => check::run(),
        Command::Test(options) => test::run(&options),
        Command::UpstreamTests(options) => upstream::run(&options),
        Command::Soak(options) => soak::run(&options),
        Command::Faults(options) => faults::run(&options),
        Command::TestSystemd => systemd::run(),
        Command::Dist => dist::run(),
        Command::Sbom(options) => sbom::run(&options),
        Command::Ci => ci::run(),
        Command::Setup => setup::everything(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<interrupt::Interrupted>() => {
            eprintln!("{error}");
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
