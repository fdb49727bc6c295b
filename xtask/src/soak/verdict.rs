//! The definition of "flat", as rules over samples.

use super::sample::{Held, Sample};

/// A session may leave this much anonymous memory behind, in KiB. Measured as the slope over the later half of the samples,
/// when caches are full, and with two standard errors to its disadvantage, so that noise cannot pass for flatness.
pub(crate) const KIB_A_SESSION: f64 = 1.0;
/// The share of a peak's additional anonymous memory that has to be returned at the end.
pub(crate) const GIVEN_BACK: f64 = 0.75;
/// The memory that may remain after any peak, in KiB: fragments that the allocator cannot return. A small peak consists
/// of little else.
pub(crate) const FRAGMENTS: f64 = 4096.0;
/// Fewer points have no meaningful slope.
const FEWEST: usize = 4;

/// One rule, what was measured, and whether it holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) flat: bool,
    pub(crate) line: String,
}

/// A straight line through points, by least squares.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Slope {
    value: f64,
    standard_error: f64,
}

/// Whether sessions in sequence leave memory behind.
pub(crate) fn memory_in_sequence(at_rest: &[Sample]) -> Verdict {
    let later = &at_rest[at_rest.len() / 2..];
    let points: Vec<_> =
        later.iter().map(|sample| (f64::from(sample.sessions), sample.memory.anonymous)).collect();
    let Some(slope) = Slope::through(&points) else {
        let line = format!("memory in sequence: {} samples are too few to tell", points.len());
        return Verdict { flat: false, line };
    };
    let worst = slope.value + 2.0 * slope.standard_error;
    Verdict {
        flat: worst < KIB_A_SESSION,
        line: format!(
            "memory in sequence: {:+.2} ± {:.2} KiB a session over the later {} samples; flat is below {KIB_A_SESSION} with \
             two standard errors added",
            slope.value,
            2.0 * slope.standard_error,
            points.len()
        ),
    }
}

/// Whether the memory of a peak comes back.
pub(crate) fn memory_after_peak(before: &Sample, peak: &Sample, end: &Sample) -> Verdict {
    let added = peak.memory.anonymous - before.memory.anonymous;
    let stays = end.memory.anonymous - before.memory.anonymous;
    let allowed = FRAGMENTS.max(added * (1.0 - GIVEN_BACK));
    Verdict {
        flat: added > 0.0 && stays <= allowed,
        line: format!(
            "memory after the peak: it added {:.1} MiB, {:.1} MiB stay; flat is at most {:.1} MiB (4 MiB, or a quarter of a \
             larger peak)",
            added / 1024.0,
            stays / 1024.0,
            allowed / 1024.0
        ),
    }
}

/// Whether everything that can be counted is as it was before the first session, to the last one.
pub(crate) fn counts(before: Held, end: Held) -> Vec<Verdict> {
    let counted = [
        ("file descriptors", before.files, end.files),
        ("sockets", before.sockets, end.sockets),
        ("threads", before.threads, end.threads),
        ("tasks", before.tasks, end.tasks),
    ];
    let verdict = |(name, before, end)| Verdict {
        flat: before == end,
        line: format!("{name}: {before} before the first session, {end} at the end; flat is the same"),
    };
    counted.map(verdict).to_vec()
}

// === impl Slope ===

impl Slope {
    fn through(points: &[(f64, f64)]) -> Option<Self> {
        if points.len() < FEWEST {
            return None;
        }
        let count = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let width: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
        let value = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum::<f64>() / width;
        let missed: f64 = points.iter().map(|point| (point.1 - y - value * (point.0 - x)).powi(2)).sum();
        let standard_error = (missed / (count - 2.0) / width).sqrt();
        (width > 0.0).then_some(Self { value, standard_error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::sample::Memory;

    fn sample(sessions: u32, anonymous: f64) -> Sample {
        Sample { sessions, memory: Memory { anonymous, ..Memory::default() }, ..Sample::default() }
    }

    fn series(anonymous: impl Fn(u32) -> f64) -> Vec<Sample> {
        (0..=20).map(|step| step * 100).map(|sessions| sample(sessions, anonymous(sessions))).collect()
    }

    #[test]
    fn a_leak_of_two_kib_a_session_is_seen_and_a_cache_that_fills_is_not_one() {
        assert!(!memory_in_sequence(&series(|sessions| 20_000.0 + 2.0 * f64::from(sessions))).flat);
        let cache = series(|sessions| 20_000.0 + f64::from(sessions.min(500)) * 30.0);
        assert!(memory_in_sequence(&cache).flat, "{:?}", memory_in_sequence(&cache));
    }

    #[test]
    fn noise_does_not_hide_a_leak_and_does_not_pass_for_flatness() {
        let noisy = |size: f64, leak: f64| {
            series(move |sessions| {
                let noise = if sessions / 100 % 2 == 0 { size } else { -size };
                20_000.0 + noise + leak * f64::from(sessions)
            })
        };
        assert!(memory_in_sequence(&noisy(100.0, 0.1)).flat);
        assert!(!memory_in_sequence(&noisy(100.0, 1.5)).flat);
        assert!(!memory_in_sequence(&noisy(5_000.0, 0.0)).flat, "nobody can tell");
    }

    #[test]
    fn few_samples_are_no_proof() {
        assert!(!memory_in_sequence(&series(|_| 1.0)[..3]).flat);
        assert!(!memory_in_sequence(&[]).flat);
    }

    #[test]
    fn a_slope_is_that_of_the_line() {
        let slope = Slope::through(&[(0.0, 1.0), (1.0, 3.0), (2.0, 5.0), (3.0, 7.0)]).unwrap();
        assert!((slope.value - 2.0).abs() < 1e-9 && slope.standard_error < 1e-9, "{slope:?}");
        assert_eq!(Slope::through(&[(1.0, 1.0); 5]), None, "no width");
    }

    #[test]
    fn a_peak_has_to_give_most_of_its_memory_back() {
        let (before, peak) = (sample(0, 20_000.0), sample(200, 220_000.0));
        assert!(memory_after_peak(&before, &peak, &sample(200, 40_000.0)).flat);
        assert!(!memory_after_peak(&before, &peak, &sample(200, 180_000.0)).flat);
        assert!(!memory_after_peak(&before, &before, &before).flat, "no peak is no proof");
        assert!(memory_after_peak(&before, &sample(9, 22_000.0), &sample(9, 22_500.0)).flat, "fragments");
    }

    #[test]
    fn one_socket_too_many_is_one_too_many() {
        let before = Held { files: 20, sockets: 8, threads: 6, tasks: 9 };
        assert!(counts(before, before).iter().all(|verdict| verdict.flat));
        let verdicts = counts(before, Held { sockets: 9, ..before });
        let broken: Vec<_> = verdicts.iter().filter(|verdict| !verdict.flat).collect();
        assert_eq!(broken.len(), 1);
        assert!(broken[0].line.starts_with("sockets: 8 before"), "{}", broken[0].line);
    }
}
