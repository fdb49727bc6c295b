//! Reports the state of the service to systemd (`sd_notify(3)`). Outside systemd nothing happens.

use std::time::{Duration, Instant};

use agent_worker::Health;
use sd_notify::NotifyState;
use tokio::sync::{mpsc, watch};
use tracing::warn;

use crate::runtime::sleep_until;
use crate::terminal;

/// A status is for people, who cannot read it more often than this.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// How often the worker's loop is to beat when no watchdog wants it more often: a drain needs it, too.
const BEAT_EVERY: Duration = Duration::from_secs(15);
/// The time that a drain asks for at each beat. Several beats may be late before systemd loses its patience, and after
/// the last one there is time to write and send the queued data.
const PATIENCE: Duration = Duration::from_secs(60);

/// The sources of the reports to systemd.
pub struct Sources {
    pub health: watch::Receiver<Health>,
    /// Notified by the worker's own loop, so that a stuck worker is no longer vouched for.
    pub beats: watch::Receiver<()>,
    pub reloads: mpsc::Receiver<Reload>,
}

/// A reading of the configuration while the worker runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    Begun,
    Taken,
    /// The new configuration is wrong; the one before it stays in effect.
    Refused,
}

/// Whether, and how long, the watchdog waits for a sign of life.
#[derive(Clone, Copy, Debug)]
pub struct Watchdog(Option<Duration>);

/// The state that systemd knows already.
#[derive(Debug)]
struct Notifier {
    watchdog: bool,
    health: Health,
    ready: bool,
    stopping: bool,
    reloading: bool,
    /// The last reload was refused.
    refused: bool,
    status: String,
    /// The time from which a new status may be told.
    status_from: Option<Instant>,
}

#[derive(Debug)]
enum Event {
    Health(Health),
    Beat,
    Reload(Reload),
    /// Time went by.
    Tick,
}

/// One thing that systemd does not know yet.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Ready,
    Reloading,
    Stopping,
    Alive,
    /// The stop takes longer.
    Patience,
    Status(String),
}

/// Reports to systemd until the worker ends: ready at its first registration, alive at every beat, stopping when it
/// drains, and what it does in between as the status line of `systemctl status`.
pub async fn follow(mut sources: Sources, watchdog: Watchdog) {
    let mut notifier = Notifier::new(watchdog.0.is_some());
    sources.health.mark_changed();
    while let Some(event) = sources.next(notifier.deadline()).await {
        notify(notifier.step(Instant::now(), event)).await;
    }
    notify(vec![News::Stopping]).await;
}

// === impl Sources ===

impl Sources {
    /// None when the worker has ended.
    async fn next(&mut self, deadline: Option<Instant>) -> Option<Event> {
        tokio::select! {
            changed = self.health.changed() => match changed {
                Ok(()) => Some(Event::Health(self.health.borrow_and_update().clone())),
                Err(_) => None,
            },
            Ok(()) = self.beats.changed() => Some(Event::Beat),
            Some(reload) = self.reloads.recv() => Some(Event::Reload(reload)),
            () = sleep_until(deadline) => Some(Event::Tick),
        }
    }
}

// === impl Watchdog ===

impl Watchdog {
    /// The watchdog's settings in the environment, as systemd sets them.
    pub fn of_process() -> Self {
        Self(sd_notify::watchdog_enabled())
    }

    /// How often the worker is to beat; None when no service manager listens. Half of the watchdog's time, as its
    /// manual advises.
    pub fn beat_every(self) -> Option<Duration> {
        std::env::var_os("NOTIFY_SOCKET")?;
        Some(self.0.map_or(BEAT_EVERY, |limit| BEAT_EVERY.min(limit / 2)))
    }
}

// === impl Notifier ===

impl Notifier {
    fn new(watchdog: bool) -> Self {
        Self {
            watchdog,
            health: Health::default(),
            ready: false,
            stopping: false,
            reloading: false,
            refused: false,
            status: String::new(),
            status_from: None,
        }
    }

    /// The news that systemd does not know yet.
    fn step(&mut self, now: Instant, event: Event) -> Vec<News> {
        let mut news = match event {
            Event::Health(health) => self.changed(health),
            Event::Beat => return self.alive(),
            Event::Reload(reload) => self.reload(reload),
            Event::Tick => Vec::new(),
        };
        // Rare news bring the status along.
        if !news.is_empty() || self.status_from.is_none_or(|from| from <= now) {
            news.extend(self.status(now));
        }
        news
    }

    /// The time at which [`Event::Tick`] is wanted.
    fn deadline(&self) -> Option<Instant> {
        self.status_from.filter(|_| self.describe() != self.status)
    }

    fn changed(&mut self, health: Health) -> Vec<News> {
        self.health = health;
        let mut news = Vec::new();
        if self.health.is_ready() && !self.ready {
            self.ready = true;
            news.push(News::Ready);
        }
        if self.health.draining && !self.stopping {
            self.stopping = true;
            news.extend([News::Stopping, News::Patience]);
        }
        news
    }

    fn alive(&self) -> Vec<News> {
        let alive = self.watchdog.then_some(News::Alive);
        alive.into_iter().chain(self.stopping.then_some(News::Patience)).collect()
    }

    /// The end of a reload is reported as READY=1, which must not pass for the end of the start.
    fn reload(&mut self, reload: Reload) -> Vec<News> {
        if reload == Reload::Begun {
            self.reloading = self.ready && !self.stopping;
            return if self.reloading { vec![News::Reloading] } else { Vec::new() };
        }
        self.refused = reload == Reload::Refused;
        let ended = std::mem::take(&mut self.reloading) && !self.stopping;
        if ended { vec![News::Ready] } else { Vec::new() }
    }

    fn status(&mut self, now: Instant) -> Option<News> {
        let status = self.describe();
        if status == self.status {
            return None;
        }
        self.status.clone_from(&status);
        self.status_from = Some(now + STATUS_EVERY);
        Some(News::Status(status))
    }

    fn describe(&self) -> String {
        let Health { active_jobs, slots, load, reason, .. } = &self.health;
        if !self.health.is_ready() {
            // A line break would end the status field, and `systemctl status` shows the rest.
            return terminal::line(reason, usize::MAX);
        }
        let refused = if self.refused { "; the last reload was refused, see the log" } else { "" };
        format!("registered with LiveKit; {active_jobs} of {slots} sessions, load {load:.2}{refused}")
    }
}

// === impl News ===

impl News {
    fn line(&self) -> String {
        match self {
            Self::Ready => NotifyState::Ready.to_string(),
            Self::Reloading => reloading(),
            Self::Stopping => NotifyState::Stopping.to_string(),
            Self::Alive => NotifyState::Watchdog.to_string(),
            Self::Patience => format!("EXTEND_TIMEOUT_USEC={}", PATIENCE.as_micros()),
            Self::Status(status) => NotifyState::Status(status).to_string(),
        }
    }
}

/// From version 253 on systemd wants to know when the reload began.
fn reloading() -> String {
    let began = NotifyState::monotonic_usec_now().map(|usec| format!("\n{usec}")).unwrap_or_default();
    format!("{}{began}", NotifyState::Reloading)
}

/// A manager that does not read must not hold up anything else.
async fn notify(news: Vec<News>) {
    if news.is_empty() {
        return;
    }
    let lines: Vec<String> = news.iter().map(News::line).collect();
    let sent =
        tokio::task::spawn_blocking(move || sd_notify::notify(&[NotifyState::Custom(&lines.join("\n"))]));
    if let Ok(Err(error)) = sent.await {
        warn!(%error, "cannot notify systemd at $NOTIFY_SOCKET");
    }
}

#[cfg(test)]
mod tests;
