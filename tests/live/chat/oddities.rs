//! Unusual people and texts, each of which was reported to have broken another program.

use std::time::Duration;

use livekit::data_stream::api::{SendTextOptions, StreamReader};
use livekit::participant::ParticipantKind;
use livekit::prelude as lk;
use serde_json::json;
use voiced::room::token;

use crate::chat::members::Members;
use crate::chat::{echo, says};
use crate::support::sdk;
use crate::support::world::{AGENT_NAME, PATIENCE, World};

/// Joins a new room and writes as soon as the agent is there, which is before it listens.
async fn write_at_first_sight(world: &World, room: &str) -> String {
    let credentials = world.credentials();
    let token = token::caller(&credentials, room, "ada", Some(AGENT_NAME)).unwrap();
    let options = lk::RoomOptions::default();
    let (room, mut events) =
        lk::Room::connect(credentials.url.as_str(), token.expose(), options).await.unwrap();
    loop {
        match events.recv().await.unwrap() {
            lk::RoomEvent::ParticipantActive(who) if who.kind() == ParticipantKind::Agent => {
                let options = SendTextOptions::new_with_topic("lk.chat");
                room.local_participant().send_text("at first sight", options).await.unwrap();
            }
            lk::RoomEvent::TextStreamOpened { reader, topic, .. } if topic == "lk.transcription" => {
                let reply = reader.take().unwrap().read_all().await.unwrap();
                room.close().await.unwrap();
                return reply;
            }
            _ => {}
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_at_the_moment_when_the_agent_can_be_written_to_is_answered() {
    let world = World::start(echo()).await;
    let worker = world.worker(&[]);
    sdk::install_transport(&world.livekit).await;
    for n in 0..6 {
        let room = format!("sight-{n}");
        let reply = tokio::time::timeout(PATIENCE, write_at_first_sight(&world, &room)).await;
        assert_eq!(reply.unwrap_or_else(|_| panic!("no reply:\n{}", worker.log())), says("at first sight"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_any_name_are_answered_by_stream_and_by_packet() {
    let world = World::start(echo()).await;
    let worker = world.worker(&[]);
    let long = "x".repeat(200);
    let names = [
        "two\nlines",
        "\u{1b}[7mreversed\u{1b}[0m",
        "\u{202e}backwards",
        &long,
        "\"quoted\" 'twice'",
        "../../etc/passwd",
        "ada lovelace",
        "<b>bold</b>",
        "агент 🦊",
        "%s%n{}",
    ];
    let mut members = Members::of(&world, "names");
    for name in names {
        members.join(name, "standard");
        members.order(json!({ "as": name, "text": "I am here", "topic": "lk.chat", "to": ["$agent"] }));
        assert_eq!(members.replies(name, 1), [says("I am here")], "{name:?}");
        let message = json!({ "id": "1", "message": "by packet" }).to_string();
        let order = json!({ "as": name, "data": message, "topic": "lk-chat-topic", "to": ["$agent"] });
        members.order(order);
        assert_eq!(members.replies(name, 2)[1], says("by packet"), "{name:?}");
        let chat = members.wait(name, |seen| !seen.messages.is_empty()).messages;
        assert_eq!(chat, [says("by packet")], "{name:?}");
    }
    let users: Vec<_> = world.traces(2 * names.len()).into_iter().map(|trace| trace.root).collect();
    for (name, turns) in names.iter().zip(users.chunks(2)) {
        assert!(turns.iter().all(|root| root.text("user.id") == Some(*name)), "{name:?}");
    }
    assert!(!worker.log().contains("\u{1b}[7m"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_person_is_answered_and_no_machine_is() {
    let world = World::start(echo()).await;
    let _worker = world.worker(&[]);
    let mut members = Members::of(&world, "kinds");
    for kind in ["standard", "sip", "ingress"] {
        members.join(kind, kind);
        members.text(kind, kind);
        assert_eq!(members.replies(kind, 1), [says(kind)], "{kind}");
    }
    for kind in ["agent", "egress"] {
        members.join(kind, kind);
        members.text(kind, kind);
        members.json(kind, "lk-chat-topic", json!({ "id": "1", "message": kind }));
        members.order(json!({ "as": kind, "message": kind }));
    }
    members.seen("standard");
    members.text("standard", "the end");
    assert_eq!(members.replies("standard", 1), [says("the end")]);
    assert_eq!(world.model.requests().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_are_none_are_no_turns_and_hold_nothing_up() {
    let world = World::start(echo()).await;
    let _worker = world.worker(&[]);
    let mut members = Members::joined(&world, "none", &["ada"]);
    members.order(json!({ "as": "ada", "open": "lk.chat" }));
    for text in ["", " \n\t", "\u{a0}\u{2003}"] {
        members.text("ada", text);
        members.json("ada", "lk-chat-topic", json!({ "id": text, "message": text }));
        members.order(json!({ "as": "ada", "message": text }));
    }
    for topic in ["lk.chat ", "LK.CHAT", "lk.chatter", "", "lk-chat"] {
        members.order(json!({ "as": "ada", "text": "elsewhere", "topic": topic }));
        members.order(json!({ "as": "ada", "data": "{\"message\":\"elsewhere\"}", "topic": topic }));
    }
    members.text("ada", "words");
    assert_eq!(members.replies("ada", 1), [says("words")]);
    assert_eq!(world.model.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_with_files_or_a_reference_is_answered_by_its_words() {
    let world = World::start(echo()).await;
    let worker = world.worker(&[]);
    let mut members = Members::joined(&world, "files", &["ada"]);
    let text = json!({ "as": "ada", "text": "see the notes", "topic": "lk.chat", "attached": ["F1"] });
    members.order(text);
    members.order(json!({ "as": "ada", "file": "notes", "topic": "lk.chat", "id": "F1" }));
    assert_eq!(members.replies("ada", 1), [says("see the notes")]);
    worker.wait_for_log("files on \"lk.chat\" are not read");
    members.order(json!({ "as": "ada", "text": "about that", "topic": "lk.chat", "reply_to": "nothing" }));
    assert_eq!(members.replies("ada", 2)[1], says("about that"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_text_by_chunks_compressed_or_not_is_one_turn() {
    let world = World::start(echo()).await;
    let _worker = world.worker(&[]);
    let mut members = Members::joined(&world, "long", &["ada"]);
    let even = "compresses well ".repeat(1_000);
    let odd: String = std::iter::repeat_with(fastrand::alphanumeric).take(40_000).collect();
    members.text("ada", &even);
    assert!(members.replies("ada", 1)[0] == says(&even));
    members.text("ada", &odd);
    assert!(members.replies("ada", 2)[1] == says(&odd));
    assert_eq!(world.traces(2).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_whose_attributes_change_all_the_time_is_answered() {
    let world = World::start(echo()).await;
    let worker = world.worker(&[]);
    let mut members = Members::joined(&world, "attributes", &["ada"]);
    for n in 0..20 {
        let value = "x".repeat(100 * n);
        members.order(json!({ "as": "ada", "attributes": { "lk.agent.state": "listening", "n": value } }));
    }
    members.text("ada", "and now?");
    assert_eq!(members.replies("ada", 1), [says("and now?")], "{}", worker.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_joins_under_a_present_name_takes_its_place() {
    let world = World::start(echo()).await;
    let worker = world.worker(&["agent.leave_grace=1s"]);
    let mut first = Members::joined(&world, "twice", &["ada"]);
    first.text("ada", "the first");
    assert_eq!(first.replies("ada", 1), [says("the first")]);
    let mut second = Members::joined(&world, "twice", &["ada"]);
    second.text("ada", "the second");
    assert_eq!(second.replies("ada", 1), [says("the second")]);
    // Longer than the grace after the last person has left.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    second.text("ada", "still here");
    assert_eq!(second.replies("ada", 2)[1], says("still here"), "{}", worker.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_burst_by_all_ways_each_message_is_a_recorded_turn() {
    let world = World::start(echo()).await;
    let worker = world.worker(&[]);
    let mut members = Members::joined(&world, "burst", &["ada"]);
    for n in 0..40 {
        let text = n.to_string();
        members.order(json!({ "as": "ada", "text": text, "topic": "lk.chat", "id": text }));
        members.json("ada", "lk-chat-topic", json!({ "id": n, "message": text, "timestamp": 1 }));
        members.json("ada", "lk-chat-topic", json!({ "message": text, "timestamp": 1 }));
    }
    let traces = world.traces(80);
    assert!(traces.last().unwrap().request.is_some(), "the last one is answered");
    members.text("ada", "calm again");
    members.wait("ada", |seen| seen.replies.contains(&says("calm again")));
    assert!(worker.log().contains("turn overtaken"), "{}", worker.log());
}
