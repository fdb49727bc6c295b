//! A record with made-up turns, and the endpoints that show it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use agent_worker::Health;
use conversation::{Failure, Secret, TurnOutcome, Usage};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use turn_store::{Attempt, End, Speech, Stage, Store, Turn, When};
use voiced::config::{self, TraceUrl};
use voiced::http::{self, Access, Sessions};
use voiced::metrics::Metrics;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Recorded {
    dir: tempfile::TempDir,
    record: Store,
}

/// The endpoints, while this value lives.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
}

/// A server's response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

// === impl Recorded ===

impl Recorded {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path().join("record.sqlite"));
        Self { record: Store::start(&store.settings()), dir }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("record.sqlite")
    }

    /// Records these, and waits until they are in the file.
    pub(crate) fn put(&self, turns: impl IntoIterator<Item = Turn>) {
        let turns: Vec<Turn> = turns.into_iter().collect();
        for some in turns.chunks(1000) {
            let ends = some.iter().filter(|turn| turn.end.is_some()).count() as u64;
            let wanted = self.record.status().written + ends;
            some.iter().cloned().for_each(|turn| self.record.put(turn));
            let deadline = Instant::now() + PATIENCE;
            while self.record.status().written < wanted {
                assert!(Instant::now() < deadline, "{:?}", self.record.status());
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    /// The endpoints as `start` serves them on an address of this kind; the real address is always loopback.
    pub(crate) async fn serve_as(&self, address: &str, token: Option<&str>) -> Served {
        let trace_url = TraceUrl::parse("https://traces.test/{trace_id}?s={session_id}").unwrap();
        let config = config::Http { listen: None, token: token.map(Secret::new), trace_url: Some(trace_url) };
        let access = Access::new(SocketAddr::new(address.parse().unwrap(), 8081), &config);
        let sessions = Sessions::new(&store(self.path()), &config);
        let listener = http::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (health, healthy) = watch::channel(Health::default());
        let metrics = Metrics::default();
        let guarded = http::guarded(access, metrics.clone(), sessions);
        let router = http::router("support", healthy).merge(guarded);
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move {
            http::serve(listener, router, metrics, stopped).await;
            drop(health);
        });
        Served { address, stop }
    }

    pub(crate) async fn serve(&self) -> Served {
        self.serve_as("127.0.0.1", None).await
    }
}

pub(crate) fn store(path: PathBuf) -> config::Store {
    config::Store {
        path: Some(path),
        retention: Duration::from_secs(30 * 24 * 3600),
        max_bytes: 1 << 30,
        events_dir: None,
    }
}

/// An answered turn that began so many seconds ago.
pub(crate) fn turn(session: &str, room: &str, index: u64, seconds_ago: i64) -> Turn {
    let started_us = When::now().0 - seconds_ago * 1_000_000;
    let (ttft_us, e2e_us) =
        (150_000 + 1_000 * (index as i64 * 7919 % 600), 160_000 + 1_000 * (index as i64 * 7919 % 650));
    let attempt = |number, from: i64, until: i64, status, error: Option<&str>| Attempt {
        stage: Stage::Llm,
        number,
        started_us: started_us + from,
        ended_us: started_us + until,
        first_us: None,
        http_status: Some(status),
        error: error.map(|class| Failure { class: class.to_owned(), message: "slow down".to_owned() }),
    };
    let attempts = match index % 5 {
        1 => vec![attempt(1, 0, 90_000, 429, Some("429")), attempt(2, 130_000, 1_400_000, 200, None)],
        _ => vec![attempt(1, 1_000, 1_400_000, 200, None)],
    };
    let outcome = match index % 11 {
        3 => TurnOutcome::Interrupted,
        7 => TurnOutcome::Failed(Failure {
            class: "500".to_owned(),
            message: "the model at http://llm.test broke".to_owned(),
        }),
        _ => TurnOutcome::Answered,
    };
    let said_something = !matches!(outcome, TurnOutcome::Failed(_));
    let end = End {
        outcome,
        ended_us: Some(started_us + 1_400_000),
        answer: redaction::Recorded::restored(said_something.then(|| {
            "Following one request through many services, and telling where its time went.".to_owned()
        })),
        model: Some("gpt-4o-mini".to_owned()),
        finish_reason: said_something.then(|| "stop".to_owned()),
        usage: Usage { input: 40 + index, output: 20, cached_input: Some(16), estimated: index % 11 == 3 },
        ttft_us: said_something.then_some(ttft_us),
        e2e_us: said_something.then_some(e2e_us),
        speech: Speech::default(),
        attempts,
    };
    Turn {
        span_id: format!("{session}-{index:06}"),
        trace_id: format!("{:032x}", 0x4bf9_2f35_u128 << 96 | u128::from(index)),
        session: session.to_owned(),
        room: room.to_owned(),
        agent: "voiced".to_owned(),
        speaker: "ada".to_owned(),
        index,
        started_us,
        question: redaction::Recorded::restored(Some(format!(
            "What is distributed tracing, and why do I want it? ({index})"
        ))),
        end: Some(end),
    }
}

// === impl Served ===

impl Served {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[("Host", &self.address.to_string())], "")
    }

    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

// === impl Answer ===

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}
