//! The health endpoints, asked over real sockets.

#![allow(clippy::unwrap_used)] // The helpers of these tests are tests too.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use agent_worker::Health;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use voiced::config::Config;
use voiced::http::{self, Access, Sessions};
use voiced::metrics::Metrics;

const PATIENCE: Duration = Duration::from_secs(60);

struct Endpoints {
    address: SocketAddr,
    health: watch::Sender<Health>,
    stop: CancellationToken,
    served: tokio::task::JoinHandle<()>,
}

impl Endpoints {
    async fn start() -> Self {
        let (publish, health) = watch::channel(Health::default());
        let listener = http::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let Config { store, http: config, .. } = Config::default();
        let access = Access::new(address, &config);
        let metrics = Metrics::default();
        let guarded = http::guarded(access, metrics.clone(), Sessions::new(&store, &config));
        let router = http::router("support", health).merge(guarded);
        let served = tokio::spawn(http::serve(listener, router, metrics, stop.clone()));
        Self { address, health: publish, stop, served }
    }

    fn get(&self, path: &str) -> (u16, String) {
        let answer = testbed::http::get(self.address.port(), path).unwrap();
        (answer.status, answer.body)
    }

    /// Sends bytes and reads until the server closes.
    fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // A reset after the answer counts as a close.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }
}

fn registered() -> Health {
    Health { registered: true, worker_id: "AW_1".to_owned(), ..Health::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_living_worker_is_healthy_but_ready_only_while_registered_and_not_draining() {
    let endpoints = Endpoints::start().await;
    endpoints.health.send_replace(Health { reason: "no server".to_owned(), ..Health::default() });
    assert_eq!(endpoints.get("/"), (200, "OK".to_owned()));
    assert_eq!(endpoints.get("/healthz"), (200, "OK".to_owned()));
    assert_eq!(endpoints.get("/readyz"), (503, "no server".to_owned()));

    endpoints.health.send_replace(registered());
    assert_eq!(endpoints.get("/readyz"), (200, "OK".to_owned()));

    let reason = "draining: 2 sessions left".to_owned();
    endpoints.health.send_replace(Health { draining: true, reason: reason.clone(), ..registered() });
    assert_eq!(endpoints.get("/readyz"), (503, reason));
    assert_eq!(endpoints.get("/healthz"), (200, "OK".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_has_ended_is_neither_healthy_nor_ready() {
    let mut endpoints = Endpoints::start().await;
    endpoints.health.send_replace(registered());
    endpoints.health = watch::channel(Health::default()).0;
    for path in ["/", "/healthz", "/readyz"] {
        assert_eq!(endpoints.get(path), (503, "the worker has ended".to_owned()), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_is_described_as_livekit_cloud_reads_it() {
    let endpoints = Endpoints::start().await;
    endpoints.health.send_replace(Health { active_jobs: 2, load: 0.5, ..registered() });
    let (status, body) = endpoints.get("/worker");
    assert_eq!(status, 200);
    let body: serde_json::Value = serde_json::from_str(&body).unwrap();
    let expected = serde_json::json!({
        "worker_type": "JT_ROOM",
        "agent_name": "support",
        "active_jobs": 2,
        "sdk_version": env!("CARGO_PKG_VERSION"),
        "worker_load": 0.5,
        "protocol_version": 1,
    });
    assert_eq!(body, expected);
    let answer = endpoints.raw("HEAD /worker HTTP/1.0\r\n\r\n");
    assert!(answer.contains("content-type: application/json"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_served_as_prometheus_reads_them() {
    let endpoints = Endpoints::start().await;
    let answer = endpoints.raw("GET /metrics HTTP/1.0\r\n\r\n");
    assert!(answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{answer}");
    assert!(answer.contains("\n# TYPE voiced_turns_total counter\n"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_paths_and_methods_are_refused() {
    let endpoints = Endpoints::start().await;
    for path in ["/nothing", "/sessions/"] {
        let (status, body) = endpoints.get(path);
        assert!(
            status == 404 && body.contains("/healthz") && body.contains("/api/sessions"),
            "{path}: {body}"
        );
    }
    let answer = endpoints
        .raw("POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nConnection: close\r\n\r\nx");
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_says_how_little_a_browser_may_do_with_it() {
    let endpoints = Endpoints::start().await;
    let policy = "content-security-policy: default-src 'none'; ";
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
        ("GET", "/worker"),
        ("GET", "/metrics"),
        ("GET", "/sessions"),
        ("GET", "/api/sessions"),
        ("GET", "/sessions.js"),
        ("GET", "/nothing"),
        ("POST", "/healthz"),
        ("POST", "/sign-in"),
    ] {
        let answer = endpoints.raw(&format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\n\r\n"));
        for wanted in [
            policy,
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action '",
            "x-content-type-options: nosniff",
            "x-frame-options: DENY",
            "referrer-policy: no-referrer",
            "cross-origin-resource-policy: same-origin",
            "cross-origin-opener-policy: same-origin",
        ] {
            assert!(answer.contains(wanted), "{method} {path} lacks {wanted}: {answer}");
        }
        let kept = if path == "/sessions.js" { "no-cache" } else { "no-store" };
        assert!(answer.contains(&format!("cache-control: {kept}\r\n")), "{method} {path}: {answer}");
        let head = answer.split("\r\n\r\n").next().unwrap_or_default().to_ascii_lowercase();
        assert!(!head.contains("\r\nserver:") && !head.contains("x-powered-by"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_send_too_much_or_never_finish_are_dropped_and_others_served() {
    let endpoints = Endpoints::start().await;
    let answer = endpoints.raw(&format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(64 * 1024)));
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    // More of them than the server has places for.
    let address = endpoints.address;
    let slow: Vec<_> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost:").unwrap();
            stream
        })
        .collect();
    let served = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    let answer = served.await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
    drop(slow);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endpoints_stop_when_told_also_with_a_client_that_stays() {
    let endpoints = Endpoints::start().await;
    let mut idle = TcpStream::connect(endpoints.address).unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    endpoints.stop.cancel();
    tokio::time::timeout(PATIENCE, endpoints.served).await.unwrap().unwrap();
    assert!(TcpStream::connect(endpoints.address).is_err());
}

#[tokio::test]
async fn an_address_that_is_taken_is_named_with_what_to_do() {
    let taken = http::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = http::bind(address).await.unwrap_err().to_string();
    for wanted in [&address.to_string(), "in use", "http.listen"] {
        assert!(error.contains(wanted), "{wanted} is missing in: {error}");
    }
}
