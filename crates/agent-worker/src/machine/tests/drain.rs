use super::*;

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn an_idle_worker_ends_at_once() {
    let mut rig = Rig::registered(1);
    let actions = rig.step(Event::Drain);
    assert_eq!(actions[actions.len() - 2..], [Action::Disconnect, Action::Finish(Outcome::Drained)]);
    assert_eq!(rig.tick(), []);
    assert_eq!(rig.machine.deadline(), rig.machine.deadline());
}

#[test]
fn a_worker_that_never_registered_ends_at_once() {
    let mut rig = Rig::new(1);
    rig.tick();
    assert_eq!(finished(&rig.step(Event::Drain)), Some(Outcome::Drained));
}

#[test]
fn a_draining_worker_takes_no_jobs_says_so_and_waits_for_all_of_its_own() {
    let mut rig = Rig::registered(3);
    rig.run_job("AJ_1", "a");
    rig.run_job("AJ_2", "b");
    let actions = rig.step(Event::Drain);
    let status = statuses(&actions)[0];
    assert!(!status.available && status.draining && status.job_count == 2 && status.load < 0.7);
    assert!(actions.contains(&Action::Announce(Some(Unavailable::Draining))));
    assert_eq!(rig.machine.health().reason, "draining: 2 sessions left");
    assert_eq!(rig.offer("AJ_3", "c"), Answer::No);

    rig.report("AJ_1", JobEnd::Success);
    rig.written("AJ_1");
    assert_eq!(finished(&rig.finish("AJ_1", JobEnd::Success)), None);
    rig.receive(ServerMessage::Pong);
    rig.report("AJ_2", JobEnd::Success);
    rig.written("AJ_2");
    assert_eq!(finished(&rig.finish("AJ_2", JobEnd::Success)), Some(Outcome::Drained));
}

#[test]
fn a_job_that_was_promised_before_the_drain_still_runs() {
    let mut rig = Rig::registered(1);
    rig.offer("AJ_1", "a");
    assert_eq!(finished(&rig.step(Event::Drain)), None);
    assert!(starts(&rig.assign("AJ_1", "a"), "AJ_1"));
}

#[test]
fn a_promised_job_that_never_comes_does_not_hold_up_the_drain() {
    let mut rig = Rig::registered(1);
    rig.offer("AJ_1", "a");
    rig.step(Event::Drain);
    assert_eq!(finished(&rig.pass(ASSIGNMENT_TIMEOUT)), Some(Outcome::Drained));
}

#[test]
fn sessions_that_outlast_the_drain_timeout_are_stopped() {
    let mut rig = Rig::registered(1);
    rig.run_job("AJ_1", "a");
    rig.step(Event::Drain);
    rig.lose_socket();
    assert!(!stops(&rig.pass(HOUR - Duration::from_millis(1)), "AJ_1"));
    assert!(stops(&rig.pass(Duration::from_millis(1)), "AJ_1"));
    let outcome = finished(&rig.finish("AJ_1", JobEnd::Success));
    assert_eq!(outcome, Some(Outcome::DrainTimedOut { sessions: 1 }));
}

#[test]
fn the_worker_ends_even_if_a_session_cannot_be_stopped() {
    let mut rig = Rig::registered(1);
    rig.run_job("AJ_1", "a");
    rig.step(Event::EndNow);
    let actions = rig.pass(END_NOW_TIMEOUT);
    assert!(aborts(&actions, "AJ_1"));
    assert_eq!(ends(&actions).len(), 1);
    assert_eq!(finished(&rig.pass(FLUSH_TIMEOUT)), Some(Outcome::EndedNow { sessions: 1 }));
}

#[test]
fn a_second_signal_stops_the_sessions_and_ends_when_they_are_out() {
    let mut rig = Rig::registered(2);
    rig.run_job("AJ_1", "a");
    rig.run_job("AJ_2", "b");
    rig.step(Event::Drain);
    let actions = rig.step(Event::EndNow);
    assert!(stops(&actions, "AJ_1") && stops(&actions, "AJ_2"));
    for job_id in ["AJ_1", "AJ_2"] {
        rig.report(job_id, JobEnd::Success);
        rig.written(job_id);
    }
    assert_eq!(finished(&rig.finish("AJ_1", JobEnd::Success)), None);
    let outcome = finished(&rig.finish("AJ_2", JobEnd::Success));
    assert_eq!(outcome, Some(Outcome::EndedNow { sessions: 2 }));
}

#[test]
fn an_assignment_after_the_second_signal_is_given_back() {
    let mut rig = Rig::registered(2);
    rig.run_job("AJ_1", "a");
    rig.offer("AJ_2", "b");
    rig.step(Event::EndNow);
    let actions = rig.assign("AJ_2", "b");
    assert!(!starts(&actions, "AJ_2"));
    assert_eq!(ends(&actions), [("AJ_2", &failed("the worker is draining"))]);
}

#[test]
fn the_last_end_is_written_before_the_worker_ends_but_not_waited_for_without_limit() {
    let mut rig = Rig::registered(1);
    rig.run_job("AJ_1", "a");
    rig.step(Event::Drain);
    assert_eq!(finished(&rig.finish("AJ_1", failed("x"))), None);
    assert_eq!(finished(&rig.written("AJ_1")), Some(Outcome::Drained));

    let mut rig = Rig::registered(1);
    rig.run_job("AJ_1", "a");
    rig.step(Event::Drain);
    rig.finish("AJ_1", failed("x"));
    assert_eq!(finished(&rig.pass(FLUSH_TIMEOUT)), Some(Outcome::Drained));
}
