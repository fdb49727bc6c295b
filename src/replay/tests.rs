use std::path::Path;

use ::speech::interruption::{self, Interruption};
use ::speech::turn::{self, Turn};
use conversation::{Fate, SegmentEnd, TurnOutcome, Utterance};
use redaction::{CaptureContent, Privacy, Recorded};

use super::*;
use crate::event_log::{EventLogs, Recorder};
use crate::llm::Answer;
use crate::metrics::Metrics;
use crate::session::machine::{Event, UserTurn};
use crate::session::recorded::word;
use crate::session::{Machine, Rules};

/// A session of the three machines, whose times are milliseconds since it began.
struct Recording {
    began: Instant,
    recorder: Recorder,
    turn: Turn,
    interruption: Interruption,
    machine: Machine,
}

impl Recording {
    fn turn(&mut self, ms: u64, event: turn::Event<'_>) -> Option<turn::Verdict> {
        let at = self.at(ms);
        self.recorder.turn_step(&mut self.turn, at, event)
    }

    fn interruption(&mut self, ms: u64, event: interruption::Event<'_>) -> Option<interruption::Action> {
        let at = self.at(ms);
        self.recorder.interruption_step(&mut self.interruption, at, event)
    }

    fn dialogue(&mut self, ms: u64, event: Event) {
        let (recorded, at) = (self.recorder.event(&event), self.at(ms));
        let actions = self.machine.step(at, event);
        self.recorder.dialogue(at, recorded, || actions.iter().map(word).collect());
    }

    fn at(&self, ms: u64) -> Instant {
        self.began + Duration::from_millis(ms)
    }
}

fn rules() -> Rules {
    Rules {
        instructions: "Be kind.".into(),
        greeting: "Hello.".into(),
        apology: "Sorry.".into(),
        resume_notice: "I am back.".into(),
        text_notice: "I write.".into(),
        history_turns: 20,
        history_tokens: 4000,
        leave_grace: Duration::from_secs(20),
    }
}

fn said(text: &str, segment: &str) -> UserTurn {
    let utterance = Utterance {
        speaker: "Anna".into(),
        text: text.into(),
        segment: Some(segment.into()),
        ..Utterance::default()
    };
    UserTurn { utterance, recorded: Recorded::restored(None) }
}

/// A turn that is asked before its end, its reply, and a second turn that interrupts it after a cough.
fn converse(session: &mut Recording) {
    session.recorder.microphone();
    session.dialogue(0, Event::Joined { people: vec!["Anna".into()], coming: Vec::new() });
    session.turn(1000, turn::Event::SpeechStarted { at: session.at(900) });
    session.turn(2500, turn::Event::SpeechPaused { at: session.at(2400) });
    session.turn(2600, turn::Event::SpeechEnded { at: session.at(2400) });
    session.dialogue(2700, Event::Preemptive(said("What is the weather like?", "a")));
    session.turn(2800, turn::Event::Final("What is the weather like?"));
    assert!(session.turn(2950, turn::Event::Tick).is_some());
    session.recorder.verdict(&session.interruption, "What is the weather like?");
    session.dialogue(2951, Event::UserTurn(said("What is the weather like?", "a")));
    session.dialogue(3100, Event::Delta { turn: 0, text: "It will rain all day.".into() });
    session.interruption(3101, interruption::Event::Voice(interruption::Voice::Coming));
    session.interruption(3200, interruption::Event::Voice(interruption::Voice::Sounding));
    session.interruption(7000, interruption::Event::SpeechStarted { at: session.at(6900) });
    assert!(session.interruption(7400, interruption::Event::Tick).is_some());
    session.interruption(7500, interruption::Event::SpeechEnded { at: session.at(7450) });
    assert!(session.interruption(7600, interruption::Event::Nothing).is_some());
    session.interruption(8000, interruption::Event::Words("no wait stop"));
    session.turn(8000, turn::Event::SpeechStarted { at: session.at(7700) });
    session.turn(8200, turn::Event::SpeechEnded { at: session.at(8100) });
    session.turn(8300, turn::Event::Final("no wait, stop that."));
    session.turn(9000, turn::Event::Tick);
    session.recorder.verdict(&session.interruption, "no wait, stop that.");
    session.dialogue(9001, Event::UserTurn(said("no wait, stop that.", "b")));
    let end = SegmentEnd { delivered: 7, fate: Fate::Cut };
    session.dialogue(9002, Event::SegmentEnded { segment: 1, end });
    let text = "It will rain all day.".into();
    let answer = Answer { text, ..Answer::nothing(TurnOutcome::Interrupted) };
    session.dialogue(9003, Event::Answered { turn: 0, answer });
}

/// The log of such a session.
async fn recorded(directory: &Path, capture: CaptureContent) -> String {
    let (retention, privacy) = (Duration::from_secs(60), Privacy::from(capture));
    let logs = EventLogs::new(Some(directory.to_owned()), retention, &privacy, &Metrics::default()).unwrap();
    let began = Instant::now();
    let header = || Header { agent: rules().recorded(), ..Header::of_test("RM_test") };
    let mut session = Recording {
        began,
        recorder: logs.open(began, header),
        turn: Turn::new(turn::Settings::default()),
        interruption: Interruption::new(interruption::Settings::default()),
        machine: Machine::new(rules()),
    };
    converse(&mut session);
    logs.finish(Duration::from_secs(5)).await;
    let file = std::fs::read_dir(directory).unwrap().next().unwrap().unwrap();
    std::fs::read_to_string(file.path()).unwrap()
}

fn played(log: &str) -> (Vec<String>, Vec<Difference>) {
    let mut lines = log.lines();
    let mut replay = Replay::new(serde_json::from_str(lines.next().unwrap()).unwrap());
    let played: Vec<Played> = lines.map(|line| replay.play(&serde_json::from_str(line).unwrap())).collect();
    let (notes, differences): (Vec<_>, Vec<_>) =
        played.into_iter().map(|played| (played.notes, played.difference)).unzip();
    (notes.concat(), differences.into_iter().flatten().collect())
}

#[tokio::test]
async fn a_session_without_its_words_is_replayed_to_the_same_actions() {
    for capture in [CaptureContent::Off, CaptureContent::Redacted, CaptureContent::Full] {
        let directory = tempfile::tempdir().unwrap();
        let log = recorded(directory.path(), capture).await;
        let has_words = capture == CaptureContent::Full;
        assert_eq!(log.contains("weather"), has_words, "{log}");
        assert_eq!(log.contains("Anna"), has_words, "{log}");
        let (notes, differences) = played(&log);
        assert_eq!(differences, []);
        for note in [
            "the agent says something of its own",
            "silence, behind 1.50 s of speech",
            "turn 0 is put to the model before it has ended",
            "the turn ends: 550 ms of silence, behind a finished sentence (turn.min_delay 500 ms)",
            "turn 0 ended with the same words: that reply is its own",
            "the reply to turn 0 begins",
            "the reply pauses: 500 ms of speech (interruption.min_duration 500 ms)",
            "the reply goes on: the sound had no words",
            "the reply pauses: words were understood",
            "the turn interrupts the reply",
            "the model's answer to turn 0 is cancelled: a person said something else",
            "the reply is cut: a person said something else",
            "turn 0 is over: interrupted",
            "turn 1 is put to the model",
        ] {
            assert!(notes.iter().any(|told| told == note), "{note}: {notes:#?}");
        }
    }
}

#[tokio::test]
async fn what_a_machine_did_otherwise_is_a_difference() {
    let directory = tempfile::tempdir().unwrap();
    let log = recorded(directory.path(), CaptureContent::Off).await;
    let differs = |from: &str, to: &str| {
        assert!(log.contains(from), "{from}: {log}");
        let differences = played(&log.replacen(from, to, 1)).1;
        assert!(!differences.is_empty(), "{from} > {to}");
    };
    differs(r#""action":"pause""#, r#""action":null"#);
    differs("\"ask 1\"", "\"ask 2\"");
    differs(r#"{"ended":{"words":5}}"#, r#"{"ended":{"words":4}}"#);
    differs(r#""min_delay_us":500000"#, r#""min_delay_us":2000000"#);
}

#[test]
fn lines_that_no_session_writes_do_not_panic() {
    let mut replay = Replay::new(Header { turn: None, ..Header::of_test("RM_x") });
    for line in [
        r#"{"at_us":-9223372036854775808,"entry":{"turn":{"event":{"speech_started":{"speech_us":9223372036854775807}},"verdict":null}}}"#,
        r#"{"at_us":1,"entry":{"turn":{"event":{"final":{"words":18446744073709551615,"end":"finished"}},"verdict":null}}}"#,
        r#"{"at_us":1,"entry":{"turn":{"event":"tick","verdict":null}}}"#,
        r#"{"at_us":1,"entry":{"dialogue":{"event":{"delta":{"turn":7,"text":{"bytes":18446744073709551615}}},"actions":[]}}}"#,
        r#"{"at_us":1,"entry":{"dialogue":{"event":{"resumed":{"next_turn":18446744073709551615}},"actions":[]}}}"#,
        r#"{"at_us":1,"entry":{"dialogue":{"event":{"joined":{"people":["a"],"coming":[]}},"actions":[]}}}"#,
        r#"{"at_us":2,"entry":{"dialogue":{"event":{"user_turn":{"speaker":"a","text":{"bytes":3,"id":1},"segment":null,"among":null,"way":"stream"}},"actions":[]}}}"#,
    ] {
        replay.play(&serde_json::from_str(line).unwrap());
    }
}
