//! Workers that end while people talk with them: no conversation is cut, and new callers are served by the next worker.

use std::time::Instant;

use futures::future::join_all;
use scripted_model::{Script, Step};

use crate::support::fault::{self, Measured};
use crate::support::fleet::{self, drain, exit_code, lost, rooms, wait_until_served};
use crate::support::world::{Worker, World, say};

/// A session ends when its caller leaves, so the exit is measured from that moment.
const NO_GRACE: &str = "agent.leave_grace=0s";

async fn world() -> World {
    World::start(Script::always(Step::echo())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn five_sessions_end_by_themselves_none_is_cut_and_no_sixth_begins() {
    let world = world().await;
    let mut worker = world.worker(&[NO_GRACE]);
    let names = rooms("drain", 5);
    let mut callers = join_all(names.iter().map(|room| world.call(room))).await;

    drain(&mut worker);
    let late = world.person("late", "late").await;
    fleet::dispatch(&world.livekit, &["late".to_owned()]);
    let mut turns = 0;
    let mut left = Instant::now();
    while let Some(mut leaving) = callers.pop() {
        for caller in callers.iter_mut().chain([&mut leaving]) {
            say(caller, &format!("still there? {turns}")).await;
            turns += 1;
        }
        assert_eq!(worker.process.exit_status().unwrap(), None, "it waits for its sessions");
        leaving.leave().await;
        left = Instant::now();
        if !callers.is_empty() {
            wait_until_served(&worker, callers.len() as u64);
        }
    }
    assert_eq!(exit_code(&mut worker), Some(0), "{}", worker.log());
    let recovery = left.elapsed();
    assert!(late.agents().is_empty(), "the sixth was taken");
    assert_eq!(worker.log().matches("session started").count(), 5, "{}", worker.log());
    let (turns_lost, spans_lost) = lost(&world, turns);
    fault::measured("drain", Measured { recovery, turns_lost, spans_lost });
}

/// A caller who joins, is answered and leaves; returns the time of the answer.
async fn short_call(world: &World, room: &str) -> Instant {
    let mut caller = world.call(room).await;
    say(&mut caller, "hello").await;
    let answered = Instant::now();
    caller.leave().await;
    answered
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_refuses_no_call_and_cuts_none() {
    let world = world().await;
    let mut old = world.worker(&[NO_GRACE]);
    let (mut ada, mut bob) = tokio::join!(world.call("ada"), world.call("bob"));
    let next = world.worker(&[NO_GRACE]);
    let (mut turns, calls) = (0, rooms("while-both-serve", 4));
    join_all(calls.iter().map(|room| short_call(&world, room))).await;
    turns += calls.len();

    let told = Instant::now();
    old.process.terminate().unwrap();
    // The calls come at once: the server may not know yet that the old worker takes no more jobs.
    let calls = rooms("while-one-drains", 8);
    let answered = join_all(calls.iter().map(|room| short_call(&world, room))).await;
    let recovery = answered.into_iter().min().unwrap() - told;
    turns += calls.len();
    for caller in [&mut ada, &mut bob] {
        say(caller, "are you still the one?").await;
        turns += 1;
    }
    for room in &calls {
        assert!(serves(&next, room), "{room} is not the new one's:\n{}", next.log());
    }
    assert!(!next.log().contains("declined a job offer"), "a call was refused:\n{}", next.log());

    ada.leave().await;
    wait_until_served(&old, 1);
    bob.leave().await;
    assert_eq!(exit_code(&mut old), Some(0), "{}", old.log());
    short_call(&world, "afterwards").await;
    turns += 1;
    assert_eq!(next.drain(), Some(0));
    let (turns_lost, spans_lost) = lost(&world, turns);
    fault::measured("upgrade", Measured { recovery, turns_lost, spans_lost });
}

/// Whether a session of that room began on the worker.
fn serves(worker: &Worker, room: &str) -> bool {
    let log = worker.log();
    log.lines().any(|line| line.contains("session started") && line.contains(&format!("{room:?}")))
}
