//! Edits, deletions and reactions are no turns.

use scripted_model::{Reply, Script, Step};
use serde_json::{Value, json};

use crate::chat::members::Members;
use crate::chat::{echo, prompt, says};
use crate::support::world::World;

/// The conversation that the model gets: `first` is the first message, and `then` changes it.
async fn history(room: &str, first: Value, then: impl Fn(Value) -> Vec<Value>) -> Vec<String> {
    let world = World::start(echo()).await;
    let worker = world.worker(&[]);
    let mut members = Members::joined(&world, room, &["ada"]);
    let sent = members.order(first);
    members.replies("ada", 1);
    for order in then(sent) {
        members.order(order);
    }
    members.text("ada", "thanks");
    assert_eq!(members.replies("ada", 2)[1], says("thanks"), "{}", worker.log());
    assert_eq!(world.model.requests().len(), 2, "nothing else was a turn");
    prompt(&world)
}

fn stream(text: &str, id: &str, operation: &str) -> Value {
    json!({ "as": "ada", "text": text, "topic": "lk.chat", "id": id, "operation": operation })
}

fn packet(topic: &str, message: Value) -> Value {
    json!({ "as": "ada", "data": message.to_string(), "topic": topic })
}

fn corrected() -> Vec<String> {
    vec!["right".to_owned(), says("wrong"), "thanks".to_owned()]
}

fn deleted() -> Vec<String> {
    vec!["[deleted by the user]".to_owned(), says("wrong"), "thanks".to_owned()]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_of_a_text_stream_corrects_what_the_model_is_told() {
    let first = stream("wrong", "1", "CREATE");
    let told = history("updated", first, |_| vec![stream("right", "1", "UPDATE")]).await;
    assert_eq!(told, corrected());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_may_refer_to_the_stream_that_it_updates() {
    let mut update = stream("right", "2", "UPDATE");
    update["reply_to"] = json!("1");
    let told = history("referring", stream("wrong", "1", "CREATE"), |_| vec![update.clone()]).await;
    assert_eq!(told, corrected());
}

#[tokio::test(flavor = "multi_thread")]
async fn deletions_and_reactions_by_text_streams_are_no_turns() {
    let mut reaction = stream("thumbs up", "9", "REACTION");
    reaction["reply_to"] = json!("1");
    let delete = stream("", "1", "DELETE");
    let first = stream("wrong", "1", "CREATE");
    let told = history("deleted", first, |_| vec![reaction.clone(), delete.clone(), reaction.clone()]).await;
    assert_eq!(told, deleted());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_by_json_corrects_and_deletes() {
    let first = || packet("lk-chat-topic", json!({ "id": "1", "message": "wrong" }));
    let edited = json!({ "id": "1", "message": "right", "timestamp": 2 });
    let told = history("json-edit", first(), |_| vec![packet("lk-chat-update-topic", edited.clone())]).await;
    assert_eq!(told, corrected());
    let gone = json!({ "id": "1", "message": "wrong", "timestamp": 2, "deleted": true });
    let told = history("json-delete", first(), |_| vec![packet("lk-chat-update-topic", gone.clone())]).await;
    assert_eq!(told, deleted());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_by_a_chat_message_corrects_what_came_by_that_or_another_way() {
    let edit = |id: &Value| json!({ "as": "ada", "message": "right", "edits": id });
    let first = json!({ "as": "ada", "message": "wrong" });
    assert_eq!(history("message-edit", first, |sent| vec![edit(&sent["id"])]).await, corrected());
    let first = stream("wrong", "1", "CREATE");
    assert_eq!(history("mixed-edit", first, |_| vec![edit(&json!("1"))]).await, corrected());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_anothers_message_changes_nothing() {
    let world = World::start(echo()).await;
    let _worker = world.worker(&[]);
    let mut members = Members::joined(&world, "others", &["ada", "eve"]);
    members.order(stream("my words", "1", "CREATE"));
    members.replies("eve", 1);
    let mut update = stream("her words", "1", "UPDATE");
    update["as"] = json!("eve");
    members.order(update);
    members.json("eve", "lk-chat-update-topic", json!({ "id": "1", "message": "her words" }));
    members.text("eve", "thanks");
    members.replies("eve", 2);
    assert_eq!(prompt(&world), ["my words".to_owned(), says("my words"), "thanks".to_owned()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_goes_on_while_its_question_is_edited() {
    let slow =
        Step { reply: Reply::Text("one two three four five".into()), pause_ms: 200, ..Step::default() };
    let world = World::start(Script::always(slow)).await;
    let _worker = world.worker(&[]);
    let mut members = Members::joined(&world, "going-on", &["ada"]);
    members.order(stream("cuont", "1", "CREATE"));
    members.order(stream("count", "1", "UPDATE"));
    assert_eq!(members.replies("ada", 1), ["one two three four five"]);
    assert_eq!(world.traces(1)[0].root.attribute("lk.interrupted"), None);
}
