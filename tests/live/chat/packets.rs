//! Chat by data packets: read as turns, and answered as chat.

use std::sync::atomic::{AtomicUsize, Ordering};

use scripted_model::{Reply, Script, Step};
use serde_json::json;

use crate::chat::members::{Members, Seen};
use crate::chat::{echo, says};
use crate::support::world::World;

/// A reply as it reaches a participant with an older frontend.
fn as_chat(reply: &str) -> Seen {
    let reply = || vec![says(reply)];
    Seen { replies: reply(), json: reply(), messages: reply() }
}

fn as_transcription(reply: &str) -> Seen {
    Seen { replies: vec![says(reply)], json: vec![], messages: vec![] }
}

/// The messages that reached `who` before a marker, which follows on the same channel.
fn seen(members: &mut Members, who: &str) -> Seen {
    static MARKERS: AtomicUsize = AtomicUsize::new(0);
    let marker = format!("marker {}", MARKERS.fetch_add(1, Ordering::Relaxed));
    members.text("marker", &marker);
    let mut seen = members.wait(who, |seen| seen.replies.contains(&says(&marker)));
    for texts in [&mut seen.replies, &mut seen.json, &mut seen.messages] {
        texts.retain(|reply| !is_marker(reply));
    }
    seen
}

/// [`seen`], once a reply has come.
fn replied(members: &mut Members, who: &str) -> Seen {
    let mut first = members.wait(who, |seen| !seen.replies.iter().all(|reply| is_marker(reply)));
    let seen = seen(members, who);
    for (texts, more) in [
        (&mut first.replies, seen.replies),
        (&mut first.json, seen.json),
        (&mut first.messages, seen.messages),
    ] {
        texts.retain(|reply| !is_marker(reply));
        texts.extend(more);
    }
    first
}

fn is_marker(reply: &str) -> bool {
    reply.starts_with(&says("marker"))
}

#[tokio::test(flavor = "multi_thread")]
async fn chat_of_each_age_is_answered_in_the_form_that_its_frontend_shows() {
    let world = World::start(echo()).await;
    let _worker = world.worker(&[]);
    let mut members = Members::joined(&world, "ages", &["ada", "marker"]);

    // The format until September 2024.
    members.json("ada", "lk-chat-topic", json!({ "id": "1", "timestamp": 1, "message": "JSON" }));
    assert_eq!(replied(&mut members, "ada"), as_chat("JSON"));
    // The formats until March 2025: both under one id, and the copy is marked where the server is known to be new.
    let sent = members.order(json!({ "as": "ada", "message": "a message" }));
    let copy = json!({ "id": sent["id"], "timestamp": 1, "message": "a message", "ignore": false });
    members.json("ada", "lk-chat-topic", copy);
    assert_eq!(replied(&mut members, "ada"), as_chat("a message"));
    let sent = members.order(json!({ "as": "ada", "message": "marked" }));
    let copy = json!({ "id": sent["id"], "timestamp": 1, "message": "marked", "ignore": true });
    members.json("ada", "lk-chat-topic", copy);
    assert_eq!(replied(&mut members, "ada"), as_chat("marked"));
    // The format since then.
    members.order(json!({ "as": "ada", "text": "a stream", "topic": "lk.chat", "id": "4" }));
    let copy = json!({ "id": "4", "timestamp": 1, "message": "a stream", "ignoreLegacy": true });
    members.json("ada", "lk-chat-topic", copy);
    assert_eq!(replied(&mut members, "ada"), as_transcription("a stream"));
    // An empty id, no id, and a packet that may be lost.
    for message in [json!({ "id": "", "message": "odd" }), json!({ "message": "odd" })] {
        let order =
            json!({ "as": "ada", "data": message.to_string(), "topic": "lk-chat-topic", "lossy": true });
        members.order(order);
        assert_eq!(replied(&mut members, "ada"), as_chat("odd"));
    }

    let questions = world.traces(12);
    let questions: Vec<_> =
        questions.iter().map(|trace| trace.root.text("livekit.question").unwrap()).collect();
    let hers: Vec<_> = questions.into_iter().filter(|question| !question.starts_with("marker")).collect();
    assert_eq!(hers, ["JSON", "a message", "marked", "a stream", "odd", "odd"], "each counts once");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_frontend_sees_all_replies_and_a_newer_one_none_twice() {
    let world = World::start(echo()).await;
    let _worker = world.worker(&[]);
    let mut members = Members::joined(&world, "old-and-new", &["ada", "bob", "marker"]);
    members.json("ada", "lk-chat-topic", json!({ "id": "1", "message": "I am old" }));
    assert_eq!(replied(&mut members, "ada"), as_chat("I am old"));
    assert_eq!(seen(&mut members, "bob").replies, [says("I am old")]);
    members.text("bob", "I am new");
    assert_eq!(replied(&mut members, "ada"), as_chat("I am new"));
    assert_eq!(seen(&mut members, "bob"), as_transcription("I am new"));
    // A newer frontend takes her place.
    members.text("ada", "I am new, too");
    assert_eq!(replied(&mut members, "ada"), as_transcription("I am new, too"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_chat_message_has_the_segments_id_and_the_marks_of_a_copy() {
    let world = World::start(echo()).await;
    let _worker = world.worker(&[]);
    let mut members = Members::joined(&world, "marks", &["ada", "marker"]);
    members.json("ada", "lk-chat-topic", json!({ "id": "1", "message": "hi" }));
    let seen = members.copied("ada");
    members.text("ada", "by a stream now");
    assert_eq!(replied(&mut members, "ada"), as_transcription("by a stream now"));
    let copy = &seen["json"][0];
    assert_eq!((&copy["ignore"], &copy["ignoreLegacy"]), (&json!(true), &json!(true)));
    assert!(copy["timestamp"].as_i64().unwrap() > 1_600_000_000_000);
    for kind in ["json", "messages"] {
        assert_eq!(seen[kind][0]["id"], seen["replies"][0]["id"], "{seen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_turn_by_packets_is_apologised_for_as_chat() {
    let world = World::start(Script::always(Step { status: 401, ..Step::default() })).await;
    let worker = world.worker(&["agent.apology=Sorry."]);
    let mut members = Members::joined(&world, "apology", &["ada"]);
    members.json("ada", "lk-chat-topic", json!({ "id": "1", "message": "hi" }));
    let sorry = || vec!["Sorry.".to_owned()];
    let copies = Seen { replies: sorry(), json: sorry(), messages: sorry() };
    assert_eq!(members.wait("ada", Seen::has_all_forms), copies);
    worker.wait_for_log("turn failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_read_is_said_once() {
    let world = World::start(echo()).await;
    let worker = world.worker(&[]);
    let mut members = Members::joined(&world, "unread", &["ada"]);
    for n in 0..3 {
        let message = json!({ "id": n, "message": "from a backend" }).to_string();
        members.order(json!({ "api": message, "topic": "lk-chat-topic" }));
        members.order(json!({ "api": message, "topic": "lk-chat-topic", "to": ["$agent"] }));
        members.order(json!({ "as": "ada", "data": "moved", "topic": "cursor\u{1b}[7m" }));
        members.order(json!({ "as": "ada", "text": "hello", "topic": "chat" }));
        members.order(json!({ "as": "ada", "file": "notes", "topic": "lk.chat" }));
        members.json("ada", "lk-chat-topic", json!({ "id": "x", "message": "edited", "editTimestamp": 1 }));
    }
    members.text("ada", "words");
    assert_eq!(members.replies("ada", 1), [says("words")]);
    let log = worker.log();
    for line in
        ["a message without a sender", "on topic", "files on", "a message that this session does not know"]
    {
        assert_eq!(log.matches(line).count(), 1, "{line}:\n{log}");
    }
    assert!(!log.contains("\u{1b}[7m"), "{log}");
    assert_eq!(world.traces(1).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_that_are_no_chat_messages_are_refused_and_counted() {
    let world = World::start(echo()).await;
    let worker = world.worker(&["agent.max_turn_bytes=1000"]);
    let mut members = Members::joined(&world, "refused", &["ada"]);
    for payload in ["hello", "{}", "[1]", r#"{"message":7}"#, &"[".repeat(10_000)] {
        members.order(json!({ "as": "ada", "data": payload, "topic": "lk-chat-topic" }));
    }
    members.json("ada", "lk-chat-topic", json!({ "id": "1", "message": "x".repeat(1_001) }));
    members.order(json!({ "as": "ada", "message": "x".repeat(1_001) }));
    members.json("ada", "lk-chat-topic", json!({ "id": "2", "message": "short" }));
    assert_eq!(members.replies("ada", 1), [says("short")]);
    worker.wait_for_log("it is no chat message");
    let counted = testbed::http::get(worker.http_port, "/metrics").unwrap().body;
    for line in ["{reason=\"no_chat_message\"} 5\n", "{reason=\"too_long\"} 2\n"] {
        assert!(counted.contains(&format!("voiced_texts_refused_total{line}")), "{counted}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_reply_reaches_an_older_frontend_in_pieces() {
    let step = Step { reply: Reply::Bytes(100_000), ..Step::default() };
    let world = World::start(Script::always(step)).await;
    let _worker = world.worker(&[]);
    let mut members = Members::joined(&world, "long", &["ada"]);
    members.json("ada", "lk-chat-topic", json!({ "id": "1", "message": "everything" }));
    let whole = members.replies("ada", 1).remove(0);
    let copied =
        |seen: &Seen| [&seen.json, &seen.messages].iter().all(|one| one.concat().len() >= whole.len());
    let seen = members.wait("ada", copied);
    assert!(seen.messages.concat() == whole && seen.json.concat() == whole);
    assert!(seen.messages.len() > 1);
}
