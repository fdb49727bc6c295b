//! TCP connections that can be reset on purpose.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// Accepts connections with `TCP_NODELAY`, so that separate writes arrive separately.
#[derive(Debug)]
pub(crate) struct Door {
    listener: TcpListener,
    accepted: Arc<AtomicU64>,
}

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    handle: ConnectionHandle,
}

/// The connection of a request, for its handler.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionHandle {
    /// Counted from 0.
    pub(crate) number: u64,
    reset: Arc<AtomicBool>,
}

// === impl Door ===

impl Door {
    pub(crate) fn new(listener: TcpListener, accepted: Arc<AtomicU64>) -> Self {
        Self { listener, accepted }
    }
}

impl Listener for Door {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let _ = stream.set_nodelay(true);
        let number = self.accepted.fetch_add(1, Ordering::Relaxed);
        (Connection { stream, handle: ConnectionHandle { number, reset: Arc::default() } }, address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, Door>> for ConnectionHandle {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().handle.clone()
    }
}

// === impl ConnectionHandle ===

impl ConnectionHandle {
    /// Writes nothing more, and ends the connection with a TCP reset.
    pub(crate) fn reset(&self) {
        self.reset.store(true, Ordering::Release);
    }

    fn check(&self) -> io::Result<()> {
        if self.reset.load(Ordering::Acquire) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

// === impl Connection ===

impl Drop for Connection {
    fn drop(&mut self) {
        if self.handle.check().is_err() {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.handle.check()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.handle.check()?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
