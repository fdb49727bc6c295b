//! The system's clock is set while people talk, and the machine stands still.

use std::process::Command;
use std::time::{Duration, Instant};

use scripted_model::{Script, Step};

use crate::support::clock::Clock;
use crate::support::world::{PATIENCE, Trace, Worker, World, say, wait_until};

const HOUR: i64 = 3600;
/// No turn and no part of one takes this long.
const LONG_NS: u64 = 60_000_000_000;
const STORY: &str = "a story";

async fn world() -> World {
    let slow = Step::reply("once upon a time there was a clock").pause_ms(200);
    World::start(Script::always(Step::echo()).rule(STORY, slow)).await
}

fn signal(worker: &Worker, name: &str) {
    let sent = Command::new("kill").args([name, &worker.process.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

fn assert_no_jump_in(traces: &[Trace]) {
    for trace in traces {
        let parts = trace.request.iter().chain(&trace.runs).chain([&trace.root]);
        for span in parts {
            let inside = trace.root.start_ns <= span.start_ns && span.end_ns <= trace.root.end_ns;
            let long = span.end_ns.checked_sub(span.start_ns).is_none_or(|took| took > LONG_NS);
            assert!(inside && !long, "{span:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clocks_that_jump_by_an_hour_lose_no_turn_and_leave_no_gap() {
    let world = world().await;
    let Some(clock) = Clock::new(world.dir()) else { return };
    let worker = world.worker_of(clock.seen_by(world.voiced()), &[]);
    let mut caller = world.call("jumps").await;
    let mut asked = Vec::new();
    for (number, shift) in [0, HOUR, -HOUR, 0].into_iter().enumerate() {
        clock.set(shift);
        let question = format!("question {number}");
        let began = Instant::now();
        say(&mut caller, &question).await;
        println!("{shift:+} s: answered after {:?}", began.elapsed());
        let mut other = world.call(&format!("new-{number}")).await;
        say(&mut other, &format!("new {number}")).await;
        other.leave().await;
        asked.push(question);
    }
    // The clock is set in the middle of a reply, both ways.
    for shift in [HOUR, -HOUR] {
        caller.send(STORY).await.unwrap();
        tokio::time::sleep(Duration::from_millis(700)).await;
        clock.set(shift);
        let story = caller.greeting(PATIENCE).await.expect("it goes on");
        assert_eq!(story.expose(), "once upon a time there was a clock");
        asked.push(STORY.to_owned());
    }
    say(&mut caller, "the end").await;
    asked.push("the end".to_owned());
    assert_no_jump_in(&world.traces(11));
    assert_recorded_in_order(&world, &worker, &asked);
    caller.leave().await;
    assert_eq!(worker.drain(), Some(0));
}

fn assert_recorded_in_order(world: &World, worker: &Worker, asked: &[String]) {
    let recorded = || {
        let found = world.json(&["sessions", "--room", "jumps", "--json"]);
        let id = found["sessions"][0]["id"].as_str().unwrap().to_owned();
        let shown = world.json(&["sessions", "show", &id, "--json"]);
        let turns = shown["turns"].as_array().unwrap();
        turns.iter().map(|turn| turn["question"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    wait_until("all turns are recorded", || recorded().len() == asked.len(), || worker.log());
    assert_eq!(recorded(), asked);
}

/// A token that is not valid yet, or no more, opens nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_clock_is_wrong_says_so_and_registers_once_it_is_right() {
    let world = world().await;
    let Some(clock) = Clock::new(world.dir()) else { return };
    for shift in [HOUR, -HOUR] {
        clock.set(shift);
        let worker = world.spawn(clock.seen_by(world.voiced()), &[]);
        worker.wait_for_log("or the clocks differ");
        assert_eq!(worker.readiness().0, 503);
        let check = clock.seen_by(world.voiced()).arg("check").output().unwrap();
        let said = String::from_utf8_lossy(&check.stdout).into_owned();
        assert!(said.contains(if shift > 0 { "ahead of" } else { "behind" }), "{said}");
        clock.set(0);
        worker.wait_until_ready();
        let mut caller = world.call(&format!("right {shift}")).await;
        say(&mut caller, "hello").await;
    }
}

/// While a machine sleeps its monotonic clock stands still and its system clock does not: that is right when it wakes.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_goes_on_after_a_sleep_of_an_hour() {
    let world = world().await;
    let Some(clock) = Clock::new(world.dir()) else { return };
    let worker = world.worker_of(clock.seen_by(world.voiced()), &["agent.leave_grace=60s"]);
    let mut caller = world.call("sleep").await;
    for (number, asleep) in [3, 35].into_iter().enumerate() {
        say(&mut caller, &format!("before {number}")).await;
        clock.set(-HOUR);
        signal(&worker, "-STOP");
        tokio::time::sleep(Duration::from_secs(asleep)).await;
        clock.set(0);
        signal(&worker, "-CONT");
        let woken = Instant::now();
        let answered = loop {
            let asked = caller.say("awake?", Duration::from_secs(3), |_| ()).await;
            if let Ok(reply) = asked {
                break reply;
            }
            assert!(woken.elapsed() < PATIENCE, "{}", worker.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        println!("after a sleep of {asleep} s: answered {:?} after it", woken.elapsed());
        assert_eq!(answered.text.expose(), "You said: awake?");
        worker.wait_until_ready();
    }
    assert_eq!(caller.agents(), 1);
    caller.leave().await;
    assert_eq!(worker.drain(), Some(0));
}
