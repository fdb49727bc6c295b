use agent_worker::JobEnd;
use livekit_protocol::server_message::Message as FromServer;
use livekit_protocol::worker_message::Message as FromWorker;
use livekit_protocol::{JobStatus, agent_http};

use crate::worker::agent_endpoint::AgentEndpoint;
use crate::worker::running_worker::{RunningWorker, settings};

#[tokio::test]
async fn jobs_outlive_the_socket_and_unsent_ends_follow_the_reconnect() {
    let endpoint = AgentEndpoint::bind().await;
    let mut worker = RunningWorker::start(settings(endpoint.url()));
    let mut socket = endpoint.accept().await;
    let first = socket.register().await;
    socket.run_job("AJ_1", "a").await;
    let mut ends = worker.job().await;
    socket.run_job("AJ_2", "b").await;
    let lives = worker.job().await;

    drop(socket);
    let health = worker.until(|health| !health.registered).await;
    assert_eq!(health.active_jobs, 2);
    assert!(!health.reason.is_empty());
    ends.control.report(JobEnd::Failed("no model".to_owned())).await;
    ends.finish(JobEnd::Success);

    let mut socket = endpoint.accept().await;
    let second = socket.register().await;
    assert_eq!(first.instance_id, second.instance_id);
    let FromWorker::MigrateJob(migrated) = socket.next().await else { panic!("jobs come first") };
    assert_eq!(migrated.job_ids, ["AJ_1", "AJ_2"]);
    let FromWorker::UpdateWorker(status) = socket.next().await else { panic!("then the status") };
    assert_eq!(status.job_count, 1);
    let update = socket.job_update().await;
    assert_eq!((update.status(), update.error.as_str()), (JobStatus::JsFailed, "no model"));
    assert!(!lives.control.stop.is_cancelled());
    lives.finish(JobEnd::Success);
    assert_eq!(socket.job_update().await.job_id, "AJ_2");
}

#[tokio::test]
async fn a_worker_that_is_sent_away_comes_back_with_its_jobs() {
    let endpoint = AgentEndpoint::bind().await;
    let mut worker = RunningWorker::start(settings(endpoint.url()));
    let mut socket = endpoint.accept_registered().await;
    socket.run_job("AJ_1", "a").await;
    let job = worker.job().await;
    let reason = "upgrade".to_owned();
    socket.send(FromServer::GoAway(agent_http::GoAway { reason })).await;
    while socket.try_next().await.is_some() {}
    let mut socket = endpoint.accept_registered().await;
    let FromWorker::MigrateJob(migrated) = socket.next().await else { panic!("jobs come first") };
    assert_eq!(migrated.job_ids, ["AJ_1"]);
    assert!(!job.control.stop.is_cancelled());
    job.finish(JobEnd::Success);
}

#[tokio::test]
async fn a_worker_tries_again_until_the_server_lets_it_in() {
    let endpoint = AgentEndpoint::bind().await;
    let mut worker = RunningWorker::start(settings(endpoint.url()));
    for _ in 0..3 {
        drop(endpoint.accept_tcp().await);
    }
    let _socket = endpoint.accept_registered().await;
    worker.until_registered().await;
    assert_eq!(worker.health().reason, "");
}
