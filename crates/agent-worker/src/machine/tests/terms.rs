use super::*;

#[test]
fn more_slots_are_told_to_the_server_at_once_and_taken() {
    let mut rig = Rig::registered(1);
    rig.run_job("AJ_1", "a");
    assert_eq!(rig.offer("AJ_2", "b"), Answer::No);
    let reported = statuses(&rig.step(Event::Terms(Rig::terms(3))));
    assert_eq!(
        reported.iter().map(|status| (status.available, status.load)).collect::<Vec<_>>(),
        [(true, 0.23)]
    );
    assert!(matches!(rig.offer("AJ_2", "b"), Answer::Yes(_)));
}

#[test]
fn fewer_slots_than_are_used_end_no_job_and_take_none() {
    let mut rig = Rig::registered(2);
    rig.run_job("AJ_1", "a");
    rig.run_job("AJ_2", "b");
    let actions = rig.step(Event::Terms(Rig::terms(1)));
    assert!(!actions.iter().any(|action| matches!(action, Action::Stop { .. } | Action::Abort { .. })));
    rig.finish("AJ_1", JobEnd::Success);
    assert_eq!(rig.offer("AJ_3", "c"), Answer::No);
    rig.finish("AJ_2", JobEnd::Success);
    assert!(matches!(rig.offer("AJ_3", "c"), Answer::Yes(_)));
}

#[test]
fn a_new_name_is_that_of_the_next_participant() {
    let mut rig = Rig::registered(2);
    rig.step(Event::Terms(Terms { display_name: "Grace".to_owned(), ..Rig::terms(2) }));
    let Answer::Yes(participant) = rig.offer("AJ_1", "a") else { panic!("the job is not taken") };
    assert_eq!(participant.name, "Grace");
}

#[test]
fn a_drain_takes_as_long_as_was_said_when_it_began() {
    let mut rig = Rig::registered(1);
    rig.run_job("AJ_1", "a");
    rig.step(Event::Terms(Terms { drain_timeout: Duration::from_secs(60), ..Rig::terms(1) }));
    rig.step(Event::Drain);
    rig.step(Event::Terms(Rig::terms(1)));
    let stops = |actions: Vec<Action>| actions.iter().any(|action| matches!(action, Action::Stop { .. }));
    assert!(!stops(rig.pass(Duration::from_secs(59))));
    assert!(stops(rig.pass(Duration::from_secs(2))));
}
