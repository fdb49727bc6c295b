//! One endpoint that is the model and the receiver of telemetry: well-behaved, until it is told to attack.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// The question that the model answers by the attack.
pub(crate) const ATTACK: &str = "ATTACK";

/// Writes the answer to one request. An error means that the client has hung up.
pub(crate) type Serve = fn(&mut TcpStream) -> io::Result<()>;

/// The part that misbehaves.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    /// It answers the question [`ATTACK`].
    Model(Serve),
    /// It answers exports.
    Receiver(Serve),
}

/// Serves each connection on a thread of its own, one request each, until the test's process ends.
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    attack: Arc<Mutex<Option<Part>>>,
}

struct Request {
    path: String,
    body: String,
}

// === impl Endpoint ===

impl Endpoint {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, attack) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(None)));
        let shared = attack.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                thread::spawn(move || {
                    let _ = answer(stream, &shared);
                });
            }
        });
        Self { address, attack }
    }

    pub(crate) fn attack_with(&self, part: Option<Part>) {
        *self.attack.lock().unwrap() = part;
    }
}

fn answer(mut stream: TcpStream, attack: &Mutex<Option<Part>>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    // A client that takes nothing for this long has left the rest to us.
    stream.set_write_timeout(Some(Duration::from_secs(20)))?;
    let request = Request::read(&mut stream)?;
    let part = *attack.lock().unwrap();
    match (request.path.as_str(), part) {
        ("/v1/chat/completions", Some(Part::Model(serve))) if request.is_attack() => serve(&mut stream),
        ("/v1/chat/completions", _) => echo(&mut stream, &request.question()),
        (_, Some(Part::Receiver(serve))) => serve(&mut stream),
        _ => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
    }
}

fn echo(stream: &mut TcpStream, question: &str) -> io::Result<()> {
    let said = serde_json::json!(format!("You said: {question}"));
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    let word = format!(r#"data: {{"choices":[{{"index":0,"delta":{{"content":{said}}}}}]}}"#);
    let end = r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
    write!(stream, "{head}{word}\n\n{end}\n\ndata: [DONE]\n\n")
}

/// Writes the beginning, and then the piece until the client hangs up.
pub(crate) fn without_end(stream: &mut TcpStream, beginning: &str, piece: &str) -> io::Result<()> {
    stream.write_all(beginning.as_bytes())?;
    let pieces = piece.repeat((64 << 10) / piece.len() + 1);
    loop {
        stream.write_all(pieces.as_bytes())?;
    }
}

/// Writes the beginning, and then the piece every hundredth of a second.
pub(crate) fn drip(stream: &mut TcpStream, beginning: &str, piece: &str) -> io::Result<()> {
    stream.write_all(beginning.as_bytes())?;
    let until = Instant::now() + Duration::from_secs(60);
    while Instant::now() < until {
        thread::sleep(Duration::from_millis(10));
        stream.write_all(piece.as_bytes())?;
    }
    Ok(())
}

// === impl Request ===

impl Request {
    fn read(stream: &mut TcpStream) -> io::Result<Self> {
        let mut read = Vec::new();
        let head = loop {
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            more(stream, &mut read)?;
        };
        let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        while read.len() < head + length.unwrap_or(0) {
            more(stream, &mut read)?;
        }
        let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
        Ok(Self { path, body: String::from_utf8_lossy(&read[head..]).into_owned() })
    }

    fn is_attack(&self) -> bool {
        self.question() == ATTACK
    }

    /// The text of the last message.
    fn question(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        let last = body["messages"].as_array().and_then(|messages| messages.last().cloned());
        last.and_then(|last| Some(last["content"].as_str()?.to_owned())).unwrap_or_default()
    }
}

fn more(stream: &mut TcpStream, read: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 16 << 10];
    match stream.read(&mut buffer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => {
            read.extend_from_slice(&buffer[..count]);
            Ok(())
        }
    }
}
