use agent_worker::JobEnd;
use futures::future::join_all;
use livekit_protocol as proto;
use livekit_protocol::JobStatus;
use livekit_protocol::server_message::Message as FromServer;

use crate::worker::agent_endpoint::{AgentEndpoint, WorkerSocket};
use crate::worker::running_worker::{RunningWorker, settings};

async fn registered() -> (AgentEndpoint, WorkerSocket, RunningWorker) {
    let endpoint = AgentEndpoint::bind().await;
    let worker = RunningWorker::start(settings(endpoint.url()));
    let socket = endpoint.accept_registered().await;
    (endpoint, socket, worker)
}

#[tokio::test]
async fn a_worker_introduces_itself_and_says_at_once_that_it_is_free() {
    let endpoint = AgentEndpoint::bind().await;
    let mut worker = RunningWorker::start(settings(endpoint.url()));
    let mut socket = endpoint.accept().await;
    let request = socket.register().await;
    assert_eq!(request.r#type(), proto::JobType::JtRoom);
    assert_eq!((request.agent_name.as_str(), request.version.as_str()), ("support", "0.1.0"));
    assert_eq!(request.instance_id, "1f".repeat(16));
    let status = socket.status().await;
    assert_eq!((status.status, status.load, status.job_count), (Some(0), 0.0, 0));
    assert_eq!(worker.until_registered().await.worker_id, "AW_test");
}

#[tokio::test]
async fn a_job_goes_from_offer_to_success_and_success_is_told_before_the_room_is_left() {
    let (_endpoint, mut socket, mut worker) = registered().await;
    socket.offer("AJ_1", "lobby").await;
    let answer = socket.answer().await;
    assert!(answer.available);
    assert_eq!((answer.job_id.as_str(), answer.participant_identity.as_str()), ("AJ_1", "agent-AJ_1"));
    assert_eq!(answer.participant_attributes["lk.agent.state"], "initializing");
    socket.assign("AJ_1", "lobby").await;
    assert_eq!(socket.job_update().await.status(), JobStatus::JsRunning);

    let mut job = worker.job().await;
    assert_eq!(job.assignment.room_name, "lobby");
    assert_eq!(job.assignment.room_sid, "RM_lobby");
    assert_eq!(job.assignment.metadata, "from the dispatch");
    assert_eq!(job.assignment.token.expose(), "room-token");
    job.control.report(JobEnd::Success).await;
    let update = socket.job_update().await;
    assert_eq!((update.job_id.as_str(), update.status()), ("AJ_1", JobStatus::JsSuccess));
    assert_eq!(worker.health().active_jobs, 1);
    job.finish(JobEnd::Success);
    worker.until(|health| health.active_jobs == 0).await;
}

#[tokio::test]
async fn a_hundred_offers_at_once_never_take_more_than_the_slots() {
    let (_endpoint, mut socket, mut worker) = registered().await;
    for number in 0..100 {
        socket.offer(&format!("AJ_{number}"), &format!("room-{number}")).await;
    }
    let mut taken = Vec::new();
    for _ in 0..100 {
        let answer = socket.answer().await;
        if answer.available {
            taken.push(answer.job_id);
        }
    }
    assert_eq!(taken, ["AJ_0", "AJ_1", "AJ_2"]);
    for job_id in &taken {
        socket.assign(job_id, job_id).await;
    }
    let jobs = [worker.job().await, worker.job().await, worker.job().await];
    let health = worker.health();
    assert_eq!(health.active_jobs, 3);
    assert!(health.registered && health.load < 0.7);
    join_all(jobs.map(async |job| job.finish(JobEnd::Success))).await;
    worker.until(|health| health.active_jobs == 0 && health.load == 0.0).await;
}

#[tokio::test]
async fn a_panicking_job_is_reported_as_failed_and_touches_no_other() {
    let (_endpoint, mut socket, mut worker) = registered().await;
    socket.run_job("AJ_1", "a").await;
    let bad = worker.job().await;
    socket.run_job("AJ_2", "b").await;
    let good = worker.job().await;

    drop(bad);
    let update = socket.job_update().await;
    assert_eq!((update.job_id.as_str(), update.status()), ("AJ_1", JobStatus::JsFailed));
    assert!(update.error.contains("panicked"), "{}", update.error);

    assert!(!good.control.stop.is_cancelled());
    good.finish(JobEnd::Success);
    let update = socket.job_update().await;
    assert_eq!((update.job_id.as_str(), update.status()), ("AJ_2", JobStatus::JsSuccess));

    let counted = worker.metrics.text();
    for line in [
        "voiced_panics_total{task=\"session\"} 1\n",
        "voiced_worker_jobs_total{result=\"panicked\"} 1\n",
        "voiced_worker_jobs_total{result=\"success\"} 1\n",
        "voiced_worker_dispatch_answer_seconds_count{answer=\"taken\"} 2\n",
    ] {
        assert!(counted.contains(line), "{line} is missing in {counted}");
    }
}

#[tokio::test]
async fn a_failed_job_is_reported_with_its_reason() {
    let (_endpoint, mut socket, mut worker) = registered().await;
    socket.run_job("AJ_1", "a").await;
    worker.job().await.finish(JobEnd::Failed("the room refused the token".to_owned()));
    let update = socket.job_update().await;
    assert_eq!(update.status(), JobStatus::JsFailed);
    assert_eq!(update.error, "the room refused the token");
}

#[tokio::test]
async fn a_terminated_job_is_told_so() {
    let (_endpoint, mut socket, mut worker) = registered().await;
    socket.run_job("AJ_1", "a").await;
    let job = worker.job().await;
    let job_id = "AJ_1".to_owned();
    socket.send(FromServer::Termination(proto::JobTermination { job_id })).await;
    job.terminated().await;
    job.finish(JobEnd::Success);
    assert_eq!(socket.job_update().await.status(), JobStatus::JsSuccess);
}

#[tokio::test]
async fn a_job_that_was_terminated_and_stays_keeps_its_room() {
    let (_endpoint, mut socket, mut worker) = registered().await;
    socket.run_job("AJ_1", "a").await;
    let job = worker.job().await;
    socket.send(FromServer::Termination(proto::JobTermination { job_id: "AJ_1".to_owned() })).await;
    job.terminated().await;
    job.control.stay().await;
    // The worker takes what a job tells and what the server sends as they come.
    loop {
        socket.offer("AJ_2", "a").await;
        let answer = socket.answer().await;
        if answer.terminate {
            break;
        }
        socket.send(FromServer::Termination(proto::JobTermination { job_id: "AJ_2".to_owned() })).await;
    }
    job.finish(JobEnd::Success);
    assert_eq!(socket.job_update().await.status(), JobStatus::JsSuccess);
}

#[tokio::test]
async fn a_second_job_for_the_same_room_is_refused() {
    let (_endpoint, mut socket, mut worker) = registered().await;
    socket.run_job("AJ_1", "a").await;
    let _job = worker.job().await;
    socket.offer("AJ_2", "a").await;
    let answer = socket.answer().await;
    assert!(!answer.available && answer.terminate);
}
