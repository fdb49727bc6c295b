//! The values that `webrtc-stats` defines for a received audio stream.

use crate::audio::opus::{BLOCK, SAMPLE_RATE};

use super::clock::Micros;

/// A larger jump of the sequence is another sequence and not a loss (RFC 3550, appendix A.1).
const MAX_DROPOUT: u64 = 3000;
/// The level is the peak of 100 ms, as in WebRTC.
const LEVEL_BLOCKS: u8 = 10;

/// Samples are per channel, durations in seconds; delays are summed over samples, as the specification defines.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct JitterStats {
    /// Each packet counts once, even if it arrives several times.
    pub(crate) packets_received: u64,
    /// Packets that never arrived, in any form; late ones have arrived.
    pub(crate) packets_lost: i64,
    /// Packets that came too late, or found no room.
    pub(crate) packets_discarded: u64,
    pub(crate) packets_duplicate: u64,
    /// Packets without a payload: padding and probes.
    pub(crate) packets_empty: u64,
    /// Packets that are not Opus, or hold more of it than allowed.
    pub(crate) packets_malformed: u64,
    /// How often the sender restarted at another time.
    pub(crate) restarts: u64,
    /// Lost packets of which the next one held a copy.
    pub(crate) fec_packets: u64,
    pub(crate) concealed_samples: u64,
    pub(crate) silent_concealed_samples: u64,
    pub(crate) concealment_events: u64,
    pub(crate) inserted_samples_for_deceleration: u64,
    pub(crate) removed_samples_for_acceleration: u64,
    pub(crate) jitter_buffer_delay: f64,
    pub(crate) jitter_buffer_target_delay: f64,
    pub(crate) jitter_buffer_emitted_count: u64,
    pub(crate) total_samples_received: u64,
    /// The deviation of arrivals from the sender's clock (RFC 3550, section 6.4.1).
    pub(crate) jitter: f64,
    pub(crate) audio_level: f64,
    pub(crate) total_audio_energy: f64,
    pub(crate) total_samples_duration: f64,
}

/// The sequence so far, to detect missing packets.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    /// The lowest and the highest number.
    span: Option<(u64, u64)>,
    expected: i64,
    received: i64,
}

/// The loudness of what is played.
#[derive(Debug, Default)]
pub(super) struct Level {
    peak: u16,
    blocks: u8,
}

// === impl JitterStats ===

impl JitterStats {
    /// Adds the counts of a later buffer; levels are those of the later one.
    pub(crate) fn add(&mut self, later: &Self) {
        self.packets_received += later.packets_received;
        self.packets_lost += later.packets_lost;
        self.packets_discarded += later.packets_discarded;
        self.packets_duplicate += later.packets_duplicate;
        self.packets_empty += later.packets_empty;
        self.packets_malformed += later.packets_malformed;
        self.restarts += later.restarts;
        self.fec_packets += later.fec_packets;
        self.concealed_samples += later.concealed_samples;
        self.silent_concealed_samples += later.silent_concealed_samples;
        self.concealment_events += later.concealment_events;
        self.inserted_samples_for_deceleration += later.inserted_samples_for_deceleration;
        self.removed_samples_for_acceleration += later.removed_samples_for_acceleration;
        self.jitter_buffer_delay += later.jitter_buffer_delay;
        self.jitter_buffer_target_delay += later.jitter_buffer_target_delay;
        self.jitter_buffer_emitted_count += later.jitter_buffer_emitted_count;
        self.total_samples_received += later.total_samples_received;
        self.total_audio_energy += later.total_audio_energy;
        self.total_samples_duration += later.total_samples_duration;
        (self.jitter, self.audio_level) = (later.jitter, later.audio_level);
    }

    /// Records that a packet is played after it has waited.
    pub(super) fn emitted(&mut self, samples: usize, waited: Micros, target: Micros) {
        let each = samples as f64 / 1e6;
        self.jitter_buffer_delay += waited.max(0) as f64 * each;
        self.jitter_buffer_target_delay += target as f64 * each;
        self.jitter_buffer_emitted_count += samples as u64;
    }

    pub(super) fn concealed(&mut self, samples: usize, is_first: bool, is_silent: bool) {
        self.concealed_samples += samples as u64;
        self.concealment_events += u64::from(is_first);
        if is_silent {
            self.silent_concealed_samples += samples as u64;
        }
    }
}

// === impl Sequence ===

impl Sequence {
    pub(super) fn received(&mut self, sequence: u64) {
        self.received += 1;
        let (lowest, highest) =
            self.span.filter(|(_, highest)| is_near(*highest, sequence)).unwrap_or_else(|| {
                self.expected += 1;
                (sequence, sequence)
            });
        self.expected += (lowest.saturating_sub(sequence) + sequence.saturating_sub(highest)) as i64;
        self.span = Some((lowest.min(sequence), highest.max(sequence)));
    }

    /// How far a packet is ahead of all before it, unless it belongs to another sequence.
    pub(super) fn ahead(&self, sequence: u64) -> Option<u64> {
        let (_, highest) = self.span?;
        sequence.checked_sub(highest).filter(|ahead| *ahead > 0 && is_near(highest, sequence))
    }

    pub(super) fn lost(&self) -> i64 {
        self.expected - self.received
    }
}

// === impl Level ===

impl Level {
    /// Takes in the peak of a block.
    pub(super) fn played(&mut self, peak: u16, stats: &mut JitterStats) {
        self.peak = self.peak.max(peak);
        self.blocks += 1;
        if self.blocks == LEVEL_BLOCKS {
            stats.audio_level = (f64::from(self.peak) / 32767.0).min(1.0);
            *self = Self::default();
        }
        let duration = BLOCK as f64 / f64::from(SAMPLE_RATE);
        stats.total_samples_received += BLOCK as u64;
        stats.total_samples_duration += duration;
        stats.total_audio_energy += stats.audio_level.powi(2) * duration;
    }
}

/// The loudest of some samples.
pub(super) fn peak(samples: &[i16]) -> u16 {
    samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0)
}

fn is_near(highest: u64, sequence: u64) -> bool {
    highest.abs_diff(sequence) <= MAX_DROPOUT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(sequences: &[u64]) -> i64 {
        let mut all = Sequence::default();
        sequences.iter().for_each(|sequence| all.received(*sequence));
        all.lost()
    }

    #[test]
    fn holes_are_lost_until_they_are_filled() {
        assert_eq!(lost(&[10, 11, 12]), 0);
        assert_eq!(lost(&[10, 13]), 2);
        assert_eq!(lost(&[10, 13, 11, 12]), 0);
        assert_eq!(lost(&[12, 10, 13, 11]), 0);
    }

    #[test]
    fn a_sequence_that_jumps_loses_nothing() {
        assert_eq!(lost(&[10, 11, u64::MAX, 12, 13, 5000, u64::MAX - 1, 0, 1]), 0);
    }

    #[test]
    fn the_level_is_the_peak_of_the_last_tenth_of_a_second() {
        let (mut level, mut stats) = (Level::default(), JitterStats::default());
        for block in 0..20 {
            level.played(peak(&[if block < 10 { i16::MIN } else { 0 }; BLOCK]), &mut stats);
            assert_eq!(stats.audio_level, if (9..19).contains(&block) { 1.0 } else { 0.0 });
        }
        assert!((stats.total_audio_energy - 0.1).abs() < 1e-9);
        assert!((stats.total_samples_duration - 0.2).abs() < 1e-9);
    }
}
