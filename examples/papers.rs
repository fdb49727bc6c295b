//! Writes the man pages and the shells' completions, made of the command line itself: `cargo xtask dist` runs this.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use clap::CommandFactory;
use clap_complete::Shell;
use voiced::cli::Cli;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: papers DIRECTORY")?);
    let (man, completions) = (directory.join("man"), directory.join("completions"));
    fs::create_dir_all(&man)?;
    fs::create_dir_all(&completions)?;
    let mut command = Cli::command();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, "voiced", &completions)?;
    }
    clap_mangen::generate_to(Cli::command().disable_help_subcommand(true), &man)?;
    Ok(())
}
