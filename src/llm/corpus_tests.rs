//! Every stream of `tests/streams`, in one pass, byte by byte and in pieces of other sizes, without a socket.
//! `tests/offline/llm/streams.rs` sends them over a real one.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::Instant;

use conversation::Usage;
use serde::Deserialize;

use super::attempt::Received;
use super::error::Fault;
use super::openai::recorded;
use super::usage::Spent;
use super::words::{Habit, Piece};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(rename = "source")]
    _source: String,
    status: u16,
    #[serde(default)]
    content_type: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    refused: Option<String>,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    words: String,
    #[serde(default)]
    thinking: bool,
    finish: Option<String>,
    model: Option<String>,
    input: Option<u64>,
    output: Option<u64>,
    cached: Option<u64>,
    outcome: String,
    class: Option<String>,
    retry: Option<bool>,
    retry_after: Option<f64>,
    detail: Option<String>,
}

/// The outcome of a stream.
#[derive(Debug, PartialEq)]
struct Came {
    words: String,
    thinking: bool,
    finish: Option<String>,
    model: Option<String>,
    usage: Usage,
    fault: Option<Fault>,
}

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/streams");
    let servers =
        std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    let files =
        servers.flat_map(|server| std::fs::read_dir(server).unwrap()).map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> =
        files.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    cases.sort();
    cases
}

/// The outcome of a body in these pieces.
fn came<'a>(case: &Case, pieces: impl IntoIterator<Item = &'a [u8]>) -> Came {
    let mut received = Received::new(Some(Habit::Unknown));
    let mut out = VecDeque::new();
    let ended = if recorded::is_refusal(case.status, &case.content_type) {
        let body: Vec<u8> = pieces.into_iter().flatten().copied().collect();
        Err(recorded::refusal(case.status, &case.headers, &body))
    } else {
        recorded::read(pieces, |chunk| {
            received.take(Instant::now(), chunk, &mut out);
            received.fault()
        })
        .and_then(|(done, stray)| received.end(done, stray.as_deref()))
    };
    let fault = ended.err().filter(|_| !received.is_whole());
    received.finish_words(Instant::now(), &mut out);
    let thinking = out.contains(&Piece::Thought);
    let words: String = out
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Words(words) => Some(words),
            _ => None,
        })
        .collect();
    let spent = if fault.is_some() && words.is_empty() { Spent::Nothing } else { Spent::Worked };
    let usage = received.reported.settle(spent, &[], &words);
    Came {
        words,
        thinking,
        finish: received.finish_reason.clone(),
        model: received.model.clone(),
        usage,
        fault,
    }
}

/// The differences between the case and the outcome.
fn wrong(case: &Case, came: &Came) -> Vec<String> {
    let expect = &case.expect;
    let mut wrong = Vec::new();
    let mut check = |what: &str, expected: String, is: String| {
        if expected != is {
            wrong.push(format!("{what}: expected {expected}, is {is}"));
        }
    };
    check("words", format!("{:?}", expect.words.trim()), format!("{:?}", came.words.trim()));
    check("finish", format!("{:?}", expect.finish), format!("{:?}", came.finish));
    check("model", format!("{:?}", expect.model), format!("{:?}", came.model));
    if expect.thinking {
        check("thinking", "true".into(), came.thinking.to_string());
    }
    if let Some(input) = expect.input {
        check("input", input.to_string(), came.usage.input.to_string());
    }
    if let Some(output) = expect.output {
        check("output", output.to_string(), came.usage.output.to_string());
    }
    check("cached", format!("{:?}", expect.cached), format!("{:?}", came.usage.cached_input));
    let is_measured = expect.input.is_some() && expect.output.is_some() && expect.outcome == "complete";
    if expect.outcome == "complete" && !expect.words.trim().is_empty() {
        check("estimated", (!is_measured).to_string(), came.usage.estimated.to_string());
    }
    let class = came.fault.as_ref().map(|fault| fault.kind.class());
    let outcome = if class.is_some() { "failed" } else { "complete" };
    check("outcome", expect.outcome.clone(), outcome.into());
    check("class", format!("{:?}", expect.class), format!("{class:?}"));
    let retry = came.fault.as_ref().map(Fault::is_retryable);
    check("retry", format!("{:?}", expect.retry), format!("{retry:?}"));
    if let Some(wait) = expect.retry_after {
        let is = came.fault.as_ref().and_then(|fault| fault.retry_after).map(|wait| wait.as_secs_f64());
        check("retry_after", format!("{:?}", Some(wait)), format!("{is:?}"));
    }
    if let Some(detail) = &expect.detail {
        let is = came.fault.as_ref().and_then(|fault| fault.detail.clone()).unwrap_or_default();
        check("detail", detail.clone(), if is.contains(detail.as_str()) { detail.clone() } else { is });
    }
    wrong
}

#[test]
fn every_stream_is_read_right_in_one_pass_and_split_at_every_byte() {
    let mut failed = Vec::new();
    let cases = cases();
    for path in &cases {
        let case: Case = toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let body = std::fs::read(path.with_extension("sse")).unwrap();
        let whole = came(&case, [body.as_slice()]);
        let named = format!("{}", path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display());
        failed.extend(wrong(&case, &whole).into_iter().map(|wrong| format!("{named}: {wrong}")));
        for size in [1, 2, 3, 5, 7, 64, 250] {
            assert_eq!(came(&case, body.chunks(size)), whole, "{named} in pieces of {size} bytes");
        }
        assert_eq!(case.refused.is_some(), named.contains("refused_"), "{named}");
    }
    assert!(failed.is_empty(), "{} of {} streams:\n{}", failed.len(), cases.len(), failed.join("\n"));
    assert!(cases.len() > 250, "only {} streams were found", cases.len());
}
