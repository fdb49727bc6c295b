//! livekit-server is killed, with all of its rooms, and starts again.

use std::time::{Duration, Instant};

use scripted_model::{Script, Step};

use crate::outages::talk::Talk;
use crate::support::world::{PATIENCE, World, asked_last, wait_until};

async fn world() -> World {
    World::start(Script::always(Step::echo())).await
}

async fn away_for(world: &World, time: Duration) -> Instant {
    world.livekit.stop();
    tokio::time::sleep(time).await;
    world.livekit.restart().unwrap();
    Instant::now()
}

#[tokio::test(flavor = "multi_thread")]
async fn back_after_five_seconds_the_conversation_goes_on_by_itself() {
    let (world, mut talk) = (world().await, Talk::default());
    // People who cannot be seen during the outage do not count as gone: the grace is shorter than the outage.
    let worker = world.worker(&["agent.leave_grace=2s"]);
    let mut caller = world.call("five").await;
    talk.ask(&mut caller, "my name is Ada").await;
    let back = away_for(&world, Duration::from_secs(5)).await;
    let answered = talk.ask_until_answered(&mut caller, "what is my name?", &worker).await;
    assert!(asked_last(&world).contains(&"user: my name is Ada".to_owned()), "the history is kept");
    wait_until("the worker is registered", || worker.readiness().0 == 200, || worker.log());
    talk.measured("livekit-killed-5s", answered - back, &world);
    caller.leave().await;
    assert_eq!(worker.drain(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_under_way_when_the_server_is_killed_is_heard_as_a_whole() {
    let reply = "one two three four five six seven eight nine ten eleven twelve";
    let slowly = Step::reply(reply).pause_ms(600);
    let (world, mut talk) =
        (World::start(Script::always(Step::echo()).rule("count", slowly)).await, Talk::default());
    let worker = world.worker(&["agent.leave_grace=2s"]);
    let mut caller = world.call("counting").await;
    talk.ask(&mut caller, "hello").await;
    let begun = caller.start_saying("count", PATIENCE).await.unwrap();
    assert!(reply.starts_with(begun.expose().trim()) && begun.expose().len() < reply.len(), "{begun:?}");
    let back = away_for(&world, Duration::ZERO).await;
    let deadline = back + PATIENCE;
    // Until then the caller sees the agent go, and perhaps hears a notice.
    while caller.greeting(deadline - Instant::now()).await.is_none_or(|text| text.expose() != reply) {
        assert!(Instant::now() < deadline, "{}", worker.log());
    }
    let heard = Instant::now();
    talk.measured("livekit-killed-mid-reply", heard - back, &world);
    caller.leave().await;
    assert_eq!(worker.drain(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn back_after_a_minute_a_person_goes_on_where_they_were() {
    join_again_after(Duration::from_secs(60), "livekit-killed-60s").await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "--all: takes ten minutes; machine/tests/link.rs has its rules with time made up"]
async fn back_after_ten_minutes_a_person_goes_on_where_they_were() {
    join_again_after(Duration::from_secs(600), "livekit-killed-10min").await;
}

/// The server sends an agent into the new room before the caller is in it, as it does on a busy machine.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_there_before_its_caller_goes_on_where_they_were() {
    let (world, mut talk) = (world().await, Talk::default());
    let worker = world.worker(&[]);
    let mut caller = world.call("early").await;
    talk.ask(&mut caller, "my name is Ada").await;
    world.livekit.stop();
    caller.leave().await;
    worker.wait_for_log("was torn out of its room");
    world.livekit.restart().unwrap();
    worker.wait_until_ready();
    world.dispatch("early");
    wait_until(
        "the agent is there",
        || worker.log().matches("session started").count() == 2,
        || worker.log(),
    );
    // The old session is looked after meanwhile, more than once.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut caller = world.call("early").await;
    talk.ask_until_answered(&mut caller, "what is my name?", &worker).await;
    assert!(asked_last(&world).contains(&"user: my name is Ada".to_owned()), "{:?}", asked_last(&world));
    assert_eq!(caller.agents(), 1);
    caller.leave().await;
    assert_eq!(worker.drain(), Some(0));
}

/// Longer than the SDKs on both sides go on trying: the caller joins again, as a person who reloads the page, and the
/// agent remembers the conversation.
async fn join_again_after(time: Duration, row: &str) {
    let (world, mut talk) = (world().await, Talk::default());
    let worker = world.worker(&[]);
    let mut caller = world.call("minute").await;
    talk.ask(&mut caller, "my name is Ada").await;
    let back = away_for(&world, time).await;
    caller.leave().await;
    let mut caller = world.call("minute").await;
    let answered = talk.ask_until_answered(&mut caller, "what is my name?", &worker).await;
    assert!(asked_last(&world).contains(&"user: my name is Ada".to_owned()), "{:?}", asked_last(&world));
    assert_eq!(caller.agents(), 1);
    talk.measured(row, answered - back, &world);
    let connects = worker.metric("voiced_worker_connects_total").unwrap();
    assert!(connects < 30.0 + time.as_secs_f64() / 4.0, "{connects} attempts in {time:?}: it spins");
    caller.leave().await;
    assert_eq!(worker.drain(), Some(0));
}
