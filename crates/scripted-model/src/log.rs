//! The requests with their times, for programs that measure.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::record::{Ended, Recorded};

/// Each request with its times in microseconds since 1970.
pub(crate) fn entries(endpoint: &str, requests: &[Recorded]) -> Vec<Value> {
    let (now, clock) = (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
    let unix = |at: Instant| clock.saturating_sub(now - at).as_micros() as u64;
    let entry = |request: &Recorded| {
        let ended = match request.ended {
            Ended::Open => "open",
            Ended::Answered => "answered",
            Ended::Cut => "cut",
        };
        let written: Vec<u64> = request.written.iter().copied().map(unix).collect();
        json!({"endpoint": endpoint, "connection": request.connection, "ended": ended, "body": request.body,
            "came_us": unix(request.came), "written_us": written, "ended_us": request.ended_at.map(unix)})
    };
    requests.iter().map(entry).collect()
}
