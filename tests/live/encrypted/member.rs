//! A participant of the crate `livekit`, over our `libwebrtc`.

use std::time::Duration;

use livekit::data_stream::api::{SendTextOptions, StreamReader};
use livekit::e2ee::EncryptionType;
use livekit::e2ee::key_provider::{KeyProvider, KeyProviderOptions};
use livekit::prelude::RemoteTrack;
use livekit::{DataPacket, E2eeOptions, Room, RoomEvent, RoomOptions};
use testbed::LivekitServer;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::timeout;

use crate::encrypted::python::ROOM;
use crate::encrypted::sound::{Ears, Voice};
use crate::encrypted::{Derivation, PATIENCE, RATCHET_WINDOW, TOPIC};
use crate::support::sdk::{install_transport, token};

pub(crate) struct Member {
    room: Room,
    keys: Option<KeyProvider>,
    heard: UnboundedReceiver<String>,
    voice: Option<Voice>,
    pub(crate) ears: Ears,
}

// === impl Member ===

impl Member {
    /// Joins with a shared key, or without encryption.
    pub(crate) async fn join(
        livekit: &LivekitServer,
        identity: &str,
        key: Option<(&str, Derivation)>,
    ) -> Self {
        install_transport(livekit).await;
        let keys = key.map(|(key, derivation)| {
            let options = KeyProviderOptions {
                key_derivation_algorithm: derivation.algorithm(),
                ratchet_window_size: RATCHET_WINDOW,
                ..Default::default()
            };
            KeyProvider::with_shared_key(options, key.as_bytes().to_vec())
        });
        let mut options = RoomOptions::default();
        options.encryption = keys
            .clone()
            .map(|key_provider| E2eeOptions { encryption_type: EncryptionType::Gcm, key_provider });
        let token = token(livekit, ROOM, identity);
        let (room, events) = Room::connect(livekit.url(), &token, options).await.unwrap();
        let (news, heard) = mpsc::unbounded_channel();
        let ears = Ears::default();
        tokio::spawn(listen(events, news, ears.clone()));
        Self { room, keys, heard, voice: None, ears }
    }

    /// Waits until all of them are here.
    pub(crate) async fn sees(&mut self, identities: &[&str]) {
        let all_here = || {
            let here = self.room.remote_participants();
            identities.iter().all(|identity| here.keys().any(|key| key.as_str() == *identity))
        };
        assert!(wait_for(all_here).await, "{identities:?} do not join");
    }

    /// Sends the text as a text stream, and again as a data packet.
    pub(crate) async fn say(&self, text: &str) {
        let me = self.room.local_participant();
        me.send_text(text, SendTextOptions::new_with_topic(TOPIC)).await.unwrap();
        let packet = DataPacket { payload: text.as_bytes().to_vec(), reliable: true, ..Default::default() };
        me.publish_data(packet).await.unwrap();
    }

    /// The next texts, sorted; those of packets are in brackets.
    pub(crate) async fn hear(&mut self, count: usize) -> Vec<String> {
        let mut texts = Vec::new();
        while texts.len() < count {
            let heard = timeout(PATIENCE, self.heard.recv()).await;
            texts.push(heard.unwrap_or_else(|_| panic!("nothing more after {texts:?}")).unwrap());
        }
        texts.sort();
        texts
    }

    pub(crate) fn hears_nothing_else(&mut self) {
        assert_eq!(self.heard.try_recv().ok(), None);
    }

    /// Plays a tone from now on.
    pub(crate) async fn play(&mut self, hertz: u32) {
        match &self.voice {
            Some(voice) => voice.change(hertz),
            None => self.voice = Some(Voice::published(&self.room, hertz).await),
        }
    }

    /// Waits until hardly anything but this tone is heard from participant `from`.
    pub(crate) async fn hears_tone(&self, from: &str, hertz: u32) {
        let heard = wait_for(|| self.ears.hears(from, hertz)).await;
        assert!(heard, "no {hertz} Hz from {from}");
    }

    /// Waits until nothing is heard from participant `from`, who has a track.
    pub(crate) async fn hears_silence(&self, from: &str) {
        assert!(wait_for(|| self.ears.hears_silence(from)).await, "{from} is not silent");
    }

    /// Moves the shared key on, and returns it in hexadecimal.
    pub(crate) fn ratchet(&self) -> String {
        let key = self.keys.as_ref().unwrap().ratchet_shared_key(0).unwrap();
        key.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Whether the condition became true before the time limit.
async fn wait_for(it_is_so: impl Fn() -> bool) -> bool {
    let waiting = async {
        while !it_is_so() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, waiting).await.is_ok()
}

/// Puts the received texts and packets into one queue, and listens to every audio track.
async fn listen(mut events: UnboundedReceiver<RoomEvent>, news: UnboundedSender<String>, ears: Ears) {
    while let Some(event) = events.recv().await {
        let text = match event {
            RoomEvent::TextStreamOpened { reader, topic, .. } if topic == TOPIC => {
                reader.take().unwrap().read_all().await.unwrap()
            }
            RoomEvent::DataReceived { payload, .. } => format!("[{}]", String::from_utf8_lossy(&payload)),
            RoomEvent::TrackSubscribed { track: RemoteTrack::Audio(track), participant, .. } => {
                tokio::spawn(ears.clone().listen(participant.identity().to_string(), track));
                continue;
            }
            _ => continue,
        };
        if news.send(text).is_err() {
            break;
        }
    }
}
