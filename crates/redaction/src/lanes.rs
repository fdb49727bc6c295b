//! Threads for searches that may take long, like the tills of a shop: short texts never queue behind long ones.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// The most bytes of a short text.
const SHORT: usize = 4096;
/// How many texts of each kind are searched at the same time. No more threads than these ever compete with the
/// sessions.
const SHORT_LANES: usize = 4;
const LONG_LANES: usize = 2;

pub(super) struct Lanes {
    short: Arc<Semaphore>,
    long: Arc<Semaphore>,
}

// === impl Lanes ===

impl Default for Lanes {
    fn default() -> Self {
        let [short, long] = [SHORT_LANES, LONG_LANES].map(|lanes| Arc::new(Semaphore::new(lanes)));
        Self { short, long }
    }
}

impl Lanes {
    /// Runs `search` of a text of so many bytes when there is a lane for it. None when it panicked. The lane is taken
    /// until the search ends, also when no caller waits for it any more; a search that was given up before it began
    /// never begins.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        bytes: usize,
        search: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let lanes = if bytes <= SHORT { &self.short } else { &self.long };
        let lane = lanes.clone().acquire_owned().await.ok()?;
        let searching = tokio::task::spawn_blocking(move || {
            let _lane = lane;
            search()
        });
        searching.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn long_texts_wait_for_each_other_and_short_ones_pass_them() {
        let lanes = Lanes::default();
        let (release, held) = mpsc::channel::<()>();
        let held = Arc::new(std::sync::Mutex::new(held));
        let searches = (0..LONG_LANES).map(|_| {
            let held = held.clone();
            lanes.run(SHORT + 1, move || held.lock().unwrap().recv())
        });
        let mut long = Box::pin(futures::future::join_all(searches));
        assert!(futures::poll!(&mut long).is_pending());
        let mut next = Box::pin(lanes.run(SHORT + 1, || ()));
        assert!(futures::poll!(&mut next).is_pending());
        assert_eq!(lanes.run(SHORT, || 7).await, Some(7));
        drop(release);
        long.await;
        assert_eq!(next.await, Some(()));
    }

    #[tokio::test]
    async fn a_search_that_panics_gives_its_lane_back() {
        let lanes = Lanes::default();
        for _ in 0..=LONG_LANES {
            assert_eq!(lanes.run(SHORT + 1, || panic!("a defect")).await, None::<()>);
        }
    }
}
