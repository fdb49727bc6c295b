//! A door in front of a real livekit-server: it keeps rooms' connections away, and speaks to workers in the server's name.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use livekit_protocol as proto;
use livekit_protocol::server_message::Message as FromServer;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};

const LONGEST_HEAD: usize = 16 << 10;

pub(crate) struct Door {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// Which connections to rooms are let through.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rooms {
    All,
    /// Those that are there, and no new ones.
    Old,
    None,
}

struct Shared {
    server: u16,
    rooms: watch::Sender<Rooms>,
    /// What the workers are told beside the server's own words.
    said: broadcast::Sender<Vec<u8>>,
}

// === impl Door ===

impl Door {
    pub(crate) async fn to(server: u16) -> Self {
        Self::at(Ipv4Addr::LOCALHOST.into(), server).await
    }

    pub(crate) async fn at(address: IpAddr, server: u16) -> Self {
        let listener = TcpListener::bind((address, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            server,
            rooms: watch::Sender::new(Rooms::All),
            said: broadcast::Sender::new(64),
        });
        let doorman = shared.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = doorman.clone();
                tokio::spawn(async move { shared.pass(stream).await });
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// Cuts the connections to rooms, and takes no new ones.
    pub(crate) fn shut(&self) {
        self.shared.rooms.send_replace(Rooms::None);
    }

    /// Takes no new connections to rooms.
    pub(crate) fn withhold(&self) {
        self.shared.rooms.send_replace(Rooms::Old);
    }

    pub(crate) fn open(&self) {
        self.shared.rooms.send_replace(Rooms::All);
    }

    /// Tells every worker that this job is terminated.
    pub(crate) fn terminate(&self, job_id: &str) {
        let termination = FromServer::Termination(proto::JobTermination { job_id: job_id.to_owned() });
        let message = proto::ServerMessage { message: Some(termination) }.encode_to_vec();
        // A binary frame of a server: whole, not masked.
        let length =
            u8::try_from(message.len()).ok().filter(|length| *length < 126).expect("a short message");
        let frame = [&[0x82, length], message.as_slice()].concat();
        self.shared.said.send(frame).expect("a worker is connected");
    }
}

// === impl Shared ===

impl Shared {
    async fn pass(&self, near: TcpStream) -> Option<()> {
        let path = path(&near).await?;
        let far = TcpStream::connect((Ipv4Addr::LOCALHOST, self.server)).await.ok()?;
        if path.starts_with("/agent") {
            return self.pass_worker(near, far).await;
        }
        let (mut near, mut far) = (near, far);
        let passing = tokio::io::copy_bidirectional(&mut near, &mut far);
        if !path.starts_with("/rtc") {
            return passing.await.ok().map(drop);
        }
        let mut rooms = self.rooms.subscribe();
        if *rooms.borrow() != Rooms::All {
            return None;
        }
        tokio::select! {
            passed = passing => passed.ok().map(drop),
            _ = rooms.wait_for(|rooms| *rooms == Rooms::None) => None,
        }
    }

    async fn pass_worker(&self, near: TcpStream, far: TcpStream) -> Option<()> {
        let said = self.said.subscribe();
        let ((mut near_read, near_write), (far_read, mut far_write)) = (near.into_split(), far.into_split());
        tokio::select! {
            copied = tokio::io::copy(&mut near_read, &mut far_write) => copied.ok().map(drop),
            done = speak(far_read, near_write, said) => done,
        }
    }
}

/// Passes on what the server says, and between two of its messages what the test does.
async fn speak(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut said: broadcast::Receiver<Vec<u8>>,
) -> Option<()> {
    let (mut unread, mut upgraded) = (Vec::new(), false);
    loop {
        while let Some(length) = whole(&unread, upgraded) {
            upgraded = true;
            to.write_all(&unread[..length]).await.ok()?;
            unread.drain(..length);
        }
        tokio::select! {
            read = from.read_buf(&mut unread) => {
                if read.ok()? == 0 {
                    return None;
                }
            }
            Ok(frame) = said.recv(), if upgraded && unread.is_empty() => to.write_all(&frame).await.ok()?,
        }
    }
}

/// How long the message at the beginning is, once it is whole: the answer to the upgrade, then frames (RFC 6455, section 5.2).
fn whole(bytes: &[u8], upgraded: bool) -> Option<usize> {
    if !upgraded {
        return bytes.windows(4).position(|end| end == b"\r\n\r\n").map(|start| start + 4);
    }
    let length = match bytes.get(1)? & 0x7f {
        126 => 4 + usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
        127 => 10 + usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?,
        short => 2 + usize::from(short),
    };
    (bytes.len() >= length).then_some(length)
}

/// What a request asks for; it stays unread.
async fn path(stream: &TcpStream) -> Option<String> {
    let mut head = vec![0; LONGEST_HEAD];
    loop {
        let read = stream.peek(&mut head).await.ok().filter(|read| *read > 0)?;
        if head[..read].contains(&b'\n') {
            return Some(String::from_utf8_lossy(&head[..read]).split_whitespace().nth(1)?.to_owned());
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
