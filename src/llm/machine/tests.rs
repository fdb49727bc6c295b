use super::*;

const LIMITS: Limits = Limits {
    first_token: Duration::from_secs(8),
    stall: Duration::from_secs(10),
    total: Duration::from_secs(60),
    attempts: 3,
};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A machine that has begun its first attempt at the returned instant.
fn begun(limits: Limits) -> (Machine, Instant) {
    let now = Instant::now();
    let mut machine = Machine::new(now, limits, fastrand::Rng::with_seed(7));
    assert_eq!(machine.deadline(), now);
    assert_eq!(machine.step(now, Event::Tick), Action::Attempt(0));
    (machine, now)
}

fn fail(machine: &mut Machine, now: Instant, kind: Kind) -> Action {
    machine.step(now, Event::Failed(&Fault::new(kind)))
}

/// Goes through the wait and returns when the next attempt began.
fn wait_out(machine: &mut Machine) -> Instant {
    let then = machine.deadline();
    assert!(matches!(machine.step(then, Event::Tick), Action::Attempt(_)));
    then
}

#[test]
fn a_failed_attempt_is_tried_again_until_attempts_run_out() {
    let (mut machine, mut now) = begun(LIMITS);
    for _ in 0..2 {
        assert!(matches!(fail(&mut machine, now, Kind::Status(500)), Action::Wait(_)));
        now = wait_out(&mut machine);
    }
    assert_eq!(fail(&mut machine, now, Kind::Status(500)), Action::End(End::Failed));
    assert_eq!(machine.attempts(), 3);
}

#[test]
fn what_cannot_help_is_not_tried_again() {
    for kind in [Kind::Status(401), Kind::Status(404), Kind::QuotaExceeded, Kind::ContentFilter] {
        let (mut machine, now) = begun(LIMITS);
        assert_eq!(fail(&mut machine, now, kind), Action::End(End::Failed), "{kind:?}");
    }
}

#[test]
fn nothing_is_tried_again_once_words_were_passed_on() {
    let (mut machine, now) = begun(LIMITS);
    machine.step(now, Event::Said);
    assert_eq!(fail(&mut machine, now, Kind::ConnectionLost), Action::End(End::Failed));
}

#[test]
fn reasoning_alone_allows_another_attempt() {
    let (mut machine, now) = begun(LIMITS);
    machine.step(now, Event::Token);
    assert!(matches!(fail(&mut machine, now, Kind::ConnectionLost), Action::Wait(_)));
}

#[test]
fn waits_double_from_a_fifth_of_a_second_to_two_seconds() {
    let limits = Limits { attempts: 40, total: seconds(600), ..LIMITS };
    for seed in 0..50 {
        let mut now = Instant::now();
        let mut machine = Machine::new(now, limits, fastrand::Rng::with_seed(seed));
        machine.step(now, Event::Tick);
        for bound in [200, 400, 800, 1600, 2000, 2000] {
            let Action::Wait(wait) = fail(&mut machine, now, Kind::Status(503)) else { panic!("no wait") };
            assert!(wait <= Duration::from_millis(bound), "{wait:?} of {bound} ms");
            now = wait_out(&mut machine);
        }
    }
}

#[test]
fn waits_are_spread_over_the_whole_range() {
    let waits = (0..200).map(|seed| {
        let now = Instant::now();
        let mut machine = Machine::new(now, LIMITS, fastrand::Rng::with_seed(seed));
        machine.step(now, Event::Tick);
        match fail(&mut machine, now, Kind::Status(503)) {
            Action::Wait(wait) => wait.as_millis(),
            other => panic!("{other:?}"),
        }
    });
    let waits: Vec<_> = waits.collect();
    assert!(waits.iter().any(|wait| *wait < 40) && waits.iter().any(|wait| *wait > 160), "{waits:?}");
}

#[test]
fn retry_after_is_honoured_up_to_five_seconds_and_beyond_it_nothing_is_asked_again() {
    let after = |asked| {
        let (mut machine, now) = begun(LIMITS);
        let fault = Fault { retry_after: Some(seconds(asked)), ..Fault::new(Kind::Status(429)) };
        machine.step(now, Event::Failed(&fault))
    };
    assert_eq!([after(1), after(4), after(5)], [1, 4, 5].map(|wait| Action::Wait(seconds(wait))));
    assert_eq!([after(6), after(198_300)], [Action::End(End::Failed); 2]);
}

#[test]
fn a_request_that_was_changed_is_sent_at_once_and_does_not_count() {
    let adapted = Fault { is_adapted: true, ..Fault::new(Kind::Status(400)) };
    let (mut machine, now) = begun(Limits { attempts: 1, ..LIMITS });
    for _ in 0..MAX_ADAPTATIONS {
        assert_eq!(machine.step(now, Event::Failed(&adapted)), Action::Wait(Duration::ZERO));
        wait_out(&mut machine);
    }
    assert_eq!(machine.step(now, Event::Failed(&adapted)), Action::End(End::Failed));
    let (mut machine, now) = begun(LIMITS);
    machine.step(now, Event::Failed(&adapted));
    wait_out(&mut machine);
    for _ in 0..2 {
        assert!(matches!(fail(&mut machine, now, Kind::Status(500)), Action::Wait(_)));
        wait_out(&mut machine);
    }
    assert_eq!(fail(&mut machine, now, Kind::Status(500)), Action::End(End::Failed));
}

#[test]
fn what_is_final_by_its_words_is_not_tried_again() {
    let (mut machine, now) = begun(LIMITS);
    let fault = Fault { is_final: true, ..Fault::new(Kind::ProviderError) };
    assert_eq!(machine.step(now, Event::Failed(&fault)), Action::End(End::Failed));
}

#[test]
fn a_wait_beyond_the_total_limit_is_not_begun() {
    let (mut machine, now) = begun(Limits { total: seconds(3), ..LIMITS });
    let fault = Fault { retry_after: Some(seconds(4)), ..Fault::new(Kind::Status(429)) };
    assert_eq!(machine.step(now, Event::Failed(&fault)), Action::End(End::Failed));
}

#[test]
fn the_first_token_is_waited_for_so_long() {
    let (mut machine, now) = begun(LIMITS);
    assert_eq!(machine.deadline(), now + seconds(8));
    assert_eq!(machine.step(now + seconds(7), Event::Tick), Action::Continue);
    assert_eq!(machine.step(now + seconds(8), Event::Tick), Action::Abort(Kind::FirstTokenTimeout));
}

#[test]
fn each_token_starts_the_stall_limit_anew() {
    let (mut machine, now) = begun(LIMITS);
    for token in [1, 9, 18] {
        machine.step(now + seconds(token), Event::Token);
        assert_eq!(machine.deadline(), now + seconds(token + 10));
    }
    assert_eq!(machine.step(now + seconds(28), Event::Tick), Action::Abort(Kind::StallTimeout));
}

#[test]
fn the_total_limit_ends_even_a_reply_that_flows() {
    let (mut machine, now) = begun(LIMITS);
    machine.step(now + seconds(59), Event::Said);
    assert_eq!(machine.deadline(), now + seconds(60));
    assert_eq!(machine.step(now + seconds(60), Event::Tick), Action::Abort(Kind::TotalTimeout));
    assert_eq!(fail(&mut machine, now + seconds(60), Kind::TotalTimeout), Action::End(End::Failed));
}

#[test]
fn a_cancellation_ends_it_in_every_phase() {
    let (mut asking, now) = begun(LIMITS);
    let (mut listening, _) = begun(LIMITS);
    listening.step(now, Event::Said);
    let (mut waiting, then) = begun(LIMITS);
    fail(&mut waiting, then, Kind::Connect);
    let fresh = Machine::new(now, LIMITS, fastrand::Rng::with_seed(1));
    for machine in [&mut asking, &mut listening, &mut waiting, &mut { fresh }] {
        assert_eq!(machine.step(now, Event::Cancelled), Action::End(End::Interrupted));
        assert_eq!(machine.step(now, Event::Tick), Action::Continue);
    }
}
