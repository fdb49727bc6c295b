//! The connection behind [`PeerConnection`](crate::peer_connection::PeerConnection).
//!
//! Programs hold a [`Connection`], which shares state with one driver task. Calls that do not wait change the shared state
//! and wake the driver; calls that wait send it a command. Only the driver touches `str0m` and the sockets:
//!
//! - [`state`], [`transport`] and [`tcp_fallback`] are pure state machines: offer/answer, reachability, when to use TCP;
//! - [`engine`] joins them with `str0m`: datagrams and commands in, datagrams and effects out, no sockets;
//! - [`driver`] is the task that feeds the engine from the sockets of [`net`](crate::net) and runs the effects;
//! - [`sctp`] sends lost data again sooner than the SCTP in `str0m`;
//! - [`frame_transform`] is the place of end-to-end encryption, between codec and network.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::{
    RtcError,
    channel_init::{DataChannelInit, DataChannelState},
    configuration::RtcConfiguration,
    connection_state::{IceConnectionState, OfferOptions, PeerConnectionState},
    ice_candidate::IceCandidate,
    media_stream_track::MediaStreamTrack,
    net::Network,
    outbox::Outbox,
    pc::{
        channel::Channel,
        command::{Command, StatsOf},
        driver::Driver,
        effect::Callbacks,
        link::Link,
        shared::Shared,
        state::State,
        transceiver::{Kind, Transceiver},
    },
    runtime,
    session_description::SessionDescription,
    stats::RtcStats,
    transceiver_init::RtpTransceiverInit,
};

pub(crate) mod channel;
mod command;
mod driver;
mod effect;
mod engine;
pub(crate) mod frame_transform;
#[cfg(any(debug_assertions, feature = "fuzzing"))]
pub(crate) mod fuzzing;
pub(crate) mod link;
#[cfg(any(test, debug_assertions, feature = "fuzzing"))]
mod offline;
pub(crate) mod payload_types;
mod sctp;
pub(crate) mod sdp;
mod shared;
pub(crate) mod state;
mod tcp_fallback;
pub(crate) mod transceiver;
mod transport;

/// Commands that wait for the driver. A program in a loop that sends more waits here.
const COMMANDS: usize = 32;

/// The program's end of a connection. Dropping the last one closes the connection.
pub(crate) struct Connection {
    shared: Arc<Shared>,
    link: Link,
    outbox: Option<Outbox>,
    /// Keeps the links of all handles working.
    _commands: mpsc::Sender<Command>,
}

impl Connection {
    /// Binds the sockets and starts the driver, on the caller's runtime or on one of this crate's own.
    pub(crate) fn open(config: RtcConfiguration) -> Result<Self, RtcError> {
        let runtime = runtime::handle()?;
        let _entered = runtime.enter();
        let network = Network::bind(&config)?;
        let wake = Arc::new(Notify::new());
        let (commands, inbox) = mpsc::channel(COMMANDS);
        let link = Link::new(wake.clone(), &commands);
        let outbox = config.outbox.clone();
        let state = State::new(config, network.candidates(), link.clone());
        let shared = Arc::new(Shared { state: Mutex::new(state), callbacks: Callbacks::default(), wake });
        runtime.spawn(Driver::new(shared.clone(), network, inbox).run());
        Ok(Self { shared, link, outbox, _commands: commands })
    }

    /// The servers in `config` are asked at the next gathering.
    pub(crate) fn configure(&self, config: RtcConfiguration) -> Result<(), RtcError> {
        self.shared.state.lock().configure(config)
    }

    pub(crate) async fn create_offer(&self, options: OfferOptions) -> Result<SessionDescription, RtcError> {
        self.call(|reply| Command::CreateOffer(options, reply)).await
    }

    pub(crate) async fn create_answer(&self) -> Result<SessionDescription, RtcError> {
        self.call(Command::CreateAnswer).await
    }

    pub(crate) async fn set_local(&self, description: SessionDescription) -> Result<(), RtcError> {
        self.call(|reply| Command::SetLocal(description, reply)).await
    }

    pub(crate) async fn set_remote(&self, description: SessionDescription) -> Result<(), RtcError> {
        self.call(|reply| Command::SetRemote(description, reply)).await
    }

    pub(crate) async fn add_candidate(&self, candidate: IceCandidate) -> Result<(), RtcError> {
        self.call(|reply| Command::AddCandidate(candidate, reply)).await
    }

    pub(crate) async fn stats(&self) -> Result<Vec<RtcStats>, RtcError> {
        self.call(|reply| Command::Stats(StatsOf::Connection, reply)).await
    }

    pub(crate) fn create_data_channel(
        &self,
        label: &str,
        init: &DataChannelInit,
    ) -> Result<Arc<Channel>, RtcError> {
        let config = channel::config_of(label, init)?;
        let channel = Channel::new(config, DataChannelState::Connecting, self.shared.wake.clone());
        let channel = Arc::new(channel.counted_in(self.outbox.clone()));
        self.shared.state.lock().add_channel(channel.clone())?;
        self.shared.wake.notify_one();
        Ok(channel)
    }

    pub(crate) fn add_transceiver(
        &self,
        kind: Kind,
        track: Option<MediaStreamTrack>,
        init: RtpTransceiverInit,
    ) -> Result<Arc<Transceiver>, RtcError> {
        let transceiver = Arc::new(Transceiver::new(kind, track, init, self.link.clone()));
        self.shared.state.lock().add_transceiver(transceiver.clone())?;
        self.shared.wake.notify_one();
        Ok(transceiver)
    }

    pub(crate) fn remove_track(&self, transceiver: &Arc<Transceiver>) -> Result<(), RtcError> {
        self.shared.state.lock().remove_track(transceiver)?;
        self.shared.wake.notify_one();
        Ok(())
    }

    pub(crate) fn restart_ice(&self) {
        self.shared.state.lock().want_ice_restart();
        self.shared.wake.notify_one();
    }

    /// Reads the offer/answer state.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.shared.state.lock())
    }

    pub(crate) fn connection_state(&self) -> PeerConnectionState {
        self.read(
            |state| if state.is_closed() { PeerConnectionState::Closed } else { state.transport.state() },
        )
    }

    pub(crate) fn ice_state(&self) -> IceConnectionState {
        self.read(|state| if state.is_closed() { IceConnectionState::Closed } else { state.transport.ice() })
    }

    pub(crate) fn callbacks(&self) -> &Callbacks {
        &self.shared.callbacks
    }

    /// Closes the connection for the program at once; the driver then tells the peer and ends.
    pub(crate) fn close(&self) {
        self.shared.state.lock().close();
        self.shared.wake.notify_one();
    }

    async fn call<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, RtcError>>) -> Command,
    ) -> Result<T, RtcError> {
        self.read(State::ensure_open)?;
        self.link.call(command).await
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.close();
    }
}
