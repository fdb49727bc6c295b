use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use reqwest::Method;

use super::*;
use crate::network;

const PATIENCE: Duration = Duration::from_secs(10);

/// A server whose connections are handled by `serve`, once a request's head has come; returns the result of each.
fn server<T: Send + 'static>(serve: impl Fn(TcpStream) -> T + Send + 'static) -> (Url, JoinHandle<Vec<T>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
    let serving = thread::spawn(move || {
        listener.set_nonblocking(true).unwrap();
        let (mut done, end) = (Vec::new(), Instant::now() + Duration::from_secs(3));
        while Instant::now() < end {
            match listener.accept() {
                Ok((mut stream, _)) => {
                    stream.set_nonblocking(false).unwrap();
                    stream.set_write_timeout(Some(PATIENCE)).unwrap();
                    read_head(&mut stream);
                    done.push(serve(stream));
                }
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        }
        done
    });
    (url, serving)
}

fn read_head(stream: &mut TcpStream) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
        head.extend(byte);
    }
}

/// Writes `piece` until the other side has gone; returns the number of bytes written.
fn flood(mut stream: TcpStream, piece: &[u8]) -> usize {
    let pieces = piece.repeat(1_000);
    let mut written = 0;
    while stream.write_all(&pieces).is_ok() {
        written += pieces.len();
    }
    written
}

async fn get(url: &Url) -> Result<Response, SendError> {
    let client = network().http(None);
    let sent = client.send(Request::new(Method::GET, url.clone()));
    tokio::time::timeout(PATIENCE, sent).await.expect("it is given up in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_informational_heads_is_given_up_and_its_connection_closed() {
    for serve in [
        (|stream| flood(stream, b"HTTP/1.1 100 Continue\r\n\r\n")) as fn(TcpStream) -> usize,
        |stream| flood(stream, b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"),
        |stream| {
            flood(
                stream,
                b"HTTP/1.1 102 Processing\r\nX-Long: 1234567890123456789012345678901234567890\r\n\r\n",
            )
        },
    ] {
        let (url, serving) = server(serve);
        let began = Instant::now();
        let error = get(&url).await.expect_err("there was no answer");
        assert!(matches!(error, SendError::Informational), "{error}");
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        let written = tokio::task::spawn_blocking(|| serving.join().unwrap()).await.unwrap();
        assert_eq!(written.len(), 1, "nothing is sent twice");
        // Sockets buffer some megabytes.
        assert!(written[0] < 64 << 20, "{written:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_after_a_few_informational_heads_is_an_answer() {
    let (url, _serving) = server(|mut stream: TcpStream| {
        let hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".repeat(MAX_INFORMATIONAL);
        stream.write_all(&hints).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap();
    });
    let answer = get(&url).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.url()), (200, &url));
    assert_eq!(answer.text().await.unwrap(), "hi");
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_without_end_or_of_many_headers_are_refused() {
    for serve in [
        (|mut stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX-Long: ");
            flood(stream, b"x")
        }) as fn(TcpStream) -> usize,
        |mut stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
            flood(stream, b"X-Many: y\r\n")
        },
        |mut stream| {
            let _ = stream.write_all(b"HTTP/1.1 103 Early Hints\r\n");
            flood(stream, b"Link: </a>\r\n")
        },
    ] {
        let (url, serving) = server(serve);
        let error = get(&url).await.expect_err("there was no answer");
        assert!(matches!(error, SendError::Http(_)) && error.kind() == SendErrorKind::Lost, "{error}");
        let written = tokio::task::spawn_blocking(|| serving.join().unwrap()).await.unwrap();
        assert!(written[0] < 64 << 20, "{written:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_and_extensions_of_chunks_are_bounded() {
    for serve in [
        (|mut stream| {
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n");
            flood(stream, b"X-Trailer: y\r\n")
        }) as fn(TcpStream) -> usize,
        |mut stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;");
            flood(stream, b"x")
        },
    ] {
        let (url, serving) = server(serve);
        let mut answer = get(&url).await.unwrap();
        let reading = async {
            while answer.chunk().await?.is_some() {}
            Ok::<_, reqwest::Error>(())
        };
        let read = tokio::time::timeout(PATIENCE, reading).await.expect("it is given up in time");
        assert!(read.is_err(), "the body is whole");
        drop(answer);
        let written = tokio::task::spawn_blocking(|| serving.join().unwrap()).await.unwrap();
        assert!(written[0] < 64 << 20, "{written:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switch_of_protocols_is_an_answer_like_any_other() {
    let (url, _serving) = server(|mut stream: TcpStream| {
        stream
            .write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n")
            .unwrap();
        thread::sleep(Duration::from_millis(500));
    });
    assert_eq!(get(&url).await.unwrap().status().as_u16(), 101);
}

/// The exporters use it in this way: between two requests nothing runs that would notice the end of the connection.
#[test]
fn a_connection_that_was_closed_meanwhile_is_replaced() {
    let (closed, closes) = std::sync::mpsc::channel();
    let (url, serving) = server(move |mut stream: TcpStream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap();
        drop(stream);
        closed.send(()).unwrap();
    });
    let client = network().http(None);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for _ in 0..3 {
        let text = runtime.block_on(async {
            client.send(Request::new(Method::GET, url.clone())).await.unwrap().text().await.unwrap()
        });
        assert_eq!(text, "hi");
        closes.recv_timeout(PATIENCE).unwrap();
    }
    assert_eq!(serving.join().unwrap().len(), 3);
}

#[tokio::test]
async fn a_connection_that_takes_too_long_is_told_from_one_that_is_refused() {
    let client = network().http(None);
    let discard = Request::new(Method::GET, "http://127.0.0.1:9/".parse().unwrap());
    let refused = client.send(discard).await.unwrap_err();
    assert_eq!(refused.kind(), SendErrorKind::Connect, "{refused}");
    // The limit includes TLS: this server sends nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = Url::parse(&format!("https://{}/", silent.local_addr().unwrap())).unwrap();
    let client = network().http(Some(Duration::from_millis(200)));
    let late = client.send(Request::new(Method::GET, url)).await.unwrap_err();
    assert_eq!(late.kind(), SendErrorKind::ConnectTimeout, "{late}");
}
