//! An OTLP receiver that answers with the headers it was sent: the first request with a refusal, every later one with
//! a partial success.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message;

/// Listens until the test's process ends; returns the URL to post to.
pub(crate) fn start() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for (index, stream) in listener.incoming().enumerate() {
            // A client that hangs up early is no reason to stop.
            let _ = stream.and_then(|stream| answer(stream, index == 0));
        }
    });
    url
}

fn answer(mut stream: TcpStream, refuse: bool) -> std::io::Result<()> {
    let head = read_request(&mut stream)?;
    let (status, body) = if refuse {
        ("401 Unauthorized\r\ncontent-type: text/plain", head.into_bytes())
    } else {
        let partial = ExportTracePartialSuccess { rejected_spans: 1, error_message: head };
        let response = ExportTraceServiceResponse { partial_success: Some(partial) };
        ("200 OK\r\ncontent-type: application/x-protobuf", response.encode_to_vec())
    };
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len())?;
    stream.write_all(&body)
}

/// The headers that hold a secret come first, because quotations are cut off.
fn read_request(stream: &mut TcpStream) -> std::io::Result<String> {
    let mut reader = BufReader::new(stream);
    let mut lines: Vec<String> = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let length =
        lines.iter().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    lines.sort_by_key(|line| !line.starts_with("x-stream") && !line.starts_with("authorization"));
    Ok(lines.join(" "))
}
