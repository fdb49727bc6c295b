//! A piece of a reply that is being spoken.

use conversation::Text;
use speech::pieces::Piece;
use speech::resample::Resampler;
use speech_services::speaking::{Event, Sound};

use super::Voice;
use crate::room::audio::SPOKEN_RATE;
use crate::voice::piece_request::{PieceRequest, SpokenTo};

pub(super) struct Request {
    /// None once its sound has begun.
    piece: Option<Piece>,
    utterance: PieceRequest,
    resampler: Option<Resampler>,
}

// === impl Request ===

impl Request {
    pub(super) fn new(piece: Piece, voice: &Voice, turn: Option<&SpokenTo>) -> Self {
        let text = Text::from(piece.text.as_str());
        let utterance = PieceRequest::begin(&voice.speech, &voice.metrics, turn, &text);
        Self { piece: Some(piece), utterance, resampler: None }
    }

    pub(super) async fn next(&mut self) -> Option<Event> {
        self.utterance.next().await
    }

    pub(super) fn has_begun(&self) -> bool {
        self.piece.is_none()
    }

    /// The piece, when its sound begins: with its first samples, or when it has none.
    pub(super) fn begin(&mut self, event: Option<&Event>) -> Option<Piece> {
        let begins = matches!(event, Some(Event::Audio(_) | Event::Done { .. }));
        self.piece.take_if(|_| begins)
    }

    /// The samples at the rate of the track.
    pub(super) fn samples(&mut self, sound: &Sound) -> Vec<i16> {
        let mut samples = Vec::new();
        if self.resampler.is_none() {
            self.resampler = Resampler::new(sound.rate, SPOKEN_RATE)
                .inspect_err(|_| {
                    tracing::warn!(rate = sound.rate, "speech of this sample rate cannot be played")
                })
                .ok();
        }
        if let Some(resampler) = &mut self.resampler {
            resampler.push(&sound.samples, &mut samples);
        }
        samples
    }

    /// The last samples.
    pub(super) fn rest(&mut self) -> Vec<i16> {
        let mut samples = Vec::new();
        if let Some(resampler) = &mut self.resampler {
            resampler.finish(&mut samples);
        }
        samples
    }
}
