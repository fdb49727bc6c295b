//! The worker itself is killed, or told to read a broken configuration.

use std::time::Instant;

use voiced::caller::Caller;

use crate::faults::account::Ending;
use crate::faults::disk::wait_for_journal;
use crate::faults::stage::{Stage, back};
use crate::support::otlp_gate::Fault;
use crate::support::world::{PATIENCE, Worker, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_in_the_middle_of_calls() {
    let mut stage = Stage::set(&[]).await;
    let mut others = [stage.world.call("other-1").await, stage.world.call("other-2").await];
    for (number, caller) in others.iter_mut().enumerate() {
        say(&mut stage, caller, &format!("other {number}")).await;
    }
    stage.wait_for_record();
    stage.begin_story(Ending::Aborted).await;
    wait_for_journal(&stage.world.state(), "question 3");
    stage.kill();
    let started = Instant::now();
    stage.start_again();
    stage.back().await;
    for caller in &mut others {
        back(caller, &stage.worker).await;
    }
    stage.ask().await;
    let recovery = started.elapsed();
    for (number, caller) in others.iter_mut().enumerate() {
        say(&mut stage, caller, &format!("again {number}")).await;
    }
    for caller in others {
        assert_eq!(caller.agents(), 1);
        caller.leave().await;
    }
    stage.finish("worker-killed", recovery).await;
}

/// Asks in a room other than the stage's.
async fn say(stage: &mut Stage, caller: &mut Caller, question: &str) {
    let reply = caller.say(question, PATIENCE, |_| ()).await;
    let reply = reply.unwrap_or_else(|error| panic!("{error}\n{}", stage.worker.log()));
    assert_eq!(reply.text.expose(), format!("You said: {question}"));
    stage.took(question.to_owned(), Ending::Answered);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_beside_one_that_lives() {
    let mut stage = Stage::set(&[]).await;
    stage.wait_for_record();
    let alive = stage.second_worker();
    stage.kill();
    let killed = Instant::now();
    stage.worker = alive;
    stage.back().await;
    let recovery = stage.until_answered(killed).await;
    stage.finish("worker-killed-another-lives", recovery).await;
}

/// The receiver hangs with a batch, and a turn is open.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_while_it_exports() {
    let mut stage = Stage::set(&["telemetry.otlp_timeout=60s"]).await;
    stage.wait_for_record();
    stage.until_delivered(Instant::now());
    stage.gate.set(Fault::Hang);
    stage.ask().await;
    stage.wait_for_record();
    let waiting = || stage.metric("voiced_export_spans_waiting", &[]) > 0.0;
    wait_until("a batch is under way", waiting, || stage.worker.log());
    stage.begin_story(Ending::Aborted).await;
    wait_for_journal(&stage.world.state(), "question 2");
    stage.kill();
    stage.gate.set(Fault::None);
    let started = Instant::now();
    stage.start_again();
    stage.worker.wait_until_ready();
    stage.back().await;
    let recovery = stage.until_delivered(started);
    assert_closed(&stage, "question 2");
    stage.finish("worker-killed-exporting", recovery).await;
}

/// The root, request and attempt of the open turn arrived, each as aborted.
fn assert_closed(stage: &Stage, question: &str) {
    let spans = stage.world.collector.spans().unwrap();
    let root = spans.iter().find(|span| span.text("livekit.question") == Some(question)).unwrap();
    let of_turn = spans.iter().filter(|span| span.trace_id == root.trace_id);
    let aborted = of_turn.filter(|span| span.text("error.type") == Some("aborted"));
    let mut names: Vec<&str> = aborted.map(|span| span.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["livekit.llm_call", "llm_request", "llm_request_run"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_of_a_broken_file() {
    let mut stage = Stage::set(&[]).await;
    std::fs::write(stage.world.dir().join("agent.toml"), "[llm]\nmodle = \"large\"\n").unwrap();
    let broken = Instant::now();
    hang_up(&mut stage.worker, "nothing has changed");
    let recovery = stage.until_answered(broken).await;
    std::fs::write(stage.world.dir().join("agent.toml"), "[llm]\nmodel = \"large\"\n").unwrap();
    hang_up(&mut stage.worker, "new sessions take");
    stage.finish("reload-broken-file", recovery).await;
}

fn hang_up(worker: &mut Worker, said: &str) {
    worker.process.hang_up().unwrap();
    worker.wait_for_log(said);
}
