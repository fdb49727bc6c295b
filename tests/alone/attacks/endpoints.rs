//! What hostile models and receivers of telemetry answer.

use std::io::{self, Write};
use std::net::TcpStream;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::endpoint::{drip, without_end};

const STREAM: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
const CHUNKED: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const WORD: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n";
const NO_WORD: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"}}]}\n\n";
const DONE: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
/// A fatal alert, `handshake_failure`.
const TLS_ALERT: &str = "\u{15}\u{3}\u{1}\u{0}\u{2}\u{2}\u{28}";

pub(super) fn deltas_without_words(stream: &mut TcpStream) -> io::Result<()> {
    without_end(stream, STREAM, NO_WORD)
}

pub(super) fn deltas_without_words_after_one(stream: &mut TcpStream) -> io::Result<()> {
    without_end(stream, &format!("{STREAM}{WORD}"), NO_WORD)
}

pub(super) fn letters(stream: &mut TcpStream) -> io::Result<()> {
    without_end(stream, STREAM, WORD)
}

pub(super) fn thoughts(stream: &mut TcpStream) -> io::Result<()> {
    without_end(stream, STREAM, &NO_WORD.replace("\"content\":\"\"", "\"reasoning_content\":\"hm\""))
}

pub(super) fn thinking_in_words(stream: &mut TcpStream) -> io::Result<()> {
    let beginning = WORD.replace('x', "<think>");
    without_end(stream, &format!("{STREAM}{beginning}"), &WORD.replace('x', &"hm ".repeat(1000)))
}

pub(super) fn comments(stream: &mut TcpStream) -> io::Result<()> {
    without_end(stream, STREAM, ": x\n\n")
}

pub(super) fn one_line(stream: &mut TcpStream) -> io::Result<()> {
    without_end(stream, &format!("{STREAM}data: "), "x")
}

pub(super) fn long_ids(stream: &mut TcpStream) -> io::Result<()> {
    let long = "x".repeat(25_000);
    let fields = format!("data: {{\"id\":\"{long}\",\"model\":\"{long}\",");
    without_end(stream, STREAM, &WORD.replace("data: {", &fields))
}

pub(super) fn byte_chunks(stream: &mut TcpStream) -> io::Result<()> {
    let chunks: String = WORD.chars().map(|letter| format!("1\r\n{letter}\r\n")).collect();
    without_end(stream, CHUNKED, &chunks)
}

pub(super) fn chunk_extension(stream: &mut TcpStream) -> io::Result<()> {
    without_end(stream, &format!("{CHUNKED}1;"), "x")
}

pub(super) fn trailers(stream: &mut TcpStream) -> io::Result<()> {
    let body = format!("{WORD}{DONE}");
    without_end(stream, &format!("{CHUNKED}{:x}\r\n{body}\r\n0\r\n", body.len()), "X-Trailer: x\r\n")
}

pub(super) fn body_after_the_end(stream: &mut TcpStream) -> io::Result<()> {
    without_end(stream, &format!("{STREAM}{WORD}{DONE}"), WORD)
}

pub(super) fn answers_behind_the_answer(stream: &mut TcpStream) -> io::Result<()> {
    let body = format!("{WORD}{DONE}");
    let head = STREAM.replace("Connection: close", &format!("Content-Length: {}", body.len()));
    without_end(stream, "", &format!("{head}{body}"))
}

pub(super) fn continues(stream: &mut TcpStream) -> io::Result<()> {
    without_end(stream, "", "HTTP/1.1 100 Continue\r\n\r\n")
}

pub(super) fn hints(stream: &mut TcpStream) -> io::Result<()> {
    without_end(stream, "", "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")
}

pub(super) fn dripped_head(stream: &mut TcpStream) -> io::Result<()> {
    drip(stream, "HTTP/1.1 200 OK\r\nX: ", "x")
}

pub(super) fn dripped_hints(stream: &mut TcpStream) -> io::Result<()> {
    drip(stream, "", "HTTP/1.1 103 Early Hints\r\n\r\n")
}

pub(super) fn long_header(stream: &mut TcpStream) -> io::Result<()> {
    without_end(stream, "HTTP/1.1 200 OK\r\nX: ", "x")
}

pub(super) fn many_headers(stream: &mut TcpStream) -> io::Result<()> {
    without_end(stream, "HTTP/1.1 200 OK\r\n", "X-Header: x\r\n")
}

pub(super) fn tls(stream: &mut TcpStream) -> io::Result<()> {
    without_end(stream, "", TLS_ALERT)
}

pub(super) fn good_body(stream: &mut TcpStream) -> io::Result<()> {
    without_end(stream, "HTTP/1.1 200 OK\r\n\r\n", "no end of words ")
}

pub(super) fn bad_body(stream: &mut TcpStream) -> io::Result<()> {
    without_end(stream, "HTTP/1.1 400 Bad Request\r\n\r\n", "no end of words ")
}

pub(super) fn redirect(stream: &mut TcpStream) -> io::Result<()> {
    let place = "http://169.254.169.254/latest/meta-data/";
    write!(stream, "HTTP/1.1 307 Elsewhere\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n")
}

/// Two gigabytes in two megabytes.
pub(super) fn gzip(stream: &mut TcpStream) -> io::Result<()> {
    let head = STREAM.replace("Connection: close", "Content-Encoding: gzip\r\nConnection: close");
    stream.write_all(head.as_bytes())?;
    let mut bomb = GzEncoder::new(stream, Compression::best());
    let words = WORD.repeat(20_000);
    for _ in 0..2_000 {
        bomb.write_all(words.as_bytes())?;
    }
    bomb.finish().map(drop)
}
