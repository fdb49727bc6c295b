//! Fuzzing: configurations that nobody would write. No file is read.

use super::setting::{Gathered, Setting};
use super::{Config, Env, dotenv, file, load, otel};
use crate::fuzzing::text;

pub(crate) fn agent_toml(bytes: &[u8]) {
    let mut gathered = defaults();
    gathered.append(file::read_text("agent.toml", &text(bytes)));
    let _ = settle(gathered);
}

/// A `.env`, and all that its variables set.
pub(crate) fn environment(bytes: &[u8]) {
    let none: [(String, String); 0] = [];
    let (env, problems) = Env::new("", none).filled(&dotenv::decoded(bytes));
    let mut gathered = defaults();
    gathered.append(env.settings());
    gathered.settings = otel::inherited(gathered.settings);
    gathered.problems.extend(problems);
    let ignored = std::mem::take(&mut gathered.ignored);
    if let Some((config, settings)) = settle(gathered) {
        let _ = format!("{:?}", otel::judge(&env, &config.telemetry, &settings, ignored).ignored);
    }
    let _ = env.oddities().count();
}

/// Read once: that takes longer than most inputs.
fn defaults() -> Gathered {
    thread_local!(static DEFAULTS: Vec<Setting> = load::defaults());
    Gathered { settings: DEFAULTS.with(Clone::clone), ..Gathered::default() }
}

/// What every kind took must fit into a configuration, and every refusal can be shown.
fn settle(gathered: Gathered) -> Option<(Config, Vec<Setting>)> {
    match load::settle(gathered) {
        Ok((config, settings)) => {
            let _ = (format!("{config:?}"), config.secrets().taken_out("nothing").len());
            Some((config, settings))
        }
        Err(error) => {
            let said = error.to_string();
            assert!(!said.contains("does not fit together"), "a kind took what is none: {said}");
            None
        }
    }
}
