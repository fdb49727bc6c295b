//! A person talks with a dispatched agent in a real room.

use scripted_model::{Ended, Ending, Reply, Script, Step};

use crate::support::world::{self, PATIENCE, World};

fn silent(_: &str) {}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatched_agent_answers_turn_after_turn_and_the_model_sees_the_history() {
    let world = World::start(Script::always(Step { reply: Reply::Echo, ..Step::default() })).await;
    let worker = world.worker(&["agent.instructions=be brief"]);
    let mut caller = world.call("history").await;
    for text in ["first", "second", "third"] {
        let reply = caller.say(text, PATIENCE, silent).await.unwrap();
        assert_eq!(reply.text.expose(), format!("You said: {text}"));
    }
    let last = world.model.requests().pop().unwrap();
    let messages: Vec<_> = last.body["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["content"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        messages,
        ["be brief", "first", "You said: first", "second", "You said: second", "third"],
        "{}",
        worker.log()
    );
    caller.leave().await;
    assert_eq!(worker.drain(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_arrives_piece_by_piece() {
    let step = Step { reply: Reply::Text("one two three four five".into()), pause_ms: 60, ..Step::default() };
    let world = World::start(Script::always(step)).await;
    let _worker = world.worker(&[]);
    let mut caller = world.call("pieces").await;
    let mut pieces = Vec::new();
    let reply = caller.say("count", PATIENCE, |piece| pieces.push(piece.to_owned())).await.unwrap();
    assert!(pieces.len() >= 3, "{pieces:?}");
    assert_eq!(pieces.concat(), "one two three four five");
    assert!(reply.first_word < reply.total);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_greeting_comes_first() {
    let world = World::start(Script::default()).await;
    let _worker = world.worker(&["agent.greeting=Welcome!"]);
    let mut caller = world.call("greeting").await;
    assert_eq!(caller.greeting(PATIENCE).await.unwrap().expose(), "Welcome!");
    assert!(world.model.requests().is_empty(), "a greeting needs no model");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_turn_cuts_the_call_at_the_socket_and_what_was_said_stays_in_the_history() {
    let story = Step {
        reply: Reply::Text("once upon a time there was".into()),
        after: Some(3),
        ending: Ending::Stall,
        ..Step::default()
    };
    let script =
        Script::default().rule("story", story).otherwise(Step { reply: Reply::Echo, ..Step::default() });
    let world = World::start(script).await;
    let worker = world.worker(&[]);
    let mut caller = world.call("interruption").await;

    let cut = caller.start_saying("a story please", PATIENCE).await.unwrap();
    assert_eq!(cut.expose(), "once upon a", "{}", worker.log());
    let reply = caller.say("stop", PATIENCE, silent).await.unwrap();
    assert_eq!(reply.text.expose(), "You said: stop");

    let requests =
        world.model.wait(|requests| requests.len() == 2 && requests[0].ended != Ended::Open).await.unwrap();
    assert_eq!(requests[0].ended, Ended::Cut);
    let history = requests[1].body["messages"].to_string();
    assert!(history.contains("once upon a …") && history.contains("interrupted"), "{history}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_call_is_apologised_for_and_the_next_turn_works() {
    let broken = Step { status: 401, ..Step::default() };
    let script =
        Script::default().rule("break", broken).otherwise(Step { reply: Reply::Echo, ..Step::default() });
    let world = World::start(script).await;
    let worker = world.worker(&["agent.apology=Sorry, that failed."]);
    let mut caller = world.call("apology").await;
    let reply = caller.say("break it", PATIENCE, silent).await.unwrap();
    assert_eq!(reply.text.expose(), "Sorry, that failed.");
    let reply = caller.say("again", PATIENCE, silent).await.unwrap();
    assert_eq!(reply.text.expose(), "You said: again");
    worker.wait_for_log("turn failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_in_a_room_are_both_heard() {
    let world = World::start(Script::always(Step { reply: Reply::Echo, ..Step::default() })).await;
    let _worker = world.worker(&[]);
    let mut ada = world.call_as("two-people", "ada").await;
    assert_eq!(ada.say("I am Ada", PATIENCE, silent).await.unwrap().text.expose(), "You said: I am Ada");
    let mut bob = world.call_as("two-people", "bob").await;
    assert_eq!(bob.say("I am Bob", PATIENCE, silent).await.unwrap().text.expose(), "You said: I am Bob");
    let users: Vec<_> =
        world.traces(2).iter().map(|trace| trace.root.text("user.id").unwrap().to_owned()).collect();
    assert_eq!(users, ["ada", "bob"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_the_session_under_way_go_on_and_takes_no_new_one() {
    let world = World::start(Script::always(Step { reply: Reply::Echo, ..Step::default() })).await;
    let mut worker = world.worker(&["agent.leave_grace=200ms"]);
    let mut caller = world.call("drain").await;
    worker.process.terminate().unwrap();
    world::wait_until("the worker drains", || worker.readiness().1.contains("drain"), || worker.log());
    let reply = caller.say("still there?", PATIENCE, silent).await.unwrap();
    assert_eq!(reply.text.expose(), "You said: still there?");
    caller.leave().await;
    let status = worker.process.wait(PATIENCE).unwrap().expect("it ends with its last session");
    assert_eq!(status.code(), Some(0), "{}", worker.log());
    assert_eq!(world.traces(1).len(), 1, "the turn during the drain is exported before the exit");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_call_command_does_not_take_the_greeting_for_a_reply() {
    let world = World::start(Script::always(Step { reply: Reply::Echo, ..Step::default() })).await;
    let greeting = "agent.greeting=Welcome!";
    let _worker = world.worker(&[greeting]);
    let mut command = world.voiced();
    command.args(["--set", greeting, "call", "--room", "scripted", "--say", "one", "--say", "two"]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}");
    let order = ["Welcome!", "> one", "You said: one", "> two", "You said: two"].map(|text| said.find(text));
    assert!(order.iter().all(Option::is_some) && order.is_sorted(), "{said}");
    assert_eq!(world.traces(2).len(), 2);
}
