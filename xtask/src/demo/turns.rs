//! The traces of turns, and whether they are complete.

use std::time::Duration;

use testbed::Span;
use testbed::spans::by_trace;

const CALL: &str = "livekit.llm_call";
/// Requests, each with its attempts.
const LLM: [&str; 2] = ["llm_request", "llm_request_run"];
const STT: [&str; 2] = ["stt_request", "stt_request_run"];
const TTS: [&str; 2] = ["tts_request", "tts_request_run"];

/// How a turn came and was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Written,
    Spoken,
}

/// The trace of one turn: a root, a request below it for each part, at least one attempt below that.
pub(crate) struct Turn<'a> {
    root: Option<&'a Span>,
    trace: &'a [Span],
}

impl<'a> Turn<'a> {
    pub(crate) fn of(trace: &'a [Span]) -> Self {
        let root = trace.iter().find(|span| span.name == CALL && span.parent_id.is_none());
        Self { root, trace }
    }

    pub(crate) fn trace_id(&self) -> &str {
        self.trace.first().map_or("", |span| &span.trace_id)
    }

    pub(crate) fn question(&self) -> Option<&str> {
        self.root?.text("livekit.question")
    }

    fn is_complete(&self, kind: Kind) -> bool {
        let below = |parent: &Span, name: &str| {
            self.trace
                .iter()
                .find(|span| span.name == name && span.parent_id.as_ref() == Some(&parent.span_id))
        };
        let has = |[request, attempt]: &[&str; 2]| {
            let request = self.root.and_then(|root| below(root, request));
            request.is_some_and(|request| below(request, attempt).is_some())
        };
        kind.parts().iter().all(has)
    }
}

impl Kind {
    fn parts(self) -> &'static [[&'static str; 2]] {
        match self {
            Self::Written => &[LLM],
            Self::Spoken => &[STT, LLM, TTS],
        }
    }
}

/// The complete traces of turns, in the order in which the turns began.
pub(crate) fn complete(spans: &[Span], kind: Kind) -> Vec<Vec<Span>> {
    by_trace(spans).into_iter().filter(|trace| Turn::of(trace).is_complete(kind)).collect()
}

/// The error message of a failed demo, for the user who has to find the cause.
pub(crate) fn what_is_missing(spans: &[Span], kind: Kind, expected: usize, patience: Duration) -> String {
    let ways: Vec<String> =
        kind.parts().iter().map(|[request, attempt]| format!("{CALL} > {request} > {attempt}")).collect();
    let mut text = format!(
        "only {} of {expected} turns have a complete trace ({}) after {patience:?}",
        complete(spans, kind).len(),
        ways.join(", ")
    );
    for trace in by_trace(spans).iter().filter(|trace| !Turn::of(trace).is_complete(kind)) {
        let names: Vec<&str> = trace.iter().map(|span| span.name.as_str()).collect();
        text.push_str(&format!(
            "\n  incomplete: trace {} has {}",
            Turn::of(trace).trace_id(),
            names.join(", ")
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::waterfall::samples::{retried_turn, span};

    #[test]
    fn a_turn_is_complete_only_with_all_three_levels_in_place() {
        let turn = retried_turn();
        assert_eq!(complete(&turn, Kind::Written).len(), 1);
        for name in [CALL, LLM[0], LLM[1]] {
            let without: Vec<Span> = turn.iter().filter(|span| span.name != name).cloned().collect();
            assert!(complete(&without, Kind::Written).is_empty(), "complete without {name}");
        }
        let misplaced = [
            span(CALL, "a", None, 0..9),
            span(LLM[0], "b", Some("a"), 0..9),
            span(LLM[1], "c", Some("a"), 0..9),
        ];
        assert!(complete(&misplaced, Kind::Written).is_empty(), "an attempt directly below the root");
    }

    #[test]
    fn a_spoken_turn_is_complete_with_all_of_its_parts() {
        let part = |[request, attempt]: [&str; 2]| {
            [span(request, request, Some("root"), 0..9), span(attempt, attempt, Some(request), 0..9)]
        };
        let spoken = [retried_turn(), part(STT).to_vec(), part(TTS).to_vec()].concat();
        assert_eq!(complete(&spoken, Kind::Spoken).len(), 1);
        for name in [STT, TTS].concat() {
            let without: Vec<Span> = spoken.iter().filter(|span| span.name != name).cloned().collect();
            assert!(complete(&without, Kind::Spoken).is_empty(), "complete without {name}");
        }
    }

    #[test]
    fn an_incomplete_trace_is_named_with_what_it_has() {
        let spans = [span(CALL, "a", None, 0..9)];
        let text = what_is_missing(&spans, Kind::Written, 3, Duration::from_secs(20));
        assert!(text.starts_with("only 0 of 3 turns"), "{text}");
        assert!(text.contains("4bf92f3577b34da6a3ce929d0e0e4736 has livekit.llm_call"), "{text}");
    }
}
