//! Sound is played and recorded in real time, so a machine that stops for a moment loses words that the network did not
//! lose.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::speech::ends::Heard;

/// A frame that is played later than this leaves a hole as long as a syllable.
const LATE: Duration = Duration::from_millis(150);
const ATTEMPTS: u32 = 3;

/// Keeps the other tests of this program from holding calls.
pub(crate) fn one_at_a_time() -> MutexGuard<'static, ()> {
    static CALLS: Mutex<()> = Mutex::new(());
    CALLS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The recordings of calls. The calls are held again when one of them failed or a frame was late, up to [`ATTEMPTS`]
/// times; of late ones the last are taken as they are.
pub(crate) fn on_time(hold: impl Fn() -> Option<Vec<(String, Heard)>>) -> Vec<(String, Heard)> {
    let mut calls = None;
    for _ in 0..ATTEMPTS {
        let Some(held) = hold() else {
            testbed::progress("a call between two of the official SDK did not come about: again");
            continue;
        };
        let latest = held.iter().map(|(_, heard)| heard.lateness()).max().unwrap_or_default();
        calls = Some(held);
        if latest <= LATE {
            break;
        }
        testbed::progress(&format!("a speaker was {latest:.0?} late: this machine stopped; again"));
    }
    calls.expect("calls between two of the official SDK come about")
}
