//! The line between a job and its worker.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::JobEnd;

/// A report that takes longer than this is not worth the wait of the people in the room.
const REPORT_TIMEOUT: Duration = Duration::from_secs(2);

/// The job's line back to its worker.
#[derive(Debug)]
pub struct JobControl {
    /// Cancelled when the drain timeout is over, and when a second signal ends the worker at once. The job is then to
    /// leave its room within seconds.
    pub stop: CancellationToken,
    /// Cancelled when the server has terminated the job: by order, or because it has seen our participant leave the
    /// room, which can be the mere end of a connection. The job ends soon, or says that it [stays](JobControl::stay).
    pub terminated: CancellationToken,
    reporter: Option<Reporter>,
}

#[derive(Debug)]
struct Reporter {
    job_id: String,
    reports: mpsc::Sender<Report>,
}

/// A message of a job to its worker.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) job_id: String,
    pub(super) what: Reported,
}

#[derive(Debug)]
pub(super) enum Reported {
    Ended {
        end: JobEnd,
        /// Sent to, or dropped, when there is nothing more to wait for.
        written: oneshot::Sender<()>,
    },
    /// The job was terminated and goes on all the same.
    Stays,
}

// === impl JobControl ===

impl JobControl {
    /// For a session that no worker dispatched: `stop` ends it and reports go nowhere.
    pub fn detached(stop: CancellationToken) -> Self {
        Self { stop, terminated: CancellationToken::new(), reporter: None }
    }

    pub(super) fn new(
        job_id: String,
        stop: CancellationToken,
        terminated: CancellationToken,
        reports: mpsc::Sender<Report>,
    ) -> Self {
        Self { stop, terminated, reporter: Some(Reporter { job_id, reports }) }
    }

    /// Tells the worker that the job goes on though the server has terminated it.
    pub async fn stay(&self) {
        if let Some(Reporter { job_id, reports }) = &self.reporter {
            let _ = reports.send(Report { job_id: job_id.clone(), what: Reported::Stays }).await;
        }
    }

    /// Tells the server how the job ended, once; to be called before the room is left.
    ///
    /// Returns when the report was written to the worker socket, when the socket is known to be down (the worker then
    /// tells the server after it reconnected), or after two seconds.
    pub async fn report(&mut self, end: JobEnd) {
        let Some(Reporter { job_id, reports }) = self.reporter.take() else {
            return;
        };
        let (written, heard) = oneshot::channel();
        let id = job_id.clone();
        let reported = async {
            let what = Reported::Ended { end, written };
            if reports.send(Report { job_id, what }).await.is_ok() {
                let _ = heard.await;
            }
        };
        if timeout(REPORT_TIMEOUT, reported).await.is_err() {
            debug!(job_id = %id, "the end of the job is still unwritten after {REPORT_TIMEOUT:?}; leaving the room");
        }
    }
}
