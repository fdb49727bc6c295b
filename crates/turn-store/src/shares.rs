//! Where the time of a spoken turn went, from the last speech to the first sound of the reply.

use super::turn::Turn;

/// A part of what a person waited, in whatever medium it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub name: &'static str,
    pub us: i64,
}

/// The shares that are known, in the order in which they come. The transcript is made while the end of the turn is waited
/// for, and the rest follows each other. Nothing for a turn without speech.
pub fn shares(turn: &Turn) -> Vec<Share> {
    let Some(end) = turn.end.as_ref().filter(|end| !end.speech.is_none()) else { return Vec::new() };
    let speech = end.speech;
    let shares = [
        ("end of turn", speech.end_of_turn_delay_us),
        ("STT", speech.transcription_delay_us),
        ("LLM", end.ttft_us),
        ("TTS", speech.tts_ttfb_us),
    ];
    shares.into_iter().filter_map(|(name, us)| Some(Share { name, us: us? })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{retried_turn, spoken_turn};

    #[test]
    fn a_spoken_turn_has_shares_and_a_written_one_has_none() {
        let named = |turn: &Turn| -> Vec<_> {
            shares(turn).iter().map(|share| (share.name, share.us / 1_000)).collect()
        };
        assert_eq!(named(&spoken_turn()), [("end of turn", 500), ("STT", 180), ("LLM", 200), ("TTS", 90)]);
        assert_eq!(named(&retried_turn()), []);
    }

    #[test]
    fn a_share_that_was_not_measured_is_left_out() {
        let mut turn = spoken_turn();
        turn.end.as_mut().unwrap().speech.transcription_delay_us = None;
        assert!(shares(&turn).iter().all(|share| share.name != "STT"));
    }
}
