//! Faults that people, networks and other agents cause in a session: it goes on, and nothing is lost.

use std::time::{Duration, Instant};

use livekit::data_stream::api::SendTextOptions;
use livekit::prelude as lk;
use scripted_model::{Ended, Ending, Reply, Script, Step};
use voiced::room::{RoomEvent, token};

use crate::support::hostile::{delete_room, send_raw_text};
use crate::support::world::{self, PATIENCE, World};

fn echo() -> Step {
    Step { reply: Reply::Echo, ..Step::default() }
}

fn stalling() -> Step {
    Step { reply: Reply::Text("well then".into()), after: Some(2), ending: Ending::Stall, ..Step::default() }
}

fn silent(_: &str) {}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversized_text_is_refused_and_the_next_one_answered() {
    let world = World::start(Script::always(echo())).await;
    let worker = world.worker(&["agent.max_turn_bytes=1000"]);
    let mut caller = world.call("oversized").await;
    caller.send(&"x".repeat(200_000)).await.unwrap();
    worker.wait_for_log("max_turn_bytes");
    let reply = caller.say("short", PATIENCE, silent).await.unwrap();
    assert_eq!(reply.text.expose(), "You said: short");
    assert_eq!(world.traces(1).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_text_is_no_turn() {
    let world = World::start(Script::always(echo())).await;
    let _worker = world.worker(&[]);
    let mut caller = world.call("empty").await;
    caller.send("").await.unwrap();
    caller.send(" \n ").await.unwrap();
    let reply = caller.say("words", PATIENCE, silent).await.unwrap();
    assert_eq!(reply.text.expose(), "You said: words");
    assert_eq!(world.model.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_not_utf8_are_refused_and_the_next_text_answered() {
    let world = World::start(Script::always(echo())).await;
    let worker = world.worker(&[]);
    let mut caller = world.call("not-utf8").await;
    send_raw_text(&world, "not-utf8", &[0xff, 0xfe, 0x80]).await;
    worker.wait_for_log("not UTF-8");
    let reply = caller.say("words", PATIENCE, silent).await.unwrap();
    assert_eq!(reply.text.expose(), "You said: words");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_five_hundred_texts_at_once_each_is_a_recorded_turn() {
    let world = World::start(Script::always(echo())).await;
    let worker = world.worker(&[]);
    let mut caller = world.call("flood").await;
    for n in 0..500 {
        caller.send(&format!("text {n}")).await.unwrap();
    }
    let traces = world.traces(500);
    assert_eq!(traces.last().unwrap().root.text("livekit.question"), Some("text 499"));
    assert!(traces.last().unwrap().request.is_some(), "the last one is answered");
    for (index, trace) in traces.iter().enumerate() {
        assert_eq!(trace.root.text("livekit.question"), Some(format!("text {index}").as_str()));
        assert_eq!(trace.root.int("livekit.turn_index"), Some(index as i64));
    }
    // The replies to the flood that were not read yet.
    while caller.greeting(Duration::from_secs(1)).await.is_some() {}
    let reply = caller.say("calm again", PATIENCE, silent).await.unwrap();
    assert_eq!(reply.text.expose(), "You said: calm again", "{}", worker.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_leaves_in_the_middle_of_a_reply_loses_no_turn() {
    let world = World::start(Script::always(stalling())).await;
    let worker = world.worker(&["agent.leave_grace=300ms"]);
    let mut caller = world.call("gone").await;
    caller.start_saying("hello", PATIENCE).await.unwrap();
    caller.leave().await;
    let trace = world.traces(1).remove(0);
    assert_eq!(trace.root.attribute("lk.interrupted"), Some(&true.into()));
    world.model.wait(|requests| requests[0].ended == Ended::Cut).await.unwrap();
    worker.wait_for_log("everybody left");
    world::wait_until("the slot is free", || worker.info()["active_jobs"] == 0, || worker.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_is_deleted_in_the_middle_of_a_reply_loses_no_turn() {
    let world = World::start(Script::always(stalling())).await;
    let worker = world.worker(&[]);
    let mut caller = world.call("deleted").await;
    caller.start_saying("hello", PATIENCE).await.unwrap();
    delete_room(&world, "deleted");
    let trace = world.traces(1).remove(0);
    assert_eq!(trace.root.attribute("lk.interrupted"), Some(&true.into()));
    worker.wait_for_log("session ended");
    world::wait_until("the slot is free", || worker.info()["active_jobs"] == 0, || worker.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_agent_in_the_room_is_not_answered() {
    let world = World::start(Script::always(echo())).await;
    let _worker = world.worker(&[]);
    let mut caller = world.call("two-agents").await;
    let other = other_agent(&world, "two-agents").await;
    let options = SendTextOptions::new_with_topic("lk.chat");
    other.local_participant().send_text("I am an agent, too", options).await.unwrap();
    let reply = caller.say("and I am a person", PATIENCE, silent).await.unwrap();
    assert_eq!(reply.text.expose(), "You said: and I am a person");
    assert_eq!(world.model.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcriber_speaks_in_a_persons_name() {
    let world = World::start(Script::always(echo())).await;
    let worker = world.worker(&["agent.max_turn_bytes=1000"]);
    let mut caller = world.call_as("transcriber", "ada").await;
    let transcriber = other_agent(&world, "transcriber").await;
    let attributes = [("lk.segment_id", "SG_spoken"), ("lk.transcription_final", "true")];
    let options = SendTextOptions::new_with_topic("lk.transcription")
        .with_attributes(attributes.map(|(key, value)| (key.to_owned(), value.to_owned())).into())
        .with_sender_identity("ada".to_owned());
    transcriber.local_participant().send_text("heard from Ada", options).await.unwrap();
    // The same segment in the legacy packet has been a turn already.
    let segment = lk::TranscriptionSegment {
        id: "SG_spoken".into(),
        text: "heard from Ada".into(),
        r#final: true,
        ..Default::default()
    };
    let legacy = lk::Transcription {
        participant_identity: "ada".into(),
        track_id: "TR_mic".into(),
        segments: vec![segment.clone()],
    };
    transcriber.local_participant().publish_transcription(legacy.clone()).await.unwrap();
    let long = lk::TranscriptionSegment { id: "SG_long".into(), text: "x".repeat(1001), ..segment.clone() };
    let next = lk::TranscriptionSegment { id: "SG_next".into(), text: "the old way".into(), ..segment };
    let reply = caller.greeting(PATIENCE).await.unwrap();
    assert_eq!(reply.expose(), "You said: heard from Ada");
    transcriber
        .local_participant()
        .publish_transcription(lk::Transcription { segments: vec![long, next], ..legacy })
        .await
        .unwrap();
    let reply = caller.greeting(PATIENCE).await.unwrap();
    assert_eq!(reply.expose(), "You said: the old way");
    let traces = world.traces(2);
    assert!(traces.iter().all(|trace| trace.root.text("user.id") == Some("ada")), "{traces:?}");
    let counted = testbed::http::get(worker.http_port, "/metrics").unwrap().body;
    assert!(counted.contains("voiced_texts_refused_total{reason=\"too_long\"} 1\n"), "{counted}");
    transcriber.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_people_who_never_come_are_refused_and_counted() {
    let world = World::start(Script::always(echo())).await;
    let worker = world.worker(&[]);
    let mut caller = world.call("ghosts").await;
    let transcriber = other_agent(&world, "ghosts").await;
    for n in 0..70 {
        let options = SendTextOptions::new_with_topic("lk.chat").with_sender_identity(format!("ghost {n}"));
        transcriber.local_participant().send_text("boo", options).await.unwrap();
    }
    let refused = ["{reason=\"too_many\"} 6\n", "{reason=\"stranger\"} 64\n"];
    let counted = || testbed::http::get(worker.http_port, "/metrics").unwrap().body;
    let all = |counted: String| refused.iter().all(|line| counted.contains(line));
    world::wait_until("they are refused", || all(counted()), counted);
    let reply = caller.say("words", PATIENCE, silent).await.unwrap();
    assert_eq!(reply.text.expose(), "You said: words");
    transcriber.close().await.unwrap();
}

/// Another agent, through the SDK itself.
async fn other_agent(world: &World, room: &str) -> lk::Room {
    let credentials = world.credentials();
    let permissions = [voiced::config::Permission::PublishData, voiced::config::Permission::Subscribe];
    let agent = token::AgentToken {
        room,
        identity: "other-agent",
        display_name: "",
        agent_name: "",
        permissions: &permissions,
    };
    let token = token::agent(&credentials, &agent).unwrap();
    let options = lk::RoomOptions::default();
    lk::Room::connect(credentials.url.as_str(), token.expose(), options).await.unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_of_a_megabyte_arrives_whole() {
    let step = Step { reply: Reply::Bytes(1 << 20), ..Step::default() };
    let world = World::start(Script::always(step)).await;
    let worker = world.worker(&[]);
    let mut caller = world.call("megabyte").await;
    let reply = caller.say("everything", PATIENCE, silent).await.unwrap();
    assert_eq!(reply.text.len(), 1 << 20, "{}", worker.log());
    let trace = world.traces(1).remove(0);
    assert_eq!(trace.root.text("livekit.answer_preview").unwrap().chars().count(), 80);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_under_a_session_gets_its_worker_back() {
    let world = World::start(Script::always(echo())).await;
    let worker = world.worker(&[]);
    let mut caller = world.call("before").await;
    caller.say("before", PATIENCE, silent).await.unwrap();
    world.livekit.restart().unwrap();
    worker.wait_until_ready();
    let mut caller = world.call("after").await;
    let reply = caller.say("after", PATIENCE, silent).await.unwrap();
    assert_eq!(reply.text.expose(), "You said: after", "{}", worker.log());
    assert_eq!(world.traces(2).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_lives_on_when_its_server_restarts() {
    let world = World::start(Script::always(echo())).await;
    let worker = world.worker(&["agent.leave_grace=60s"]);
    let mut caller = world.call("restarted").await;
    caller.say("before", PATIENCE, silent).await.unwrap();
    world.livekit.restart().unwrap();
    // Both sides rejoin by themselves; what is said meanwhile may be lost.
    let deadline = Instant::now() + PATIENCE;
    let reply = loop {
        if let Ok(reply) = caller.say("after", Duration::from_secs(3), silent).await {
            break reply;
        }
        assert!(Instant::now() < deadline, "{}", worker.log());
        tokio::time::sleep(Duration::from_millis(300)).await;
    };
    assert_eq!(reply.text.expose(), "You said: after", "{}", worker.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn connect_joins_a_room_without_a_dispatch() {
    let world = World::start(Script::always(echo())).await;
    let mut person = world.person("direct", "ada").await;
    let log = std::env::temp_dir().join(format!("voiced-connect-{}.log", testbed::unique_hex()));
    let mut command = world.voiced();
    let mut process =
        testbed::Process::spawn("voiced", command.args(["connect", "--room", "direct"]), &log).unwrap();
    let joined = async {
        while !matches!(person.next().await, RoomEvent::Agent { state, .. } if state == "listening") {}
        person.chat("hello").await.unwrap();
        loop {
            if let RoomEvent::Text(text) = person.next().await {
                return text.read(1 << 20).await;
            }
        }
    };
    let reply = tokio::time::timeout(PATIENCE, joined).await.expect("the agent joins and answers");
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(format!("{reply:?}").contains("speech"), "{reply:?}\n{said}");
    process.terminate().unwrap();
    assert_eq!(process.wait(PATIENCE).unwrap().unwrap().code(), Some(0), "{said}");
    assert_eq!(world.traces(1)[0].root.text("livekit.question"), Some("hello"));
    let _ = std::fs::remove_file(log);
}
