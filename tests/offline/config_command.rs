//! `voiced config` shows the values in effect and their sources, and no part of a secret.

use std::path::Path;
use std::process::{Command, Output};

const AGENT_TOML: &str = "\
[livekit]
url = \"wss://lk.example\"
[telemetry]
otlp_headers = \"Authorization=Basic aHVudGVyMg==,stream-name=voice\"
[agent]
instructions = \"Say \\\"hi\\\".\"
";

struct Place(tempfile::TempDir);

impl Place {
    fn new(agent_toml: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("agent.toml"), agent_toml).unwrap();
        Self(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Runs `voiced --set llm.temperature=0.7 config` with these arguments.
    fn config(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_voiced"))
            .args(["--set", "llm.temperature=0.7", "config"])
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("LIVEKIT_API_KEY", "hunter1")
            .env("LIVEKIT_API_SECRET", "hunter2")
            .env("VOICED_LLM_MODEL", "typo")
            .output()
            .unwrap()
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn each_value_is_listed_with_its_source() {
    let output = Place::new(AGENT_TOML).config(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let listing = text(&output.stdout);
    let squeezed: Vec<String> =
        listing.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in [
        "[livekit]",
        "url = \"wss://lk.example\" # agent.toml:2",
        "api_key = set # env LIVEKIT_API_KEY",
        "api_secret = set # env LIVEKIT_API_SECRET",
        "instructions = \"Say \\\"hi\\\".\" # agent.toml:6",
        "model = \"gpt-5.4-mini\" # default",
        "temperature = 0.7 # --set",
        "max_tokens = unset # default",
        "max_sessions = 100 # default",
        "permissions = [\"subscribe\", \"publish_data\", \"update_metadata\"] # default",
        "otlp_headers = Authorization=…,stream-name=… # agent.toml:4",
        "listen = \"127.0.0.1:8081\" # default",
    ] {
        assert!(squeezed.iter().any(|found| found == line), "{line} is missing in:\n{listing}");
    }
    assert!(text(&output.stderr).contains("did you mean VOICED_LLM__MODEL?"), "{}", text(&output.stderr));
}

#[test]
fn scripts_get_the_same_as_json() {
    let place = Place::new(AGENT_TOML);
    let output = place.config(&["--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["file"], "agent.toml");
    let config = &json["config"];
    let url = serde_json::json!({ "set": true, "value": "wss://lk.example", "source": "agent.toml:2" });
    assert_eq!(config["livekit"]["url"], url);
    let secret = serde_json::json!({ "set": true, "source": "env LIVEKIT_API_SECRET" });
    assert_eq!(config["livekit"]["api_secret"], secret);
    assert_eq!(config["llm"]["api_key"], serde_json::json!({ "set": false, "source": "default" }));
    assert_eq!(config["llm"]["temperature"]["value"], 0.7);
    assert_eq!(config["worker"]["max_sessions"]["value"], 100);
    assert_eq!(config["telemetry"]["enabled"]["value"], true);
    assert_eq!(config["telemetry"]["otlp_headers"]["names"][0], "Authorization");
}

#[test]
fn no_part_of_a_secret_is_shown() {
    let place = Place::new(AGENT_TOML);
    for output in [place.config(&[]), place.config(&["--json"])] {
        for shown in [text(&output.stdout), text(&output.stderr)] {
            assert!(!shown.contains("hunter") && !shown.contains("aHVudGVyMg"), "{shown}");
        }
    }
}

#[test]
fn a_bad_configuration_ends_with_exit_78_and_says_why_on_stderr() {
    let output = Place::new("[llm]\nmodle = \"m\"\n").config(&[]);
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(
        text(&output.stderr),
        "error: unknown key `llm.modle`\n  --> agent.toml:2:1\n  = did you mean `llm.model`?\n"
    );
    assert!(output.stdout.is_empty());
}
