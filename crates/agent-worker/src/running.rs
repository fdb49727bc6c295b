//! The tasks of the jobs: each job has its own, so that a panic ends that job alone.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::control::Report;
use super::{Assignment, JobControl, JobEnd, Jobs};
use crate::observer::{JobResult, Observer};

/// Dropping it ends every job's task.
pub(super) struct RunningJobs {
    jobs: Jobs,
    reports: mpsc::Sender<Report>,
    tasks: JoinSet<JobEnd>,
    by_task: HashMap<Id, Running>,
    by_job: HashMap<String, Handles>,
    observer: Arc<dyn Observer>,
}

struct Running {
    job_id: String,
    room_name: String,
}

struct Handles {
    stop: CancellationToken,
    terminated: CancellationToken,
    task: AbortHandle,
}

impl RunningJobs {
    pub(super) fn new(jobs: Jobs, reports: mpsc::Sender<Report>, observer: Arc<dyn Observer>) -> Self {
        let (by_task, by_job) = (HashMap::new(), HashMap::new());
        Self { jobs, reports, tasks: JoinSet::new(), by_task, by_job, observer }
    }

    pub(super) fn start(&mut self, assignment: Assignment) {
        let (job_id, room_name) = (assignment.job_id.clone(), assignment.room_name.clone());
        let [stop, terminated] = [CancellationToken::new(), CancellationToken::new()];
        let control = JobControl::new(job_id.clone(), stop.clone(), terminated.clone(), self.reports.clone());
        let jobs = self.jobs.clone();
        // Even the making of the future belongs to the task: it may panic, too.
        let task = self.tasks.spawn(async move { jobs.run(assignment, control).await });
        self.by_task.insert(task.id(), Running { job_id: job_id.clone(), room_name });
        self.by_job.insert(job_id, Handles { stop, terminated, task });
    }

    pub(super) fn stop(&self, job_id: &str) {
        if let Some(handles) = self.by_job.get(job_id) {
            handles.stop.cancel();
        }
    }

    pub(super) fn not_resumed(&self, job_id: &str) {
        self.jobs.not_resumed(job_id);
    }

    pub(super) fn terminate(&self, job_id: &str) {
        if let Some(handles) = self.by_job.get(job_id) {
            handles.terminated.cancel();
        }
    }

    pub(super) fn abort(&self, job_id: &str) {
        if let Some(handles) = self.by_job.get(job_id) {
            handles.task.abort();
        }
    }

    /// The next job whose task is over, and how it ended. Waits for ever while none runs.
    pub(super) async fn next(&mut self) -> (String, JobEnd) {
        loop {
            let Some(joined) = self.tasks.join_next_with_id().await else {
                return std::future::pending().await;
            };
            let task = joined.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
            let Some(Running { job_id, room_name }) = self.by_task.remove(&task) else {
                continue;
            };
            self.by_job.remove(&job_id);
            self.count(&joined);
            let end = joined.map_or_else(|error| failure(error, &job_id, &room_name), |(_, end)| end);
            log_end(&end, &job_id, &room_name);
            return (job_id, end);
        }
    }

    fn count(&self, joined: &Result<(Id, JobEnd), JoinError>) {
        let result = match joined {
            Ok((_, JobEnd::Success)) => JobResult::Success,
            Ok((_, JobEnd::Failed(_))) => JobResult::Failed,
            Err(error) if error.is_panic() => JobResult::Panicked,
            Err(_) => JobResult::Aborted,
        };
        self.observer.job_ended(result);
    }
}

fn failure(error: JoinError, job_id: &str, room: &str) -> JobEnd {
    match error.try_into_panic() {
        // A panic's own words may quote the conversation; they are logged where the panic happened, as far as they may
        // be.
        Ok(_) => {
            error!(job_id, room, "a job panicked, as logged above; other jobs are not affected");
            JobEnd::Failed("the agent's session panicked: see the worker's log".to_owned())
        }
        Err(_) => JobEnd::Failed("the agent's session did not stop in time and was ended".to_owned()),
    }
}

fn log_end(end: &JobEnd, job_id: &str, room: &str) {
    match end {
        JobEnd::Success => info!(job_id, room, "job ended"),
        JobEnd::Failed(error) => warn!(job_id, room, error, "job failed"),
    }
}
