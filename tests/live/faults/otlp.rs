//! The receiver of traces is away, refuses them, or reports wrong results.

use std::time::Instant;

use scripted_model::Step;

use crate::faults::account::Ending;
use crate::faults::stage::{Stage, echo};
use crate::support::otlp_gate::Fault;
use crate::support::world::{PATIENCE, wait_until};

/// The limit of the spool where it has no disk.
const MEMORY_BYTES: f64 = (64 << 20) as f64;

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_ends_and_comes_back() {
    let world = echo().await;
    let endpoint = format!("telemetry.otlp_endpoint={}", world.collector.endpoint());
    let mut stage = Stage::on(world, &[&endpoint]).await;
    stage.until_delivered(Instant::now());
    stage.world.collector.stop().unwrap();
    for _ in 0..3 {
        stage.ask().await;
    }
    stage.wait_for_failed_export();
    stage.world.collector.restart().unwrap();
    let back = Instant::now();
    let recovery = stage.until_delivered(back);
    stage.finish("otlp-down", recovery).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_never_answers() {
    outage("otlp-hangs", Fault::Hang).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_refuses_our_key() {
    outage("otlp-401", Fault::Status(401)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_overloaded() {
    outage("otlp-503", Fault::Status(503)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_wants_less() {
    outage("otlp-429", Fault::Status(429)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_takes_and_does_not_say_so() {
    outage("otlp-takes-silently", Fault::TakeAndFail).await;
}

/// Calls go on, recorded spans wait, and all of them arrive once the receiver works.
async fn outage(row: &str, fault: Fault) {
    let mut stage = Stage::set(&[]).await;
    stage.until_delivered(Instant::now());
    stage.gate.set(fault);
    for _ in 0..3 {
        stage.ask().await;
    }
    stage.wait_for_failed_export();
    let over = Instant::now();
    stage.gate.set(Fault::None);
    let recovery = stage.until_delivered(over);
    let said = stage.worker.log().matches("trace export: ").count();
    assert!(said <= 2, "one trouble is said {said} times:\n{}", stage.worker.log());
    stage.finish(row, recovery).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_takes_a_part() {
    let mut stage = Stage::set(&[]).await;
    stage.until_delivered(Instant::now());
    stage.gate.set(Fault::Partial);
    for _ in 0..3 {
        stage.ask().await;
    }
    let rejected = || stage.metric("voiced_export_spans_rejected_total", &[]) > 0.0;
    wait_until("spans are kept apart", rejected, || stage.worker.log());
    let over = Instant::now();
    stage.gate.set(Fault::None);
    stage.ask().await;
    let recovery = stage.until_delivered(over);
    stage.finish("otlp-partial", recovery).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_ends_before_its_receiver_is_back() {
    let mut stage = Stage::set(&[]).await;
    stage.gate.set(Fault::Status(503));
    stage.ask().await;
    stage.leave().await;
    stage.worker.process.terminate().unwrap();
    let ended = stage.worker.process.wait(PATIENCE).unwrap();
    assert_eq!(ended.unwrap().code(), Some(0), "{}", stage.worker.log());
    stage.gate.set(Fault::None);
    let started = Instant::now();
    stage.start_again();
    stage.worker.wait_until_ready();
    let recovery = stage.until_delivered(started);
    stage.call("after").await;
    stage.finish("otlp-away-at-the-end", recovery).await;
}

/// Each turn's trace holds the whole conversation, which grows by this much with each.
const REPLY: usize = 200_000;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "--all: takes a minute, more than 64 MiB of traces have to be talked together"]
async fn a_receiver_that_is_away_for_longer_than_memory_would_last() {
    let mut stage = Stage::set(&["agent.history_tokens=10000000", "telemetry.otlp_compression=none"]).await;
    stage.gate.set(Fault::Status(503));
    while stage.metric("voiced_export_spool_bytes", &[]) <= MEMORY_BYTES {
        stage.world.model.push([Step::bytes(REPLY)]);
        let question = stage.question();
        let reply = stage.caller().say(&question, PATIENCE, |_| ()).await;
        let reply = reply.unwrap_or_else(|error| panic!("{error}\n{}", stage.worker.log()));
        assert_eq!(reply.text.len(), REPLY);
        stage.took(question, Ending::Answered);
    }
    let over = Instant::now();
    stage.gate.set(Fault::None);
    let recovery = stage.until_delivered(over);
    stage.finish("otlp-away-for-long", recovery).await;
}
