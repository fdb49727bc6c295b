//! The ends of jobs, until the server has been told.

use std::collections::VecDeque;

use tracing::warn;

use crate::JobEnd;

/// More ends than any worker has jobs; the limit only keeps an outage of days from filling the memory.
const MAX_KEPT: usize = 1024;
/// The server shows the error to people and keeps it with the job.
const MAX_ERROR_BYTES: usize = 1024;

/// Ends that were not written to a socket yet.
#[derive(Debug, Default)]
pub(super) struct Ends {
    kept: VecDeque<Kept>,
    dropped: u64,
}

#[derive(Debug)]
struct Kept {
    job_id: String,
    end: JobEnd,
    /// Handed to the present socket.
    sent: bool,
}

impl Ends {
    /// Keeps an end until `written`. Returns it as it is to be sent, its error cut to a bearable length.
    pub(super) fn push(&mut self, job_id: String, end: JobEnd, sent: bool) -> JobEnd {
        if self.kept.len() == MAX_KEPT {
            self.kept.pop_front();
            self.dropped += 1;
            if self.dropped.is_power_of_two() {
                warn!(dropped = self.dropped, "too many job ends wait for LiveKit; the oldest are forgotten");
            }
        }
        let end = bounded(end);
        self.kept.push_back(Kept { job_id, end: end.clone(), sent });
        end
    }

    pub(super) fn written(&mut self, job_id: &str) {
        self.kept.retain(|kept| kept.job_id != job_id);
    }

    /// The socket is gone: ends that it may not have carried wait again. Returns the jobs concerned.
    pub(super) fn unsend(&mut self) -> Vec<String> {
        let sent = self.kept.iter_mut().filter(|kept| kept.sent);
        sent.map(|kept| {
            kept.sent = false;
            kept.job_id.clone()
        })
        .collect()
    }

    /// All ends that wait, to be handed to the present socket.
    pub(super) fn send_waiting(&mut self) -> Vec<(String, JobEnd)> {
        let waiting = self.kept.iter_mut().filter(|kept| !kept.sent);
        waiting
            .map(|kept| {
                kept.sent = true;
                (kept.job_id.clone(), kept.end.clone())
            })
            .collect()
    }

    pub(super) fn waiting_ids(&self) -> impl Iterator<Item = String> + '_ {
        self.kept.iter().filter(|kept| !kept.sent).map(|kept| kept.job_id.clone())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

fn bounded(end: JobEnd) -> JobEnd {
    match end {
        JobEnd::Failed(mut error) => {
            if error.len() > MAX_ERROR_BYTES {
                let cut = (0..=MAX_ERROR_BYTES).rev().find(|&cut| error.is_char_boundary(cut));
                error.truncate(cut.unwrap_or(0));
            }
            JobEnd::Failed(error)
        }
        JobEnd::Success => JobEnd::Success,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_of_days_keeps_the_newest_ends_only() {
        let mut ends = Ends::default();
        for number in 0..MAX_KEPT + 3 {
            ends.push(format!("AJ_{number}"), JobEnd::Success, false);
        }
        let waiting = ends.send_waiting();
        assert_eq!(waiting.len(), MAX_KEPT);
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
