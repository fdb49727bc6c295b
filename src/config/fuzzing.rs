//! Fuzzing: configurations that no operator would write. No file is read.

use super::error::Problem;
use super::setting::{Gathered, Setting};
use super::{Config, Env, dotenv, file, load, otel};
use crate::fuzzing::text;

pub(crate) fn agent_toml(bytes: &[u8]) {
    let mut gathered = defaults();
    gathered.append(file::read_text("agent.toml", &text(bytes)));
    let _ = settle(gathered);
}

/// A `.env`, and all that its variables set, in the file and as those of a process.
pub(crate) fn environment(bytes: &[u8]) {
    let text = dotenv::decoded(bytes);
    let none: [(String, String); 0] = [];
    let (of_file, problems) = Env::new("", none).filled(&text);
    settings_of(&of_file, problems);
    let entries = dotenv::entries(&text, |_| None).into_iter();
    let variables = entries.filter_map(|entry| Some((entry.name, entry.value.ok()?)));
    settings_of(&Env::new("", variables), Vec::new());
}

fn settings_of(env: &Env, problems: Vec<Problem>) {
    let mut gathered = defaults();
    gathered.append(env.settings());
    gathered.settings = otel::inherited(gathered.settings);
    gathered.problems.extend(problems);
    let ignored = std::mem::take(&mut gathered.ignored);
    if let Some((config, settings)) = settle(gathered) {
        let _ = format!("{:?}", otel::judge(env, &config.telemetry, &settings, ignored).ignored);
    }
    let _ = env.oddities().count();
}

fn defaults() -> Gathered {
    Gathered { settings: load::defaults(), ..Gathered::default() }
}

/// Values that their kinds accepted must fit into a configuration, and every refusal can be shown.
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
