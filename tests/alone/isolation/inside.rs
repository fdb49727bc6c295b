//! Defects of ours in one session: a panic, a future without end, a loop that keeps its thread, a flood of words.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use scripted_model::{Script, Step};
use voiced::caller::CallError;
use voiced::room::RoomEvent;

use crate::isolation::steady;
use crate::isolation::troublemaker::{
    FLOOD, FLOODED, FRAGILE, HOLD, Inside, PANIC, PANIC_AT_ONCE, SPIN, STICK,
};
use crate::support::fault::{self, Measured};
use crate::support::world::{PATIENCE, World, wait_until};

const APOLOGY: &str = "Sorry";

async fn world() -> Arc<World> {
    Arc::new(World::start(Script::always(Step::echo())).await)
}

fn lost_nothing(row: &str, recovery: Duration) {
    fault::measured(row, Measured { recovery, turns_lost: 0, spans_lost: 0 });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_panics_costs_its_own_turn_an_apology() {
    let world = world().await;
    let inside = Inside::start(&world).await;
    let mut caller = world.call("panics").await;
    let trouble = async {
        for how in [PANIC, PANIC_AT_ONCE] {
            let apology = caller.say(how, PATIENCE, |_| ()).await.unwrap();
            assert!(apology.text.expose().starts_with(APOLOGY), "{how}: an apology");
        }
        let broken = Instant::now();
        let reply = caller.say("and now?", PATIENCE, |_| ()).await.unwrap();
        assert_eq!(reply.text.expose(), "You said: and now?", "the session goes on");
        broken.elapsed()
    };
    let (recovery, seen) = steady::beside(&world, trouble).await;
    seen.print("an answer panics");
    for line in [
        "voiced_panics_total{task=\"answer\"} 2",
        "voiced_panics_total{task=\"session\"} 0",
        "voiced_turns_total{outcome=\"failed\"} 2",
        &format!("voiced_turns_total{{outcome=\"answered\"}} {}", seen.turns + 1),
    ] {
        assert!(inside.counted(line), "{line}\n{}", inside.metrics.text());
    }
    lost_nothing("answer-panics", recovery);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_panics_ends_is_reported_leaves_its_room_and_may_be_sent_for_again() {
    let world = world().await;
    let inside = Inside::start(&world).await;
    let mut caller = world.call(FRAGILE).await;
    caller.say("hello", PATIENCE, |_| ()).await.unwrap();
    let trouble = async {
        inside.broken.cancel();
        let broken = Instant::now();
        let left = caller.say("are you there?", PATIENCE, |_| ()).await.unwrap_err();
        assert!(matches!(left, CallError::AgentLeft { .. }), "{left}");
        broken.elapsed()
    };
    let (gone, seen) = steady::beside(&world, trouble).await;
    seen.print("a session panics");
    wait_until(
        "the job is counted as panicked",
        || inside.counted("voiced_worker_jobs_total{result=\"panicked\"} 1"),
        || inside.metrics.text(),
    );
    assert!(inside.counted("voiced_panics_total{task=\"session\"} 1"), "{}", inside.metrics.text());
    assert_eq!(caller.agents(), 0, "an agent that nobody answers for is still there");
    lost_nothing("session-panics", gone);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_never_ends_is_given_up_at_the_next_turn() {
    let world = world().await;
    let inside = Inside::start(&world).await;
    let mut caller = world.call("sticks").await;
    let trouble = async {
        caller.send(STICK).await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        let spoke = Instant::now();
        let reply = caller.say("hello?", PATIENCE, |_| ()).await.unwrap();
        assert_eq!(reply.text.expose(), "You said: hello?");
        spoke.elapsed()
    };
    let (recovery, seen) = steady::beside(&world, trouble).await;
    seen.print("an answer sticks");
    let interrupted = "voiced_turns_total{outcome=\"interrupted\"} 1";
    assert!(inside.counted(interrupted), "{}", inside.metrics.text());
    lost_nothing("answer-sticks", recovery);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_keeps_its_thread_keeps_no_other_room() {
    let world = world().await;
    let inside = Inside::start(&world).await;
    let mut caller = world.call("spins").await;
    let trouble = async {
        let reply = caller.say(SPIN, PATIENCE, |_| ()).await.unwrap();
        assert_eq!(reply.text.expose(), "dizzy");
        let stopped = Instant::now();
        let reply = caller.say("better now?", PATIENCE, |_| ()).await.unwrap();
        assert_eq!(reply.text.expose(), "You said: better now?");
        stopped.elapsed()
    };
    let (recovery, seen) = steady::beside(&world, trouble).await;
    seen.print("an answer burns a core for 3 s");
    assert!(inside.counted("voiced_turns_total{outcome=\"failed\"} 0"), "{}", inside.metrics.text());
    lost_nothing("answer-spins", recovery);
}

/// The sessions hold three threads, one less than a runtime has at least.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_sessions_hold_its_threads_still_hears_that_it_is_to_drain() {
    let world = world().await;
    let mut inside = Inside::start(&world).await;
    let mut callers = Vec::new();
    for room in ["holds-1", "holds-2", "holds-3"] {
        callers.push(world.call(room).await);
    }
    for caller in &mut callers {
        caller.send(HOLD).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    inside.shutdown.drain.cancel();
    let draining = inside.health.wait_for(|health| health.draining);
    tokio::time::timeout(PATIENCE, draining).await.expect("the worker hears it").unwrap();
    assert!(!inside.released.swap(true, Ordering::Relaxed), "the threads are held until now");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_words_waits_for_its_room_alone() {
    let world = world().await;
    let inside = Inside::start(&world).await;
    let mut caller = world.call("floods").await;
    let trouble = async {
        caller.send(FLOOD).await.unwrap();
        // The person reads, but very slowly.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let spoke = Instant::now();
        caller.send("enough!").await.unwrap();
        let answer = loop {
            match caller.greeting(PATIENCE).await {
                Some(said) if said.expose().starts_with("xxx") => {}
                other => break other,
            }
        };
        assert_eq!(answer.unwrap().expose(), "You said: enough!");
        spoke.elapsed()
    };
    let (recovery, seen) = steady::beside(&world, trouble).await;
    seen.print("an answer floods its room");
    assert!(inside.counted("voiced_turns_total{outcome=\"failed\"} 0"), "{}", inside.metrics.text());
    lost_nothing("answer-floods", recovery);
}

/// The text in flight when the person interrupts is heard to its end, and the answer comes after it.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_never_far_ahead_of_who_listens_to_it() {
    let world = world().await;
    let inside = Inside::start(&world).await;
    let mut person = world.person("drains", "caller").await;
    world.dispatch("drains");
    let (mut flood, mut asked) = (None, false);
    while flood.is_none() {
        match tokio::time::timeout(PATIENCE, person.next()).await.expect("something happens") {
            // A state may be told twice, and what is asked again cuts the reply.
            RoomEvent::Agent { state, .. } if state == "listening" && !asked => {
                asked = true;
                person.chat(FLOOD).await.unwrap();
            }
            RoomEvent::Text(text) => flood = Some(text),
            _ => {}
        }
    }
    let mut flood = flood.unwrap();
    let (mut heard, mut ahead) = (0, 0);
    while let Some(chunk) = tokio::time::timeout(PATIENCE, flood.chunk()).await.expect("the flood goes on") {
        heard += chunk.unwrap().expose().len();
        ahead = ahead.max(inside.flooded.load(Ordering::Relaxed) - heard);
    }
    println!("the flood was {ahead} bytes ahead at most");
    assert_eq!(heard, FLOODED);
    assert!(ahead < FLOODED / 8, "{ahead} bytes were under way");
}
