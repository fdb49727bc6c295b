//! Keeps `lk.agent.state` true.

use std::collections::HashMap;
use std::time::Duration;

use conversation::AgentState;
use livekit::prelude::LocalParticipant;
use tokio::sync::mpsc;

use super::STATE_ATTRIBUTE;

const NAME_ATTRIBUTE: &str = "lk.agent.name";
/// How long the server's confirmation of a state is waited for before the next one is sent.
const STATE_PATIENCE: Duration = Duration::from_millis(300);
/// A state that was not confirmed is sent again after this long, unless a newer one comes.
const STATE_RETRY: Duration = Duration::from_millis(500);
/// How often one state is sent again.
const MOST_DOUBTS: u32 = 10;

pub(super) struct Announcer {
    participant: LocalParticipant,
    attributes: HashMap<String, String>,
    state: AgentState,
    /// How often the present state was sent without a confirmation.
    doubts: u32,
}

// === impl Announcer ===

impl Announcer {
    pub(super) fn new(participant: LocalParticipant, agent_name: String) -> Self {
        let attributes = HashMap::from([(NAME_ATTRIBUTE.to_owned(), agent_name)]);
        Self { participant, attributes, state: AgentState::Initializing, doubts: 0 }
    }

    pub(super) async fn run(mut self, mut states: mpsc::Receiver<AgentState>) {
        while let Some(state) = self.next(&mut states).await {
            self.state = state;
            self.attributes.insert(STATE_ATTRIBUTE.to_owned(), state.as_str().to_owned());
            self.announce().await;
        }
    }

    /// The next state to announce: a new one, or after a while the one that was not confirmed.
    async fn next(&mut self, states: &mut mpsc::Receiver<AgentState>) -> Option<AgentState> {
        let newer = match self.doubts {
            1..=MOST_DOUBTS => match tokio::time::timeout(STATE_RETRY, states.recv()).await {
                Ok(newer) => newer,
                Err(_) => return Some(self.state),
            },
            _ => states.recv().await,
        };
        self.doubts = 0;
        newer
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
