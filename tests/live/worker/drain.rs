use std::time::Duration;

use agent_worker::{JobEnd, Outcome, Terms};
use livekit_protocol::{JobStatus, WorkerStatus};

use crate::worker::agent_endpoint::AgentEndpoint;
use crate::worker::running_worker::{RunningWorker, settings, terms};

#[tokio::test]
async fn a_drain_waits_for_every_session_and_takes_no_new_one() {
    let endpoint = AgentEndpoint::bind().await;
    let mut worker = RunningWorker::start(settings(endpoint.url()));
    let mut socket = endpoint.accept_registered().await;
    socket.run_job("AJ_short", "a").await;
    let short = worker.job().await;
    socket.run_job("AJ_long", "b").await;
    let long = worker.job().await;

    worker.shutdown.drain.cancel();
    let health = worker.until(|health| health.draining).await;
    assert_eq!((health.is_ready(), health.reason.as_str()), (false, "draining: 2 sessions left"));
    let mut status = socket.status().await;
    while !status.draining {
        status = socket.status().await;
    }
    assert_eq!(status.status(), WorkerStatus::WsFull);
    socket.offer("AJ_3", "c").await;
    assert!(!socket.answer().await.available);

    short.finish(JobEnd::Success);
    assert_eq!(socket.job_update().await.job_id, "AJ_short");
    worker.until(|health| health.active_jobs == 1).await;
    assert!(!long.control.stop.is_cancelled());
    long.finish(JobEnd::Success);
    assert_eq!(worker.outcome().await, Outcome::Drained);
    // The last job ended before the worker closed the socket.
    assert_eq!(socket.job_update().await.job_id, "AJ_long");
    while socket.try_next().await.is_some() {}
}

#[tokio::test]
async fn sessions_that_outlast_the_drain_timeout_are_stopped() {
    let endpoint = AgentEndpoint::bind().await;
    let mut settings = settings(endpoint.url());
    settings.terms = Terms { drain_timeout: Duration::from_millis(100), ..terms(3) }.fixed();
    let mut worker = RunningWorker::start(settings);
    let mut socket = endpoint.accept_registered().await;
    socket.run_job("AJ_1", "a").await;
    let job = worker.job().await;
    worker.shutdown.drain.cancel();
    job.stopped().await;
    job.finish(JobEnd::Failed("the worker was stopped".to_owned()));
    assert_eq!(worker.outcome().await, Outcome::DrainTimedOut { sessions: 1 });
    assert_eq!(socket.job_update().await.status(), JobStatus::JsFailed);
}

#[tokio::test]
async fn the_second_signal_ends_a_drain_also_when_a_session_does_not_listen() {
    let endpoint = AgentEndpoint::bind().await;
    let mut worker = RunningWorker::start(settings(endpoint.url()));
    let mut socket = endpoint.accept_registered().await;
    socket.run_job("AJ_1", "a").await;
    let deaf = worker.job().await;
    worker.shutdown.drain.cancel();
    worker.until(|health| health.draining).await;
    worker.shutdown.end_now.cancel();
    deaf.stopped().await;
    assert_eq!(worker.outcome().await, Outcome::EndedNow { sessions: 1 });
    assert_eq!(socket.job_update().await.status(), JobStatus::JsFailed);
}

#[tokio::test]
async fn a_worker_without_a_server_ends_on_the_first_signal() {
    let endpoint = AgentEndpoint::bind().await;
    let worker = RunningWorker::start(settings(endpoint.url()));
    // The connection is accepted and never answered: the worker is in the middle of its upgrade.
    let _stream = endpoint.accept_tcp().await;
    worker.shutdown.drain.cancel();
    assert_eq!(worker.outcome().await, Outcome::Drained);
}
