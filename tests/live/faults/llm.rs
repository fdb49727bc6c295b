//! The model is away, slow, broken or refuses the worker.

use std::time::{Duration, Instant};

use scripted_model::{Ending as How, Script, Step};

use crate::faults::account::Ending;
use crate::faults::door::Door;
use crate::faults::stage::{Stage, echo};
use crate::support::world::{PATIENCE, World};

/// The number of turns of a caller who speaks once a minute for an hour.
const AN_HOUR: usize = 60;

#[tokio::test(flavor = "multi_thread")]
async fn the_models_port_is_closed() {
    let (mut stage, mut door) = behind_a_door(&[]).await;
    door.shut().await;
    stage.ask_in_vain().await;
    let back = Instant::now();
    door.open().await;
    let recovery = stage.until_answered(back).await;
    stage.finish("llm-refused", recovery).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_models_port_is_closed_for_an_hour() {
    let (mut stage, mut door) = behind_a_door(&["llm.max_attempts=2"]).await;
    door.shut().await;
    let attempts = |stage: &Stage| stage.metric("voiced_llm_attempts_total", &[]);
    let (before, said_before) = (attempts(&stage), trouble_lines(&stage));
    for _ in 0..AN_HOUR {
        stage.ask_in_vain().await;
    }
    let expected = before + 2.0 * AN_HOUR as f64;
    assert_eq!(attempts(&stage), expected, "two attempts a turn, and no more");
    // One line for each attempt and one for the turn; other lines must not grow with the turns.
    let said = trouble_lines(&stage) - said_before;
    assert!(said <= 4 * AN_HOUR, "{said} lines of trouble for {AN_HOUR} turns");
    // Nothing is tried while no question is asked.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(attempts(&stage), expected);
    let back = Instant::now();
    door.open().await;
    let recovery = stage.until_answered(back).await;
    stage.finish("llm-down-for-an-hour", recovery).await;
}

async fn behind_a_door(settings: &[&str]) -> (Stage, Door) {
    let world = echo().await;
    let door = Door::to(&world.model.base_url()).await;
    let stage = Stage::on(world, &[&[door.setting().as_str()], settings].concat()).await;
    (stage, door)
}

fn trouble_lines(stage: &Stage) -> usize {
    stage.worker.log().lines().filter(|line| line.contains("WARN") || line.contains("ERROR")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_503_and_then_an_answer() {
    tried_again("llm-503", &[], [Step::status(503), Step::status(503)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_that_asks_for_a_second() {
    tried_again("llm-429", &[], [Step::status(429).retry_after("1")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_first_token() {
    tried_again(
        "llm-hangs",
        &["llm.first_token_timeout=1s", "llm.cold_first_token_timeout=1s"],
        [Step::hang()],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_replies() {
    tried_again("llm-empty", &[], [Step::reply(""), Step::reply("")]).await;
}

/// The caller notices only the longer wait: the same turn is tried again.
async fn tried_again(row: &str, settings: &[&str], steps: impl IntoIterator<Item = Step>) {
    let mut stage = Stage::set(settings).await;
    let before = stage.world.model.requests().len();
    let steps: Vec<Step> = steps.into_iter().collect();
    let faults = steps.len();
    stage.world.model.push(steps);
    let sent = Instant::now();
    stage.ask().await;
    let recovery = sent.elapsed();
    assert_eq!(stage.world.model.requests().len() - before, faults + 1);
    stage.finish(row, recovery).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_in_the_middle_of_a_reply() {
    let step = Step::reply("once upon a time").after(2).ending(How::Stall);
    apologised("llm-stalls", &["llm.stall_timeout=1s"], step).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_in_the_middle_of_a_reply() {
    apologised("llm-breaks-off", &[], Step::reply("once upon a time").after(2).ending(How::Reset)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_drips_past_all_time() {
    let drip = Step::reply("drop ".repeat(600)).pause_ms(100);
    apologised("llm-drips", &["llm.total_timeout=2s"], drip).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_page_instead_of_a_stream() {
    let page = Step::reply("<html>").header("content-type", "text/html; charset=utf-8");
    apologised("llm-web-page", &[], page).await;
}

/// A reply that broke off cannot be tried again: the agent apologises, and the next turn is answered.
async fn apologised(row: &str, settings: &[&str], step: Step) {
    let mut stage = Stage::set(settings).await;
    let before = stage.world.model.requests().len();
    stage.world.model.push([step]);
    let sent = Instant::now();
    stage.ask_in_vain().await;
    assert_eq!(stage.world.model.requests().len() - before, 1, "said twice");
    let recovery = stage.until_answered(sent).await;
    stage.finish(row, recovery).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_that_is_put_right() {
    let world = World::start(Script::always(Step::echo()).api_key("sk-right-key")).await;
    let key = world.dir().join("key");
    std::fs::write(&key, "sk-wrong-key").unwrap();
    let mut command = world.voiced();
    command.env_remove("OPENAI_API_KEY").env("VOICED_LLM__API_KEY_FILE", "key");
    let mut stage = Stage::with(world, command, &[]).await;
    stage.ask_in_vain().await;
    assert_eq!(stage.world.model.requests().len(), 1, "the same key is tried once");
    let put_right = Instant::now();
    std::fs::write(&key, "sk-right-key").unwrap();
    stage.worker.process.hang_up().unwrap();
    stage.worker.wait_for_log("llm.api_key");
    stage.leave().await;
    stage.call("after-the-reload").await;
    let recovery = stage.until_answered(put_right).await;
    let log = stage.worker.log();
    assert!(!log.contains("sk-wrong-key") && !log.contains("sk-right-key"), "{log}");
    stage.finish("llm-wrong-key", recovery).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_without_end() {
    let mut stage = Stage::set(&["llm.max_reply_bytes=10000"]).await;
    stage.world.model.push([Step::bytes(1 << 20)]);
    let question = stage.question();
    let sent = Instant::now();
    let reply = stage.caller().say(&question, PATIENCE, |_| ()).await.unwrap();
    assert_eq!(reply.text.len(), 10_000, "{}", stage.worker.log());
    stage.took(question, Ending::Answered);
    let recovery = stage.until_answered(sent).await;
    assert_eq!(stage.metric("voiced_llm_replies_cut_total", &[]), 1.0);
    stage.finish("llm-without-end", recovery).await;
}
