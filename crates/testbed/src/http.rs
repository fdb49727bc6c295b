//! A minimal HTTP client, enough for the servers on our own loopback.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

const PATIENCE: Duration = Duration::from_secs(2);
/// The caller does not retry a request that changes something, so a busy server gets the time it needs.
const POST_PATIENCE: Duration = Duration::from_secs(30);
/// How often a reset connection is tried again.
const RESETS: usize = 10;
const LONGEST_ANSWER: u64 = 64 * 1024;

/// A server's response.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status code.
    pub status: u16,
    /// The body as text: the part of the first 64 KiB that came with the status.
    pub body: String,
}

/// `GET path` on a loopback port.
pub fn get(port: u16, path: &str) -> Result<Answer> {
    send(port, &format!("GET {path} HTTP/1.1\r\n"), "", PATIENCE)
}

/// `POST path` with a JSON body on a loopback port. `headers` are whole lines, each with its line end.
pub fn post_json(port: u16, path: &str, headers: &str, body: &str) -> Result<Answer> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{headers}"
    );
    send(port, &head, body, POST_PATIENCE)
}

/// Sends a request, and repeats it when the connection is reset: a server that refuses without reading the body may
/// close before its answer was read.
fn send(port: u16, head: &str, body: &str, patience: Duration) -> Result<Answer> {
    let mut answer = exchange(port, head, body, patience);
    for _ in 0..RESETS {
        match &answer {
            Err(error) if was_reset(error) => {
                answer = exchange(port, head, body, patience);
            }
            _ => break,
        }
    }
    answer
}

fn was_reset(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    matches!(kind, Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe))
}

fn exchange(port: u16, head: &str, body: &str, patience: Duration) -> Result<Answer> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(patience))?;
    write!(stream, "{head}Host: {address}\r\nConnection: close\r\n\r\n{body}")?;
    let mut answer = Vec::new();
    stream.take(LONGEST_ANSWER).read_to_end(&mut answer)?;
    parse(&String::from_utf8_lossy(&answer)).with_context(|| format!("{address} does not speak HTTP"))
}

fn parse(answer: &str) -> Option<Answer> {
    let (version, rest) = answer.split_once(' ')?;
    let status = rest.get(..3).filter(|_| version.starts_with("HTTP/1."))?.parse().ok()?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Some(Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_status_and_body() {
        let answer = parse("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 8\r\n\r\ndraining").unwrap();
        assert_eq!(answer, Answer { status: 503, body: "draining".to_owned() });
    }

    #[test]
    fn refuses_what_is_not_http() {
        assert_eq!(parse("FTP 200 OK\r\n\r\n"), None);
        assert_eq!(parse("SSH-2.0-OpenSSH"), None);
        assert_eq!(parse("HTTP/1.1 "), None);
        assert_eq!(parse(""), None);
    }
}
