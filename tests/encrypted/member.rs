//! A participant of the crate `livekit`, over our `libwebrtc`.

use std::time::Duration;

use livekit::data_stream::api::{SendTextOptions, StreamReader};
use livekit::e2ee::EncryptionType;
use livekit::e2ee::key_provider::{KeyProvider, KeyProviderOptions};
use livekit::{DataPacket, E2eeOptions, Room, RoomEvent, RoomOptions};
use livekit_api::access_token::{AccessToken, VideoGrants};
use testbed::LivekitServer;
use tokio::sync::OnceCell;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use url::Url;
use voiced::room::{self, JoinOptions};
use voiced::secret::Secret;

use crate::python::ROOM;
use crate::{Derivation, PATIENCE, RATCHET_WINDOW, TOPIC};

static TRANSPORT: OnceCell<()> = OnceCell::const_new();

pub(crate) struct Member {
    room: Room,
    keys: Option<KeyProvider>,
    heard: UnboundedReceiver<String>,
}

// === impl Member ===

impl Member {
    /// Joins with a shared key, or without encryption.
    pub(crate) async fn join(
        livekit: &LivekitServer,
        identity: &str,
        key: Option<(&str, Derivation)>,
    ) -> Self {
        TRANSPORT.get_or_init(|| install_transport(livekit)).await;
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
        let token = token(livekit, identity);
        let (room, events) = Room::connect(livekit.url(), &token, options).await.unwrap();
        let (news, heard) = mpsc::unbounded_channel();
        tokio::spawn(listen(events, news));
        Self { room, keys, heard }
    }

    /// Waits until all of them are here.
    pub(crate) async fn sees(&mut self, identities: &[&str]) {
        let all_here = || {
            let here = self.room.remote_participants();
            identities.iter().all(|identity| here.keys().any(|key| key.as_str() == *identity))
        };
        let waiting = async {
            while !all_here() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, waiting).await.expect("the others join");
    }

    /// As a text stream, and again as a data packet.
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

    /// Moves the shared key on, and returns it in hexadecimal.
    pub(crate) fn ratchet(&self) -> String {
        let key = self.keys.as_ref().unwrap().ratchet_shared_key(0).unwrap();
        key.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Puts what is heard into one row.
async fn listen(mut events: UnboundedReceiver<RoomEvent>, news: UnboundedSender<String>) {
    while let Some(event) = events.recv().await {
        let text = match event {
            RoomEvent::TextStreamOpened { reader, topic, .. } if topic == TOPIC => {
                reader.take().unwrap().read_all().await.unwrap()
            }
            RoomEvent::DataReceived { payload, .. } => format!("[{}]", String::from_utf8_lossy(&payload)),
            _ => continue,
        };
        if news.send(text).is_err() {
            break;
        }
    }
}

/// The SDK connects by the transport of `voiced`, which the first join of a process gives to it.
async fn install_transport(livekit: &LivekitServer) {
    voiced::tls::install_crypto_provider();
    let url = Url::parse(livekit.url()).unwrap();
    let token = Secret::new(token(livekit, "first"));
    let options = JoinOptions { url, token, max_text_bytes: 1 << 20 };
    room::Room::join(options, &CancellationToken::new()).await.unwrap().leave().await;
}

fn token(livekit: &LivekitServer, identity: &str) -> String {
    let grants = VideoGrants { room_join: true, room: ROOM.to_owned(), ..Default::default() };
    let token = AccessToken::with_api_key(livekit.api_key(), livekit.api_secret());
    token.with_identity(identity).with_grants(grants).to_jwt().unwrap()
}
