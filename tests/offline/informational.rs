//! Servers that flood us over HTTP: informational heads (1xx) in place of an answer, and answers without end; and
//! servers whose heads drip.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use voiced::config;
use voiced::telemetry::Telemetry;

use crate::llm::support::{ask, config as llm_config};
use crate::support::otlp_receiver::wait_until;
use crate::support::turns::{good, settings};

/// A server that answers each request by writing a head, and then a piece without end.
struct Flood {
    base: String,
    requests: Arc<AtomicUsize>,
}

impl Flood {
    fn start(piece: &'static [u8]) -> Self {
        Self::behind(b"", piece)
    }

    fn behind(head: &'static [u8], piece: &'static [u8]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = requests.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counted = counted.clone();
                thread::spawn(move || flood(stream, head, piece, &counted));
            }
        });
        Self { base, requests }
    }

    /// A server whose head drips, a letter at a time.
    fn dripping() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || drip(stream));
            }
        });
        base
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

fn flood(mut stream: TcpStream, head: &[u8], piece: &[u8], requests: &AtomicUsize) {
    stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    if stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {
        requests.fetch_add(1, Ordering::Relaxed);
        let _ = stream.write_all(head);
        let pieces = piece.repeat(1_000);
        while stream.write_all(&pieces).is_ok() {}
    }
}

/// Until the client hangs up.
fn drip(mut stream: TcpStream) {
    // An answer before the request is another fault.
    let _ = stream.read(&mut [0; 4096]);
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX-Long: ");
    while stream.write_all(b"x").is_ok() {
        thread::sleep(Duration::from_millis(10));
    }
}

/// Processor time of this process so far.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
const HINTS: &[u8] = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_floods_us_with_1xx_is_given_up_at_once() {
    for piece in [CONTINUE, HINTS] {
        let server = Flood::start(piece);
        let (began, before) = (Instant::now(), cpu());
        let asked = ask(&config::Llm { max_attempts: 3, ..llm_config(&server.base) }).await;
        let (took, used) = (began.elapsed(), cpu() - before);
        asked.check();
        assert_eq!((asked.class(), server.requests()), ("connection_lost", 3), "{}", asked.message());
        assert!(asked.message().contains("16 informational heads (1xx)"), "{}", asked.message());
        println!("3 attempts took {took:?}, and {used:?} of processor time with the server's");
        assert!(took < Duration::from_secs(10) && used < Duration::from_secs(5), "{took:?} {used:?}");
    }
}

#[test]
fn a_receiver_that_floods_us_with_1xx_is_given_up_at_once_and_the_spans_wait() {
    for piece in [CONTINUE, HINTS] {
        let server = Flood::start(piece);
        let url = format!("{}/v1/traces", server.base).parse().unwrap();
        let telemetry = Telemetry::start(&settings(Some(url), &[]), "ada", "instance-1").unwrap();
        let (began, before) = (Instant::now(), cpu());
        good(&telemetry.tracer(), "RM_1", 0);
        wait_until("three attempts", || telemetry.status().failed_batches >= 3);
        println!("3 attempts took {:?}, and {:?} of processor time", began.elapsed(), cpu() - before);
        assert!(cpu() - before < Duration::from_secs(5));
        let status = telemetry.status();
        let error = status.last_error.unwrap();
        assert!(error.contains("16 informational heads (1xx)"), "{error}");
        assert_eq!((status.queued_spans, status.dropped), (3, 0));
        drop(telemetry);
    }
}

#[test]
fn of_a_receivers_answer_without_end_only_the_beginning_is_read() {
    for (head, taken, said) in [
        (b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), 3, None),
        (b"HTTP/1.1 503 Busy\r\n\r\n", 0, Some("503 Service Unavailable")),
    ] {
        let server = Flood::behind(head, b"no end of words ");
        let url = format!("{}/v1/traces", server.base).parse().unwrap();
        let telemetry = Telemetry::start(&settings(Some(url), &[]), "ada", "instance-1").unwrap();
        let began = Instant::now();
        good(&telemetry.tracer(), "RM_1", 0);
        wait_until("an answer", || telemetry.status().exported == taken && server.requests() > 0);
        wait_until("what it says", || telemetry.status().last_error.is_some() == said.is_some());
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        let error = telemetry.status().last_error.unwrap_or_default();
        assert!(error.contains(said.unwrap_or_default()) && error.len() < 500, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_models_head_that_drips_ends_with_the_limit_for_the_first_word() {
    let limit = Duration::from_millis(300);
    let config = llm_config(&Flood::dripping());
    let began = Instant::now();
    let asked = ask(&config::Llm { first_token_timeout: limit, max_attempts: 2, ..config }).await;
    asked.check();
    assert_eq!((asked.class(), asked.answer.attempts.len()), ("first_token_timeout", 2));
    assert!(
        began.elapsed() >= 2 * limit && began.elapsed() < Duration::from_secs(15),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_receivers_head_that_drips_ends_with_its_limit_and_the_spans_wait() {
    let url = format!("{}/v1/traces", Flood::dripping()).parse().unwrap();
    let limit = Duration::from_millis(300);
    let settings = voiced::telemetry::Settings { otlp_timeout: limit, ..settings(Some(url), &[]) };
    let telemetry = Telemetry::start(&settings, "ada", "instance-1").unwrap();
    good(&telemetry.tracer(), "RM_1", 0);
    wait_until("two attempts", || telemetry.status().failed_batches >= 2);
    let status = telemetry.status();
    assert_eq!((status.queued_spans, status.dropped), (3, 0));
    assert!(status.last_error.unwrap().contains("within 0.3 s"));
}
