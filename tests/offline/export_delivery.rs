//! Spans reach an OTLP receiver as configured; when they do not, the loss is counted and explained, and delays nothing
//! else.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use conversation::Secrets;
use tracing_subscriber::layer::SubscriberExt;
use url::Url;
use voiced::telemetry::signals::{LogQueue, Signals};
use voiced::telemetry::{Flushed, Telemetry, endpoint};

use crate::support::otlp_receiver::{AUTHORIZATION, Mode, PATH, Receiver, closing, hanging, wait_until};
use crate::support::turns::{good, settings};
use crate::support::{again, turns};

const PATIENCE: Duration = Duration::from_secs(60);
const HEADERS: [(&str, &str); 2] = [("Authorization", AUTHORIZATION), ("stream-name", "voice calls")];

/// Traces go to `url` by way of a spool of their own.
fn telemetry(url: Url) -> Telemetry {
    let mut settings = settings(Some(url), &HEADERS);
    settings.spool_dir = Some(spool());
    Telemetry::start(&settings, "ada", "instance-1").unwrap()
}

fn spool() -> PathBuf {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap().keep()
}

/// Sends one turn to a receiver in this mode; returns the exporter's last error.
fn last_error(mode: Mode) -> (Telemetry, String) {
    let receiver = Receiver::start(mode);
    last_error_at(receiver.url())
}

fn last_error_at(url: Url) -> (Telemetry, String) {
    let telemetry = telemetry(url);
    good(&telemetry.tracer(), "RM_1", 0);
    let flushed = telemetry.shutdown_blocking(PATIENCE);
    let status = telemetry.status();
    assert_eq!((flushed.lost, flushed.kept), (status.rejected, status.queued_spans));
    let error = status.last_error.expect("an error");
    (telemetry, error)
}

#[test]
fn a_turn_arrives_by_itself_gzipped_with_our_headers_resource_and_scope() {
    let receiver = Receiver::start(Mode::Accept);
    let telemetry = telemetry(receiver.url());
    good(&telemetry.tracer(), "RM_1", 0);
    wait_until("the turn's three spans", || receiver.span_names().len() == 3);
    wait_until("the count of them", || telemetry.status().exported == 3);

    let received = receiver.received();
    assert_eq!(received[0].headers["content-encoding"], "gzip");
    assert_eq!(received[0].headers["stream-name"], "voice calls");
    let resource_spans = &received[0].request.resource_spans[0];
    let resource = format!("{:?}", resource_spans.resource);
    for text in
        ["service.name", "voiced-test", "service.version", "instance-1", "deployment.environment.name"]
    {
        assert!(resource.contains(text), "{text} is missing in {resource}");
    }
    let scope = resource_spans.scope_spans[0].scope.as_ref().unwrap();
    assert_eq!((scope.name.as_str(), scope.version.as_str()), ("voiced", env!("CARGO_PKG_VERSION")));
}

#[test]
fn without_compression_the_body_is_plain() {
    let receiver = Receiver::start(Mode::Accept);
    let mut settings = settings(Some(receiver.url()), &HEADERS);
    settings.otlp_gzip = false;
    let telemetry = Telemetry::start(&settings, "ada", "instance-1").unwrap();
    good(&telemetry.tracer(), "RM_1", 0);
    assert_eq!(telemetry.shutdown_blocking(PATIENCE).lost, 0);
    assert!(!receiver.received()[0].headers.contains_key("content-encoding"));
}

#[test]
fn the_endpoint_works_as_openobserve_and_as_the_specification_write_it() {
    let receiver = Receiver::start(Mode::Accept);
    let base = PATH.trim_end_matches("/v1/traces");
    for path in [PATH, base, &format!("{base}/")] {
        let url = endpoint::traces_url(receiver.at(path).as_str(), false).unwrap();
        let headers = endpoint::parse_headers(&format!("Authorization={AUTHORIZATION}")).unwrap();
        let mut settings = settings(Some(url), &[]);
        settings.otlp_headers = headers;
        let telemetry = Telemetry::start(&settings, "ada", "instance-1").unwrap();
        good(&telemetry.tracer(), "RM_1", 0);
        assert_eq!(telemetry.shutdown_blocking(PATIENCE).lost, 0, "{path}");
    }
    assert_eq!(receiver.span_names().len(), 9);
}

/// The exporter's crate reads these variables itself; the configuration has read them already and may override them.
#[test]
fn variables_cannot_overrule_the_configuration() {
    const CHILD: &str = "EXPORT_DELIVERY_CHILD";
    if std::env::var_os(CHILD).is_none() {
        let mut child = again::program();
        child.env(CHILD, "1");
        child.env("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic wrong,x-stray=1");
        child.env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:1/");
        child.env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc").env("OTEL_TRACES_SAMPLER", "always_off");
        child
            .env("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1")
            .env("OTEL_RESOURCE_ATTRIBUTES", "service.name=stray");
        again::run(&mut child, "export_delivery::variables_cannot_overrule_the_configuration");
        return;
    }
    let receiver = Receiver::start(Mode::Accept);
    let telemetry = telemetry(receiver.url());
    good(&telemetry.tracer(), "RM_1", 0);
    assert_eq!(telemetry.shutdown_blocking(PATIENCE).lost, 0);
    let received = receiver.received().remove(0);
    assert!(!received.headers.contains_key("x-stray"));
    let request = format!("{:?}", received.request);
    assert!(request.contains("livekit.answer_preview") && !request.contains("stray"), "{request}");
}

#[test]
fn a_refused_token_is_explained_and_the_spans_wait_for_the_right_one() {
    let receiver = Receiver::start(Mode::Accept);
    let headers = [("Authorization", "Basic d3Jvbmc6cGFzcw=="), ("x-key", "k")];
    let spool = spool();
    let start = |headers: &[(&str, &str)]| {
        let mut settings = settings(Some(receiver.url()), headers);
        settings.spool_dir = Some(spool.clone());
        Telemetry::start(&settings, "ada", "instance-1").unwrap()
    };
    let telemetry = start(&headers);
    good(&telemetry.tracer(), "RM_1", 0);
    assert_eq!(telemetry.shutdown_blocking(PATIENCE), Flushed { lost: 0, kept: 3 });
    let status = telemetry.status();
    assert_eq!((status.exported, status.dropped, status.queued_spans), (0, 0, 3));
    let error = status.last_error.unwrap();
    for text in [receiver.url().as_str(), "401 Unauthorized", "Unauthorized Access", "otlp_headers"] {
        assert!(error.contains(text), "{error}");
    }
    assert!(!error.contains("d3Jvbmc6cGFzcw"), "{error}");
    assert_eq!(start(&HEADERS).shutdown_blocking(PATIENCE), Flushed::default());
    assert_eq!(receiver.span_names().len(), 3);
}

#[test]
fn a_wrong_path_is_explained() {
    let receiver = Receiver::start(Mode::Accept);
    let (_, error) = last_error_at(receiver.at(&format!("{PATH}/v1/traces")));
    assert!(error.contains("404 Not Found") && error.contains("check the path"), "{error}");
}

#[test]
fn a_closed_port_is_explained() {
    // The discard service's port. One that a listener has just given up may live on for a moment in a child process
    // that another test is starting.
    let url: Url = "http://127.0.0.1:9/v1/traces".parse().unwrap();
    let (_, error) = last_error_at(url.clone());
    assert!(error.contains(url.as_str()) && error.contains("refused"), "{error}");
}

#[test]
fn a_connection_that_is_closed_is_explained() {
    let (_, error) = last_error_at(closing());
    assert!(error.contains("cannot post to"), "{error}");
}

#[test]
fn a_web_page_or_a_redirect_is_not_taken_for_success() {
    let (telemetry, page) = last_error(Mode::WebPage);
    assert!(
        page.contains("was answered with a web page: check the path of [telemetry] otlp_endpoint"),
        "{page}"
    );
    let status = telemetry.status();
    assert_eq!(
        (status.exported, status.rejected, status.queued_spans),
        (0, 0, 3),
        "they wait for the right path"
    );
    let (_, redirect) = last_error(Mode::Redirect);
    assert!(redirect.contains("set [telemetry] otlp_endpoint to http://127.0.0.1:1/elsewhere"), "{redirect}");
}

#[test]
fn an_overloaded_receiver_is_tried_again() {
    for status in [429, 503] {
        let receiver = Receiver::start(Mode::StatusTimes(status, 2));
        let telemetry = telemetry(receiver.url());
        good(&telemetry.tracer(), "RM_1", 0);
        wait_until("the spans", || telemetry.status().exported == 3);
        assert_eq!((receiver.knocks(), receiver.span_names().len()), (3, 3));
        assert_eq!(telemetry.shutdown_blocking(PATIENCE), Flushed::default());
    }
    let (telemetry, error) = last_error(Mode::Status(503, "overloaded"));
    assert!(error.contains("503 Service Unavailable") && error.contains("overloaded"), "{error}");
    assert_eq!(telemetry.status().queued_spans, 3);
}

#[test]
fn what_a_receiver_cannot_read_is_kept_apart_with_its_words() {
    let (telemetry, error) = last_error(Mode::Status(400, "odd bytes"));
    assert!(error.contains("400 Bad Request") && error.contains("odd bytes"), "{error}");
    let status = telemetry.status();
    assert_eq!((status.rejected, status.queued_spans), (3, 0));
}

#[test]
fn a_partial_success_counts_what_was_rejected_and_repeats_the_reason() {
    let (telemetry, error) = last_error(Mode::Partial(2, "exceeding the allowed retention period"));
    assert!(error.contains("rejected 2 spans") && error.contains("retention period"), "{error}");
    let status = telemetry.status();
    assert_eq!((status.exported, status.rejected, status.dropped, status.failed_batches), (1, 2, 0, 0));
}

#[test]
fn a_partial_success_in_json_counts_like_one_in_protobuf() {
    for (answer, exported, rejected) in [
        (r#"{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}"#, 1, 2),
        (r#"{"partialSuccess":{"rejectedSpans":2,"errorMessage":"too old"}}"#, 1, 2),
        (r#"{"partial_success":{"rejected_spans":"2","error_message":"too old"}}"#, 1, 2),
        (r#"{"partialSuccess":{"rejectedSpans":"99999999999999999999","errorMessage":"too old"}}"#, 0, 3),
        (r#"{"partialSuccess":{"rejectedSpans":"-2","errorMessage":"too old"}}"#, 3, 0),
        (r#"{"partialSuccess":{"errorMessage":"too old"}}"#, 3, 0),
    ] {
        let (telemetry, error) = last_error(Mode::Json(answer));
        assert!(error.contains("\"too old\""), "{answer}: {error}");
        assert_eq!(error.contains("rejected"), rejected > 0, "{answer}: {error}");
        let status = telemetry.status();
        assert_eq!(
            (status.exported, status.rejected, status.failed_batches),
            (exported, rejected, 0),
            "{answer}"
        );
    }
    for answer in ["{}", r#"{"partialSuccess":{}}"#, r#"{"partialSuccess":null}"#, "[]", "no json"] {
        let receiver = Receiver::start(Mode::Json(answer));
        let telemetry = telemetry(receiver.url());
        good(&telemetry.tracer(), "RM_1", 0);
        assert_eq!(telemetry.shutdown_blocking(PATIENCE), Flushed::default(), "{answer}");
        let status = telemetry.status();
        assert_eq!((status.exported, status.last_error), (3, None), "{answer}");
    }
}

#[test]
fn log_records_that_are_rejected_in_json_are_counted_as_lost() {
    for (answer, lost) in [
        (r#"{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too old"}}"#, 2),
        (r#"{"partial_success":{"rejected_log_records":2}}"#, 2),
        (r#"{"partialSuccess":{"rejectedLogRecords":"7"}}"#, 3),
        (r#"{"partialSuccess":{"rejectedSpans":"2"}}"#, 0),
        ("{}", 0),
    ] {
        let receiver = Receiver::start(Mode::Json(answer));
        let mut settings = settings(Some(receiver.url()), &HEADERS);
        (settings.logs, settings.metrics) = (true, true);
        let queue = LogQueue::wanted(&settings).unwrap();
        let subscriber = tracing_subscriber::registry().with(queue.layer(Secrets::default()));
        let signals = Signals::start(&settings, "instance-1", Some(queue)).unwrap();
        tracing::subscriber::with_default(subscriber, || (0..3).for_each(|_| tracing::info!("a line")));
        signals.stop_blocking(PATIENCE);
        let status = signals.status();
        assert_eq!((status.logs_sent, status.logs_dropped), (3 - lost, lost), "{answer}");
        assert_eq!(status.pushes_failed, 0, "{answer}");
        assert_eq!(receiver.knocks(), 2, "one request with logs, one with metrics");
    }
}

#[test]
fn export_recovers_with_its_receiver() {
    let receiver = Receiver::start(Mode::Status(500, "disk full"));
    let telemetry = telemetry(receiver.url());
    good(&telemetry.tracer(), "RM_1", 0);
    wait_until("the failure", || telemetry.status().failed_batches > 0);
    receiver.set(Mode::Accept);
    good(&telemetry.tracer(), "RM_1", 1);
    wait_until("the success", || telemetry.status().exported == 6);
    assert_eq!(telemetry.status().last_error, None);
}

#[test]
fn a_hanging_receiver_holds_up_neither_turns_nor_exit() {
    let (_listener, url) = hanging();
    let mut settings = settings(Some(url), &HEADERS);
    settings.otlp_timeout = Duration::from_secs(3600);
    let telemetry = Telemetry::start(&settings, "ada", "instance-1").unwrap();
    (0..10).for_each(|index| good(&telemetry.tracer(), "RM_1", index));
    // This test would take an hour if either of them waited for the receiver.
    assert_eq!(telemetry.shutdown_blocking(Duration::from_millis(100)).lost, 30);
}

#[test]
fn without_an_endpoint_turns_have_trace_ids_and_nothing_is_lost() {
    let telemetry = Telemetry::start(&settings(None, &[]), "ada", "instance-1").unwrap();
    let turn = turns::start(&telemetry.tracer(), "RM_1", 0);
    let trace_id = turn.trace_id();
    assert!(trace_id.len() == 32 && trace_id.bytes().any(|digit| digit != b'0'), "{trace_id}");
    assert_eq!(turn.context().trace_id(), trace_id);
    drop(turn);
    assert_eq!(telemetry.shutdown_blocking(PATIENCE).lost, 0);
    assert_eq!(telemetry.status().dropped, 0);
}

#[test]
fn a_disabled_sdk_exports_nothing() {
    let receiver = Receiver::start(Mode::Accept);
    let mut settings = settings(Some(receiver.url()), &HEADERS);
    settings.enabled = false;
    let telemetry = Telemetry::start(&settings, "ada", "instance-1").unwrap();
    good(&telemetry.tracer(), "RM_1", 0);
    telemetry.shutdown_blocking(PATIENCE);
    assert_eq!(receiver.knocks(), 0);
}

async fn exports_inside_a_runtime() {
    let receiver = Receiver::start(Mode::Accept);
    let telemetry = telemetry(receiver.url());
    good(&telemetry.tracer(), "RM_1", 0);
    assert_eq!(telemetry.shutdown(PATIENCE).await.lost, 0);
    assert_eq!(receiver.span_names().len(), 3);
    // A blocking HTTP client that is dropped inside a runtime panics; ours lives on the export thread.
    drop(telemetry);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_works_inside_a_multi_threaded_runtime() {
    exports_inside_a_runtime().await;
}

#[tokio::test(flavor = "current_thread")]
async fn it_works_inside_a_single_threaded_runtime() {
    exports_inside_a_runtime().await;
}

/// What is logged while `run` runs.
fn logged(run: impl FnOnce()) -> String {
    let written = Arc::new(Mutex::new(Vec::new()));
    let shared = written.clone();
    let writer = move || Shared(shared.clone());
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(writer).finish();
    tracing::subscriber::set_global_default(subscriber).expect("each test is a process of its own");
    run();
    String::from_utf8(written.lock().unwrap().clone()).unwrap()
}

struct Shared(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_receiver_that_asks_for_ages_is_tried_in_a_minute_and_the_log_says_when() {
    let receiver = Receiver::start(Mode::RetryAfter("1000000000000"));
    let telemetry = telemetry(receiver.url());
    let log = logged(|| {
        good(&telemetry.tracer(), "RM_1", 0);
        wait_until("the refusal", || telemetry.status().failed_batches == 1);
        std::thread::sleep(Duration::from_secs(3));
        // Nothing new shortens the wait.
        good(&telemetry.tracer(), "RM_1", 1);
        std::thread::sleep(Duration::from_secs(2));
    });
    assert_eq!(receiver.knocks(), 1, "{log}");
    let line = log
        .lines()
        .find(|line| line.contains("a wait of 1000000000000 s"))
        .unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("trace export: the receiver asks for a wait of 1000000000000 s"), "{line}");
    assert!(line.contains("it is tried again in 60 s, at ") && line.contains(" GMT"), "{line}");
    // What waits is tried once more at the end.
    receiver.set(Mode::Accept);
    assert_eq!(telemetry.shutdown_blocking(PATIENCE), Flushed::default());
}

#[test]
fn a_short_wait_that_a_receiver_asks_for_is_kept() {
    let receiver = Receiver::start(Mode::RetryAfter("3"));
    let telemetry = telemetry(receiver.url());
    good(&telemetry.tracer(), "RM_1", 0);
    wait_until("the refusal", || telemetry.status().failed_batches == 1);
    let refused = Instant::now();
    receiver.set(Mode::Accept);
    wait_until("the spans", || telemetry.status().exported == 3);
    assert!(refused.elapsed() > Duration::from_secs(2), "{:?}", refused.elapsed());
}

#[test]
fn logs_and_metrics_keep_the_wait_that_their_receiver_asks_for() {
    let receiver = Receiver::start(Mode::RetryAfter("86400"));
    let mut settings = settings(Some(receiver.url()), &HEADERS);
    (settings.logs, settings.metrics) = (true, true);
    settings.metrics_interval = Duration::from_millis(100);
    let queue = LogQueue::wanted(&settings).unwrap();
    let subscriber = tracing_subscriber::registry().with(queue.layer(Secrets::default()));
    let signals = Signals::start(&settings, "instance-1", Some(queue)).unwrap();
    tracing::subscriber::with_default(subscriber, || tracing::info!("a line"));
    wait_until("one of each", || receiver.knocks() == 2);
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(receiver.knocks(), 2, "a log record and the metrics wait");
    receiver.set(Mode::Accept);
    signals.stop_blocking(PATIENCE);
}
