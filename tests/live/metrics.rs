//! `/metrics`: the figures scraped from a real worker are those of what happened.

use scripted_model::{Ending, Reply, Script, Step};

use crate::support::exposition::Exposition;
use crate::support::world::{self, PATIENCE, Worker, World};

/// A metric, labels, and the sum over the series that have these labels.
type Expected<'a> = (&'a str, &'a [(&'a str, &'a str)], f64);

fn silent(_: &str) {}

fn scrape(worker: &Worker) -> Exposition {
    let answer = testbed::http::get(worker.http_port, "/metrics").unwrap();
    assert_eq!(answer.status, 200);
    Exposition::parse(&answer.body).unwrap_or_else(|why| panic!("{why}\nin\n{}", answer.body))
}

/// The scrape holds every expected sample, with its value.
fn assert_scraped(worker: &Worker, expected: &[Expected<'_>]) {
    let wrong = || -> Vec<String> {
        let scraped = scrape(worker);
        let differs = |(name, labels, value): &Expected<'_>| {
            let found = scraped.get(name, labels);
            (found != Some(*value)).then(|| format!("{name}{labels:?}: {found:?}, not {value}"))
        };
        expected.iter().filter_map(differs).collect()
    };
    world::wait_until(
        "the numbers are as expected",
        || wrong().is_empty(),
        || wrong().join("\n") + &worker.log(),
    );
}

/// The first two requests are those of one turn: a temporary failure, then the answer.
fn script() -> Script {
    let told = Step { reply: Reply::Echo, ..Step::default() }.cached_usage(100, 7, 60);
    let story = Step::reply("once upon a time there was").ending(Ending::Stall).after(3);
    Script::new([Step::status(503), told.clone()])
        .rule("break", Step::status(401))
        .rule("story", story)
        .otherwise(told)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_scraped_is_what_happened() {
    let world = World::start(script()).await;
    let worker =
        world.worker(&["agent.leave_grace=100ms", "agent.max_turn_bytes=1000", "worker.max_sessions=7"]);
    assert_scraped(
        &worker,
        &[
            ("voiced_worker_registered", &[], 1.0),
            ("voiced_worker_slots", &[], 7.0),
            ("voiced_worker_slots_used", &[], 0.0),
            ("voiced_turns_total", &[("outcome", "answered")], 0.0),
            ("voiced_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0),
        ],
    );
    let mut caller = world.call("a-room-to-count").await;
    assert_scraped(
        &worker,
        &[("voiced_worker_slots_used", &[], 1.0), ("voiced_worker_jobs_running", &[], 1.0)],
    );

    caller.say("try twice", PATIENCE, silent).await.unwrap();
    caller.say("hello", PATIENCE, silent).await.unwrap();
    caller.say("break", PATIENCE, silent).await.unwrap();
    caller.start_saying("a story please", PATIENCE).await.unwrap();
    caller.say("stop", PATIENCE, silent).await.unwrap();
    let writer = world.person("a-room-to-count", "somebody-who-writes").await;
    writer.chat(&"x".repeat(1001)).await.unwrap();
    worker.wait_for_log("a text was refused");
    writer.leave().await;
    caller.leave().await;

    assert_scraped(
        &worker,
        &[
            ("voiced_turns_total", &[], 5.0),
            ("voiced_turns_total", &[("outcome", "answered")], 3.0),
            ("voiced_turns_total", &[("outcome", "failed")], 1.0),
            ("voiced_turns_total", &[("outcome", "interrupted")], 1.0),
            ("voiced_turns_total", &[("outcome", "aborted")], 0.0),
            ("voiced_turn_interruptions_total", &[("while", "speaking")], 1.0),
            ("voiced_turn_interruptions_total", &[], 1.0),
            ("voiced_turn_first_word_seconds_count", &[], 4.0),
            ("voiced_turn_duration_seconds_count", &[], 5.0),
            ("voiced_texts_refused_total", &[("reason", "too_long")], 1.0),
            ("voiced_texts_refused_total", &[], 1.0),
            ("voiced_llm_requests_total", &[("outcome", "complete")], 3.0),
            ("voiced_llm_requests_total", &[("outcome", "failed")], 1.0),
            ("voiced_llm_requests_total", &[("outcome", "interrupted")], 1.0),
            ("voiced_llm_attempts_total", &[("outcome", "complete")], 3.0),
            ("voiced_llm_attempts_total", &[("outcome", "failed")], 2.0),
            ("voiced_llm_attempts_total", &[("outcome", "interrupted")], 1.0),
            ("voiced_llm_attempt_errors_total", &[("class", "503")], 1.0),
            ("voiced_llm_attempt_errors_total", &[("class", "401")], 1.0),
            ("voiced_llm_attempt_errors_total", &[], 2.0),
            ("voiced_llm_request_duration_seconds_count", &[("gen_ai_operation_name", "chat")], 5.0),
            ("voiced_llm_request_duration_seconds_count", &[("error_type", "401")], 1.0),
            ("voiced_llm_time_to_first_token_seconds_count", &[], 4.0),
            ("voiced_llm_tokens_total", &[("type", "input"), ("estimated", "false")], 300.0),
            ("voiced_llm_tokens_total", &[("type", "output"), ("estimated", "false")], 21.0),
            ("voiced_llm_tokens_total", &[("type", "cached_input")], 180.0),
            ("voiced_llm_request_tokens_sum", &[("gen_ai_token_type", "input")], 300.0),
            ("voiced_llm_request_tokens_count", &[("gen_ai_token_type", "output")], 3.0),
            ("voiced_worker_jobs_total", &[("result", "success")], 1.0),
            ("voiced_worker_jobs_total", &[], 1.0),
            ("voiced_worker_dispatch_answer_seconds_count", &[("answer", "taken")], 1.0),
            ("voiced_worker_slots_used", &[], 0.0),
            ("voiced_panics_total", &[], 0.0),
            ("voiced_export_spans_dropped_total", &[], 0.0),
            ("voiced_record_turns_written_total", &[], 5.0),
            ("voiced_record_turns_dropped_total", &[], 0.0),
            ("voiced_record_turns_waiting", &[], 0.0),
            ("voiced_record_failing", &[], 0.0),
        ],
    );
    world.traces(5);
    // Five roots, five requests, six attempts.
    assert_scraped(
        &worker,
        &[("voiced_export_spans_sent_total", &[], 16.0), ("voiced_export_failing", &[], 0.0)],
    );
    let scraped = scrape(&worker);
    let estimated = scraped.get("voiced_llm_tokens_total", &[("type", "input"), ("estimated", "true")]);
    assert!(estimated > Some(0.0), "the interrupted call had its tokens estimated: {estimated:?}");
    let strangers = ["a-room-to-count", "caller", "somebody-who-writes"];
    assert!(strangers.iter().all(|name| !scraped.label_values().contains(name)), "{scraped:?}");
    assert_eq!(worker.drain(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rooms_make_no_more_series_than_one() {
    // With pauses, so that already the first reply has a rate.
    let world = World::start(Script::always(Step::echo().pause_ms(5))).await;
    let worker = world.worker(&["agent.leave_grace=100ms"]);
    let talk = async |room: String| {
        let mut caller = world.call_as(&room, &format!("caller-of-{room}")).await;
        caller.say("hello", PATIENCE, silent).await.unwrap();
        caller.leave().await;
    };
    talk("first".to_owned()).await;
    assert_scraped(&worker, &[("voiced_worker_jobs_total", &[("result", "success")], 1.0)]);
    let series = scrape(&worker).series();
    futures::future::join_all((0..8).map(|number| talk(format!("more-{number}")))).await;
    assert_scraped(&worker, &[("voiced_worker_jobs_total", &[("result", "success")], 9.0)]);
    assert_eq!(scrape(&worker).series(), series);
}

#[test]
fn the_parser_refuses_what_a_scraper_would() {
    let family = |lines: &str| format!("# HELP a_total Says something.\n# TYPE a_total counter\n{lines}");
    let cases = [
        (family("a_total 1"), "no end"),
        (family("a_total{x=\"1\"} 1\na_total{x=\"1\"} 2\n"), "twice"),
        (family("b_total 1\n"), "outside of its family"),
        (family("a_total -1\n"), "below zero"),
        (family("a_total{x=\"\\t\"} 1\n"), "escape"),
        (family("a_total{x-y=\"1\"} 1\n"), "no name of a label"),
        (family("a_total one\n"), "no number"),
        ("# TYPE a gauge\na 1\n".to_owned(), "without its help"),
        ("# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n".to_owned(), "shrink"),
        ("# HELP h H.\n# TYPE h histogram\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 2\n".to_owned(), "do not agree"),
    ];
    for (text, expected) in cases {
        let why = Exposition::parse(&text).unwrap_err();
        assert!(why.contains(expected), "{text}: {why}");
    }
    let good = Exposition::parse(&family("a_total{x=\"1\",y=\"a\\\"b\"} 3\n")).unwrap();
    assert_eq!(good.get("a_total", &[("y", "a\"b")]), Some(3.0));
}
