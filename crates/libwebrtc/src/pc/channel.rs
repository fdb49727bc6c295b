//! One data channel as the program sees it: state, send queue and byte accounting.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use str0m::channel::{ChannelConfig, Reliability};
use tokio::sync::Notify;

use crate::{
    RtcError,
    callback::Slot,
    channel_init::{
        DataChannelError, DataChannelInit, DataChannelState, OnBufferedAmountChange, OnMessage, OnStateChange,
    },
    outbox::Outbox,
};

/// Payload bytes that one channel may hold for sending. A program that outruns the network gets errors, not more
/// memory.
pub(crate) const MAX_QUEUED: usize = 16 << 20;
/// The message size that every WebRTC peer accepts when its description names none (RFC 8841, section 6.1).
pub(crate) const DEFAULT_MAX_MESSAGE: usize = 65_536;

pub(crate) struct Channel {
    config: ChannelConfig,
    inner: Mutex<Inner>,
    callbacks: Callbacks,
    outbox: Option<Outbox>,
    /// Wakes the driver, which owns the association.
    wake: Arc<Notify>,
}

#[derive(Default)]
pub(crate) struct Callbacks {
    pub(crate) state_change: Slot<OnStateChange>,
    pub(crate) message: Slot<OnMessage>,
    pub(crate) buffered_amount_change: Slot<OnBufferedAmountChange>,
}

struct Inner {
    state: DataChannelState,
    id: Option<u16>,
    queue: VecDeque<Message>,
    queued: usize,
    /// Payload bytes in the association that the peer has not acknowledged.
    in_flight: usize,
    max_message: usize,
    refused: u64,
    traffic: Traffic,
}

/// The traffic of a channel. Bytes are those of the payload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) messages_sent: u32,
    pub(crate) bytes_sent: u64,
    pub(crate) messages_received: u32,
    pub(crate) bytes_received: u64,
}

/// A message on its way to the association.
pub(crate) struct Message {
    pub(crate) data: Box<[u8]>,
    pub(crate) binary: bool,
}

impl Channel {
    pub(crate) fn new(config: ChannelConfig, state: DataChannelState, wake: Arc<Notify>) -> Self {
        let inner = Inner {
            state,
            id: config.negotiated,
            queue: VecDeque::new(),
            queued: 0,
            in_flight: 0,
            max_message: DEFAULT_MAX_MESSAGE,
            refused: 0,
            traffic: Traffic::default(),
        };
        Self { config, inner: Mutex::new(inner), callbacks: Callbacks::default(), outbox: None, wake }
    }

    /// Channels that may lose messages are not counted: no caller waits for their messages.
    pub(crate) fn counted_in(mut self, outbox: Option<Outbox>) -> Self {
        self.outbox = outbox.filter(|_| self.config.reliability == Reliability::Reliable);
        self
    }

    pub(crate) fn send(&self, data: &[u8], binary: bool) -> Result<(), DataChannelError> {
        let mut inner = self.inner.lock();
        let fits = data.len() <= inner.max_message && inner.queued + data.len() <= MAX_QUEUED;
        // `str0m` 0.25 sends nothing for an empty message but counts it, and the peer would wait for it for ever.
        if inner.state != DataChannelState::Open || !fits || data.is_empty() {
            inner.refused += 1;
            log_refusal(&self.config.label, data.len(), &inner);
            return Err(DataChannelError::Send);
        }
        inner.queued += data.len();
        inner.traffic.messages_sent += 1;
        inner.traffic.bytes_sent += data.len() as u64;
        inner.queue.push_back(Message { data: data.into(), binary });
        // Under the lock, so that it is never acknowledged before it is sent.
        self.count(|outbox| outbox.sent(data.len()));
        drop(inner);
        self.wake.notify_one();
        Ok(())
    }

    pub(crate) fn count_received(&self, bytes: usize) {
        let traffic = &mut self.inner.lock().traffic;
        traffic.messages_received += 1;
        traffic.bytes_received += bytes as u64;
    }

    pub(crate) fn traffic(&self) -> Traffic {
        self.inner.lock().traffic
    }

    pub(crate) fn close(&self) {
        let mut inner = self.inner.lock();
        if matches!(inner.state, DataChannelState::Connecting | DataChannelState::Open) {
            inner.state = DataChannelState::Closing;
            drop(inner);
            self.wake.notify_one();
        }
    }

    pub(crate) fn id(&self) -> i32 {
        self.inner.lock().id.map_or(-1, i32::from)
    }

    pub(crate) fn label(&self) -> &str {
        &self.config.label
    }

    pub(crate) fn config(&self) -> &ChannelConfig {
        &self.config
    }

    pub(crate) fn state(&self) -> DataChannelState {
        self.inner.lock().state
    }

    pub(crate) fn buffered_amount(&self) -> u64 {
        let inner = self.inner.lock();
        (inner.queued + inner.in_flight) as u64
    }

    pub(crate) fn callbacks(&self) -> &Callbacks {
        &self.callbacks
    }
}

impl Callbacks {
    /// Drops the callbacks of a closed channel. They often own the channel itself, and this breaks the cycle.
    pub(crate) fn clear(&self) {
        self.state_change.set(None);
        self.message.set(None);
        self.buffered_amount_change.set(None);
    }
}

/// The half that the engine uses.
impl Channel {
    /// Enters `state` and returns whether that is a change. A closed channel stays closed.
    pub(crate) fn enter(&self, state: DataChannelState) -> bool {
        let mut inner = self.inner.lock();
        if inner.state == state || inner.state == DataChannelState::Closed {
            return false;
        }
        inner.state = state;
        if state == DataChannelState::Closed {
            self.count(|outbox| outbox.lost(inner.queued + inner.in_flight));
            inner.queue.clear();
            inner.queued = 0;
            inner.in_flight = 0;
        }
        true
    }

    pub(crate) fn opened(&self, id: Option<u16>, max_message: usize) {
        let mut inner = self.inner.lock();
        inner.id = id;
        inner.max_message = max_message;
    }

    pub(crate) fn is_idle(&self) -> bool {
        let inner = self.inner.lock();
        inner.queue.is_empty() && inner.in_flight == 0
    }

    pub(crate) fn has_in_flight(&self) -> bool {
        self.inner.lock().in_flight > 0
    }

    pub(crate) fn pop(&self) -> Option<Message> {
        let mut inner = self.inner.lock();
        let message = inner.queue.pop_front()?;
        inner.queued -= message.data.len();
        inner.in_flight += message.data.len();
        Some(message)
    }

    /// Returns a message to the head of the queue, because the association is full.
    pub(crate) fn unpop(&self, message: Message) {
        let mut inner = self.inner.lock();
        inner.queued += message.data.len();
        inner.in_flight -= message.data.len().min(inner.in_flight);
        inner.queue.push_front(message);
    }

    /// Records that `outstanding` bytes are still unacknowledged, and returns how many were sent since the last call.
    ///
    /// The association also counts its own open message, which the program never sent: hence the minimum.
    pub(crate) fn acknowledge(&self, outstanding: usize) -> u64 {
        let mut inner = self.inner.lock();
        let now = outstanding.min(inner.in_flight);
        let sent = inner.in_flight - now;
        inner.in_flight = now;
        if sent > 0 {
            self.count(|outbox| outbox.acknowledged(sent as u64));
        }
        sent as u64
    }

    fn count(&self, count: impl FnOnce(&Outbox)) {
        if let Some(outbox) = &self.outbox {
            count(outbox);
        }
    }
}

impl Drop for Channel {
    /// A connection that ends with its last handle may close no channel.
    fn drop(&mut self) {
        let Inner { queued, in_flight, .. } = *self.inner.get_mut();
        self.count(|outbox| outbox.lost(queued + in_flight));
    }
}

/// Translates the program's options. Negotiated channels need an id, in-band ones must not choose one.
pub(crate) fn config_of(label: &str, init: &DataChannelInit) -> Result<ChannelConfig, RtcError> {
    Ok(ChannelConfig {
        label: checked_name("label", label)?,
        ordered: init.ordered,
        reliability: reliability_of(init)?,
        negotiated: negotiated_id(init)?,
        protocol: checked_name("protocol", &init.protocol)?,
    })
}

/// RFC 8832 gives label and protocol 16 bit lengths.
fn checked_name(what: &str, name: &str) -> Result<String, RtcError> {
    if name.len() > usize::from(u16::MAX) {
        return Err(RtcError::invalid_state(format!(
            "the {what} has {} bytes, at most 65535 are allowed",
            name.len()
        )));
    }
    Ok(name.to_owned())
}

fn reliability_of(init: &DataChannelInit) -> Result<Reliability, RtcError> {
    let clamp = |value: i32| u16::try_from(value.max(0)).unwrap_or(u16::MAX);
    match (init.max_retransmit_time, init.max_retransmits) {
        (None, None) => Ok(Reliability::Reliable),
        (Some(time), None) => Ok(Reliability::MaxPacketLifetime { lifetime: clamp(time) }),
        (None, Some(count)) => Ok(Reliability::MaxRetransmits { retransmits: clamp(count) }),
        (Some(_), Some(_)) => Err(RtcError::invalid_state(
            "max_retransmit_time and max_retransmits exclude each other: set one of them",
        )),
    }
}

fn negotiated_id(init: &DataChannelInit) -> Result<Option<u16>, RtcError> {
    if !init.negotiated {
        return Ok(None);
    }
    match u16::try_from(init.id) {
        Ok(id) if id < u16::MAX => Ok(Some(id)),
        _ => Err(RtcError::invalid_state(format!(
            "a negotiated data channel needs an id from 0 to 65534, not {}",
            init.id
        ))),
    }
}

/// The first refusal of a channel is a warning, and the flood after it is not.
fn log_refusal(label: &str, len: usize, inner: &Inner) {
    let level = if inner.refused == 1 { log::Level::Warn } else { log::Level::Trace };
    log::log!(
        level,
        "data channel {label:?} refused a message of {len} bytes: state {:?}, {} bytes queued of {MAX_QUEUED}, 1 to {} in a message",
        inner.state,
        inner.queued,
        inner.max_message
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open_channel() -> Channel {
        Channel::new(ChannelConfig::default(), DataChannelState::Open, Arc::default())
    }

    #[test]
    fn buffered_amount_counts_payload_until_it_is_acknowledged() {
        let channel = open_channel();
        channel.send(&[0; 100], true).unwrap();
        let message = channel.pop().unwrap();
        assert_eq!((message.data.len(), channel.buffered_amount()), (100, 100));
        assert_eq!(channel.acknowledge(130), 0, "30 bytes of the association's own do not count");
        assert_eq!(channel.acknowledge(40), 60);
        assert_eq!(channel.acknowledge(0), 40);
        assert_eq!(channel.buffered_amount(), 0);
        assert!(channel.is_idle());
    }

    #[test]
    fn the_outbox_counts_what_reliable_channels_send_until_it_is_acknowledged_or_gone() {
        let outbox = Outbox::new();
        let channel = open_channel().counted_in(Some(outbox.clone()));
        channel.send(&[0; 100], true).unwrap();
        channel.pop().unwrap();
        channel.acknowledge(40);
        assert_eq!((outbox.under_way(), outbox.mark()), (40, 100));
        channel.send(&[0; 5], true).unwrap();
        channel.enter(DataChannelState::Closed);
        assert_eq!(outbox.under_way(), 0);
        let dropped = open_channel().counted_in(Some(outbox.clone()));
        dropped.send(&[0; 7], true).unwrap();
        drop(dropped);
        assert_eq!(outbox.under_way(), 0);
    }

    #[test]
    fn the_outbox_counts_nothing_of_a_channel_that_may_lose_messages() {
        let outbox = Outbox::new();
        let reliability = Reliability::MaxRetransmits { retransmits: 0 };
        let config = ChannelConfig { reliability, ..ChannelConfig::default() };
        let lossy = Channel::new(config, DataChannelState::Open, Arc::default());
        lossy.counted_in(Some(outbox.clone())).send(&[0; 100], true).unwrap();
        assert_eq!(outbox.mark(), 0);
    }

    #[test]
    fn a_full_queue_refuses_and_keeps_what_it_has() {
        let channel = open_channel();
        let message = vec![0; DEFAULT_MAX_MESSAGE];
        for _ in 0..MAX_QUEUED / DEFAULT_MAX_MESSAGE {
            channel.send(&message, true).unwrap();
        }
        assert!(channel.send(b"x", true).is_err());
        assert_eq!(channel.buffered_amount(), MAX_QUEUED as u64);
        let first = channel.pop().unwrap();
        channel.unpop(first);
        assert_eq!(channel.buffered_amount(), MAX_QUEUED as u64);
    }

    #[test]
    fn a_message_larger_than_the_peer_takes_is_refused() {
        let channel = open_channel();
        channel.opened(Some(0), 10);
        assert!(channel.send(&[0; 11], true).is_err());
        assert!(channel.send(&[0; 10], true).is_ok());
    }

    #[test]
    fn a_closed_channel_stays_closed_and_holds_nothing() {
        let channel = open_channel();
        channel.send(b"late", true).unwrap();
        assert!(channel.enter(DataChannelState::Closed));
        assert!(!channel.enter(DataChannelState::Open));
        assert_eq!(channel.buffered_amount(), 0);
        assert!(channel.send(b"x", true).is_err());
    }

    #[test]
    fn contradictory_options_are_refused_with_a_reason() {
        let both =
            DataChannelInit { max_retransmits: Some(0), max_retransmit_time: Some(1), ..Default::default() };
        assert!(config_of("x", &both).unwrap_err().message.contains("exclude each other"));
        let no_id = DataChannelInit { negotiated: true, ..Default::default() };
        assert!(config_of("x", &no_id).unwrap_err().message.contains("0 to 65534"));
    }
}
