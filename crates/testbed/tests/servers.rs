//! The real servers come up, serve, and leave nothing behind.

use std::path::Path;
use std::time::{Duration, Instant};

use testbed::{LivekitServer, OtelCollector, http};

const PATIENCE: Duration = Duration::from_secs(30);

fn assert_gone(id: u32) {
    let deadline = Instant::now() + PATIENCE;
    while Path::new(&format!("/proc/{id}")).exists() {
        assert!(Instant::now() < deadline, "process {id} is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn both_servers_run_side_by_side_and_leave_nothing_behind() {
    let livekit = LivekitServer::start().unwrap();
    let collector = OtelCollector::start().unwrap();
    let ids = [livekit.process_id().unwrap(), collector.process_id().unwrap()];
    let files = [livekit.log(), collector.file()];
    for file in &files {
        assert!(file.exists(), "{}", file.display());
    }
    drop(livekit);
    drop(collector);
    for id in ids {
        assert_gone(id);
    }
    for file in &files {
        assert!(!file.exists(), "{}", file.display());
    }
}

#[test]
fn a_livekit_server_comes_back_at_the_same_address() {
    let livekit = LivekitServer::start().unwrap();
    let port = livekit.port();
    let first = livekit.process_id().unwrap();
    livekit.stop();
    assert_gone(first);
    assert!(http::get(port, "/").is_err(), "a stopped server answers");
    livekit.restart().unwrap();
    assert_eq!(http::get(port, "/").unwrap().status, 200);
}

#[test]
fn two_livekit_servers_do_not_collide() {
    let [one, two] = [LivekitServer::start().unwrap(), LivekitServer::start().unwrap()];
    assert_ne!(one.url(), two.url());
    assert_ne!(one.api_secret(), two.api_secret());
}

const TRACES_PATH: &str = "/api/default/v1/traces";
const REQUEST: &str = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{
    "traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"00f067aa0ba902b7","name":"probe","kind":1,
    "startTimeUnixNano":"1000","endTimeUnixNano":"2000","attributes":[
        {"key":"whole double","value":{"doubleValue":2.0}},{"key":"int","value":{"intValue":"2"}}]}]}]}]}"#;

#[test]
fn the_collector_keeps_what_comes_with_the_right_password_also_over_a_restart() {
    let collector = OtelCollector::start().unwrap();
    assert!(collector.endpoint().ends_with(TRACES_PATH));
    let authorization = format!("Authorization: {}\r\n", collector.authorization());
    let post =
        |headers: &str| http::post_json(collector.port(), TRACES_PATH, headers, REQUEST).unwrap().status;

    assert_eq!(post(""), 401);
    assert_eq!(post("Authorization: Basic d3Jvbmc6d3Jvbmc=\r\n"), 401);
    assert_eq!(post(&authorization), 200);
    let spans = collector.wait_for_spans(PATIENCE, |spans| !spans.is_empty()).unwrap();
    assert_eq!(spans.len(), 1, "what was refused was not kept");
    assert_eq!(spans[0].double("whole double"), Some(2.0));
    assert_eq!(spans[0].int("int"), Some(2));

    collector.restart().unwrap();
    assert_eq!(post(&authorization), 200);
    collector.wait_for_spans(PATIENCE, |spans| spans.len() == 2).unwrap();
}
