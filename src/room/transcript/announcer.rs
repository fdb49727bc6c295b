//! Keeps `lk.agent.state` true.
//!
//! A state that invites people to write waits until the server can bring us what they write. It brings a participant
//! nothing before the data channels of that participant are open, and forgets reliable packets after two seconds
//! (`dataMessageCacheTTL` of livekit-server 1.13). Where packets are lost, the channels open seconds after the join.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use conversation::AgentState;
use livekit::prelude::{DataPacket, LocalParticipant};
use tokio::sync::mpsc;

use super::{STATE_ATTRIBUTE, WriteError};

const NAME_ATTRIBUTE: &str = "lk.agent.name";
/// How long the server's confirmation of a state is waited for before the next one is sent.
const STATE_PATIENCE: Duration = Duration::from_millis(300);
/// A state that was not confirmed is sent again after this long, unless a newer one comes.
const STATE_RETRY: Duration = Duration::from_millis(500);
/// How long a data channel may take to open, and how long the SDK is left to wait for it at a time.
const CHANNELS_PATIENCE: Duration = Duration::from_secs(15);
const CHANNEL_TRY: Duration = Duration::from_millis(100);
/// How often one state is sent again.
const MOST_DOUBTS: u32 = 10;

/// A state to announce.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announcement {
    pub(super) state: AgentState,
    /// Whether we have joined the room anew since the last one.
    pub(super) rejoined: bool,
}

pub(super) struct Announcer {
    participant: LocalParticipant,
    attributes: HashMap<String, String>,
    state: AgentState,
    /// Whether our data channels are open at the server.
    reachable: bool,
    /// How often the present state was sent without a confirmation.
    doubts: u32,
}

// === impl Announcer ===

impl Announcer {
    pub(super) fn new(participant: LocalParticipant, agent_name: String) -> Self {
        let attributes = HashMap::from([(NAME_ATTRIBUTE.to_owned(), agent_name)]);
        Self { participant, attributes, state: AgentState::Initializing, reachable: false, doubts: 0 }
    }

    pub(super) async fn run(mut self, mut states: mpsc::Receiver<Announcement>) {
        while let Some(Announcement { state, rejoined }) = self.next(&mut states).await {
            self.reachable &= !rejoined;
            if state != AgentState::Initializing {
                self.reach().await;
            }
            self.state = state;
            self.attributes.insert(STATE_ATTRIBUTE.to_owned(), state.as_str().to_owned());
            self.announce().await;
        }
    }

    /// The next state to announce: a new one, or after a while the one that was not confirmed.
    async fn next(&mut self, states: &mut mpsc::Receiver<Announcement>) -> Option<Announcement> {
        let newer = match self.doubts {
            1..=MOST_DOUBTS => match tokio::time::timeout(STATE_RETRY, states.recv()).await {
                Ok(newer) => newer,
                Err(_) => return Some(Announcement { state: self.state, rejoined: false }),
            },
            _ => states.recv().await,
        };
        self.doubts = 0;
        newer
    }

    /// Waits until our data channels are open, but not past [`CHANNELS_PATIENCE`].
    async fn reach(&mut self) {
        if !self.reachable {
            self.reachable = true;
            if let Err(error) = packets_to_ourselves(&self.participant).await {
                tracing::warn!(%error, "the data channels did not open: what people write may not come; check UDP and TCP");
            }
        }
    }

    /// Sends the state. The SDK can miss the server's confirmation and would then wait five seconds for it, while the
    /// next states pile up; requests are sent in order, so the next one need not wait for it.
    async fn announce(&mut self) {
        let sent = self.participant.set_attributes(self.attributes.clone());
        match tokio::time::timeout(STATE_PATIENCE, sent).await {
            Ok(Ok(())) => self.doubts = 0,
            Ok(Err(error)) => {
                self.doubts += 1;
                tracing::debug!(%error, state = self.state.as_str(), "lk.agent.state was not accepted");
            }
            Err(_) => {
                self.doubts += 1;
                tracing::debug!(state = self.state.as_str(), "lk.agent.state was not confirmed");
            }
        }
    }
}

/// Sends an empty packet on each data channel, which the SDK does as soon as the channel is open. The server brings no
/// packet to its sender.
async fn packets_to_ourselves(participant: &LocalParticipant) -> Result<(), WriteError> {
    let deadline = Instant::now() + CHANNELS_PATIENCE;
    for reliable in [true, false] {
        while !packet_to_ourselves(participant, reliable).await? {
            if Instant::now() > deadline {
                return Err(WriteError::TooSlow(CHANNELS_PATIENCE));
            }
            tokio::time::sleep(CHANNEL_TRY).await;
        }
    }
    Ok(())
}

/// False when the channel is not open yet. The SDK would wait for that, and hold on to what it needs to restore the
/// connection.
async fn packet_to_ourselves(participant: &LocalParticipant, reliable: bool) -> Result<bool, WriteError> {
    let destination_identities = vec![participant.identity()];
    let packet = DataPacket { reliable, destination_identities, ..DataPacket::default() };
    let sent = tokio::time::timeout(CHANNEL_TRY, participant.publish_data(packet)).await;
    sent.map_or(Ok(false), |sent| sent.map(|()| true).map_err(WriteError::of_sdk))
}
