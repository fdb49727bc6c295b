//! `cargo xtask ci`: the checks that must pass before a change goes in.

use std::time::Instant;

use anyhow::{Result, bail};
use testbed::process;
use testbed::tools::find_on_path;

use crate::terminal::Terminal;
use crate::{test, upstream};

/// One check, as a cargo command.
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) cargo: &'static [&'static str],
    pub(crate) environment: Option<(&'static str, &'static str)>,
    /// How to install the command when cargo does not have it.
    pub(crate) remedy: &'static str,
}

pub(crate) const FORMAT: Check = Check {
    name: "format",
    cargo: &["fmt", "--all", "--check"],
    environment: None,
    remedy: "`cargo fmt` repairs it; `rustup component add rustfmt` installs it",
};

pub(crate) const LINTS: Check = Check {
    name: "lints",
    cargo: &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
    environment: None,
    remedy: "`rustup component add clippy` installs it",
};

const DOCUMENTATION: Check = Check {
    name: "documentation",
    cargo: &["doc", "--workspace", "--no-deps", "--locked"],
    environment: Some(("RUSTDOCFLAGS", "-D warnings")),
    remedy: "see the warnings above",
};

const DEPENDENCIES: Check = Check {
    name: "dependencies",
    // The advisories need the network, and a new one must not break a build that changed nothing.
    cargo: &["deny", "check", "bans", "licenses", "sources"],
    environment: None,
    remedy: "deny.toml names what is allowed and why",
};

pub(crate) fn run() -> Result<()> {
    let terminal = Terminal::detect();
    for check in [FORMAT, LINTS, DOCUMENTATION] {
        check.run(&terminal)?;
    }
    if find_on_path("cargo-deny").is_some() {
        DEPENDENCIES.run(&terminal)?;
    } else {
        terminal.step(
            "dependencies: not checked, cargo-deny is not installed (cargo install cargo-deny --locked)",
        );
    }
    terminal.step("tests");
    test::run(&test::Options::default())?;
    terminal.step("the tests of livekit");
    upstream::run(&upstream::Options::default())
}

impl Check {
    pub(crate) fn run(&self, terminal: &Terminal) -> Result<()> {
        let started = Instant::now();
        let command_line = self.cargo.join(" ");
        terminal.step(format!("{}: cargo {command_line}", self.name));
        let mut command = testbed::cargo();
        command.args(self.cargo).envs(self.environment).current_dir(testbed::root());
        if !process::run(&mut command)?.status.success() {
            bail!("cargo {command_line} failed; {}", self.remedy);
        }
        terminal.step(format!("{} ok {}", self.name, terminal.took(started.elapsed())));
        Ok(())
    }
}
