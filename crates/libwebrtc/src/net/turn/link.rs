//! The link to a TURN server: a UDP socket of its own, a TCP connection, or TLS over one.
//!
//! UDP does not share the sockets of ICE: only a connected socket gets an error when the server's port is closed.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    net::{TcpStream, UdpSocket},
    sync::mpsc,
};
use tokio_rustls::TlsConnector;

use crate::{
    net::{
        MAX_DATAGRAM, Unreachable, resolve,
        turn::framing::Framer,
        url::{ServerKind, ServerUrl, TurnTransport},
    },
    turn_tls,
};

/// The limit for connecting and, separately, for the TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A stream that takes nothing for this long is broken.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// Messages that wait for a slow stream. Further ones are dropped, as UDP would.
const SEND_QUEUE: usize = 256;
/// A closed port may be an accident; after this many refusals in a row the server is dead.
const MAX_REFUSALS: u32 = 3;

pub(super) enum Link {
    Udp(UdpLink),
    Stream(StreamLink),
}

pub(super) struct UdpLink {
    socket: UdpSocket,
    buffer: Box<[u8; MAX_DATAGRAM]>,
    refusals: u32,
}

pub(super) struct StreamLink {
    local: SocketAddr,
    reader: ReadHalf<Box<dyn Stream>>,
    framer: Framer,
    outgoing: mpsc::Sender<Vec<u8>>,
}

pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

// === impl Link ===

impl Link {
    /// Tries the addresses of the server one after another.
    pub(super) async fn open(url: &ServerUrl) -> Result<Self, Unreachable> {
        let ServerKind::Turn(transport) = url.kind else { return Err(Unreachable::NoTurn) };
        let mut last = Unreachable::Nowhere;
        for address in resolve(&url.host, url.port).await? {
            match Self::open_at(address, transport, &url.host).await {
                Ok(link) => return Ok(link),
                Err(error) => last = Unreachable::Address { address, error },
            }
        }
        Err(last)
    }

    async fn open_at(address: SocketAddr, transport: TurnTransport, host: &str) -> io::Result<Self> {
        if transport == TurnTransport::Udp {
            return UdpLink::open(address).await.map(Self::Udp);
        }
        let stream = within(CONNECT_TIMEOUT, TcpStream::connect(address)).await?;
        stream.set_nodelay(true)?;
        let local = stream.local_addr()?;
        let stream: Box<dyn Stream> = match transport {
            TurnTransport::Tls => Box::new(secured(stream, host).await?),
            _ => Box::new(stream),
        };
        Ok(Self::Stream(StreamLink::over(stream, local)))
    }

    pub(super) fn is_stream(&self) -> bool {
        matches!(self, Self::Stream(_))
    }

    /// Our end of the link.
    pub(super) fn local(&self) -> Option<SocketAddr> {
        match self {
            Self::Udp(link) => link.socket.local_addr().ok(),
            Self::Stream(link) => Some(link.local),
        }
    }

    /// Sends or drops the message; returns whether it was sent.
    pub(super) fn send(&mut self, message: Vec<u8>) -> bool {
        match self {
            Self::Udp(link) => link.socket.try_send(&message).is_ok(),
            Self::Stream(link) => link.outgoing.try_send(message).is_ok(),
        }
    }

    /// The next message. An error is the end of the link. Cancel safe: no message is lost when the future is dropped.
    pub(super) async fn receive(&mut self) -> io::Result<&[u8]> {
        match self {
            Self::Udp(link) => link.receive().await,
            Self::Stream(link) => link.receive().await,
        }
    }
}

// === impl UdpLink ===

impl UdpLink {
    async fn open(address: SocketAddr) -> io::Result<Self> {
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = UdpSocket::bind(any).await?;
        socket.connect(address).await?;
        Ok(Self { socket, buffer: Box::new([0; MAX_DATAGRAM]), refusals: 0 })
    }

    async fn receive(&mut self) -> io::Result<&[u8]> {
        loop {
            match self.socket.recv(&mut self.buffer[..]).await {
                Ok(len) => {
                    self.refusals = 0;
                    return Ok(&self.buffer[..len]);
                }
                Err(error) if self.refusals >= MAX_REFUSALS => return Err(error),
                Err(_) => self.refusals += 1,
            }
        }
    }
}

// === impl StreamLink ===

impl StreamLink {
    fn over(stream: Box<dyn Stream>, local: SocketAddr) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        let (outgoing, messages) = mpsc::channel(SEND_QUEUE);
        tokio::spawn(write(writer, messages));
        Self { local, reader, framer: Framer::default(), outgoing }
    }

    async fn receive(&mut self) -> io::Result<&[u8]> {
        while !self.has_message()? {
            if self.reader.read_buf(&mut self.framer.buffer).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
            }
        }
        Ok(self.framer.message())
    }

    fn has_message(&mut self) -> io::Result<bool> {
        self.framer.advance().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "that is not TURN"))
    }
}

/// Ends once the link is dropped and all messages are written, so that a release of the allocation arrives.
async fn write(mut writer: WriteHalf<Box<dyn Stream>>, mut messages: mpsc::Receiver<Vec<u8>>) {
    while let Some(message) = messages.recv().await {
        if within(WRITE_TIMEOUT, writer.write_all(&message)).await.is_err() {
            return;
        }
        if messages.is_empty() && within(WRITE_TIMEOUT, writer.flush()).await.is_err() {
            return;
        }
    }
    _ = within(WRITE_TIMEOUT, writer.shutdown()).await;
}

async fn secured(stream: TcpStream, host: &str) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let config = tokio::task::spawn_blocking(turn_tls::client_config).await.map_err(io::Error::other)?;
    let connector = TlsConnector::from(config.map_err(io::Error::other)?);
    within(CONNECT_TIMEOUT, connector.connect(name, stream)).await
}

async fn within<T>(patience: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(patience, work).await?
}
