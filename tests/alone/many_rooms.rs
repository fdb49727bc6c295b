//! Many conversations in one process, at the same time.

use std::collections::{BTreeMap, BTreeSet};

use scripted_model::{Reply, Script, Step};

use crate::support::world::{PATIENCE, Trace, World};

#[tokio::test(flavor = "multi_thread")]
async fn twenty_rooms_of_ten_turns_are_all_answered_and_none_is_mixed() {
    talk_in(20, 10).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "--all: the test above with five times the turns"]
async fn fifty_rooms_of_twenty_turns_are_all_answered_and_none_is_mixed() {
    talk_in(50, 20).await;
}

/// Holds a conversation of so many turns in each of so many rooms.
async fn talk_in(rooms: usize, turns: usize) {
    let world = World::start(Script::always(Step { reply: Reply::Echo, ..Step::default() })).await;
    let worker = world.worker(&["worker.max_sessions=60"]);

    futures::future::join_all((0..rooms).map(|room| talk(&world, room, turns))).await;

    let traces = world.traces(rooms * turns);
    let mut sessions: BTreeMap<String, Vec<&Trace>> = BTreeMap::new();
    for trace in &traces {
        assert_complete(trace);
        sessions.entry(trace.root.text("session.id").unwrap().to_owned()).or_default().push(trace);
    }
    assert_eq!(sessions.len(), rooms, "a session for each room");
    for session in sessions.values() {
        assert_one_room(session, turns);
    }
    assert_eq!(worker.drain(), Some(0));
}

async fn talk(world: &World, room: usize, turns: usize) {
    let mut caller = world.call_as(&format!("room-{room}"), &format!("caller-{room}")).await;
    for turn in 0..turns {
        let text = format!("room {room} turn {turn}");
        let reply = caller.say(&text, PATIENCE, |_| ()).await.unwrap();
        assert_eq!(reply.text.expose(), format!("You said: {text}"));
    }
    caller.leave().await;
}

fn assert_complete(trace: &Trace) {
    let request = trace.request.as_ref().unwrap_or_else(|| panic!("no llm_request in {trace:?}"));
    assert_eq!(trace.runs.len(), 1, "{trace:?}");
    assert_eq!(request.parent_id.as_ref(), Some(&trace.root.span_id));
    assert_eq!(trace.runs[0].parent_id.as_ref(), Some(&request.span_id));
    for span in [request, &trace.runs[0]] {
        for key in ["session.id", "gen_ai.conversation.id", "user.id"] {
            assert_eq!(span.text(key), trace.root.text(key), "{key} of {}", span.name);
        }
    }
}

/// All turns of a session are of one room and one caller, each once and in order.
fn assert_one_room(session: &[&Trace], turns: usize) {
    let users: BTreeSet<_> = session.iter().map(|trace| trace.root.text("user.id").unwrap()).collect();
    assert_eq!(users.len(), 1, "{users:?}");
    let room = users.first().unwrap().trim_start_matches("caller-");
    for (turn, trace) in session.iter().enumerate() {
        assert_eq!(trace.root.text("livekit.question"), Some(format!("room {room} turn {turn}").as_str()));
        assert_eq!(trace.root.int("livekit.turn_index"), Some(turn as i64));
    }
    assert_eq!(session.len(), turns);
}
