//! Against a real LiveKit server.

use std::time::{Duration, Instant};

use agent_worker::{JobEnd, Settings};
use conversation::Secret;
use livekit_api::access_token::{AccessToken, VideoGrants};
use serde_json::{Value, json};
use testbed::LivekitServer;

use crate::worker::PATIENCE;
use crate::worker::running_worker::{LiveJob, RunningWorker, settings, terms};

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatch_becomes_a_job_that_the_server_sees_succeed() {
    let server = LivekitServer::start().expect("a server");
    let mut worker = RunningWorker::start(settings_for(&server));
    worker.until_registered().await;

    let mut job = dispatched(&server, &mut worker, "lobby", "hello").await;
    assert_eq!((job.assignment.room_name.as_str(), job.assignment.metadata.as_str()), ("lobby", "hello"));
    assert!(job.assignment.room_sid.starts_with("RM_"), "{}", job.assignment.room_sid);
    assert_eq!(job.assignment.identity, format!("agent-{}", job.assignment.job_id));
    assert!(!job.assignment.token.is_empty());
    assert_eq!(worker.health().active_jobs, 1);

    job.control.report(JobEnd::Success).await;
    assert_eq!(logged_end(&server, &job.assignment.job_id), "JS_SUCCESS");
    job.finish(JobEnd::Success);
    worker.until(|health| health.active_jobs == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_worker_is_asked_again_once_a_slot_is_free() {
    let server = LivekitServer::start().expect("a server");
    let mut worker = RunningWorker::start(Settings { terms: terms(2).fixed(), ..settings_for(&server) });
    worker.until_registered().await;
    let first = dispatched(&server, &mut worker, "one", "").await;
    // The last free slot: the load of 0.345 must not hide the worker from the server.
    let second = dispatched(&server, &mut worker, "two", "").await;
    first.finish(JobEnd::Success);
    worker.until(|health| health.active_jobs == 1).await;
    let third = dispatched(&server, &mut worker, "three", "").await;
    assert_eq!(third.assignment.room_name, "three");
    second.finish(JobEnd::Success);
    third.finish(JobEnd::Success);
    worker.until(|health| health.active_jobs == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_dispatch_terminates_its_job() {
    let server = LivekitServer::start().expect("a server");
    let mut worker = RunningWorker::start(settings_for(&server));
    worker.until_registered().await;
    let job = dispatched(&server, &mut worker, "lobby", "").await;
    let dispatch = job.assignment.dispatch_id.clone();
    // The server learns only with the answer of the whole dispatch that the job runs.
    let deadline = Instant::now() + PATIENCE;
    while !job.control.terminated.is_cancelled() && Instant::now() < deadline {
        let body = json!({ "dispatch_id": dispatch, "room": "lobby" });
        let _ = call(&server, "DeleteDispatch", "lobby", &body);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    job.terminated().await;
    job.finish(JobEnd::Success);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_reported_for_as_long_as_it_is_wrong() {
    let server = LivekitServer::start().expect("a server");
    let api_secret = Secret::new("not-the-secret-of-this-key-at-all-no");
    let mut worker = RunningWorker::start(Settings { api_secret, ..settings_for(&server) });
    let health = worker.until(|health| health.reason.contains("401 Unauthorized")).await;
    assert!(health.reason.contains(server.api_key()), "{}", health.reason);
    assert!(!health.is_ready());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_up_before_its_server_registers_when_the_server_comes() {
    let server = LivekitServer::configured().expect("a server");
    let mut worker = RunningWorker::start(settings_for(&server));
    let health = worker.until(|health| health.reason.contains("cannot reach LiveKit")).await;
    assert!(health.reason.contains(server.url()), "{}", health.reason);
    server.restart().expect("the server comes up");
    worker.until_registered().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_live_through_the_death_of_the_server_and_new_ones_come_after_it() {
    let server = LivekitServer::start().expect("a server");
    let mut worker = RunningWorker::start(settings_for(&server));
    let first_id = worker.until_registered().await.worker_id;
    let job = dispatched(&server, &mut worker, "lobby", "").await;

    server.stop();
    let health = worker.until(|health| !health.registered).await;
    assert_eq!(health.active_jobs, 1);
    server.restart().expect("the server comes up again");
    let health = worker.until_registered().await;
    assert_ne!(health.worker_id, first_id);
    assert_eq!(health.active_jobs, 1);
    assert!(!job.control.stop.is_cancelled());

    let next = dispatched(&server, &mut worker, "another", "").await;
    assert_eq!(next.assignment.room_name, "another");
    next.finish(JobEnd::Success);
    job.finish(JobEnd::Success);
    worker.until(|health| health.active_jobs == 0).await;
}

fn settings_for(server: &LivekitServer) -> Settings {
    Settings {
        api_key: server.api_key().to_owned(),
        api_secret: Secret::new(server.api_secret()),
        ..settings(server.url())
    }
}

/// Dispatches the worker until its job starts: a server that has not yet learnt of the worker or of its free slot finds
/// none, and does not try again.
async fn dispatched(
    server: &LivekitServer,
    worker: &mut RunningWorker,
    room: &str,
    metadata: &str,
) -> LiveJob {
    let (mut dispatches, deadline) = (Vec::new(), Instant::now() + PATIENCE);
    while Instant::now() < deadline {
        dispatches.push(create_dispatch(server, room, metadata));
        if let Ok(job) = tokio::time::timeout(Duration::from_secs(3), worker.job()).await {
            assert!(dispatches.contains(&job.assignment.dispatch_id), "{dispatches:?}");
            return job;
        }
    }
    panic!("no job starts: {:?}", worker.health());
}

/// Returns the dispatch's id.
fn create_dispatch(server: &LivekitServer, room: &str, metadata: &str) -> String {
    let body = json!({ "agent_name": "support", "room": room, "metadata": metadata });
    let dispatch = call(server, "CreateDispatch", room, &body);
    dispatch["id"].as_str().expect("the dispatch has an id").to_owned()
}

fn call(server: &LivekitServer, method: &str, room: &str, body: &Value) -> Value {
    let grants =
        VideoGrants { room_admin: true, room_create: true, room: room.to_owned(), ..Default::default() };
    let token = AccessToken::with_api_key(server.api_key(), server.api_secret()).with_grants(grants);
    let authorization = format!("Authorization: Bearer {}\r\n", token.to_jwt().expect("a token"));
    let path = format!("/twirp/livekit.AgentDispatchService/{method}");
    let answer = testbed::http::post_json(server.port(), &path, &authorization, &body.to_string())
        .expect("the server answers");
    assert!(method != "CreateDispatch" || answer.status == 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap_or_default()
}

/// The status with which the server saw the job end, from its log: no API returns it.
fn logged_end(server: &LivekitServer, job_id: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let log = std::fs::read_to_string(server.log()).expect("the server's log");
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut ends = lines.filter(|line| line["msg"] == "job ended" && line["jobID"] == job_id);
        if let Some(end) = ends.next() {
            return end["status"].as_str().unwrap_or_default().to_owned();
        }
        assert!(Instant::now() < deadline, "the server did not see job {job_id} end");
        std::thread::sleep(Duration::from_millis(50));
    }
}
