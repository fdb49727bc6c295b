use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// How long the machine waits before each of `count` attempts, when none succeeds.
fn waits(rig: &mut Rig, count: usize) -> Vec<Duration> {
    (0..count)
        .map(|_| {
            rig.lose_socket();
            let deadline = rig.machine.deadline().expect("the worker tries again");
            let wait = deadline - rig.now;
            assert!(rig.after(wait).contains(&Action::Connect));
            wait
        })
        .collect()
}

#[test]
fn reconnects_for_ever_with_waits_from_half_a_second_to_ten() {
    let mut rig = Rig::new(1);
    rig.tick();
    let waits = waits(&mut rig, 100);
    for (wait, step) in waits.iter().zip([500, 1000, 2000, 4000, 8000, 10_000, 10_000]) {
        let step = Duration::from_millis(step);
        assert!((step / 2..=step).contains(wait), "{wait:?} is not in the upper half of {step:?}");
    }
    assert!(waits[10..].iter().all(|wait| (5 * SECOND..=10 * SECOND).contains(wait)));
}

/// Ten minutes without a server: the worker neither spins nor falls asleep.
#[test]
fn a_server_that_is_away_for_ten_minutes_is_asked_a_hundred_times_and_found_within_ten_seconds() {
    for seed in 0..100 {
        let rules = Rig::new(1).machine.rules;
        let mut rig = Rig { machine: Machine::new(rules, Instant::now(), seed), now: Instant::now() };
        rig.tick();
        let (start, mut attempts) = (rig.now, 0);
        while rig.now - start < 600 * SECOND {
            attempts += waits(&mut rig, 1).len();
        }
        assert!((60..130).contains(&attempts), "{attempts} attempts");
        rig.lose_socket();
        let wait = rig.machine.health().connect_wait;
        assert!(wait > Duration::ZERO && wait <= 10 * SECOND, "{wait:?}");
        rig.after(wait);
        rig.register();
        assert!(rig.machine.health().registered);
        assert_eq!(rig.machine.health().connect_wait, Duration::ZERO);
    }
}

#[test]
fn workers_that_lose_their_server_together_do_not_come_back_together() {
    let first_wait = |seed| {
        let now = Instant::now();
        let mut machine = Machine::new(Rig::new(1).machine.rules, now, seed);
        machine.step(now, Event::Tick);
        machine.step(now, Event::Closed { reason: "gone".to_owned() });
        machine.deadline().unwrap() - now
    };
    assert_ne!(first_wait(1), first_wait(2));
}

#[test]
fn a_registration_that_held_makes_the_next_wait_short_again_and_one_that_did_not_makes_it_longer() {
    let mut rig = Rig::new(1);
    rig.tick();
    waits(&mut rig, 8);
    rig.register();
    assert!(waits(&mut rig, 1)[0] >= 5 * SECOND);
    rig.register();
    rig.receive(ServerMessage::Pong);
    rig.now += 11 * SECOND;
    assert!(waits(&mut rig, 1)[0] <= Duration::from_millis(500));
}

#[test]
fn a_server_that_does_not_answer_the_registration_is_left() {
    let mut rig = Rig::new(1);
    rig.tick();
    rig.step(Event::Opened);
    let actions = rig.pass(5 * SECOND);
    assert!(actions.contains(&Action::Disconnect));
    assert!(rig.machine.health().reason.contains("did not answer the registration"));
    assert!(rig.pass(SECOND).contains(&Action::Connect));
}

#[test]
fn pings_every_ten_seconds_in_both_ways() {
    let mut rig = Rig::registered(1);
    let mut pings = 0;
    for _ in 0..60 {
        let actions = rig.pass(SECOND);
        let frame = actions.contains(&Action::PingFrame);
        let message = actions.iter().any(|it| matches!(it, Action::Send(WorkerMessage::Ping { .. })));
        assert_eq!(frame, message);
        pings += usize::from(frame);
        rig.step(Event::Alive);
    }
    assert_eq!(pings, 6);
    assert!(rig.machine.health().registered);
}

#[test]
fn a_silent_server_is_taken_for_dead_after_twenty_five_seconds() {
    let mut rig = Rig::registered(1);
    rig.run_job("AJ_1", "a");
    assert!(!rig.pass(25 * SECOND - Duration::from_millis(1)).contains(&Action::Disconnect));
    let actions = rig.pass(Duration::from_millis(1));
    assert!(actions.contains(&Action::Disconnect));
    assert!(!stops(&actions, "AJ_1"));
    let health = rig.machine.health();
    assert_eq!((health.registered, health.active_jobs), (false, 1));
    assert!(health.reason.contains("silent"));
}

#[test]
fn jobs_outlive_the_socket_and_are_named_to_the_server_after_the_reconnect() {
    let mut rig = Rig::registered(3);
    rig.run_job("AJ_1", "a");
    rig.run_job("AJ_2", "b");
    let actions = rig.lose_socket();
    assert!(!stops(&actions, "AJ_1") && !aborts(&actions, "AJ_1"));
    assert!(rig.pass(SECOND).contains(&Action::Connect));
    let actions = rig.register();
    let sent: Vec<&WorkerMessage> = actions
        .iter()
        .filter_map(|action| match action {
            Action::Send(message) => Some(message),
            _ => None,
        })
        .collect();
    assert!(matches!(sent[0], WorkerMessage::Register(_)));
    let job_ids = vec!["AJ_1".to_owned(), "AJ_2".to_owned()];
    assert_eq!(*sent[1], WorkerMessage::Migrate { job_ids });
    assert!(matches!(sent[2], WorkerMessage::Status(Status { job_count: 2, sequence: 1, .. })));
}

#[test]
fn a_lost_socket_frees_the_slots_of_jobs_that_cannot_be_assigned_any_more() {
    let mut rig = Rig::registered(1);
    rig.offer("AJ_1", "a");
    rig.lose_socket();
    rig.pass(SECOND);
    rig.register();
    assert!(matches!(rig.offer("AJ_2", "b"), Answer::Yes(_)));
}

#[test]
fn a_server_that_goes_away_is_left_soon_and_jobs_go_on() {
    let mut rig = Rig::registered(2);
    rig.run_job("AJ_1", "a");
    let actions = rig.receive(ServerMessage::GoAway { reason: "upgrade".to_owned() });
    assert!(statuses(&actions).iter().all(|status| !status.available));
    assert_eq!(rig.offer("AJ_2", "b"), Answer::No);
    let actions = rig.pass(2 * SECOND);
    let left = actions.iter().position(|action| *action == Action::Disconnect);
    let came_back = actions.iter().position(|action| *action == Action::Connect);
    assert!(left.unwrap() < came_back.unwrap());
    assert!(!stops(&actions, "AJ_1"));
    assert!(rig.register().contains(&Action::Announce(None)));
}

#[test]
fn nothing_but_the_registration_is_said_before_the_server_has_answered_it() {
    let mut rig = Rig::new(1);
    rig.tick();
    rig.step(Event::Opened);
    let mut actions = rig.receive(ServerMessage::Offer(job("AJ_1", "a")));
    actions.extend(rig.assign("AJ_1", "a"));
    actions.extend(rig.pass(4 * SECOND));
    assert_eq!(actions, []);
}

#[test]
fn a_second_answer_to_the_registration_changes_nothing() {
    let mut rig = Rig::registered(1);
    let again = ServerMessage::Registered { worker_id: "AW_2".to_owned(), server_version: String::new() };
    assert_eq!(rig.receive(again), []);
    assert_eq!(rig.machine.health().worker_id, "AW_1");
}
