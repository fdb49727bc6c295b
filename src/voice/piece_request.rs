//! A request for the speech of a piece, which is traced, counted and recorded whatever becomes of it.

use conversation::Text;
use speech_services::speaking::{Event, Utterance, Voice};

use super::reply_record::{Entry, ReplyRecord};
use super::{Server, Speech};
use crate::metrics::Metrics;
use crate::telemetry::spans::{SpeechPart, SpeechRequest, TurnContext};

/// The turn that a segment answers.
#[derive(Clone)]
pub(crate) struct SpokenTo {
    pub(crate) context: TurnContext,
    pub(crate) record: ReplyRecord,
}

/// A text that is being spoken. Dropped, it has come to its end.
pub(super) struct PieceRequest {
    utterance: Utterance,
    server: Server,
    metrics: Metrics,
    /// None: it answers no turn, as a greeting.
    turn: Option<(TurnContext, Entry)>,
}

// === impl PieceRequest ===

impl PieceRequest {
    pub(super) fn begin(speech: &Speech, metrics: &Metrics, turn: Option<&SpokenTo>, text: &Text) -> Self {
        let utterance = speech.provider.speak(text, &Voice::default());
        let turn = turn.map(|turn| (turn.context.clone(), turn.record.began(utterance.account())));
        Self { utterance, server: speech.server.clone(), metrics: metrics.clone(), turn }
    }

    /// The next event. Safe to drop and call again.
    pub(super) async fn next(&mut self) -> Option<Event> {
        self.utterance.next().await
    }
}

impl Drop for PieceRequest {
    fn drop(&mut self) {
        let report = self.utterance.report();
        self.metrics.tts_request_ended(&report);
        let Some((context, entry)) = self.turn.take() else { return };
        context.speech(&SpeechRequest {
            part: SpeechPart::Tts,
            model: &self.server.model,
            server_address: &self.server.address,
            server_port: self.server.port,
            report: &report,
        });
        entry.end(report);
    }
}
