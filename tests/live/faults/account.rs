//! The one definition of what a fault cost.
//!
//! A turn is lost when the worker took it and the record does not have it, or still has it as open. A span is lost when
//! its turn is recorded and it is neither in the collector nor among what the worker keeps apart because the receiver
//! refused it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use rusqlite::{Connection, OpenFlags};
use testbed::Span;

/// How a turn that the worker took ended, in the words of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Answered,
    /// The apology was heard.
    Failed,
    Interrupted,
    /// The worker was killed in its middle.
    Aborted,
    /// One of many at once: some are answered, most are superseded.
    Any,
}

/// A turn that the worker took.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub(crate) question: String,
    pub(crate) ending: Ending,
}

/// A turn as it is recorded.
#[derive(Clone, Debug)]
struct Recorded {
    question: String,
    status: String,
    trace_id: String,
    span_id: String,
    attempts: usize,
}

/// The spans of a trace that arrived: each span's id, by its name.
#[derive(Debug, Default)]
struct Arrived(BTreeMap<String, BTreeSet<String>>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Loss {
    pub(crate) turns: usize,
    pub(crate) spans: usize,
}

/// The current loss. Panics when a turn is recorded with another outcome than the caller saw.
pub(crate) fn loss(record: &Path, taken: &[Taken], collected: &[Span], state: &Path) -> Option<Loss> {
    let recorded = read(record)?;
    let turns = taken.iter().filter(|turn| !turn.is_among(&recorded)).count();
    let mut arrived: BTreeMap<String, Arrived> = BTreeMap::new();
    for span in collected {
        arrived.entry(span.trace_id.clone()).or_default().add(&span.name, &span.span_id);
    }
    for span in kept_apart(state) {
        arrived.entry(hex(&span.trace_id)).or_default().add(&span.name, &hex(&span.span_id));
    }
    let nothing = Arrived::default();
    let missing = |turn: &Recorded| {
        arrived.get(&turn.trace_id).unwrap_or(&nothing).missing(&turn.span_id, turn.attempts)
    };
    Some(Loss { turns, spans: recorded.iter().map(missing).sum() })
}

/// The turns of a record; `None` while there is no readable one.
fn read(path: &Path) -> Option<Vec<Recorded>> {
    let record = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
    let columns = "question, status, trace_id, span_id, attempts";
    let mut select = record.prepare(&format!("SELECT {columns} FROM turns")).ok()?;
    let rows = select.query_map([], |row| {
        Ok(Recorded {
            question: row.get(0)?,
            status: row.get(1)?,
            trace_id: row.get(2)?,
            span_id: row.get(3)?,
            attempts: row.get::<_, i64>(4)?.unsigned_abs() as usize,
        })
    });
    rows.ok()?.collect::<Result<_, _>>().ok()
}

/// The spans that the receiver refused and the worker kept.
fn kept_apart(state: &Path) -> Vec<opentelemetry_proto::tonic::trace::v1::Span> {
    let list =
        |path: PathBuf| std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let files = list(state.join("spool")).flat_map(|slot| list(slot.join("rejected")));
    let batches = files.filter(|file| file.extension().is_some_and(|extension| extension == "otlp"));
    let requests = batches.map(|file| std::fs::read(file).unwrap());
    let requests = requests.map(|batch| ExportTraceServiceRequest::decode(batch.as_slice()).unwrap());
    let scopes =
        requests.flat_map(|request| request.resource_spans).flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

// === impl Taken ===

impl Taken {
    /// Whether the record has the turn as ended.
    fn is_among(&self, recorded: &[Recorded]) -> bool {
        let Some(found) = recorded.iter().find(|turn| turn.question == self.question) else { return false };
        let is_over = found.status != "open";
        let expected = self.ending.status().is_none_or(|status| status == found.status);
        assert!(!is_over || expected, "{self:?} is recorded as {found:?}");
        is_over
    }
}

// === impl Ending ===

impl Ending {
    fn status(self) -> Option<&'static str> {
        match self {
            Self::Answered => Some("answered"),
            Self::Failed => Some("failed"),
            Self::Interrupted => Some("interrupted"),
            Self::Aborted => Some("aborted"),
            Self::Any => None,
        }
    }
}

// === impl Arrived ===

impl Arrived {
    fn add(&mut self, name: &str, span_id: &str) {
        self.0.entry(name.to_owned()).or_default().insert(span_id.to_owned());
    }

    /// The number of missing spans of a turn with this root: the root, one for each attempt at a service, and the
    /// requests around those.
    fn missing(&self, root: &str, attempts: usize) -> usize {
        let count = |name: &str| self.0.get(name).map_or(0, BTreeSet::len);
        let has_root = self.0.get("livekit.llm_call").is_some_and(|roots| roots.contains(root));
        let services = ["llm", "stt", "tts"]
            .map(|service| (count(&format!("{service}_request_run")), count(&format!("{service}_request"))));
        let runs: usize = services.iter().map(|(runs, _)| runs).sum();
        let requests = services.iter().filter(|(runs, requests)| *runs > 0 && *requests == 0).count();
        let unasked = usize::from(attempts > 0 && runs == 0);
        usize::from(!has_root) + requests + unasked + attempts.saturating_sub(runs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_span_that_a_recorded_turn_must_have_is_missed() {
        let mut arrived = Arrived::default();
        assert_eq!(arrived.missing("1", 0), 1);
        assert_eq!(arrived.missing("1", 2), 4);
        arrived.add("livekit.llm_call", "2");
        assert_eq!(arrived.missing("1", 0), 1, "another turn's root");
        arrived.add("livekit.llm_call", "1");
        arrived.add("llm_request_run", "3");
        arrived.add("llm_request_run", "3");
        assert_eq!(arrived.missing("1", 2), 2, "sent twice is one span");
        assert_eq!(arrived.missing("1", 0), 1, "an attempt without its request");
        arrived.add("llm_request", "4");
        assert_eq!(arrived.missing("1", 1), 0);
    }
}
