//! Data channels: the program's channels on one side, the streams of the association on the other.

use std::{sync::Arc, time::Instant};

use str0m::channel::{ChannelConfig, ChannelData, ChannelId, Reliability};

use crate::{
    channel_init::DataChannelState,
    pc::{
        channel::{Channel, DEFAULT_MAX_MESSAGE, Message},
        effect::Effect,
        engine::{Engine, negotiation::carrier_config},
        state::MAX_CHANNELS,
    },
};

/// The largest id a negotiated channel can have (RFC 8832, section 6). Carriers count down from here.
const LAST_ID: u16 = u16::MAX - 1;

/// The stream of each channel.
pub(super) struct Links {
    links: Vec<Link>,
    /// Channels that only carry an m-line, see [`carrier_config`].
    pub(super) carriers: Vec<ChannelId>,
    max_message: usize,
    refused: u64,
}

#[derive(Clone)]
struct Link {
    id: ChannelId,
    channel: Arc<Channel>,
    open: bool,
    /// Whether the association was told to close the stream.
    closing: bool,
}

impl Links {
    pub(super) fn next_carrier(&self) -> ChannelConfig {
        let used = u16::try_from(self.carriers.len()).unwrap_or(LAST_ID);
        carrier_config(LAST_ID.saturating_sub(used))
    }

    /// 0 means that the peer sets no limit (RFC 8841, section 6.1); the limit is then the one that we accept ourselves.
    pub(super) fn set_max_message(&mut self, size: usize) {
        let ours = super::MAX_INCOMING_MESSAGE as usize;
        self.max_message = if size == 0 { ours } else { size.min(ours) };
    }

    fn by_id(&mut self, id: ChannelId) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.id == id)
    }

    fn by_channel(&self, channel: &Arc<Channel>) -> Option<&Link> {
        self.links.iter().find(|link| Arc::ptr_eq(&link.channel, channel))
    }
}

impl Default for Links {
    fn default() -> Self {
        Self { links: Vec::new(), carriers: Vec::new(), max_message: DEFAULT_MAX_MESSAGE, refused: 0 }
    }
}

impl Engine {
    /// Opens, closes and feeds channels as far as the association allows.
    pub(super) fn sync_channels(&mut self, now: Instant) {
        if !self.rtc.is_alive() {
            return;
        }
        let (channels, ready) = {
            let state = self.shared.state.lock();
            (state.channels().to_vec(), state.transport.is_secured() && state.has_data_section())
        };
        for channel in channels {
            match self.links.by_channel(&channel).cloned() {
                None => self.sync_unlinked(now, &channel, ready),
                Some(link) if link.open && !link.closing => self.sync_open(now, &link),
                Some(_) => {}
            }
        }
    }

    fn sync_unlinked(&mut self, now: Instant, channel: &Arc<Channel>, ready: bool) {
        match channel.state() {
            DataChannelState::Closing => self.set_closed(channel),
            DataChannelState::Connecting if ready && self.is_id_free(channel) => {
                let id = self.rtc.direct_api().create_data_channel(channel.config().clone());
                self.links.links.push(Link { id, channel: channel.clone(), open: false, closing: false });
                self.drain(now);
            }
            _ => {}
        }
    }

    /// `str0m` panics on an id in use. An id is in use while a closed channel's stream is still being reset, and when
    /// the peer opened a channel with it; the channel waits until it is free.
    fn is_id_free(&mut self, channel: &Channel) -> bool {
        let Some(wanted) = channel.config().negotiated else { return true };
        let linked = self.links.links.iter().any(|link| link.channel.config().negotiated == Some(wanted));
        !linked && self.rtc.direct_api().channel_id_by_sctp_stream_id(wanted).is_none()
    }

    fn sync_open(&mut self, now: Instant, link: &Link) {
        self.feed(now, link);
        self.account(link);
        self.drain(now);
        if link.channel.state() == DataChannelState::Closing && link.channel.is_idle() {
            if let Some(link) = self.links.by_id(link.id) {
                link.closing = true;
            }
            self.rtc.direct_api().close_data_channel(link.id);
            self.drain(now);
        }
    }

    fn feed(&mut self, now: Instant, link: &Link) {
        while let Some(message) = link.channel.pop() {
            match self.write(link.id, &message) {
                Ok(true) => self.drain(now),
                Ok(false) => {
                    link.channel.unpop(message);
                    break;
                }
                // The next accounting counts the lost bytes as sent, otherwise senders would wait for them for ever.
                Err(error) => log::warn!("data channel {:?} lost a message: {error}", link.channel.label()),
            }
        }
    }

    fn write(&mut self, id: ChannelId, message: &Message) -> Result<bool, str0m::RtcError> {
        match self.rtc.channel(id) {
            Some(mut channel) => channel.write(message.binary, &message.data),
            None => Ok(false),
        }
    }

    fn account(&mut self, link: &Link) {
        if link.channel.has_in_flight() {
            let outstanding = self.rtc.channel(link.id).map_or(0, |mut channel| channel.buffered_amount());
            let sent = link.channel.acknowledge(outstanding);
            if sent > 0 {
                self.effects.push(Effect::ChannelSent(link.channel.clone(), sent));
            }
        }
    }

    pub(super) fn channel_opened(&mut self, id: ChannelId, label: &str) {
        if self.links.carriers.contains(&id) {
            return;
        }
        let stream = self.rtc.direct_api().sctp_stream_id_by_channel_id(id);
        let max_message = self.links.max_message;
        if self.links.by_id(id).is_none() && !self.adopt(id, label) {
            self.rtc.direct_api().close_data_channel(id);
            return;
        }
        let Some(link) = self.links.by_id(id) else { return };
        link.open = true;
        let channel = link.channel.clone();
        if let Some(stream) = stream {
            self.line.opened(stream, channel.config().reliability == Reliability::Reliable);
        }
        channel.opened(stream, max_message);
        // A channel that was closed while it opened goes on closing.
        if channel.state() == DataChannelState::Connecting && channel.enter(DataChannelState::Open) {
            self.counted.channel_opened();
            self.effects.push(Effect::ChannelState(channel, DataChannelState::Open));
        }
    }

    /// Takes over a channel that the peer opened, unless there are too many.
    fn adopt(&mut self, id: ChannelId, label: &str) -> bool {
        let config = self.rtc.channel(id).and_then(|channel| channel.config().cloned()).unwrap_or_default();
        let config = ChannelConfig { label: label.to_owned(), negotiated: None, ..config };
        let channel = Arc::new(Channel::new(config, DataChannelState::Connecting, self.shared.wake.clone()));
        let mut state = self.shared.state.lock();
        if state.channels().len() >= MAX_CHANNELS || state.add_channel(channel.clone()).is_err() {
            self.links.refused += 1;
            if self.links.refused == 1 {
                log::warn!("the peer opened more than {MAX_CHANNELS} data channels: further ones are closed");
            }
            return false;
        }
        drop(state);
        self.links.links.push(Link { id, channel: channel.clone(), open: false, closing: false });
        self.effects.push(Effect::Channel(channel));
        true
    }

    pub(super) fn channel_data(&mut self, data: ChannelData) {
        let Some(link) = self.links.by_id(data.id) else { return };
        if link.channel.state() != DataChannelState::Closed {
            let channel = link.channel.clone();
            channel.count_received(data.data.len());
            self.effects.push(Effect::ChannelMessage { channel, data: data.data, binary: data.binary });
        }
    }

    pub(super) fn channel_closed(&mut self, id: ChannelId) {
        if let Some(index) = self.links.links.iter().position(|link| link.id == id) {
            let link = self.links.links.swap_remove(index);
            self.set_closed(&link.channel);
        }
    }

    /// Closes every channel, because the association is gone.
    pub(super) fn close_all_channels(&mut self) {
        self.links.links.clear();
        let channels = self.shared.state.lock().channels().to_vec();
        for channel in channels {
            self.set_closed(&channel);
        }
    }

    fn set_closed(&mut self, channel: &Arc<Channel>) {
        if channel.enter(DataChannelState::Closed) {
            self.counted.channel_closed();
            self.effects.push(Effect::ChannelState(channel.clone(), DataChannelState::Closed));
        }
        self.shared.state.lock().forget_channel(channel);
    }
}
