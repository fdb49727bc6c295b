//! Clients that hold all connections of the HTTP endpoints: a new probe is answered at once meanwhile, and the pages
//! work.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use turn_store::{Turn, samples};

use crate::support::memory::kib;
use crate::support::recorded::{self, Recorded, Served, turn};

/// The number of connections that the endpoints serve.
const PLACES: usize = 128;
/// The longest wait of a prober: half of the time for which a connection may be held. The measured times are printed.
/// The clients take all processor time that is left.
const PROBE_TIMEOUT: Duration = Duration::from_secs(15);
const SETTLED: Duration = Duration::from_millis(500);
const HALF_A_HEAD: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\nX: ";
/// The beginning of a ClientHello (RFC 8446, section 4.1.2).
const TLS_HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a hello that is not HTTP";
/// Its answer has megabytes.
const LARGE: &str = "/api/sessions/RM_large?limit=200";

/// The behaviour of a client on its connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Client {
    /// Asks for health every three seconds, on one connection for as long as it lasts.
    Chatty,
    /// Sends nothing.
    Silent,
    /// Sends a byte of a head now and then.
    HalfHead,
    /// Asks for a large page and reads none of it.
    NeverReads,
    /// Asks for a large page and takes a little of it now and then.
    ReadsSlowly,
    /// Asks for health very often and reads no answer.
    Pipelines,
    /// Announces a form that does not come.
    HalfForm,
    /// Speaks TLS. Refused at once, so it holds no place.
    Tls,
}

const ALL: [Client; 7] = [
    Client::Chatty,
    Client::Silent,
    Client::HalfHead,
    Client::NeverReads,
    Client::ReadsSlowly,
    Client::Pipelines,
    Client::HalfForm,
];

// === impl Client ===

impl Client {
    /// Holds a connection until the server closes it.
    async fn hold(self, mut stream: TcpStream) -> io::Result<()> {
        let large = format!("GET {LARGE} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let form = "POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\ntoken=";
        match self {
            Self::Chatty => loop {
                stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await?;
                read_some(&mut stream, 4096).await?;
                tokio::time::sleep(Duration::from_secs(3)).await;
            },
            Self::Silent => read_some(&mut stream, 1).await,
            Self::Tls => {
                stream.write_all(TLS_HELLO).await?;
                read_some(&mut stream, 4096).await?;
                read_some(&mut stream, 1).await
            }
            Self::HalfHead => drip(&mut stream, HALF_A_HEAD).await,
            Self::HalfForm => drip(&mut stream, form).await,
            Self::NeverReads => {
                stream.write_all(large.as_bytes()).await?;
                tokio::time::sleep(recorded::PATIENCE).await;
                Ok(())
            }
            Self::ReadsSlowly => {
                stream.write_all(large.as_bytes()).await?;
                loop {
                    read_some(&mut stream, 512).await?;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            Self::Pipelines => loop {
                stream.write_all("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000).as_bytes()).await?;
            },
        }
    }
}

async fn read_some(stream: &mut TcpStream, most: usize) -> io::Result<()> {
    let mut buffer = vec![0; most];
    match stream.read(&mut buffer).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

async fn drip(stream: &mut TcpStream, beginning: &str) -> io::Result<()> {
    stream.write_all(beginning.as_bytes()).await?;
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        stream.write_all(b"x").await?;
    }
}

async fn connect(server: SocketAddr, from: Ipv4Addr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(4096)?;
    socket.bind(SocketAddr::from((from, 0)))?;
    socket.connect(server).await
}

pub(crate) fn one_address(_: usize) -> Ipv4Addr {
    Ipv4Addr::LOCALHOST
}

fn many_addresses(client: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, (client % 250) as u8 + 1)
}

/// Clients that hold connections while this value lives. With `comes_back`, a client that loses its connection opens
/// another.
pub(crate) fn held(
    server: SocketAddr,
    client: Client,
    count: usize,
    from: fn(usize) -> Ipv4Addr,
    comes_back: bool,
) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    for number in 0..count {
        clients.spawn(async move {
            loop {
                if let Ok(stream) = connect(server, from(number)).await {
                    let _ = client.hold(stream).await;
                }
                if !comes_back {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }
    clients
}

/// Asks for a path on a connection of its own.
async fn ask(server: SocketAddr, from: Ipv4Addr, path: &str) -> io::Result<String> {
    let mut stream = connect(server, from).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// As a prober does after its connection was closed: it connects again.
async fn ask_again(server: SocketAddr, from: Ipv4Addr, path: &str) -> String {
    loop {
        match ask(server, from, path).await {
            Ok(answer) if !answer.is_empty() => return answer,
            _ => tokio::time::sleep(SETTLED / 10).await,
        }
    }
}

async fn assert_probed(server: SocketAddr, from: Ipv4Addr, path: &str, status: u16, during: &str) {
    let asked = Instant::now();
    let answer = tokio::time::timeout(PROBE_TIMEOUT, ask_again(server, from, path)).await;
    let answer = answer.unwrap_or_else(|_| panic!("{path} is not answered to {from} while {during}"));
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path} while {during}: {answer:.200}");
    println!("{path} from {from} while {during}: {:?}", asked.elapsed());
}

/// Asks from the clients' own address and from another one.
async fn assert_health(server: SocketAddr, during: &str) {
    for from in [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 9, 9, 9)] {
        for (path, status) in [("/healthz", 200), ("/", 200), ("/readyz", 503)] {
            assert_probed(server, from, path, status, during).await;
        }
    }
}

/// With a session whose page is larger than what sockets buffer: about a megabyte, of ten that there are.
fn with_a_large_page() -> Recorded {
    let recorded = Recorded::new();
    let long = |index| Turn {
        question: samples::recorded(&"word ".repeat(13_000)),
        ..turn("RM_large", "hall", index, 9)
    };
    recorded.put((0..150).map(long));
    recorded
}

/// The sum of `voiced_http_connections_closed_total`.
async fn counted(server: SocketAddr) -> f64 {
    let text = ask_again(server, Ipv4Addr::LOCALHOST, "/metrics").await;
    let lines = text.lines().filter(|line| line.starts_with("voiced_http_connections_closed_total{"));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

/// Waits until the metric counts connections that were closed to make room.
async fn until_all_are_held(server: SocketAddr) {
    let deadline = Instant::now() + recorded::PATIENCE;
    while counted(server).await < 6.0 {
        assert!(Instant::now() < deadline, "who makes room is counted");
        tokio::time::sleep(SETTLED / 10).await;
    }
}

async fn assert_held_up_by_none_of(from: fn(usize) -> Ipv4Addr, comes_back: bool) {
    let recorded = with_a_large_page();
    for client in ALL {
        let served: Served = recorded.serve().await;
        let clients = held(served.address, client, PLACES + 6, from, comes_back);
        until_all_are_held(served.address).await;
        for _ in 0..3 {
            assert_health(served.address, &format!("{client:?} clients hold all places")).await;
        }
        drop(clients);
        let page = ask_again(served.address, Ipv4Addr::LOCALHOST, "/sessions").await;
        assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("hall"), "{page:.300}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_clients_of_one_address_keep_a_probe_waiting() {
    assert_held_up_by_none_of(one_address, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_clients_of_many_addresses_keep_a_probe_waiting() {
    assert_held_up_by_none_of(many_addresses, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_do_clients_who_come_back_whenever_they_are_closed() {
    assert_held_up_by_none_of(one_address, true).await;
    assert_held_up_by_none_of(many_addresses, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_probes_are_answered_beside_600_silent_connections() {
    let recorded = with_a_large_page();
    for (from, comes_back, probes) in [
        (one_address as fn(usize) -> Ipv4Addr, false, 100),
        (many_addresses, false, 100),
        (one_address, true, 10),
        (many_addresses, true, 10),
    ] {
        let served = recorded.serve().await;
        let _clients = held(served.address, Client::Silent, 600, from, comes_back);
        until_all_are_held(served.address).await;
        for number in 0..probes {
            let during = format!("600 are silent, who come back: {comes_back}");
            assert_probed(served.address, from(number), "/healthz", 200, &during).await;
        }
        let page = ask(served.address, Ipv4Addr::LOCALHOST, "/sessions").await.unwrap();
        assert!(page.contains("hall"), "{page:.300}");
    }
}

/// All clients behind a proxy share its address, so no limit per address keeps it from using free places.
#[tokio::test(flavor = "multi_thread")]
async fn one_address_may_have_all_places_that_others_do_not_want() {
    let served = Recorded::new().serve().await;
    let mut open = Vec::new();
    for _ in 0..PLACES {
        let mut stream = connect(served.address, Ipv4Addr::LOCALHOST).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        read_some(&mut stream, 4096).await.unwrap();
        open.push(stream);
    }
    for stream in &mut open {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        read_some(stream, 4096).await.expect("all of them are kept");
    }
}

/// An address that has more than its share gives way before one that has not.
#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_keeps_an_idle_connection_while_a_crowd_of_one_address_comes() {
    let recorded = Recorded::new();
    let served = recorded.serve().await;
    let mut visitor = connect(served.address, Ipv4Addr::new(127, 7, 7, 7)).await.unwrap();
    let crowd = held(served.address, Client::Silent, 300, one_address, false);
    for _ in 0..4 {
        visitor.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        read_some(&mut visitor, 4096).await.expect("the visitor's connection is kept");
        tokio::time::sleep(SETTLED).await;
    }
    assert!(counted(served.address).await >= 100.0);
    drop(crowd);
}

/// Resident memory of this process, where the server runs beside its clients. KiB.
fn memory() -> u64 {
    kib("self", "VmRSS")
}

/// The most bytes that one connection of this local port has not passed on (proc_net_tcp, `tx_queue`).
fn unread_in_the_kernel(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let ours = format!(":{port:04X}");
    let queued = table.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let queue = fields.get(4).filter(|_| fields[1].ends_with(&ours))?.split(':').next()?;
        usize::from_str_radix(queue, 16).ok()
    });
    queued.max().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn unread_answers_take_little_memory() {
    let recorded = with_a_large_page();
    let served = recorded.serve().await;
    let page = ask_again(served.address, Ipv4Addr::LOCALHOST, LARGE).await;
    assert!(page.len() > 1 << 20 && page.contains("\"next\":\""), "{} bytes", page.len());
    let (before, mut most) = (memory(), 0);
    let clients = held(served.address, Client::NeverReads, PLACES, one_address, false);
    let refused = async || {
        let text = ask_again(served.address, Ipv4Addr::LOCALHOST, "/metrics").await;
        text.lines()
            .any(|line| line.starts_with("voiced_http_answers_refused_total") && !line.ends_with(" 0"))
    };
    let deadline = Instant::now() + recorded::PATIENCE;
    while !refused().await {
        most = most.max(memory());
        assert!(Instant::now() < deadline, "long answers are refused at some time");
    }
    for _ in 0..50 {
        most = most.max(memory());
        tokio::time::sleep(SETTLED / 10).await;
    }
    let unread = unread_in_the_kernel(served.address.port());
    println!(
        "{} KiB more at most, and {unread} bytes of one answer in the kernel",
        most.saturating_sub(before)
    );
    assert!(unread > 0 && unread <= 128 << 10, "{unread} bytes of one answer");
    assert!(most.saturating_sub(before) < 64 << 10, "{before} {most}");
    assert_health(served.address, "answers wait").await;
    drop(clients);
    let page = ask_again(served.address, Ipv4Addr::LOCALHOST, "/sessions").await;
    assert!(page.starts_with("HTTP/1.1 200 "), "{page:.300}");
}
