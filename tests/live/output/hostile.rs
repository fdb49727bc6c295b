//! Text of others on a terminal: it never contains anything that the terminal obeys.

use std::process::Command;

use scripted_model::{Script, ScriptedModel, Step};
use serde_json::Value;

use super::end::{End, Ran, run};
use crate::support::recorded::{Recorded, turn};
use crate::support::world::{PATIENCE, World};

/// A title, colours, a bell, a C1 code, DEL, and a change of direction.
const HOSTILE: &str = "a\x1b]0;pwned\x07\x1b[7mb\u{9b}2J\x7f\u{202e}c";
const SHOWN: &str = r"a\u{1b}]0;pwned\u{7}\u{1b}[7mb\u{9b}2J\u{7f}\u{202e}c";
const REPLACED: &str = "a\u{fffd}]0;pwned\u{fffd}\u{fffd}[7mb\u{fffd}2J\u{fffd}";

/// A terminal may show all of this text.
#[track_caller]
fn assert_harmless(text: &str) {
    let obeyed =
        |letter: char| (letter.is_control() && !matches!(letter, '\n' | '\t')) || letter == '\u{202e}';
    assert!(!text.contains(obeyed), "{text:?}");
}

fn ask(model: &ScriptedModel, arguments: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_voiced"));
    command.env_clear().env("OPENAI_BASE_URL", model.base_url()).args(arguments);
    run(command, End::Read, End::Read)
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_a_room_and_of_people_are_escaped_in_every_line_of_the_log() {
    let world = World::start(Script::always(Step::echo())).await;
    for format in ["text", "json"] {
        let mut command = world.voiced();
        command.args(["--log-format", format]);
        let worker = world.worker_of(command, &["agent.leave_grace=100ms"]);
        let room = format!("{format} {HOSTILE}\n<3>forged");
        let mut caller = world.call_as(&room, HOSTILE).await;
        caller.say("hello", PATIENCE, |_| ()).await.unwrap();
        caller.leave().await;
        let log = worker.log_file();
        assert_eq!(worker.drain(), Some(0));
        let log = std::fs::read_to_string(log).unwrap();
        assert_harmless(&log);
        if format == "json" {
            let events: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert!(events.iter().any(|event| event["room"] == room), "{log}");
        } else {
            assert!(log.contains(&format!("room=text {SHOWN}\\n<3>forged")), "{log}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_printed_without_what_a_terminal_obeys_and_exact_as_json() {
    let said = format!("{HOSTILE}\r\n\tשלום \u{200f}");
    let model = ScriptedModel::start(Script::always(Step::reply(said.clone()))).await.unwrap();
    let ran = ask(&model, &["ask", "hello"]);
    // Direction marks stay in text of several lines, because some languages need them.
    assert_eq!(ran.stdout, format!("{REPLACED}\u{202e}c\n\tשלום \u{200f}\n"));
    let ran = ask(&model, &["ask", "hello", "--json"]);
    assert_harmless(&ran.stdout);
    let json: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(json["answer"], said);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_providers_error_is_harmless_in_log_json_and_check() {
    let words = format!("no {HOSTILE} here\nat all");
    let step = Step::status(400).error("bad", words);
    let model = ScriptedModel::start(Script::always(step)).await.unwrap();
    for arguments in [
        &["ask", "hello"][..],
        &["ask", "hello", "--json"],
        &["--log-format", "json", "ask", "hello"],
        &["--set", "http.listen=off", "check"],
        &["--set", "http.listen=off", "check", "--json"],
    ] {
        let ran = ask(&model, arguments);
        assert!(ran.stdout.contains("pwned") || ran.stderr.contains("pwned"), "{arguments:?}: {ran:?}");
        assert_harmless(&ran.stdout);
        assert_harmless(&ran.stderr);
    }
}

#[test]
fn what_was_recorded_is_harmless_in_each_form() {
    let recorded = Recorded::new();
    let mut said = turn("RM_one", HOSTILE, 1, 60);
    said.speaker = HOSTILE.to_owned();
    said.question = turn_store::samples::recorded(HOSTILE);
    recorded.put([said]);
    for arguments in [
        &["sessions"][..],
        &["sessions", "--json"],
        &["sessions", "show", "RM_one"],
        &["sessions", "show", "RM_one", "--json"],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_voiced"));
        command.env_clear().env("VOICED_STORE__PATH", recorded.path()).args(arguments);
        let ran = run(command, End::Read, End::Read);
        assert!(ran.code == Some(0) && ran.stdout.contains("pwned"), "{arguments:?}: {ran:?}");
        assert_harmless(&ran.stdout);
        if arguments.contains(&"--json") {
            let json: Value = serde_json::from_str(&ran.stdout).unwrap();
            assert!(
                [&json["sessions"][0]["room"], &json["session"]["room"]].contains(&&HOSTILE.into()),
                "{json}"
            );
        }
    }
}

#[test]
fn arguments_and_settings_are_repeated_harmlessly() {
    for (arguments, code) in [
        (&[HOSTILE][..], 2),
        (&["ask", "one", HOSTILE], 2),
        (&["sessions", "--status", HOSTILE], 2),
        (&["--set", HOSTILE, "config"], 78),
        (&["--config", HOSTILE, "config"], 78),
        (&["--set", "llm.model=x", "sessions", "show", HOSTILE], 1),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_voiced"));
        command.env_clear().args(arguments);
        let ran = run(command, End::Read, End::Read);
        assert_eq!(ran.code, Some(code), "{ran:?}");
        assert_harmless(&ran.stderr);
        assert_harmless(&ran.stdout);
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_voiced"));
    command.env_clear().args(["--set", &format!("agent.name={HOSTILE}"), "config"]);
    let ran = run(command, End::Read, End::Read);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_harmless(&ran.stdout);
}
