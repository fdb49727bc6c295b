//! The ends of jobs, until the server has been told.

use std::collections::VecDeque;

use bounded::text::within_bytes;
use tracing::warn;

use crate::JobEnd;

/// More ends than any worker has jobs; the limit only keeps an outage of days from filling the memory.
const MAX_UNCONFIRMED: usize = 1024;
/// The server shows the error to people and keeps it with the job.
const MAX_ERROR_BYTES: usize = 1024;

/// Ends that were not written to a socket yet.
#[derive(Debug, Default)]
pub(super) struct Ends {
    unconfirmed: VecDeque<UnconfirmedEnd>,
    dropped: u64,
}

#[derive(Debug)]
struct UnconfirmedEnd {
    job_id: String,
    end: JobEnd,
    /// Handed to the present socket.
    sent: bool,
}

impl Ends {
    /// Keeps an end until `written`. Returns it as it is to be sent, its error cut to a bearable length.
    pub(super) fn push(&mut self, job_id: String, end: JobEnd, sent: bool) -> JobEnd {
        if self.unconfirmed.len() == MAX_UNCONFIRMED {
            self.unconfirmed.pop_front();
            self.dropped += 1;
            if self.dropped.is_power_of_two() {
                warn!(dropped = self.dropped, "too many job ends wait for LiveKit; the oldest are forgotten");
            }
        }
        let end = bounded(end);
        self.unconfirmed.push_back(UnconfirmedEnd { job_id, end: end.clone(), sent });
        end
    }

    pub(super) fn written(&mut self, job_id: &str) {
        self.unconfirmed.retain(|unconfirmed| unconfirmed.job_id != job_id);
    }

    /// The socket is gone: ends that it may not have carried wait again. Returns the jobs concerned.
    pub(super) fn unsend(&mut self) -> Vec<String> {
        let sent = self.unconfirmed.iter_mut().filter(|unconfirmed| unconfirmed.sent);
        sent.map(|unconfirmed| {
            unconfirmed.sent = false;
            unconfirmed.job_id.clone()
        })
        .collect()
    }

    /// All ends that wait, to be handed to the present socket.
    pub(super) fn send_waiting(&mut self) -> Vec<(String, JobEnd)> {
        let waiting = self.unconfirmed.iter_mut().filter(|unconfirmed| !unconfirmed.sent);
        waiting
            .map(|unconfirmed| {
                unconfirmed.sent = true;
                (unconfirmed.job_id.clone(), unconfirmed.end.clone())
            })
            .collect()
    }

    pub(super) fn waiting_ids(&self) -> impl Iterator<Item = String> + '_ {
        self.unconfirmed
            .iter()
            .filter(|unconfirmed| !unconfirmed.sent)
            .map(|unconfirmed| unconfirmed.job_id.clone())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unconfirmed.is_empty()
    }
}

fn bounded(end: JobEnd) -> JobEnd {
    match end {
        JobEnd::Failed(error) => JobEnd::Failed(within_bytes(&error, MAX_ERROR_BYTES).to_owned()),
        JobEnd::Success => JobEnd::Success,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_of_days_keeps_the_newest_ends_only() {
        let mut ends = Ends::default();
        for number in 0..MAX_UNCONFIRMED + 3 {
            ends.push(format!("AJ_{number}"), JobEnd::Success, false);
        }
        let waiting = ends.send_waiting();
        assert_eq!(waiting.len(), MAX_UNCONFIRMED);
        assert_eq!(waiting[0].0, "AJ_3");
        assert_eq!(ends.dropped, 3);
    }

    #[test]
    fn a_long_error_is_cut_between_characters() {
        let mut ends = Ends::default();
        let end = ends.push("AJ_1".to_owned(), JobEnd::Failed("ü".repeat(4000)), true);
        assert_eq!(end, JobEnd::Failed("ü".repeat(MAX_ERROR_BYTES / 2)));
    }
}
