//! Fuzzing: configurations that nobody would write. No file is read.

use super::setting::{Gathered, Setting};
use super::{Env, dotenv, file, load};
use crate::fuzzing::text;

pub(crate) fn agent_toml(bytes: &[u8]) {
    let mut gathered = defaults();
    gathered.append(file::read_text("agent.toml", &text(bytes)));
    settle(gathered);
}

/// A `.env`, and all that its variables set.
pub(crate) fn environment(bytes: &[u8]) {
    let lines = dotenv::parse(&text(bytes)).into_iter().flatten();
    let variables: Vec<_> = lines.map(|(name, value, _)| (name, value)).collect();
    let mut gathered = defaults();
    gathered.append(Env::new("", variables).settings());
    settle(gathered);
}

/// Read once: that takes longer than most inputs.
fn defaults() -> Gathered {
    thread_local!(static DEFAULTS: Vec<Setting> = load::defaults());
    Gathered { settings: DEFAULTS.with(Clone::clone), problems: Vec::new() }
}

/// What every kind took must fit into a configuration, and every refusal can be shown.
fn settle(gathered: Gathered) {
    match load::settle(gathered) {
        Ok((config, _)) => {
            let _ = (format!("{config:?}"), config.secrets().taken_out("nothing").len());
        }
        Err(error) => {
            let said = error.to_string();
            assert!(!said.contains("do not fit together"), "a kind took what is none: {said}");
        }
    }
}
