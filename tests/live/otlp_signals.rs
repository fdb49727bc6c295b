//! Metrics and logs over OTLP: the data that a real collector gets from a real worker, and that no turn waits for it.

use std::net::TcpListener;

use scripted_model::{Script, Step};
use testbed::signals::{Data, LogRecord, Metric, Temporality};

use crate::support::world::{self, PATIENCE, World};

const ERROR: u64 = 17;
const WARN: u64 = 13;
const INFO: u64 = 9;

fn silent(_: &str) {}

fn told() -> Step {
    Step::echo().usage(100, 7)
}

/// The points of a metric that have this attribute, in the order in which they came.
fn points<'a>(metrics: &'a [Metric], name: &str, attribute: (&str, &str)) -> Vec<&'a Metric> {
    let (key, value) = attribute;
    let has = |metric: &&Metric| {
        metric.name == name && metric.attributes.get(key).is_some_and(|have| have == value)
    };
    metrics.iter().filter(has).collect()
}

fn said<'a>(logs: &'a [LogRecord], body: &str) -> &'a LogRecord {
    logs.iter()
        .find(|record| record.body.contains(body))
        .unwrap_or_else(|| panic!("no {body:?} in {logs:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_collector_gets_metrics_and_logs_that_agree_with_the_traces() {
    let script = Script::new([Step::status(503), told()]).rule("break", Step::status(401)).otherwise(told());
    let world = World::start(script).await;
    let worker = world.worker(&["telemetry.metrics=true", "telemetry.logs=true", "agent.leave_grace=100ms"]);
    let mut caller = world.call("a-room").await;
    caller.say("a question that succeeds late", PATIENCE, silent).await.unwrap();
    caller.say("break", PATIENCE, silent).await.unwrap();
    caller.leave().await;
    // The queues are sent before the exit.
    assert_eq!(worker.drain(), Some(0));
    let traces = world.traces(2);
    // The collector writes its files a moment after it has answered.
    let written =
        || !world.collector.metrics().unwrap().is_empty() && !world.collector.logs().unwrap().is_empty();
    world::wait_until("the collector has written", written, String::new);
    world.collector.stop().unwrap();

    let metrics = world.collector.metrics().unwrap();
    let last =
        |name: &str, attribute: (&str, &str)| points(&metrics, name, attribute).last().copied().cloned();
    let answered = last("voiced.turns", ("outcome", "answered")).unwrap();
    let once = Data::Sum { value: 1.0, monotonic: true, temporality: Temporality::Cumulative };
    assert_eq!((answered.data, answered.unit.as_str()), (once.clone(), "{turn}"));
    assert_eq!(answered.resource["service.name"], "voiced");
    assert_eq!(answered.resource["service.version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(answered.resource["service.instance.id"], traces[0].root.resource["service.instance.id"]);
    assert_eq!(last("voiced.llm.attempt.errors", ("class", "503")).unwrap().data, once);
    let used = last("gen_ai.client.token.usage", ("gen_ai.token.type", "input")).unwrap();
    assert!(matches!(used.data, Data::Histogram { count: 1, sum: 100.0, bounds: 14, .. }), "{used:?}");
    let failed = last("gen_ai.client.operation.duration", ("error.type", "401")).unwrap();
    assert!(matches!(failed.data, Data::Histogram { count: 1, .. }), "{failed:?}");
    for (key, value) in [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "openai"),
        ("server.address", "127.0.0.1"),
    ] {
        assert_eq!(failed.attributes[key], value);
    }
    assert!(failed.attributes["server.port"].is_i64() && failed.unit == "s");
    assert!(last("gen_ai.client.operation.time_to_first_chunk", ("gen_ai.operation.name", "chat")).is_some());

    let logs = world.collector.logs().unwrap();
    let [late, broken] = traces.as_slice() else { panic!("two traces") };
    let turn = said(&logs, "turn answered");
    assert_eq!((&turn.trace_id, &turn.span_id), (&late.root.trace_id, &late.root.span_id));
    assert_eq!((turn.severity, turn.scope.as_str()), (INFO, "voiced::session::sinks::log"));
    assert_eq!(turn.attributes["room"], "a-room");
    assert_eq!(Some(&turn.attributes["session"]), late.root.attribute("session.id"));
    assert!(turn.attributes["total_ms"].is_i64() && !turn.attributes.contains_key("trace_id"));
    assert_eq!(turn.resource, late.root.resource);
    let attempt = said(&logs, "LLM attempt failed");
    assert_eq!((attempt.severity, &attempt.trace_id), (WARN, &late.root.trace_id));
    assert_eq!(attempt.span_id, late.request.as_ref().unwrap().span_id);
    let failed = said(&logs, "turn failed");
    assert_eq!((failed.severity, &failed.span_id), (ERROR, &broken.root.span_id));
    said(&logs, "drained");
    let stack = ["reqwest", "hyper", "opentelemetry", "voiced::telemetry::signals::logs"];
    assert!(!logs.iter().any(|record| stack.iter().any(|name| record.scope.starts_with(name))), "{logs:#?}");
    let everything = std::fs::read_to_string(world.collector.logs_file()).unwrap();
    assert!(!everything.contains("succeeds late"), "what people say is in no log");
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_is_sent_unless_switched_on() {
    let world = World::start(Script::always(told())).await;
    let worker = world.worker(&["telemetry.metrics_interval=50ms", "agent.leave_grace=100ms"]);
    let mut caller = world.call("quiet").await;
    caller.say("hello", PATIENCE, silent).await.unwrap();
    caller.leave().await;
    assert_eq!(worker.drain(), Some(0));
    world.traces(1);
    assert_eq!(world.collector.metrics().unwrap(), []);
    assert_eq!(world.collector.logs().unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn differences_add_up_although_the_collector_was_away() {
    let world = World::start(Script::always(told())).await;
    let settings = [
        "telemetry.metrics=true",
        "telemetry.metrics_temporality=delta",
        "telemetry.metrics_interval=100ms",
        "telemetry.logs=true",
        "agent.leave_grace=100ms",
    ];
    let worker = world.worker(&settings);
    let mut caller = world.call("differences").await;
    caller.say("one", PATIENCE, silent).await.unwrap();
    let sum = || -> f64 {
        let metrics = world.collector.metrics().unwrap();
        let points = points(&metrics, "voiced.turns", ("outcome", "answered"));
        let values = points.iter().map(|point| match &point.data {
            Data::Sum { value, temporality: Temporality::Delta, .. } => *value,
            other => panic!("{other:?}"),
        });
        values.sum()
    };
    world::wait_until("the first turn is pushed", || sum() == 1.0, || worker.log());
    world.collector.stop().unwrap();
    caller.say("two", PATIENCE, silent).await.unwrap();
    worker.wait_for_log("export of metrics: cannot post to");
    caller.say("three", PATIENCE, silent).await.unwrap();
    world.collector.restart().unwrap();
    world::wait_until("the others are pushed", || sum() == 3.0, || worker.log());
    let answered = || {
        let logs = world.collector.logs().unwrap();
        logs.iter().filter(|record| record.body == "turn answered").count()
    };
    world::wait_until("the lines of all turns came", || answered() == 3, || worker.log());
    let refusals = worker.log().matches("export of metrics: cannot post to").count();
    assert_eq!(refusals, 1, "said once for the whole time:\n{}", worker.log());
    caller.leave().await;
    assert_eq!(worker.drain(), Some(0));
    assert_eq!((sum(), answered()), (3.0, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_keeps_no_turn_and_the_exit_only_for_the_deadline() {
    let world = World::start(Script::always(told())).await;
    // The system accepts the connections, and they are never answered.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("telemetry.otlp_endpoint=http://{}", listener.local_addr().unwrap());
    let settings = [
        endpoint.as_str(),
        "telemetry.otlp_timeout=1h",
        "telemetry.metrics=true",
        "telemetry.metrics_interval=50ms",
        "telemetry.logs=true",
        "agent.leave_grace=100ms",
    ];
    let worker = world.worker(&settings);
    let mut caller = world.call("hanging").await;
    for _ in 0..3 {
        caller.say("hello", PATIENCE, silent).await.unwrap();
    }
    caller.leave().await;
    let log = worker.log_file();
    assert_eq!(worker.drain(), Some(0), "it ends, although the receiver has an hour to answer");
    let log = std::fs::read_to_string(log).unwrap();
    for said in ["the last metrics were not exported", "the last log records were not exported"] {
        assert!(log.contains(said), "{said:?} is missing in {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_whose_other_urls_cannot_be_told_is_refused_with_what_to_set() {
    let world = World::start(Script::default()).await;
    let mut command = world.voiced();
    // A receiver for all signals would be that of the logs.
    command.env_remove("OTEL_EXPORTER_OTLP_ENDPOINT");
    command
        .env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:9/in")
        .env("OTEL_LOGS_EXPORTER", "otlp");
    let output = tokio::task::spawn_blocking(move || command.arg("start").output().unwrap()).await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("http://127.0.0.1:9/in") && said.contains("set logs_endpoint"), "{said}");
}
