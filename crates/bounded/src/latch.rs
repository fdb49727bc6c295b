//! The last known state of something that works or fails.

/// Tells changes of state from outcomes that repeat it, and counts what is lost in between.
#[derive(Clone, Debug)]
pub struct Latch<K> {
    /// None before the first outcome.
    last: Option<Result<(), K>>,
    /// The losses before the present failure began.
    lost_before: u64,
}

/// A change that is worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It works, for the first time.
    Works,
    /// It fails, or fails in another way.
    Fails,
    /// It works again; so much was lost since the failure began.
    Recovered { lost: u64 },
}

// === impl Latch ===

impl<K> Default for Latch<K> {
    fn default() -> Self {
        Self { last: None, lost_before: 0 }
    }
}

impl<K: PartialEq> Latch<K> {
    /// Takes note of an outcome. Failures of an equal kind are one state. `lost` counts everything that was lost so far.
    pub fn observe(&mut self, outcome: Result<(), K>, lost: u64) -> Option<Change> {
        if self.last.as_ref() == Some(&outcome) {
            return None;
        }
        let (worked, works) = (self.is_good(), outcome.is_ok());
        if worked {
            self.lost_before = lost;
        }
        Some(match self.last.replace(outcome) {
            _ if !works => Change::Fails,
            None => Change::Works,
            Some(_) => Change::Recovered { lost: lost.saturating_sub(self.lost_before) },
        })
    }

    /// Whether the last outcome was a success, or there was none.
    pub fn is_good(&self) -> bool {
        !matches!(self.last, Some(Err(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_of_state_is_told_once_with_the_losses_since() {
        let mut latch = Latch::default();
        let steps = [
            (Ok(()), 0, Some(Change::Works)),
            (Ok(()), 0, None),
            (Err("busy"), 0, Some(Change::Fails)),
            (Err("busy"), 2, None),
            (Err("full"), 3, Some(Change::Fails)),
            (Ok(()), 5, Some(Change::Recovered { lost: 5 })),
            (Err("full"), 7, Some(Change::Fails)),
            (Ok(()), 8, Some(Change::Recovered { lost: 1 })),
        ];
        for (step, (outcome, lost, expected)) in steps.into_iter().enumerate() {
            assert_eq!(latch.observe(outcome, lost), expected, "step {step}");
            assert_eq!(latch.is_good(), outcome.is_ok(), "step {step}");
        }
    }
}
