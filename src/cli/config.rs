//! `voiced config`: the effective configuration, and the source of each value.

use std::io::Write;

use serde_json::{Map, Value, json};

use crate::config::{Ignored, Listed, Loaded, Shown};
use crate::{output, terminal};

/// A value longer than this has its source right behind it instead of in the column.
const COLUMN: usize = 44;

pub(super) fn run(loaded: &Loaded, json: bool) -> anyhow::Result<()> {
    super::warn(loaded);
    output::with_stdout(|out| write(loaded, json, out))
}

/// Prints the configuration. No part of a secret is printed, only whether it is set.
fn write(loaded: &Loaded, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if json {
        return Ok(writeln!(out, "{}", terminal::json(&format!("{:#}", as_json(loaded))))?);
    }
    match &loaded.file {
        Some(file) => writeln!(out, "# {}", terminal::escaped(&file.display().to_string()))?,
        None => writeln!(out, "# no agent.toml was found")?,
    }
    let mut section = "";
    for listed in loaded.listed() {
        if listed.section != section {
            section = listed.section;
            writeln!(out, "\n[{section}]")?;
        }
        let setting = format!("{} = {}", listed.name, value_text(&listed.value));
        // TOML reads the escapes of JSON.
        let (setting, source) = (terminal::json(&setting), terminal::escaped(&listed.source));
        writeln!(out, "{setting:COLUMN$}  # {source}")?;
    }
    write_ignored(&loaded.ignored, out)?;
    Ok(())
}

fn write_ignored(ignored: &[Ignored], out: &mut dyn Write) -> std::io::Result<()> {
    if !ignored.is_empty() {
        writeln!(out, "\n# Variables without effect, or without all of it")?;
    }
    ignored.iter().try_for_each(|ignored| writeln!(out, "# {}", terminal::escaped(&ignored.to_string())))
}

fn value_text(value: &Shown) -> String {
    match value {
        Shown::Unset => "unset".to_owned(),
        Shown::Secret => "set".to_owned(),
        Shown::Headers(names) => names.iter().map(|name| format!("{name}=…")).collect::<Vec<_>>().join(","),
        Shown::Plain(Value::Array(items)) => {
            let items: Vec<String> = items.iter().map(Value::to_string).collect();
            format!("[{}]", items.join(", "))
        }
        // A string or number in JSON is the same in TOML.
        Shown::Plain(value) => value.to_string(),
    }
}

fn as_json(loaded: &Loaded) -> Value {
    let mut sections = Map::new();
    for listed in loaded.listed() {
        sections.entry(listed.section).or_insert_with(|| json!({}))[listed.name] = listed_json(&listed);
    }
    let ignored: Vec<Value> = loaded.ignored.iter().map(ignored_json).collect();
    json!({ "file": loaded.file, "config": sections, "ignored": ignored })
}

fn ignored_json(Ignored { variable, source, reason, .. }: &Ignored) -> Value {
    json!({ "variable": variable, "source": source, "reason": reason })
}

fn listed_json(listed: &Listed) -> Value {
    let source = &listed.source;
    match &listed.value {
        Shown::Unset => json!({ "set": false, "source": source }),
        Shown::Secret => json!({ "set": true, "source": source }),
        Shown::Headers(names) => json!({ "set": true, "names": names, "source": source }),
        Shown::Plain(value) => json!({ "set": true, "value": value, "source": source }),
    }
}
