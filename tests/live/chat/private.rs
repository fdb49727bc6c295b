//! A message sent only to the agent is answered only to its sender.

use serde_json::json;

use crate::chat::members::{Members, Seen};
use crate::chat::{echo, prompt, says};
use crate::support::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_to_a_private_text_goes_to_its_sender_alone() {
    let world = World::start(echo()).await;
    let _worker = world.worker(&[]);
    let mut members = Members::joined(&world, "private", &["ada", "bob"]);

    members.order(json!({ "as": "ada", "text": "a secret", "topic": "lk.chat", "to": ["$agent"] }));
    assert_eq!(members.replies("ada", 1), [says("a secret")]);
    let message = json!({ "id": "1", "message": "a secret packet" }).to_string();
    members.order(json!({ "as": "ada", "data": message, "topic": "lk-chat-topic", "to": ["$agent"] }));
    assert_eq!(members.replies("ada", 2)[1], says("a secret packet"));
    members.order(json!({ "as": "ada", "message": "a secret message", "to": ["$agent"] }));
    assert_eq!(members.replies("ada", 3)[2], says("a secret message"));
    members.text("bob", "what did she say?");
    // Bob gets the answers in order, so one that did not come before this one never comes.
    assert_eq!(members.replies("bob", 1), [says("what did she say?")]);
    let bobs = members.seen("bob");
    assert!(bobs.json.is_empty() && bobs.messages.is_empty(), "{bobs:?}");
    assert_eq!(members.replies("ada", 4)[3], says("what did she say?"));

    let secrets = ["a secret", "a secret packet", "a secret message"];
    let history = secrets.iter().flat_map(|secret| [(*secret).to_owned(), says(secret)]);
    let history: Vec<_> = history.chain(["what did she say?".to_owned()]).collect();
    assert_eq!(prompt(&world), history, "the model knows one conversation");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_reply_comes_as_chat_to_its_sender_alone() {
    let world = World::start(echo()).await;
    let _worker = world.worker(&[]);
    let mut members = Members::joined(&world, "private-chat", &["ada", "bob"]);
    // Both have older frontends.
    members.json("bob", "lk-chat-topic", json!({ "id": "1", "message": "hi" }));
    members.replies("bob", 1);
    members.replies("ada", 1);
    let message = json!({ "id": "1", "message": "a secret" }).to_string();
    members.order(json!({ "as": "ada", "data": message, "topic": "lk-chat-topic", "to": ["$agent"] }));
    members.replies("ada", 2);
    members.json("bob", "lk-chat-topic", json!({ "id": "2", "message": "the end" }));
    members.replies("bob", 2);
    let ended = |seen: &Seen| seen.messages.last() == Some(&says("the end"));
    let adas = members.wait("ada", ended).messages;
    let bobs = members.wait("bob", ended).messages;
    assert_eq!(adas, [says("a secret"), says("the end")]);
    assert_eq!(bobs, [says("hi"), says("the end")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_to_some_is_answered_to_them_and_a_text_to_others_is_not() {
    let world = World::start(echo()).await;
    let _worker = world.worker(&[]);
    let mut members = Members::joined(&world, "some", &["ada", "bob", "cy"]);
    members.order(json!({ "as": "ada", "text": "ours", "topic": "lk.chat", "to": ["$agent", "bob"] }));
    assert_eq!(members.replies("ada", 1), [says("ours")]);
    assert_eq!(members.replies("bob", 1), [says("ours")]);
    members.order(json!({ "as": "ada", "text": "for Bob", "topic": "lk.chat", "to": ["bob"] }));
    members.text("ada", "to the room");
    assert_eq!(members.replies("cy", 1), [says("to the room")]);
    assert_eq!(members.replies("ada", 2)[1], says("to the room"));
    assert_eq!(world.model.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_one_can_make_a_public_text_look_private_or_speak_for_another() {
    let world = World::start(echo()).await;
    let _worker = world.worker(&[]);
    let mut members = Members::joined(&world, "forged", &["ada", "eve"]);
    let attributes = json!({ "voiced.destinations": "[\"eve\"]" });
    members.order(json!({ "as": "eve", "text": "hidden", "topic": "lk.chat", "attributes": attributes }));
    assert_eq!(members.replies("ada", 1), [says("hidden")]);
    members.order(json!({ "as": "eve", "data": "\u{2}anything", "topic": "voiced.envelope" }));
    members.text("eve", "the end");
    assert_eq!(members.replies("ada", 2)[1], says("the end"));
    let users: Vec<_> =
        world.traces(2).iter().map(|trace| trace.root.text("user.id").unwrap().to_owned()).collect();
    assert_eq!(users, ["eve", "eve"]);
}
