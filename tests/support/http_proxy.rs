//! An HTTP proxy as companies run one: CONNECT for TLS, absolute URLs for plain HTTP. It resolves all names to this
//! machine.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const LONGEST_HEAD: usize = 16 << 10;

pub(crate) struct HttpProxy {
    pub(crate) port: u16,
    /// The requests so far without their paths, as `CONNECT lk.test:443` or `POST http://otlp.test:4318`.
    asked: Arc<Mutex<Vec<String>>>,
}

// === impl HttpProxy ===

impl HttpProxy {
    pub(crate) async fn start() -> Self {
        Self::wanting(None).await
    }

    /// A proxy that lets in only requests with this `Proxy-Authorization`.
    pub(crate) async fn wanting(authorization: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let record = asked.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, record.clone(), authorization));
            }
        });
        Self { port, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(
    mut near: TcpStream,
    asked: Arc<Mutex<Vec<String>>>,
    authorization: Option<&str>,
) -> Option<()> {
    let head = head(&mut near).await?;
    let text = String::from_utf8_lossy(&head).into_owned();
    let mut words = text.split_whitespace();
    let (method, target) = (words.next()?, words.next()?);
    let authority = target.trim_start_matches("http://").split('/').next()?;
    let is_tunnel = method == "CONNECT";
    let shown = if is_tunnel { authority.to_owned() } else { format!("http://{authority}") };
    asked.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{method} {shown}"));
    let knows = authorization.is_none_or(|wanted| {
        text.lines().any(|line| line.eq_ignore_ascii_case(&format!("Proxy-Authorization: {wanted}")))
    });
    if !knows {
        near.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            .await
            .ok()?;
        return None;
    }
    let port: u16 = authority.rsplit_once(':')?.1.parse().ok()?;
    let mut far = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    if is_tunnel {
        near.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.ok()?;
    } else {
        // A server must accept an absolute URL where a path is usual (RFC 9112, section 3.2.2).
        far.write_all(&head).await.ok()?;
    }
    tokio::io::copy_bidirectional(&mut near, &mut far).await.ok().map(drop)
}

/// The head of a request, with the part of the body that came with it.
async fn head(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await.ok()? == 0 || head.len() > LONGEST_HEAD {
            return None;
        }
    }
    Some(head)
}
