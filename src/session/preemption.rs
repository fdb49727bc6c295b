//! Calls to the model for turns that may not have ended, and turns for which there is none.

use std::sync::Arc;
use std::time::Duration;

use conversation::{Failure, Message};
use futures::StreamExt;

use super::Session;
use super::call::Call;
use super::machine::UserTurn;
use super::spoken_record::{SpokenQuestion, SpokenRecord};
use super::turn_record::Unasked;
use crate::voice::SpokenReply;

/// How long a session that ends waits for the costs of calls that were made in vain.
const COSTS: Duration = Duration::from_secs(1);

// === impl Session ===

impl Session<'_> {
    pub(super) fn ask_preemptively(&mut self, turn: u64, said: &UserTurn, messages: Arc<[Message]>) {
        let context = self.ledger.preempt(said, self.speech.last_speech());
        self.call = Some(Call::start_held(&self.parts, turn, messages, context));
    }

    /// The turn has ended as it was asked.
    pub(super) async fn adopt(&mut self, turn: u64, said: UserTurn) {
        self.begin_turn(turn, said).await;
        self.call.iter_mut().for_each(Call::release);
        self.parts.metrics.instruments.preemptive_calls.add(true);
    }

    /// The turn is another one.
    pub(super) fn discard(&mut self) {
        let Some(call) = self.call.take_if(|call| call.is_held()) else { return };
        self.parts.metrics.instruments.preemptive_calls.add(false);
        self.discarded.push(Box::pin(call.discard()));
    }

    /// A person was not understood.
    pub(super) fn unheard(&mut self, turn: u64, said: UserTurn, failure: &Failure) {
        let spoken = self.begin_unasked(turn, said);
        self.ledger.unheard(turn, failure, spoken);
    }

    /// The model is not asked about a turn.
    pub(super) fn unasked(&mut self, turn: u64, said: UserTurn, why: Unasked) {
        let answer = said.recorded.replaced_by("");
        let spoken = self.begin_unasked(turn, said);
        self.ledger.unasked(turn, why, answer, spoken);
    }

    /// Begins a turn that is over at once. Returns what is recorded of its speech.
    fn begin_unasked(&mut self, turn: u64, said: UserTurn) -> SpokenRecord {
        let spoken = self.speech.take(&said.utterance);
        let context = self.ledger.begin(turn, said, spoken.as_ref().and_then(|spoken| spoken.began()));
        if let Some(spoken) = &spoken {
            self.speech.trace(&context, spoken);
        }
        SpokenRecord::new(spoken.map(SpokenQuestion::from), SpokenReply::default(), None)
    }

    pub(super) async fn count_discarded(&mut self) {
        let costs = async {
            while let Some(usage) = self.discarded.next().await {
                self.ledger.discarded(usage);
            }
        };
        // The request itself is recorded in any case.
        let _ = tokio::time::timeout(COSTS, costs).await;
    }
}
