//! The beat of 10 ms that drives sources and receivers.

use std::{sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval_at},
};

/// The length of WebRTC's audio block.
pub(crate) const BEAT: Duration = Duration::from_millis(10);
/// The most lost beats that are made up for after a stall of the machine.
const MAX_BEHIND: Duration = Duration::from_millis(500);

/// Calls `beat` every 10 ms until it returns that it is done.
pub(crate) fn start(runtime: &Handle, mut beat: impl FnMut() -> Beat + Send + 'static) {
    runtime.spawn(async move { run(&mut beat).await });
}

/// The same, and calls `early` between two beats whenever `wake` is notified.
pub(crate) fn start_with(
    runtime: &Handle,
    wake: Arc<Notify>,
    mut early: impl FnMut() + Send + 'static,
    mut beat: impl FnMut() -> Beat + Send + 'static,
) {
    let waking = async move {
        loop {
            wake.notified().await;
            early();
        }
    };
    runtime.spawn(async move {
        tokio::select! {
            () = run(&mut beat) => {}
            () = waking => {}
        }
    });
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beat {
    GoOn,
    Done,
}

async fn run(beat: &mut (impl FnMut() -> Beat + Send)) {
    let mut ticks = interval_at(Instant::now() + BEAT, BEAT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        let due = ticks.tick().await + BEAT;
        if beat() == Beat::Done {
            return;
        }
        if due.elapsed() > MAX_BEHIND {
            ticks.reset();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn counting() -> (Arc<AtomicU32>, impl FnMut() -> Beat + Send + 'static) {
        let beats = Arc::new(AtomicU32::new(0));
        let counted = beats.clone();
        let beat = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Beat::GoOn
        };
        (beats, beat)
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_has_a_hundred_beats() {
        let (beats, beat) = counting();
        start(&Handle::current(), beat);
        tokio::time::sleep(Duration::from_millis(1005)).await;
        assert_eq!(beats.load(Ordering::Relaxed), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_stall_is_made_up_for_and_a_long_one_is_not() {
        for (stall, lowest, highest) in [(200, 119, 121), (60_000, 100, 110)] {
            let (beats, beat) = counting();
            start(&Handle::current(), beat);
            tokio::time::sleep(Duration::from_millis(5)).await;
            tokio::time::advance(Duration::from_millis(stall)).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            let beats = beats.load(Ordering::Relaxed);
            assert!((lowest..=highest).contains(&beats), "{stall} ms: {beats}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_listener_that_is_done_is_not_called_again() {
        let (beats, mut beat) = counting();
        start(&Handle::current(), move || {
            beat();
            Beat::Done
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(beats.load(Ordering::Relaxed), 1);
    }
}
