//! Finished spans kept in memory, for tests that look at them without a receiver.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::attributes::Value;
pub use super::otel::Kind;

/// Keeps every span that ended. Cheap to clone; for tests, because nothing ever leaves it.
#[derive(Clone, Debug, Default)]
pub struct Recorder {
    spans: Arc<Mutex<Vec<FinishedSpan>>>,
}

/// A span as an exporter would send it.
#[derive(Clone, Debug, PartialEq)]
pub struct FinishedSpan {
    pub name: String,
    pub kind: Kind,
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// 16 hexadecimal digits.
    pub span_id: String,
    pub parent_id: Option<String>,
    pub start: SystemTime,
    pub end: SystemTime,
    /// The message of status Error; None when the status is Ok.
    pub error: Option<String>,
    pub attributes: BTreeMap<String, Value>,
}

// === impl Recorder ===

impl Recorder {
    /// The spans that have ended so far, in the order in which they ended.
    pub fn spans(&self) -> Vec<FinishedSpan> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn push(&self, span: FinishedSpan) {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).push(span);
    }
}

// === impl FinishedSpan ===

impl FinishedSpan {
    pub fn attribute(&self, key: &str) -> Option<&Value> {
        self.attributes.get(key)
    }

    /// An attribute that is a text.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.attribute(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// An attribute that is an integer.
    pub fn int(&self, key: &str) -> Option<i64> {
        match self.attribute(key)? {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }
}
