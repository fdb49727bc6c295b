//! The traces of turns, and whether they are complete.

use std::time::Duration;

use testbed::Span;
use testbed::spans::by_trace;

const CALL: &str = "livekit.llm_call";
const REQUEST: &str = "llm_request";
const ATTEMPT: &str = "llm_request_run";

/// The trace of one turn: a root, the request below it, at least one attempt below that.
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

    fn is_complete(&self) -> bool {
        let below = |parent: &Span, name: &str| {
            self.trace
                .iter()
                .find(|span| span.name == name && span.parent_id.as_ref() == Some(&parent.span_id))
        };
        let request = self.root.and_then(|root| below(root, REQUEST));
        request.is_some_and(|request| below(request, ATTEMPT).is_some())
    }
}

/// The complete traces of turns, in the order in which the turns began.
pub(crate) fn complete(spans: &[Span]) -> Vec<Vec<Span>> {
    by_trace(spans).into_iter().filter(|trace| Turn::of(trace).is_complete()).collect()
}

/// The error message of a failed demo, for the user who has to find the cause.
pub(crate) fn what_is_missing(spans: &[Span], expected: usize, patience: Duration) -> String {
    let mut text = format!(
        "only {} of {expected} turns have a complete trace ({CALL} > {REQUEST} > {ATTEMPT}) after {patience:?}",
        complete(spans).len()
    );
    for trace in by_trace(spans).iter().filter(|trace| !Turn::of(trace).is_complete()) {
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
        assert_eq!(complete(&turn).len(), 1);
        for name in [CALL, REQUEST, ATTEMPT] {
            let without: Vec<Span> = turn.iter().filter(|span| span.name != name).cloned().collect();
            assert!(complete(&without).is_empty(), "complete without {name}");
        }
        let misplaced = [
            span(CALL, "a", None, 0..9),
            span(REQUEST, "b", Some("a"), 0..9),
            span(ATTEMPT, "c", Some("a"), 0..9),
        ];
        assert!(complete(&misplaced).is_empty(), "an attempt directly below the root");
    }

    #[test]
    fn an_incomplete_trace_is_named_with_what_it_has() {
        let spans = [span(CALL, "a", None, 0..9)];
        let text = what_is_missing(&spans, 3, Duration::from_secs(20));
        assert!(text.starts_with("only 0 of 3 turns"), "{text}");
        assert!(text.contains("4bf92f3577b34da6a3ce929d0e0e4736 has livekit.llm_call"), "{text}");
    }
}
