//! ICE over TCP (RFC 6544): connections out to the peer, with the framing of RFC 4571.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpSocket, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    task::JoinHandle,
};

/// Frames that wait for a slow connection. Further ones are dropped, as UDP would.
const SEND_QUEUE: usize = 256;
/// Frames that wait for the driver; a full queue slows the peer down.
const RECEIVE_QUEUE: usize = 256;
/// A peer may name many TCP candidates; each costs a connection.
const MAX_CONNECTIONS: usize = 8;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct TcpConnections {
    connections: HashMap<(SocketAddr, SocketAddr), Connection>,
    received: mpsc::Receiver<Frame>,
    /// For the tasks of new connections; it also keeps `received` open while there are none.
    deliver: mpsc::Sender<Frame>,
    dropped: u64,
}

pub(super) struct Frame {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) data: Vec<u8>,
}

struct Connection {
    frames: mpsc::Sender<Vec<u8>>,
    task: JoinHandle<()>,
}

impl TcpConnections {
    pub(super) fn new() -> Self {
        let (deliver, received) = mpsc::channel(RECEIVE_QUEUE);
        Self { connections: HashMap::new(), received, deliver, dropped: 0 }
    }

    /// Connects on first use. A connection that ended is not opened again: ICE goes on with other candidates.
    pub(super) fn send(&mut self, source: SocketAddr, destination: SocketAddr, data: &[u8]) {
        let key = (source, destination);
        if !self.connections.contains_key(&key) && self.connections.len() < MAX_CONNECTIONS {
            self.connections.insert(key, Connection::open(source, destination, self.deliver.clone()));
        }
        let sent = self.connections.get(&key).is_some_and(|connection| connection.send(data));
        if !sent {
            self.dropped += 1;
            let level = if self.dropped == 1 { log::Level::Debug } else { log::Level::Trace };
            log::log!(level, "TCP frame to {destination} dropped, {} so far", self.dropped);
        }
    }

    pub(super) fn close(&mut self) {
        self.connections.clear();
    }

    pub(super) fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Frame> {
        match self.received.poll_recv(context) {
            Poll::Ready(Some(frame)) => Poll::Ready(frame),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

impl Connection {
    fn open(source: SocketAddr, destination: SocketAddr, deliver: mpsc::Sender<Frame>) -> Self {
        let (frames, outgoing) = mpsc::channel(SEND_QUEUE);
        let task = tokio::spawn(async move {
            if let Err(error) = run(source, destination, deliver, outgoing).await {
                log::debug!("ICE over TCP to {destination} ended: {error}");
            }
        });
        Self { frames, task }
    }

    fn send(&self, data: &[u8]) -> bool {
        let Ok(len) = u16::try_from(data.len()) else { return false };
        let mut frame = Vec::with_capacity(2 + data.len());
        frame.extend_from_slice(&len.to_be_bytes());
        frame.extend_from_slice(data);
        self.frames.try_send(frame).is_ok()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Connects from the interface of the local candidate, whose port is only nominal.
async fn run(
    source: SocketAddr,
    destination: SocketAddr,
    deliver: mpsc::Sender<Frame>,
    outgoing: mpsc::Receiver<Vec<u8>>,
) -> io::Result<()> {
    let stream = tokio::time::timeout(CONNECT_TIMEOUT, connect(source, destination)).await??;
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.into_split();
    tokio::select! {
        result = read_frames(reader, source, destination, deliver) => result,
        result = write_frames(writer, outgoing) => result,
    }
}

async fn connect(source: SocketAddr, destination: SocketAddr) -> io::Result<TcpStream> {
    let socket = if destination.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.bind(SocketAddr::new(source.ip(), 0))?;
    socket.connect(destination).await
}

async fn read_frames(
    mut reader: OwnedReadHalf,
    local: SocketAddr,
    remote: SocketAddr,
    deliver: mpsc::Sender<Frame>,
) -> io::Result<()> {
    loop {
        let len = reader.read_u16().await?;
        let mut data = vec![0; usize::from(len)];
        reader.read_exact(&mut data).await?;
        let frame = Frame { source: remote, destination: local, data };
        if deliver.send(frame).await.is_err() {
            return Ok(());
        }
    }
}

async fn write_frames(mut writer: OwnedWriteHalf, mut outgoing: mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
    while let Some(frame) = outgoing.recv().await {
        writer.write_all(&frame).await?;
    }
    Ok(())
}
