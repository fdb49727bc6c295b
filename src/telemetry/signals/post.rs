//! One OTLP request of a signal, and the message to an operator about its outcome.

use std::thread;
use std::time::Duration;

use url::Url;

use otlp_spool::asked_wait::{self, AskedWaits};
use otlp_spool::{Delivery, ExportState, Notice, Post, Signal};

use crate::telemetry::StartError;
use crate::telemetry::settings::Settings;

/// Posts the requests of one signal. Like the client in it, it must be made, used and dropped on a thread of its own.
pub(super) struct Poster {
    post: Post,
    signal: Signal,
    state: ExportState,
    asked_waits: AskedWaits,
}

/// Runs `run` on a new thread with a poster that is made there.
pub(super) fn spawn(
    config: &Settings,
    url: Url,
    signal: Signal,
    run: impl FnOnce(Poster) + Send + 'static,
) -> Result<(), StartError> {
    let config = config.clone();
    let (made, outcome) = std::sync::mpsc::sync_channel(1);
    thread::Builder::new().name(format!("otlp-{}", signal.name())).spawn(move || {
        let _mark = otlp_spool::mark_exporting();
        match Poster::new(&config, url, signal) {
            Ok(poster) => {
                let _ = made.send(Ok(()));
                run(poster);
            }
            Err(error) => drop(made.send(Err(error))),
        }
    })?;
    let broken =
        || StartError::Client(format!("the thread for {} panicked while it made its client", signal.name()));
    outcome.recv().unwrap_or_else(|_| Err(broken()))
}

/// Posts an empty request of a signal and says what is wrong with its receiver, if something is. OTLP allows it and
/// receivers keep nothing of it (read in OpenObserve 0.93, seen of a collector), but it passes the same doors as a full one.
/// To be called from where blocking is allowed.
pub(super) fn probe(config: &Settings, url: Url, signal: Signal) -> Result<Option<String>, StartError> {
    let delivery = Post::new(&config.receiver(signal, url))?.deliver(&[]);
    Ok(delivery.trouble().map(|trouble| trouble.message.clone()))
}

// === impl Poster ===

impl Poster {
    fn new(config: &Settings, url: Url, signal: Signal) -> Result<Self, StartError> {
        let post = Post::new(&config.receiver(signal, url))?;
        Ok(Self { post, signal, state: ExportState::default(), asked_waits: AskedWaits::default() })
    }

    /// Posts a request with `items` in it, and logs a change in the receiver's answers.
    pub(super) fn post(&mut self, request: &[u8], items: u64) -> Delivery {
        let delivery = self.post.deliver(request);
        let lost = if delivery.is_transient() { 0 } else { delivery.lost(items) };
        let signal = self.signal.name();
        match self.state.observe(delivery.trouble(), lost) {
            Some(Notice::Trouble(trouble)) => tracing::error!("export of {signal}: {trouble}"),
            Some(Notice::Recovered { lost }) => tracing::warn!(lost, "the receiver takes our {signal} again"),
            Some(Notice::Working) => tracing::info!("the first {signal} were exported"),
            None => {}
        }
        delivery
    }

    /// The wait until the next try: `pause`, or the wait that the receiver asked for, up to a minute.
    pub(super) fn wait(&mut self, delivery: &Delivery, pause: Duration) -> Duration {
        let Some(asked) = delivery.asked_wait() else { return pause };
        let wait = asked.clamp(pause, asked_wait::LONGEST.max(pause));
        if let Some(asked_for) = self.asked_waits.wait(asked, wait) {
            tracing::warn!("export of {}: {asked_for}", self.signal.name());
        }
        wait
    }
}
