//! Lines of the log that strangers could repeat without end.

use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(60);

/// Lets the first of many equal lines through, then one a minute with the number of those in between.
#[derive(Debug, Default)]
pub(super) struct Seldom {
    said: Option<Instant>,
    unsaid: u64,
}

// === impl Seldom ===

impl Seldom {
    /// Counts the event. Returns how often it happened since the last line, if a line is due.
    pub(super) fn happened(&mut self, now: Instant) -> Option<u64> {
        self.unsaid += 1;
        if self.said.is_some_and(|said| now < said + EVERY) {
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_a_second_make_a_line_a_minute_that_counts_them() {
        let (start, mut seldom) = (Instant::now(), Seldom::default());
        let lines: Vec<u64> = (0..120_000)
            .filter_map(|number| seldom.happened(start + Duration::from_millis(number)))
            .collect();
        assert_eq!(lines, [1, 60_000]);
    }
}
