//! Faults that people, backends and strangers cause in a room and at the HTTP endpoints.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};

use crate::faults::account::Ending;
use crate::faults::stage::{ROOM, Stage};
use crate::support::hostile::{delete_room, send_raw_text};
use crate::support::world::{PATIENCE, wait_until};

/// The number of connections that the endpoints serve.
const CLIENTS: usize = 128;

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_is_deleted_in_the_middle_of_a_reply() {
    let mut stage = Stage::set(&[]).await;
    stage.begin_story(Ending::Interrupted).await;
    delete_room(&stage.world, ROOM);
    let deleted = Instant::now();
    stage.leave().await;
    stage.call(ROOM).await;
    let recovery = stage.until_answered(deleted).await;
    stage.finish("room-deleted", recovery).await;
}

/// The same person connects again, as after a change of networks: the server removes the old participant.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_vanishes_and_comes_back_in_time() {
    let mut stage = Stage::set(&["agent.leave_grace=30s"]).await;
    stage.begin_story(Ending::Interrupted).await;
    let vanished = Instant::now();
    stage.call(ROOM).await;
    let recovery = stage.until_answered(vanished).await;
    let asked = stage.world.model.requests().pop().unwrap().body.to_string();
    assert!(
        asked.contains("question 0") && asked.contains("once upon"),
        "the conversation is a new one: {asked}"
    );
    assert_eq!(stage.worker.log().matches("session started").count(), 1);
    stage.finish("caller-vanishes", recovery).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_are_none() {
    let mut stage = Stage::set(&["agent.max_turn_bytes=1000"]).await;
    for text in ["x".repeat(200_000), String::new(), " \n ".to_owned()] {
        stage.caller().send(&text).await.unwrap();
    }
    send_raw_text(&stage.world, ROOM, &[0xff, 0xfe, 0x80]).await;
    let sent = Instant::now();
    let recovery = stage.until_answered(sent).await;
    for reason in ["too_long", "not_utf8"] {
        let refused = || stage.metric("voiced_texts_refused_total", &[("reason", reason)]) == 1.0;
        wait_until(&format!("a text is {reason}"), refused, || stage.worker.log());
    }
    stage.finish("texts-hostile", recovery).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_texts_at_once() {
    let mut stage = Stage::set(&[]).await;
    let questions: Vec<String> = (0..500).map(|number| format!("text {number}")).collect();
    for question in &questions {
        stage.caller().send(question).await.unwrap();
    }
    let sent = Instant::now();
    let ended = || stage.metric("voiced_turns_total", &[]) == 501.0;
    wait_until("each is a turn", ended, || stage.worker.log());
    questions.into_iter().for_each(|question| stage.took(question, Ending::Any));
    // Replies to the flood that were not read yet.
    while stage.caller().greeting(Duration::from_millis(500)).await.is_some() {}
    let recovery = stage.until_answered(sent).await;
    stage.finish("texts-500-at-once", recovery).await;
}

/// The endpoints close held connections to make room for new ones, and no call notices.
#[tokio::test(flavor = "multi_thread")]
async fn endpoints_that_are_held_by_clients_who_never_read() {
    let mut stage = Stage::set(&[]).await;
    let port = stage.worker.http_port;
    let clients = futures::future::join_all((0..CLIENTS).map(|_| hold(port))).await;
    let held = Instant::now();
    while testbed::http::get(port, "/healthz").is_err() {
        assert!(held.elapsed() < 2 * PATIENCE, "never answered again:\n{}", stage.worker.log());
    }
    let recovery = held.elapsed();
    stage.ask().await;
    let closed = stage.metric("voiced_http_connections_closed_total", &[]);
    assert!(closed >= 1.0, "{closed} after {recovery:?}:\n{}", stage.worker.log());
    drop(clients);
    stage.finish("http-held", recovery).await;
}

/// A client that takes up a place: it asks for more than it will ever read.
async fn hold(port: u16) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut client = socket.connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await.unwrap();
    let requests = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(2_000);
    let asking = client.write_all(requests.as_bytes());
    let _ = tokio::time::timeout(Duration::from_millis(500), asking).await;
    client
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatch_for_a_room_that_is_served() {
    let mut stage = Stage::set(&[]).await;
    let dispatched = Instant::now();
    stage.world.dispatch(ROOM);
    let superfluous =
        || stage.metric("voiced_worker_dispatch_answer_seconds_count", &[("answer", "superfluous")]);
    wait_until("the offer is answered", || superfluous() == 1.0, || stage.worker.log());
    let recovery = stage.until_answered(dispatched).await;
    assert_eq!(stage.caller().agents(), 1);
    assert_eq!(stage.world.model.requests().len(), 2, "each question is asked once");
    stage.finish("dispatched-twice", recovery).await;
}
