//! Work that runs in parallel.

use std::thread;

use anyhow::{Result, bail};

/// Runs every lane on a thread of its own and waits for all of them, also when one fails; then returns the first
/// failure.
pub(crate) fn side_by_side<T: Send>(lanes: Vec<impl FnOnce() -> Result<T> + Send>) -> Result<Vec<T>> {
    thread::scope(|scope| {
        let lanes: Vec<_> = lanes.into_iter().map(|lane| scope.spawn(lane)).collect();
        let ended: Vec<Result<T>> =
            lanes.into_iter().map(|lane| lane.join().unwrap_or_else(|_| bail!("a lane panicked"))).collect();
        ended.into_iter().collect()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn lanes_run_at_the_same_time_and_give_their_results_in_order() {
        let together = Barrier::new(2);
        let lane = |number: u32| {
            let together = &together;
            move || {
                together.wait();
                Ok(number)
            }
        };
        assert_eq!(side_by_side(vec![lane(1), lane(2)]).unwrap(), [1, 2]);
    }

    #[test]
    fn a_lane_that_fails_or_panics_fails_all() {
        let lane = |fails: bool, panics: bool| {
            move || {
                assert!(!panics, "on purpose");
                if fails { bail!("on purpose") } else { Ok(()) }
            }
        };
        assert!(side_by_side(vec![lane(false, false), lane(true, false)]).is_err());
        assert!(side_by_side(vec![lane(false, true), lane(false, false)]).is_err());
    }
}
