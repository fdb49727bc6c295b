//! A worker is killed in the middle of calls: the next worker goes back to the rooms where people still wait, with the
//! conversation so far, and to no other rooms.

use std::time::{Duration, Instant};

use scripted_model::{Script, Step};

use crate::support::world::{PATIENCE, Worker, World, asked_last, say, wait_until};

const NOTICE: &str = "Sorry, I was gone for a moment. Could you say that again?";

async fn world() -> World {
    World::start(Script::always(Step::echo())).await
}

fn resumptions(worker: &Worker, result: &str) -> Option<f64> {
    worker.metric(&format!("voiced_worker_resumptions_total{{result=\"{result}\"}}"))
}

fn wait_for_resumptions(worker: &Worker, result: &str, count: f64) {
    wait_until(
        &format!("{count} sessions are {result}"),
        || resumptions(worker, result) == Some(count),
        || worker.log(),
    );
}

/// A turn reaches the record a moment after its answer.
fn wait_until_recorded(worker: &Worker, turns: f64) {
    let recorded = || worker.metric("voiced_record_turns_written_total") == Some(turns);
    wait_until("the turns are recorded", recorded, || worker.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_start_is_back_where_people_wait_and_knows_what_was_said() {
    let world = world().await;
    let mut killed = world.worker(&[]);
    let mut first = world.call("waits-1").await;
    let mut second = world.call("waits-2").await;
    let mut leaves = world.call("leaves").await;
    for caller in [&mut first, &mut second, &mut leaves] {
        say(caller, "my name is Ada").await;
    }
    wait_until_recorded(&killed, 3.0);
    killed.process.kill();
    leaves.leave().await;

    let started = Instant::now();
    let next = world.spawn_worker(&[]);
    for caller in [&mut first, &mut second] {
        caller.wait_for_return(PATIENCE).await.unwrap_or_else(|error| panic!("{error}\n{}", next.log()));
        println!("back after {:.2?}", started.elapsed());
        assert_eq!(caller.greeting(PATIENCE).await.unwrap().expose(), NOTICE);
        assert_eq!(caller.agents(), 1, "twice in one room");
    }
    say(&mut first, "what is my name?").await;
    let remembered = asked_last(&world);
    assert_eq!(
        remembered,
        [
            "user: my name is Ada",
            "assistant: You said: my name is Ada",
            &format!("assistant: {NOTICE}"),
            "user: what is my name?"
        ]
    );
    wait_for_resumptions(&next, "resumed", 2.0);
    wait_for_resumptions(&next, "over", 1.0);
    next.wait_until_ready();
    assert_eq!(next.info()["active_jobs"], 2);
    let indexes: Vec<_> = world.traces(4).iter().map(|trace| trace.root.int("livekit.turn_index")).collect();
    assert_eq!(indexes, [Some(0), Some(0), Some(0), Some(1)], "turns are counted on");

    first.leave().await;
    second.leave().await;
    assert_eq!(next.drain(), Some(0));
    let notes = std::fs::read_dir(world.state().join("rooms")).unwrap().flatten();
    let files = notes.flat_map(|slot| std::fs::read_dir(slot.path()).unwrap().flatten());
    let left: Vec<_> = files.map(|file| file.file_name()).filter(|name| name != "lock").collect();
    assert!(left.is_empty(), "sessions that ended are still noted: {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_living_worker_takes_over_from_one_that_died() {
    let world = world().await;
    let mut killed = world.worker(&["agent.resume_notice="]);
    let mut caller = world.call("taken-over").await;
    say(&mut caller, "hello").await;
    let alive = world.worker(&["agent.resume_notice="]);
    wait_until_recorded(&killed, 1.0);
    killed.process.kill();
    caller.wait_for_return(PATIENCE).await.unwrap_or_else(|error| panic!("{error}\n{}", alive.log()));
    say(&mut caller, "are you still there?").await;
    assert_eq!(
        asked_last(&world),
        ["user: hello", "assistant: You said: hello", "user: are you still there?"],
        "an empty notice is not said"
    );
    assert_eq!(caller.agents(), 1);
    caller.leave().await;
    assert_eq!(alive.drain(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_worker_goes_where_another_of_us_is_already() {
    let world = world().await;
    let mut killed = world.worker(&[]);
    let mut caller = world.call("served").await;
    say(&mut caller, "hello").await;
    killed.process.kill();
    // A worker of another host, which knows nothing of the killed one.
    let elsewhere = world.worker(&["worker.recovery_dir=off"]);
    world.dispatch("served");
    elsewhere.wait_for_log("session started");
    let next = world.worker(&[]);
    wait_for_resumptions(&next, "served", 1.0);
    assert_eq!(next.info()["active_jobs"], 0);
    caller.leave().await;
    assert_eq!((next.drain(), elsewhere.drain()), (Some(0), Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_finds_no_slot_waits_for_one() {
    let world = world().await;
    let mut killed = world.worker(&[]);
    let mut first = world.call("one").await;
    let mut second = world.call("two").await;
    for caller in [&mut first, &mut second] {
        say(caller, "hello").await;
    }
    killed.process.kill();
    let next = world.worker(&["worker.max_sessions=1", "agent.leave_grace=0s", "agent.resume_notice="]);
    wait_for_resumptions(&next, "resumed", 1.0);
    assert_eq!(next.info()["active_jobs"], 1, "one slot, one session");
    let (mut served, mut waiting) = match first.wait_for_return(Duration::from_secs(5)).await {
        Ok(()) => (first, second),
        Err(_) => {
            second.wait_for_return(PATIENCE).await.unwrap();
            (second, first)
        }
    };
    say(&mut served, "again").await;
    served.leave().await;
    waiting.wait_for_return(PATIENCE).await.unwrap_or_else(|error| panic!("{error}\n{}", next.log()));
    wait_for_resumptions(&next, "resumed", 2.0);
    waiting.leave().await;
    assert_eq!(next.drain(), Some(0));
}
