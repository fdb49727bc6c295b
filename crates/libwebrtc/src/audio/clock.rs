//! The beat of 10 ms that drives sources and receivers.

use std::{sync::Arc, time::Duration};

use tokio::{
    runtime::Handle,
    sync::Notify,
    time::{Instant, sleep_until},
};

/// The length of WebRTC's audio block.
pub(crate) const BEAT: Duration = Duration::from_millis(10);
/// The most lost beats that are made up for after a stall of the machine.
const MAX_BEHIND: Duration = Duration::from_millis(500);

/// Calls `beat` every 10 ms until it returns that it is done. Whenever `wake` is notified, the beats that were left for
/// later are made up for, and `woken` is called. `beat` is told whether it is one of those.
pub(crate) fn start(
    runtime: &Handle,
    wake: Arc<Notify>,
    mut woken: impl FnMut() + Send + 'static,
    mut beat: impl FnMut(bool) -> Beat + Send + 'static,
) {
    runtime.spawn(async move { run(&wake, &mut woken, &mut beat).await });
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beat {
    GoOn,
    /// So many of the next beats may come together with the one behind them.
    Rest(u32),
    Done,
}

async fn run(wake: &Notify, woken: &mut (impl FnMut() + Send), beat: &mut (impl FnMut(bool) -> Beat + Send)) {
    let (mut next, mut rest) = (Instant::now() + BEAT, 0);
    loop {
        let is_woken = tokio::select! {
            () = sleep_until(next + rest * BEAT) => false,
            () = wake.notified() => true,
        };
        let mut left = rest;
        while next <= Instant::now() {
            let was_left = is_woken || left > 0 && next + BEAT <= Instant::now();
            left = left.saturating_sub(1);
            rest = match beat(was_left) {
                Beat::GoOn => 0,
                Beat::Rest(beats) => beats,
                Beat::Done => return,
            };
            next = if next.elapsed() > MAX_BEHIND { Instant::now() + BEAT } else { next + BEAT };
        }
        if is_woken {
            woken();
            rest = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Beats that are never woken.
    fn start_beating(mut beat: impl FnMut() -> Beat + Send + 'static) {
        start(&Handle::current(), Arc::default(), || {}, move |_| beat());
    }

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
        start_beating(beat);
        tokio::time::sleep(Duration::from_millis(1005)).await;
        assert_eq!(beats.load(Ordering::Relaxed), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_stall_is_made_up_for_and_a_long_one_is_not() {
        for (stall, lowest, highest) in [(200, 119, 121), (60_000, 100, 110)] {
            let (beats, beat) = counting();
            start_beating(beat);
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
        start_beating(move || {
            beat();
            Beat::Done
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(beats.load(Ordering::Relaxed), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn beats_that_rest_come_together_and_at_once_when_woken() {
        let (beats, mut beat) = counting();
        let (wake, woken) = (Arc::<Notify>::default(), Arc::new(AtomicU32::new(0)));
        let seen = woken.clone();
        let resting = move |_| {
            beat();
            Beat::Rest(9)
        };
        start(
            &Handle::current(),
            wake.clone(),
            move || {
                seen.fetch_add(1, Ordering::Relaxed);
            },
            resting,
        );
        let count = || beats.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(95)).await;
        assert_eq!(count(), 1, "nine are left for later");
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(count(), 11);
        tokio::time::sleep(Duration::from_millis(40)).await;
        wake.notify_one();
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!((count(), woken.load(Ordering::Relaxed)), (15, 1));
    }
}
