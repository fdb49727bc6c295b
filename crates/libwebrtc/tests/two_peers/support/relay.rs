//! A network between two peers: it carries their datagrams between real sockets and can lose, delay or stop them.
//!
//! The candidates in the descriptions are rewritten, so that each peer sends to the relay instead of to the other.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use libwebrtc::prelude::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
};

use super::{Line, Peer};

/// The quality of the network.
#[derive(Clone, Copy, Default)]
pub(crate) struct Weather {
    pub(crate) loss_percent: u64,
    pub(crate) late_percent: u64,
}

pub(crate) struct Relay {
    /// The socket that the offerer takes for the answerer.
    near: Arc<UdpSocket>,
    /// The socket that the answerer takes for the offerer.
    far: Arc<UdpSocket>,
    pub(crate) cut: Arc<AtomicBool>,
    pub(crate) lost: Arc<AtomicU64>,
}

/// Two peers with an open channel between them by way of a relay: the end of the offerer `a`, then that of the answerer.
pub(crate) async fn relayed_pair(
    mut a: Peer,
    init: DataChannelInit,
    weather: Weather,
) -> (Peer, Line, Peer, Line, Relay) {
    let mut b = Peer::new();
    let mut near = a.line("chat", init);
    let relay = Relay::between(&a, &b, weather).await;
    a.connected().await;
    near.open().await;
    let far = Line::over(b.channels.next().await);
    (a, near, b, far, relay)
}

impl Relay {
    /// Negotiates like [`super::negotiate`], with this relay between the peers.
    pub(crate) async fn between(offerer: &Peer, answerer: &Peer, weather: Weather) -> Self {
        let relay = Self {
            near: Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap()),
            far: Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap()),
            cut: Arc::default(),
            lost: Arc::default(),
        };
        let addresses = relay.negotiate(offerer, answerer).await;
        relay.carry(&relay.near, &relay.far, addresses.1, weather, 1);
        relay.carry(&relay.far, &relay.near, addresses.0, weather, 2);
        relay
    }

    /// Exchanges descriptions with the relay's addresses in them. Returns the real ones.
    pub(crate) async fn negotiate(&self, offerer: &Peer, answerer: &Peer) -> (SocketAddr, SocketAddr) {
        self.exchange(offerer, answerer, offerer.offer().await).await
    }

    pub(crate) async fn exchange(
        &self,
        offerer: &Peer,
        answerer: &Peer,
        offer: SessionDescription,
    ) -> (SocketAddr, SocketAddr) {
        let offerer_address = loopback_address(&offer);
        let offer = with_candidate(&offer, &udp_candidate(self.far.local_addr().unwrap()));
        let answer = answerer.answer(offer).await;
        let answerer_address = loopback_address(&answer);
        let answer = with_candidate(&answer, &udp_candidate(self.near.local_addr().unwrap()));
        offerer.pc.set_remote_description(answer).await.unwrap();
        (offerer_address, answerer_address)
    }

    fn carry(
        &self,
        from: &Arc<UdpSocket>,
        to: &Arc<UdpSocket>,
        target: SocketAddr,
        weather: Weather,
        seed: u64,
    ) {
        let (from, to, cut, lost) = (from.clone(), to.clone(), self.cut.clone(), self.lost.clone());
        let mut dice = Dice(seed);
        tokio::spawn(async move {
            let mut buffer = [0; 2048];
            while let Ok((len, _)) = from.recv_from(&mut buffer).await {
                if cut.load(Ordering::Relaxed) || dice.percent(weather.loss_percent) {
                    lost.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                let late = dice.percent(weather.late_percent);
                let (to, data) = (to.clone(), buffer[..len].to_vec());
                tokio::spawn(async move {
                    if late {
                        tokio::time::sleep(Duration::from_millis(30)).await;
                    }
                    _ = to.send_to(&data, target).await;
                });
            }
        });
    }
}

/// A listener in front of the answerer: the offerer reaches it over TCP alone, with the framing of RFC 4571.
pub(crate) struct TcpFront {
    listener: TcpListener,
}

impl TcpFront {
    pub(crate) async fn bind() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap() }
    }

    pub(crate) async fn negotiate(self, offerer: &Peer, answerer: &Peer) {
        let offer = without_candidates(&offerer.offer().await);
        let answer = answerer.answer(offer).await;
        let target = loopback_address(&answer);
        offerer.pc.set_remote_description(with_candidate(&answer, &self.candidate())).await.unwrap();
        self.serve(target);
    }

    /// The same with the offerer behind the front.
    pub(crate) async fn negotiate_from_behind(self, offerer: &Peer, answerer: &Peer) {
        let offer = offerer.offer().await;
        let target = loopback_address(&offer);
        let answer = answerer.answer(with_candidate(&offer, &self.candidate())).await;
        offerer.pc.set_remote_description(without_candidates(&answer)).await.unwrap();
        self.serve(target);
    }

    fn serve(self, target: SocketAddr) {
        tokio::spawn(async move {
            while let Ok((stream, _)) = self.listener.accept().await {
                tokio::spawn(bridge(stream, target));
            }
        });
    }

    pub(crate) async fn accept(&self) -> TcpStream {
        self.listener.accept().await.unwrap().0
    }

    pub(crate) fn candidate(&self) -> String {
        let port = self.listener.local_addr().unwrap().port();
        format!("candidate:1 1 tcp 1518280447 127.0.0.1 {port} typ host tcptype passive")
    }
}

async fn bridge(stream: TcpStream, target: SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let to_udp = async {
        while let Ok(len) = reader.read_u16().await {
            let mut frame = vec![0; usize::from(len)];
            reader.read_exact(&mut frame).await.unwrap();
            socket.send_to(&frame, target).await.unwrap();
        }
    };
    let to_tcp = async {
        let mut buffer = [0; 2048];
        while let Ok((len, _)) = socket.recv_from(&mut buffer).await {
            if writer.write_u16(len as u16).await.is_err() || writer.write_all(&buffer[..len]).await.is_err()
            {
                break;
            }
        }
    };
    tokio::select! { () = to_udp => {}, () = to_tcp => {} }
}

/// The loopback address among the candidates of a description.
pub(crate) fn loopback_address(description: &SessionDescription) -> SocketAddr {
    let text = description.to_string();
    let line =
        text.lines().find(|line| line.starts_with("a=candidate:") && line.contains(" 127.0.0.1 ")).unwrap();
    let port = line.split(' ').nth(5).unwrap();
    format!("127.0.0.1:{port}").parse().unwrap()
}

pub(crate) fn udp_candidate(address: SocketAddr) -> String {
    format!("candidate:1 1 udp 2130706175 {} {} typ host", address.ip(), address.port())
}

/// The description with `candidate` in place of its own.
pub(crate) fn with_candidate(description: &SessionDescription, candidate: &str) -> SessionDescription {
    let text = without_candidates(description).to_string();
    let mid_line = text.lines().find(|line| line.starts_with("a=mid:")).unwrap().to_owned();
    let text = text.replacen(&mid_line, &format!("{mid_line}\r\na={candidate}"), 1);
    SessionDescription::parse(&text, description.sdp_type()).unwrap()
}

pub(crate) fn without_candidates(description: &SessionDescription) -> SessionDescription {
    let keep = |line: &&str| !line.starts_with("a=candidate:") && !line.starts_with("a=end-of-candidates");
    let text: String =
        description.to_string().lines().filter(keep).map(|line| format!("{line}\r\n")).collect();
    SessionDescription::parse(&text, description.sdp_type()).unwrap()
}

/// A reproducible random generator (Knuth's MMIX).
struct Dice(u64);

impl Dice {
    fn percent(&mut self, chance: u64) -> bool {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % 100 < chance
    }
}
