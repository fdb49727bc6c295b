//! Each test is a claim about the reports to systemd; its times are made up.

use super::*;

struct Rig {
    notifier: Notifier,
    now: Instant,
}

impl Rig {
    fn new(watchdog: bool) -> Self {
        Self { notifier: Notifier::new(watchdog), now: Instant::now() }
    }

    /// A service that systemd has known to be ready for a while.
    fn ready() -> Self {
        let mut rig = Self::new(true);
        rig.health(registered(0));
        rig.now += STATUS_EVERY;
        rig
    }

    fn step(&mut self, event: Event) -> Vec<String> {
        self.notifier.step(self.now, event).iter().map(News::line).collect()
    }

    fn health(&mut self, health: Health) -> Vec<String> {
        self.step(Event::Health(health))
    }
}

fn registered(active_jobs: u32) -> Health {
    Health { registered: true, active_jobs, slots: 4, load: 0.1725 * active_jobs as f32, ..Health::default() }
}

fn draining() -> Health {
    Health { draining: true, reason: "draining: 1 session left".to_owned(), ..registered(1) }
}

#[test]
fn systemd_hears_of_readiness_once_and_of_each_change_of_status() {
    let mut rig = Rig::new(false);
    let connecting = Health { reason: "connecting".to_owned(), ..Health::default() };
    assert_eq!(rig.health(connecting), ["STATUS=connecting"]);
    let ready = ["READY=1", "STATUS=registered with LiveKit; 0 of 4 sessions, load 0.00"];
    assert_eq!(rig.health(registered(0)), ready);
    assert_eq!(rig.health(registered(0)), [""; 0]);
    rig.now += STATUS_EVERY;
    let refused = Health { reason: "refused\nREADY=1".to_owned(), ..Health::default() };
    assert_eq!(rig.health(refused), ["STATUS=refused READY=1"]);
}

#[test]
fn a_status_that_changes_all_the_time_is_told_once_a_second_and_in_the_end() {
    let mut rig = Rig::ready();
    assert_eq!(rig.health(registered(1)), ["STATUS=registered with LiveKit; 1 of 4 sessions, load 0.17"]);
    for sessions in [2, 3, 4, 3, 2] {
        assert_eq!(rig.health(registered(sessions)), [""; 0]);
    }
    assert_eq!(rig.notifier.deadline(), Some(rig.now + STATUS_EVERY));
    rig.now += STATUS_EVERY;
    assert_eq!(rig.step(Event::Tick), ["STATUS=registered with LiveKit; 2 of 4 sessions, load 0.34"]);
    assert_eq!(rig.notifier.deadline(), None);
}

#[test]
fn a_beat_is_a_sign_of_life_and_in_a_drain_a_plea_for_time() {
    let mut rig = Rig::ready();
    assert_eq!(rig.step(Event::Beat), ["WATCHDOG=1"]);
    let stopping = ["STOPPING=1", "EXTEND_TIMEOUT_USEC=60000000", "STATUS=draining: 1 session left"];
    assert_eq!(rig.health(draining()), stopping);
    assert_eq!(rig.step(Event::Beat), ["WATCHDOG=1", "EXTEND_TIMEOUT_USEC=60000000"]);
}

#[test]
fn without_a_watchdog_only_a_drain_has_something_to_say_at_a_beat() {
    let mut rig = Rig::new(false);
    rig.health(registered(0));
    assert_eq!(rig.step(Event::Beat), [""; 0]);
    rig.health(draining());
    assert_eq!(rig.step(Event::Beat), ["EXTEND_TIMEOUT_USEC=60000000"]);
}

#[test]
fn a_reload_begins_and_ends_and_a_refused_one_shows_until_the_next() {
    let mut rig = Rig::ready();
    let begun = rig.step(Event::Reload(Reload::Begun));
    assert!(begun[0].starts_with("RELOADING=1\nMONOTONIC_USEC="), "{begun:?}");
    let refused = rig.step(Event::Reload(Reload::Refused));
    assert_eq!(refused[0], "READY=1");
    assert!(refused[1].ends_with("; the last reload was refused, see the log"), "{refused:?}");
    rig.step(Event::Reload(Reload::Begun));
    let taken = ["READY=1", "STATUS=registered with LiveKit; 0 of 4 sessions, load 0.00"];
    assert_eq!(rig.step(Event::Reload(Reload::Taken)), taken);
}

#[test]
fn a_reload_makes_no_worker_ready_that_starts_or_stops() {
    for health in [Health::default(), draining()] {
        let mut rig = Rig::new(false);
        rig.health(health);
        for reload in [Reload::Begun, Reload::Taken] {
            assert_eq!(rig.step(Event::Reload(reload)), [""; 0]);
        }
    }
    let mut rig = Rig::ready();
    rig.step(Event::Reload(Reload::Begun));
    rig.health(draining());
    assert_eq!(rig.step(Event::Reload(Reload::Taken)), [""; 0]);
}
