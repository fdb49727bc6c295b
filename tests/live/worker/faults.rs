use agent_worker::JobEnd;
use livekit_protocol::JobStatus;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::http::StatusCode;

use crate::worker::agent_endpoint::AgentEndpoint;
use crate::worker::running_worker::{API_SECRET, RunningWorker, settings};

#[tokio::test]
async fn a_refused_key_is_named_with_what_to_do_and_tried_again() {
    let endpoint = AgentEndpoint::bind().await;
    let mut worker = RunningWorker::start(settings(endpoint.url()));
    endpoint.refuse(StatusCode::UNAUTHORIZED).await;
    let health = worker.until(|health| health.reason.contains("401 Unauthorized")).await;
    assert!(!health.is_ready());
    for wanted in [endpoint.url(), "`devkey`", "livekit.api_secret", "LIVEKIT_API_SECRET"] {
        assert!(health.reason.contains(wanted), "{wanted} is missing in: {}", health.reason);
    }
    assert!(!health.reason.contains(API_SECRET));
    let _socket = endpoint.accept_registered().await;
    worker.until_registered().await;
}

#[tokio::test]
async fn a_server_that_is_no_livekit_server_is_told_from_one_that_refuses() {
    let endpoint = AgentEndpoint::bind().await;
    let mut worker = RunningWorker::start(settings(endpoint.url()));
    endpoint.refuse(StatusCode::NOT_FOUND).await;
    let health = worker.until(|health| health.reason.contains("404 Not Found")).await;
    assert!(health.reason.contains("no agent endpoint"), "{}", health.reason);
    endpoint.refuse(StatusCode::BAD_GATEWAY).await;
    worker.until(|health| health.reason.contains("502 Bad Gateway")).await;
}

#[tokio::test]
async fn frames_that_are_no_messages_change_nothing() {
    let endpoint = AgentEndpoint::bind().await;
    let mut worker = RunningWorker::start(settings(endpoint.url()));
    let mut socket = endpoint.accept_registered().await;
    socket.send_frame(Message::text("{\"register\":{}}")).await;
    socket.send_frame(Message::Binary(Vec::new().into())).await;
    // A field of a kind that this version does not know.
    socket.send_frame(Message::Binary(vec![0x9a, 0x06, 0x01, b'x'].into())).await;
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..200 {
        let frame: Vec<u8> = (0..random.usize(..400)).map(|_| random.u8(..)).collect();
        socket.send_frame(Message::Binary(frame.into())).await;
    }
    socket.run_job("AJ_1", "a").await;
    worker.job().await.finish(JobEnd::Success);
    assert_eq!(socket.job_update().await.status(), JobStatus::JsSuccess);
    assert!(worker.health().registered);
}

#[tokio::test]
async fn a_frame_beyond_all_measure_costs_the_socket_but_no_session() {
    let endpoint = AgentEndpoint::bind().await;
    let mut worker = RunningWorker::start(settings(endpoint.url()));
    let mut socket = endpoint.accept_registered().await;
    socket.run_job("AJ_1", "a").await;
    let job = worker.job().await;
    let flood = tokio::spawn(async move {
        // The worker may hang up before all of it is written.
        let send = socket.send_frame(Message::Binary(vec![0; 5 << 20].into()));
        let _ = tokio::time::timeout(crate::worker::PATIENCE, send).await;
    });
    let _socket = endpoint.accept_registered().await;
    worker.until_registered().await;
    assert!(!job.control.stop.is_cancelled());
    flood.abort();
    job.finish(JobEnd::Success);
}
