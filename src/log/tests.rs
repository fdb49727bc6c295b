use std::fs::{self, OpenOptions};
use std::io::Write;
use std::process::Command;
use std::sync::{Arc, Mutex};

use conversation::Secret;
use tracing::{error, info, info_span, warn};

use super::*;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// The text is split at line feeds only: any other end of a line would be a fault.
    fn taken(&self) -> Vec<String> {
        let written = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let whole = written.strip_suffix('\n').unwrap_or(&written);
        whole.split('\n').map(str::to_owned).collect()
    }
}

/// The log of `speak`, as lines of text.
fn text(destination: Destination, speak: impl FnOnce()) -> Vec<String> {
    let lines = Lines::default();
    let sink = lines.clone();
    let layer =
        layer(move || sink.clone()).fmt_fields(Fields).event_format(Text { destination, colours: false });
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), speak);
    lines.taken()
}

/// The log of `speak` as JSON, each line an object.
fn json(speak: impl FnOnce()) -> Vec<String> {
    let lines = Lines::default();
    let sink = lines.clone();
    let layer = layer(move || sink.clone()).json().with_current_span(false).flatten_event(true);
    let layer = layer.map_event_format(|format| Json { format, destination: Destination::Other });
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), speak);
    lines.taken()
}

/// The log of `speak`, as one text.
pub(crate) fn said(speak: impl FnOnce()) -> String {
    text(Destination::Other, speak).join("\n")
}

#[test]
fn a_line_is_time_level_message_and_fields_with_those_of_its_spans() {
    let lines = text(Destination::Other, || {
        let _session = info_span!("session", room = "demo").entered();
        info!(turn = 3, "turn answered");
    });
    let (time, rest) = lines[0].split_once(' ').unwrap();
    assert_eq!(rest, " INFO turn answered turn=3 room=\"demo\"");
    assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
}

#[test]
fn the_journal_gets_priorities_and_no_time() {
    let lines = text(Destination::Journal, || {
        error!("it broke");
        warn!("it may break");
        info!("it works");
    });
    assert_eq!(lines, ["<3>it broke", "<4>it may break", "<6>it works"]);
}

#[test]
fn what_others_say_is_told_apart_from_what_our_crates_say() {
    let lines = text(Destination::Journal, || {
        warn!(target: "hyper::proto", "closed");
        warn!(target: "agent_worker::shell", "not registered");
    });
    assert_eq!(lines, ["<4>hyper::proto: closed", "<4>not registered"]);
}

#[test]
fn text_from_outside_cannot_start_a_line() {
    let lines = text(Destination::Journal, || info!("joined {}", "room\n<3>forged\r"));
    assert_eq!(lines, ["<6>joined room\\n<3>forged\\r"]);
}

/// Titles, colours, a line of its own, C1, DEL, another direction, a line separator.
const HOSTILE: &str = "a\x1b]0;t\x07\x1b[7m\r\n<3>b\x08\x0c\0\t\u{9b}2J\x7f\u{85}\u{202e}c\u{2028}d";
const SHOWN: &str = r"a\u{1b}]0;t\u{7}\u{1b}[7m\r\n<3>b\u{8}\u{c}\0\t\u{9b}2J\u{7f}\u{85}\u{202e}c\u{2028}d";

/// Hostile in each way in which an event or a span can hold a text.
fn say_hostile_things() {
    let error = io::Error::other(HOSTILE);
    let boxed: &(dyn std::error::Error + 'static) = &error;
    let late = info_span!("outer", shown = %HOSTILE, late = tracing::field::Empty).entered();
    late.record("late", tracing::field::display(HOSTILE));
    let _inner = info_span!("inner", debug = ?HOSTILE, text = HOSTILE).entered();
    info!(room = %HOSTILE, text = HOSTILE, debug = ?HOSTILE, %error, boxed, list = ?[HOSTILE], "said {HOSTILE}");
    info!(target: "\x1b[2J", "elsewhere");
}

fn is_obeyed(letter: char) -> bool {
    letter.is_control() || "\u{202e}\u{2028}".contains(letter)
}

#[test]
fn whatever_a_field_holds_a_line_shows_it_escaped_once() {
    for destination in [Destination::Journal, Destination::Other, Destination::Terminal] {
        let lines = text(destination, say_hostile_things);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(!lines.concat().contains(is_obeyed), "{lines:?}");
        assert!(!lines.concat().contains(r"\\"), "{lines:?}");
        // The message, six fields, and four of the spans.
        assert_eq!(lines[0].matches(SHOWN).count(), 11, "{}", lines[0]);
        assert!(lines[0].contains(&format!("said {SHOWN} room={SHOWN} text=\"{SHOWN}\"")), "{}", lines[0]);
    }
}

#[test]
fn colours_are_ours_and_fields_have_none() {
    let lines = Lines::default();
    let sink = lines.clone();
    let format = Text { destination: Destination::Terminal, colours: true };
    let layer = layer(move || sink.clone()).fmt_fields(Fields).event_format(format);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), say_hostile_things);
    let line = lines.taken().remove(0);
    let (ours, rest) = line.split_once(" said ").unwrap();
    assert!(ours.starts_with("\x1b[2m") && ours.ends_with("\x1b[32m INFO\x1b[0m"), "{line:?}");
    assert!(!rest.contains(is_obeyed), "{line:?}");
}

#[test]
fn json_stays_json_and_its_values_exact() {
    let lines = json(say_hostile_things);
    assert!(lines.len() == 2 && !lines.concat().contains(is_obeyed), "{lines:?}");
    let event: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(event["message"], format!("said {HOSTILE}"));
    assert_eq!((&event["room"], &event["text"]), (&HOSTILE.into(), &HOSTILE.into()));
    assert_eq!((&event["spans"][0]["late"], &event["spans"][1]["text"]), (&HOSTILE.into(), &HOSTILE.into()));
}

#[test]
fn stderr_is_the_journal_only_when_device_and_inode_match() {
    assert!(is_journal("9:4711", (9, 4711)));
    for stream in ["", "9", "9:4712", "8:4711", "9:x", "9:4711:"] {
        assert!(!is_journal(stream, (9, 4711)), "{stream}");
    }
}

#[test]
fn a_filter_that_is_none_is_ignored_and_said() {
    let default = EnvFilter::new(with_crates(DEFAULT_FILTER)).to_string();
    for text in [None, Some(" ".to_owned())] {
        let (filter, refused) = filter(text, DEFAULT_FILTER);
        assert_eq!((filter.to_string(), refused), (default.clone(), None));
    }
    let (filter, refused) = filter(Some("voiced=loud".to_owned()), DEFAULT_FILTER);
    assert_eq!(filter.to_string(), default);
    let refused = refused.unwrap();
    assert!(refused.contains("voiced=loud") && refused.contains("expected"), "{refused}");
    assert_eq!(super::filter(Some("debug".to_owned()), DEFAULT_FILTER).0.to_string(), "debug");
}

#[test]
fn a_directive_for_voiced_is_one_for_its_crates_too() {
    assert_eq!(with_crates("warn"), "warn");
    assert_eq!(with_crates("warn,voiced::room=debug"), "warn,voiced::room=debug");
    for (filter, level) in [("warn, voiced=debug", Some("debug")), ("voiced", None)] {
        let (with, level) = (with_crates(filter), level.map_or(String::new(), |level| format!("={level}")));
        assert!(CRATES.iter().all(|name| with.contains(&format!("{name}{level},"))), "{with}");
        assert!(with.ends_with(filter), "{with}");
    }
    let own = EnvFilter::new(with_crates("voiced=info,outbound=trace")).to_string();
    assert!(own.contains("outbound=trace") && !own.contains("outbound=info"), "{own}");
}

#[test]
fn time_is_shown_to_the_millisecond() {
    let time = now().unwrap();
    assert_eq!(time.len(), "2026-11-23T10:07:04.123Z".len(), "{time}");
    assert_eq!(time_of_day("2026-11-23T10:07:04.123Z"), "10:07:04.123Z");
}

/// The stderr of a process that logs in this format; `journal` tells whether stderr claims to be the journal.
fn logged(format: &str, journal: bool) -> Vec<String> {
    let path = std::env::temp_dir().join(format!("voiced-log-{}-{format}-{journal}", std::process::id()));
    let file = OpenOptions::new().create(true).truncate(true).write(true).open(&path).unwrap();
    let metadata = file.metadata().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "log::tests::a_process_that_logs", "--nocapture", "--ignored"]);
    child.env("LOG_FORMAT", format).env_remove("RUST_LOG").env_remove("JOURNAL_STREAM").stderr(file);
    if journal {
        child.env("JOURNAL_STREAM", format!("{}:{}", metadata.dev(), metadata.ino()));
    }
    assert!(child.output().unwrap().status.success());
    let text = fs::read_to_string(&path).unwrap();
    fs::remove_file(&path).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
#[ignore = "runs in a process of its own, started by the tests below"]
fn a_process_that_logs() {
    let format = std::env::var("LOG_FORMAT").unwrap_or_else(|_| "text".to_owned());
    let secrets = [Secret::new("hush-hush-hush")].into_iter().collect();
    init(Format::from_str(&format, true).unwrap(), secrets, None);
    info!(room = "demo", "joined");
    warn!(target: "library", key = "hush-hush-hush", "sent");
    tracing::debug!("not said");
    warn!(target: "opentelemetry_sdk", "not said either");
}

#[test]
fn text_goes_to_stderr_with_priorities_only_for_the_journal() {
    let written = ["<6>joined room=\"demo\"", "<4>library: sent key=\"[secret]\""];
    assert_eq!(logged("text", true), written);
    let lines = logged("text", false);
    assert!(lines.len() == 2 && lines[0].ends_with("Z  INFO joined room=\"demo\""), "{lines:?}");
}

#[test]
fn json_is_one_object_a_line() {
    let journal = logged("json", true).remove(0);
    for line in [logged("json", false).remove(0), journal.strip_prefix("<6>").unwrap().to_owned()] {
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&event["level"], &event["message"], &event["room"]),
            (&"INFO".into(), &"joined".into(), &"demo".into())
        );
    }
}
