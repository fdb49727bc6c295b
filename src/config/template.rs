//! The text of the reference agent.toml, made from the definitions of the keys.

use std::fmt::Write;

use super::key::{Default, Key, Section};
use super::sections::SECTIONS;

const HEAD: &str = "\
voiced: the whole configuration, with every default. Keep what you change and delete the rest, if you like.

Later wins: the default, this file, a systemd credential, the environment (and .env), --set SECTION.KEY=VALUE.
Every key is also an environment variable, VOICED_<SECTION>__<KEY>, as in VOICED_WORKER__MAX_SESSIONS=20. It beats
the well-known variable that some keys have besides; those are named below.
`voiced config` shows what is in effect, and where each value comes from.

Durations: \"250ms\", \"5s\", \"1m30s\", \"1h\".
Secrets are better kept elsewhere: in the environment, in a file that the key with _file names (a relative path
starts from this file's directory), or in a systemd credential.";

/// The reference `agent.toml`: every key with its default and its purpose.
pub fn agent_toml() -> String {
    let mut text = comment(HEAD);
    for section in SECTIONS {
        text.push('\n');
        text.push_str(&section_text(section));
    }
    text
}

fn section_text(section: &Section) -> String {
    let mut text = format!("{}[{}]\n", comment(section.doc), section.name);
    for (index, key) in section.keys.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        text.push_str(&key_text(key));
    }
    text
}

fn key_text(key: &Key) -> String {
    let mut text = comment(key.doc);
    let variables: Vec<&str> = key.variables.iter().map(|variable| variable.name).collect();
    if !variables.is_empty() {
        text.push_str(&comment(&format!("Environment: {}", variables.join(", "))));
    }
    if let Some(credential) = key.credential() {
        text.push_str(&comment(&format!("systemd credential: {credential}")));
    }
    // Writing into a String cannot fail.
    let _ = match key.default {
        Default::Is(value) => writeln!(text, "{} = {value}", key.name()),
        Default::Unset(example) => writeln!(text, "# {} = {example}", key.name()),
    };
    if let (Some(file), Some(credential)) = (key.file_key(), key.credential()) {
        let _ = writeln!(text, "# {file} = \"/run/secrets/{credential}\"");
    }
    text
}

fn comment(text: &str) -> String {
    text.lines().map(|line| format!("# {line}").trim_end().to_owned() + "\n").collect()
}
