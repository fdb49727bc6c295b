//! Tells systemd how the service does (`sd_notify(3)`). Outside systemd nothing happens.

use sd_notify::NotifyState;
use tokio::sync::watch;
use tracing::warn;

use crate::worker::Health;

/// Reports the worker's health to systemd until the worker ends: ready at its first registration, stopping when it
/// drains, and what it does in between as the status line of `systemctl status`.
pub async fn follow(mut health: watch::Receiver<Health>) {
    let mut told = Told::default();
    loop {
        let message = told.news(&health.borrow_and_update());
        if let Some(message) = message {
            notify(&message);
        }
        if health.changed().await.is_err() {
            return notify(&[NotifyState::Stopping]);
        }
    }
}

/// What systemd knows already.
#[derive(Debug, Default)]
struct Told {
    ready: bool,
    stopping: bool,
    status: String,
}

impl Told {
    /// What systemd does not know yet.
    fn news(&mut self, health: &Health) -> Option<Vec<NotifyState<'_>>> {
        let status = describe(health);
        let mut news = Vec::new();
        if health.registered && !self.ready {
            self.ready = true;
            news.push(NotifyState::Ready);
        }
        if health.draining && !self.stopping {
            self.stopping = true;
            news.push(NotifyState::Stopping);
        }
        if status != self.status {
            self.status = status;
            news.push(NotifyState::Status(&self.status));
        }
        (!news.is_empty()).then_some(news)
    }
}

fn describe(health: &Health) -> String {
    match (health.is_ready(), health.active_jobs) {
        (true, 0) => "registered with LiveKit; no sessions".to_owned(),
        (true, 1) => "registered with LiveKit; 1 session".to_owned(),
        (true, sessions) => format!("registered with LiveKit; {sessions} sessions"),
        // A newline would end the status field.
        (false, _) => health.reason.replace('\n', " "),
    }
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!(%error, "cannot notify systemd at $NOTIFY_SOCKET");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(told: &mut Told, health: &Health) -> Vec<String> {
        told.news(health).unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn systemd_hears_of_readiness_once_and_of_each_change_of_status() {
        let mut state = Told::default();
        let mut health = Health { reason: "connecting".to_owned(), ..Health::default() };
        assert_eq!(told(&mut state, &health), ["STATUS=connecting"]);
        health = Health { registered: true, ..Health::default() };
        assert_eq!(told(&mut state, &health), ["READY=1", "STATUS=registered with LiveKit; no sessions"]);
        assert_eq!(told(&mut state, &health), [""; 0]);
        health = Health { reason: "refused\nREADY=1".to_owned(), ..Health::default() };
        assert_eq!(told(&mut state, &health), ["STATUS=refused READY=1"]);
        health = Health { registered: true, active_jobs: 1, ..Health::default() };
        assert_eq!(told(&mut state, &health), ["STATUS=registered with LiveKit; 1 session"]);
        health = Health { draining: true, reason: "draining: 1 session left".to_owned(), ..health };
        assert_eq!(told(&mut state, &health), ["STOPPING=1", "STATUS=draining: 1 session left"]);
    }
}
