//! Rooms that are reachable only through a TURN server: the one built into LiveKit, whose credentials come with the
//! answer to a join.

use std::time::Duration;

use conversation::Secret;
use livekit::prelude as lk;
use livekit::webrtc::peer_connection_factory::IceTransportsType;
use testbed::LivekitServer;
use tokio::sync::mpsc;
use voiced::room::{JoinOptions, Room};

use crate::support::sdk::token;

/// Long enough for a busy machine; only a hang takes this long.
const PATIENCE: Duration = Duration::from_secs(60);
const ROOM: &str = "far";

struct Guest {
    room: lk::Room,
    events: mpsc::UnboundedReceiver<lk::RoomEvent>,
}

// === impl Guest ===

impl Guest {
    async fn join(server: &LivekitServer, identity: &str, single: bool) -> Result<Self, String> {
        let token = token(server, ROOM, identity);
        let mut options = lk::RoomOptions::default();
        options.rtc_config.ice_transport_type = IceTransportsType::Relay;
        options.single_peer_connection = single;
        let joined = tokio::time::timeout(PATIENCE, lk::Room::connect(server.url(), &token, options)).await;
        let (room, events) = joined.expect("the join hangs").map_err(|error| format!("{error:?}"))?;
        Ok(Self { room, events })
    }

    async fn say(&self, text: &str) {
        let packet = lk::DataPacket { payload: text.into(), reliable: true, ..Default::default() };
        self.room.local_participant().publish_data(packet).await.unwrap();
    }

    async fn hears(&mut self, text: &str) {
        let heard = async {
            while let Some(event) = self.events.recv().await {
                if matches!(&event, lk::RoomEvent::DataReceived { payload, .. } if ***payload == *text.as_bytes())
                {
                    return;
                }
            }
            panic!("the room ended");
        };
        tokio::time::timeout(PATIENCE, heard).await.unwrap_or_else(|_| panic!("nobody heard {text:?}"));
    }
}

/// Joins without a relay, over our transport, which the SDK then uses for every connection of this process.
async fn host(server: &LivekitServer) -> Room {
    let url = server.url().parse().unwrap();
    let token = Secret::new(token(server, ROOM, "host"));
    Room::join(JoinOptions { url, token, max_text_bytes: 1 << 20 }, &Default::default()).await.unwrap()
}

/// A server whose relay may reach its own media port on loopback.
fn server_with_turn() -> LivekitServer {
    outbound::install_crypto_provider();
    let port = testbed::free_port().unwrap();
    let turn = format!(
        "turn: {{enabled: true, udp_port: {port}, bind_addresses: ['127.0.0.1'], relay_range_start: 40000, \
         relay_range_end: 49999, allow_restricted_peer_cidrs: ['127.0.0.0/8']}}"
    );
    LivekitServer::start_with(&turn).unwrap()
}

/// The server's log lines of how participants connected.
fn connection_types(server: &LivekitServer) -> Vec<String> {
    let log = std::fs::read_to_string(server.log()).unwrap();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines.filter_map(|line| Some(line.get("connectionType")?.as_str()?.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn people_meet_in_a_room_that_only_relays_lead_to() {
    let server = server_with_turn();
    let _host = host(&server).await;
    for single in [true, false] {
        let mut first = Guest::join(&server, "first", single).await.unwrap();
        let mut second = Guest::join(&server, "second", single).await.unwrap();
        first.say("hello").await;
        second.hears("hello").await;
        second.say("and back").await;
        first.hears("and back").await;
        first.room.close().await.unwrap();
        second.room.close().await.unwrap();
    }
    let types = connection_types(&server);
    let count = |kind: &str| types.iter().filter(|other| *other == kind).count();
    assert!(count("turn") >= 4 && count("turn") + count("udp") == types.len(), "{types:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_relay_is_named_as_the_reason() {
    outbound::install_crypto_provider();
    let server = LivekitServer::start().unwrap();
    let _host = host(&server).await;
    let Err(error) = Guest::join(&server, "first", true).await else { panic!("joined without a relay") };
    assert!(error.contains("TURN"), "{error}");
}
