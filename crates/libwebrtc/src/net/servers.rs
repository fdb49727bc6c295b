//! The ICE servers of one connection: the requests to them, and the relays they granted.

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use str0m::Candidate;
use tokio::sync::mpsc;

use crate::{
    configuration::{IceServer, IceTransportsType},
    connection_state::IceCandidateError,
    net::{
        Happening, Packet, UNREACHABLE, Unreachable, candidates, interfaces, resolve,
        stun::bindings::{Action, Bindings, Event},
        turn::{
            Credentials,
            relay::{Relay, Report},
        },
        udp::UdpSockets,
        url::{ServerKind, ServerUrl, TurnTransport},
    },
};

/// Reports of this connection's tasks that wait. When the queue is full the relays wait, and their servers or sockets
/// drop packets.
const REPORTS: usize = 256;
/// The most servers of either kind that are asked. Each TURN server costs a socket and an allocation.
const MAX_STUN: usize = 8;
const MAX_RELAYS: usize = 8;
/// A NAT that maps to another address each time must not make the list grow.
const MAX_MAPPED: usize = 64;

pub(super) struct Servers {
    stun: Vec<Stun>,
    bindings: Bindings<usize>,
    mapped: Vec<Mapped>,
    relays: Vec<Granted>,
    reports: mpsc::Receiver<ServerReport>,
    deliver: mpsc::Sender<ServerReport>,
    happened: VecDeque<Happening>,
    /// Distinguishes relays, and the answers to an earlier gathering from those to the present one.
    next_id: u64,
    gathering: bool,
}

/// A server that reports mapped addresses. TURN servers do as well, but the relay reports their errors.
struct Stun {
    id: u64,
    url: ServerUrl,
    quiet: bool,
    resolving: bool,
    addresses: Vec<SocketAddr>,
}

/// The address of one of our sockets as seen from outside.
struct Mapped {
    socket: SocketAddr,
    candidate: Candidate,
}

/// A relay, or the attempt to get one.
struct Granted {
    id: u64,
    server: TurnServer,
    relay: Relay,
    candidate: Option<Candidate>,
    /// Our end of the link to the server.
    local: Option<IpAddr>,
    /// The relay existed before the present gathering; if it turns out to be gone it is requested once more.
    probed: bool,
    rank: usize,
}

#[derive(Clone)]
struct TurnServer {
    url: ServerUrl,
    transport: TurnTransport,
    credentials: Credentials,
}

pub(super) enum ServerReport {
    Resolved { id: u64, result: Result<Vec<SocketAddr>, Unreachable> },
    Relay { id: u64, report: Report },
}

impl Servers {
    pub(super) fn new() -> Self {
        let (deliver, reports) = mpsc::channel(REPORTS);
        Self {
            stun: Vec::new(),
            bindings: Bindings::new(),
            mapped: Vec::new(),
            relays: Vec::new(),
            reports,
            deliver,
            happened: VecDeque::new(),
            next_id: 0,
            gathering: false,
        }
    }

    /// Asks all servers, and drops those that were removed from the list. Existing relays are kept if they still work.
    pub(super) fn gather(&mut self, servers: &[IceServer], policy: IceTransportsType) {
        self.gathering = true;
        self.bindings.clear();
        self.stun.clear();
        let urls = self.read_urls(servers);
        self.gather_relays(&urls);
        if policy != IceTransportsType::Relay {
            for (url, _) in &urls {
                self.ask_stun(url);
            }
        }
        self.finish();
    }

    /// Queues the events of others, in the order in which they are reported.
    pub(super) fn tell(&mut self, happening: Happening) {
        self.happened.push_back(happening);
    }

    pub(super) fn next_happening(&mut self) -> Option<Happening> {
        self.happened.pop_front()
    }

    /// Cancel safe: no report is lost when the future is dropped.
    pub(super) async fn next_report(&mut self) -> ServerReport {
        match self.reports.recv().await {
            Some(report) => report,
            None => std::future::pending().await,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.bindings.deadline()
    }

    pub(super) fn timeout(&mut self, udp: &mut UdpSockets) {
        let actions = self.bindings.step(Instant::now(), Event::Timeout);
        self.act(actions, udp);
        self.finish();
    }

    /// Returns whether the datagram was a server's answer.
    pub(super) fn take(&mut self, udp: &mut UdpSockets, packet: &Packet, data: &[u8]) -> bool {
        let (socket, server) = (packet.destination, packet.source);
        if !self.bindings.expects(socket, server) {
            return false;
        }
        let actions = self.bindings.step(Instant::now(), Event::Received { socket, server, data });
        let taken = !actions.is_empty();
        self.act(actions, udp);
        self.finish();
        taken
    }

    /// Asks the servers about new sockets.
    pub(super) fn sockets_added(&mut self, sockets: &[SocketAddr], udp: &mut UdpSockets) {
        for index in 0..self.stun.len() {
            for server in self.stun[index].addresses.clone() {
                self.ask_from(sockets, server, index, udp);
            }
        }
    }

    /// Drops what is known about a socket that was removed.
    pub(super) fn socket_removed(&mut self, socket: SocketAddr) {
        self.bindings.forget(socket);
        let lost = self.mapped.extract_if(.., |mapped| mapped.socket == socket);
        self.happened.extend(lost.map(|mapped| Happening::Lost(mapped.candidate)));
        self.finish();
    }

    /// Relays that were reached from an address that is gone are requested from another one.
    pub(super) fn addresses_changed(&mut self, addresses: &[IpAddr]) {
        let is_gone = |local: IpAddr| interfaces::is_usable(&local) && !addresses.contains(&local);
        let stranded: Vec<Granted> =
            self.relays.extract_if(.., |granted| granted.local.is_some_and(is_gone)).collect();
        for granted in stranded {
            log::debug!("{}: the way to the relay is gone", granted.server.url);
            self.happened.extend(granted.candidate.map(Happening::Lost));
            self.allocate(granted.server, granted.rank);
        }
    }

    /// Sends a datagram by the relay with this address; returns whether there is one.
    pub(super) fn send(&mut self, relay: SocketAddr, peer: SocketAddr, data: &[u8]) -> bool {
        let has_address = |granted: &&mut Granted| granted.address() == Some(relay);
        let Some(granted) = self.relays.iter_mut().find(has_address) else { return false };
        granted.relay.send(peer, data);
        true
    }

    /// Handles a task's report; returns a packet at once.
    pub(super) fn report(&mut self, report: ServerReport, udp: &mut UdpSockets) -> Option<Packet> {
        let packet = match report {
            ServerReport::Resolved { id, result } => {
                self.resolved(id, result, udp);
                None
            }
            ServerReport::Relay { id, report } => self.relay_report(id, report),
        };
        self.finish();
        packet
    }

    fn read_urls(&mut self, servers: &[IceServer]) -> Vec<(ServerUrl, Credentials)> {
        let mut urls = Vec::new();
        for server in servers {
            for text in &server.urls {
                let credentials =
                    Credentials { username: server.username.clone(), password: server.password.clone() };
                match ServerUrl::parse(text) {
                    Ok(url) => urls.push((url, credentials)),
                    Err(why) => self.failed(text, None, UNREACHABLE, format!("the URL is not used: {why}")),
                }
            }
        }
        urls
    }

    fn gather_relays(&mut self, urls: &[(ServerUrl, Credentials)]) {
        let is_wanted = |granted: &Granted| urls.iter().any(|(url, _)| *url == granted.server.url);
        let (kept, gone) = std::mem::take(&mut self.relays).into_iter().partition(is_wanted);
        self.relays = kept;
        let lost = gone.into_iter().filter_map(|granted: Granted| granted.candidate);
        self.happened.extend(lost.map(Happening::Lost));
        for (rank, (url, credentials)) in urls.iter().enumerate() {
            let ServerKind::Turn(transport) = url.kind else { continue };
            let full = self.relays.len() >= MAX_RELAYS;
            match self.relays.iter_mut().find(|granted| granted.server.url == *url) {
                Some(granted) => granted.probe(credentials),
                None if full => self.too_many(url, MAX_RELAYS),
                None => {
                    let credentials = credentials.clone();
                    self.allocate(TurnServer { url: url.clone(), transport, credentials }, rank);
                }
            }
        }
    }

    fn allocate(&mut self, server: TurnServer, rank: usize) {
        let (id, deliver) = (self.new_id(), self.deliver.clone());
        let report = move |report| {
            let deliver = deliver.clone();
            async move { deliver.send(ServerReport::Relay { id, report }).await.is_ok() }
        };
        let relay = Relay::start(server.url.clone(), server.credentials.clone(), report);
        self.relays.push(Granted { id, server, relay, candidate: None, local: None, probed: false, rank });
    }

    fn ask_stun(&mut self, url: &ServerUrl) {
        let quiet = match url.kind {
            ServerKind::Stun => false,
            ServerKind::Turn(TurnTransport::Udp) => true,
            ServerKind::Turn(_) => return,
        };
        if self.stun.len() >= MAX_STUN {
            self.too_many(url, MAX_STUN);
            return;
        }
        let (id, deliver) = (self.new_id(), self.deliver.clone());
        let (host, port) = (url.host.clone(), url.port);
        tokio::spawn(async move {
            let result = resolve(&host, port).await;
            _ = deliver.send(ServerReport::Resolved { id, result }).await;
        });
        self.stun.push(Stun { id, url: url.clone(), quiet, resolving: true, addresses: Vec::new() });
    }

    fn resolved(&mut self, id: u64, result: Result<Vec<SocketAddr>, Unreachable>, udp: &mut UdpSockets) {
        let Some(index) = self.stun.iter().position(|stun| stun.id == id) else { return };
        self.stun[index].resolving = false;
        match result {
            Ok(addresses) => self.ask_addresses(index, &addresses, udp),
            Err(why) => self.stun_failed(index, None, UNREACHABLE, why.to_string()),
        }
    }

    /// Asks one address of each family: the others are the same server.
    fn ask_addresses(&mut self, index: usize, addresses: &[SocketAddr], udp: &mut UdpSockets) {
        let families = [SocketAddr::is_ipv4, SocketAddr::is_ipv6];
        let chosen = families.iter().filter_map(|family| addresses.iter().find(|address| family(address)));
        self.stun[index].addresses = chosen.copied().collect();
        let sockets: Vec<SocketAddr> = udp.addresses().collect();
        let mut asked = 0;
        for server in self.stun[index].addresses.clone() {
            asked += self.ask_from(&sockets, server, index, udp);
        }
        if asked == 0 {
            let why = "none of this machine's addresses can send there".to_owned();
            self.stun_failed(index, None, UNREACHABLE, why);
        }
    }

    /// Returns from how many sockets the server could be asked.
    fn ask_from(
        &mut self,
        sockets: &[SocketAddr],
        server: SocketAddr,
        source: usize,
        udp: &mut UdpSockets,
    ) -> usize {
        let before = self.bindings.pending();
        for socket in sockets.iter().copied().filter(|socket| can_reach(*socket, server)) {
            let actions = self.bindings.step(Instant::now(), Event::Ask { socket, server, source });
            self.act(actions, udp);
        }
        self.bindings.pending() - before
    }

    fn act(&mut self, actions: Vec<Action<usize>>, udp: &mut UdpSockets) {
        for action in actions {
            match action {
                Action::Transmit { socket, server, request } => {
                    if !udp.send(socket, server, &request) {
                        self.bindings.step(Instant::now(), Event::Unsendable { socket, server });
                    }
                }
                Action::Mapped { socket, address } if socket != address => {
                    self.mapped(socket, address);
                }
                // There is no NAT: the address is known already.
                Action::Mapped { .. } => {}
                Action::Failed { socket, source, code, text } => {
                    self.stun_failed(source, Some(socket), code, text)
                }
            }
        }
    }

    fn mapped(&mut self, socket: SocketAddr, address: SocketAddr) {
        let is_known = |mapped: &Mapped| mapped.socket == socket && mapped.candidate.addr() == address;
        let Some(candidate) = candidates::server_reflexive(address, socket) else { return };
        if self.mapped.iter().any(is_known) {
            return;
        }
        if self.mapped.len() >= MAX_MAPPED {
            self.happened.push_back(Happening::Lost(self.mapped.remove(0).candidate));
        }
        self.mapped.push(Mapped { socket, candidate: candidate.clone() });
        self.happened.push_back(Happening::Found(candidate));
    }

    fn relay_report(&mut self, id: u64, report: Report) -> Option<Packet> {
        let index = self.relays.iter().position(|granted| granted.id == id)?;
        let granted = &mut self.relays[index];
        match report {
            Report::Data { peer, data } => {
                granted.address().map(|address| Packet::relayed(peer, address, data))
            }
            Report::Allocated { relayed, local } => {
                log::debug!("{}: relay {relayed} granted to {local}", granted.server.url);
                let candidate = candidates::relayed(relayed, granted.server.transport, granted.rank);
                granted.candidate = Some(candidate.clone());
                granted.local = Some(local.ip());
                self.happened.push_back(Happening::Found(candidate));
                None
            }
            Report::Ended { local, code, text } => {
                self.relay_ended(index, local, code, text);
                None
            }
        }
    }

    fn relay_ended(&mut self, index: usize, local: Option<SocketAddr>, code: u16, text: String) {
        let ended = self.relays.swap_remove(index);
        let url = ended.server.url.to_string();
        self.happened.extend(ended.candidate.map(Happening::Lost));
        if ended.probed {
            self.allocate(ended.server, ended.rank);
            return;
        }
        self.failed(&url, local, code, text);
    }

    fn stun_failed(&mut self, index: usize, socket: Option<SocketAddr>, code: u16, text: String) {
        let Some(stun) = self.stun.get(index).filter(|stun| !stun.quiet) else { return };
        let url = stun.url.to_string();
        self.failed(&url, socket, code, text);
    }

    fn too_many(&mut self, url: &ServerUrl, limit: usize) {
        let text = format!("more than {limit} servers of its kind are configured");
        self.failed(&url.to_string(), None, UNREACHABLE, text);
    }

    fn failed(&mut self, url: &str, local: Option<SocketAddr>, code: u16, text: String) {
        log::debug!("ICE server {url}: {code} {text}");
        self.happened.push_back(Happening::Failed(IceCandidateError {
            address: local.map(|local| local.ip().to_string()).unwrap_or_default(),
            port: local.map_or(0, |local| local.port().into()),
            url: url.to_owned(),
            error_code: code.into(),
            error_text: text,
        }));
    }

    fn finish(&mut self) {
        let is_open = self.bindings.pending() > 0
            || self.stun.iter().any(|stun| stun.resolving)
            || self.relays.iter().any(|granted| granted.candidate.is_none());
        if self.gathering && !is_open {
            self.gathering = false;
            self.happened.push_back(Happening::Gathered);
        }
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}

impl Granted {
    fn address(&self) -> Option<SocketAddr> {
        self.candidate.as_ref().map(Candidate::addr)
    }

    fn probe(&mut self, credentials: &Credentials) {
        self.server.credentials = credentials.clone();
        self.probed = self.candidate.is_some();
        if self.probed {
            self.relay.probe();
        }
    }
}

/// From a loopback address only servers on this machine can be reached.
fn can_reach(socket: SocketAddr, server: SocketAddr) -> bool {
    socket.is_ipv4() == server.is_ipv4() && (!socket.ip().is_loopback() || server.ip().is_loopback())
}
