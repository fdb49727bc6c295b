//! Fuzzing: a caller's `traceparent`.

use super::traceparent::TraceParent;
use crate::fuzzing::text;

pub(crate) fn traceparent(bytes: &[u8]) {
    let parent = TraceParent::parse(&text(bytes));
    assert!(parent.is_none_or(|parent| parent.trace_id != 0 && parent.span_id != 0));
}
