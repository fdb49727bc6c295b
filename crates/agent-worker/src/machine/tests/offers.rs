use super::*;

#[test]
fn an_offer_is_taken_and_the_job_started() {
    let mut rig = Rig::registered(2);
    let Answer::Yes(participant) = rig.offer("AJ_1", "lobby") else { panic!("not taken") };
    assert_eq!(participant.identity, "agent-AJ_1");
    assert_eq!(participant.name, "Ada");
    assert!(participant.attributes.contains(&("lk.agent.name".to_owned(), "Ada".to_owned())));

    let actions = rig.assign("AJ_1", "lobby");
    let running = Action::Send(WorkerMessage::Running { job_id: "AJ_1".to_owned() });
    let started = Action::Start(Box::new(Assignment {
        job_id: "AJ_1".to_owned(),
        dispatch_id: "AD_1".to_owned(),
        room_name: "lobby".to_owned(),
        room_sid: "RM_lobby".to_owned(),
        url: Url::parse("ws://livekit.test:7880").unwrap(),
        token: Secret::new("token"),
        identity: "agent-AJ_1".to_owned(),
        metadata: "{}".to_owned(),
        attributes: HashMap::new(),
    }));
    let position = |wanted: &Action| actions.iter().position(|action| action == wanted);
    assert!(position(&running).unwrap() < position(&started).unwrap());
}

#[test]
fn no_more_jobs_are_taken_than_there_are_slots_however_fast_they_are_offered() {
    let mut rig = Rig::registered(3);
    let answers: Vec<Answer> = (0..50).map(|n| rig.offer(&format!("AJ_{n}"), &format!("room-{n}"))).collect();
    let (yes, no): (Vec<_>, Vec<_>) = answers.into_iter().partition(|it| matches!(it, Answer::Yes(_)));
    assert_eq!(yes.len(), 3);
    assert_eq!(no.len(), 47);
    assert!(no.iter().all(|answer| *answer == Answer::No));
}

#[test]
fn a_slot_is_free_again_when_the_job_is_over() {
    let mut rig = Rig::registered(1);
    rig.run_job("AJ_1", "a");
    assert_eq!(rig.offer("AJ_2", "b"), Answer::No);
    rig.finish("AJ_1", JobEnd::Success);
    rig.run_job("AJ_3", "c");
}

#[test]
fn an_assignment_that_never_comes_frees_its_slot_after_its_deadline() {
    let mut rig = Rig::registered(1);
    rig.offer("AJ_1", "a");
    rig.pass(ASSIGNMENT_TIMEOUT - Duration::from_millis(1));
    assert_eq!(rig.offer("AJ_2", "b"), Answer::No);
    rig.pass(Duration::from_millis(1));
    assert!(matches!(rig.offer("AJ_3", "c"), Answer::Yes(_)));
}

#[test]
fn a_second_job_for_a_room_is_refused_and_offered_no_further() {
    let mut rig = Rig::registered(5);
    rig.offer("AJ_1", "lobby");
    assert_eq!(rig.offer("AJ_2", "lobby"), Answer::Superfluous);
    rig.assign("AJ_1", "lobby");
    assert_eq!(rig.offer("AJ_3", "lobby"), Answer::Superfluous);
}

#[test]
fn a_room_is_open_to_a_new_job_once_the_old_one_is_on_its_way_out() {
    let mut rig = Rig::registered(5);
    rig.run_job("AJ_1", "lobby");
    rig.report("AJ_1", JobEnd::Success);
    rig.run_job("AJ_2", "lobby");
    rig.receive(ServerMessage::Termination { job_id: "AJ_2".to_owned() });
    rig.run_job("AJ_3", "lobby");
}

#[test]
fn a_job_that_we_have_is_refused_without_ending_it() {
    let mut rig = Rig::registered(5);
    rig.offer("AJ_1", "lobby");
    assert_eq!(rig.offer("AJ_1", "lobby"), Answer::No);
    rig.assign("AJ_1", "lobby");
    assert_eq!(rig.offer("AJ_1", "lobby"), Answer::No);
    assert!(ends(&rig.assign("AJ_1", "lobby")).is_empty());
    assert_eq!(rig.machine.health().active_jobs, 1);
}

#[test]
fn a_job_without_a_room_is_refused() {
    let mut rig = Rig::registered(5);
    assert_eq!(rig.offer("AJ_1", ""), Answer::No);
    assert_eq!(ends(&rig.assign("AJ_2", "")), [("AJ_2", &failed("the job names no room"))]);
}

#[test]
fn an_assignment_without_a_reservation_is_taken_if_a_slot_is_free() {
    let mut rig = Rig::registered(1);
    assert!(starts(&rig.assign("AJ_1", "a"), "AJ_1"));
    let actions = rig.assign("AJ_2", "b");
    assert!(!starts(&actions, "AJ_2"));
    assert_eq!(ends(&actions), [("AJ_2", &failed("all slots of the worker are in use"))]);
}

#[test]
fn an_assignment_may_name_another_server_to_join_and_an_invalid_name_is_ignored() {
    let mut rig = Rig::registered(5);
    for (number, (url, joined)) in
        [("wss://other.test/x", "wss://other.test/x"), ("::", "ws://livekit.test:7880/")].iter().enumerate()
    {
        let job = job(&format!("AJ_{number}"), &format!("room-{number}"));
        let token = Secret::new("token");
        let actions =
            rig.receive(ServerMessage::Assignment(Assigned { job, url: Some((*url).to_owned()), token }));
        let assignment = actions.iter().find_map(|action| match action {
            Action::Start(assignment) => Some(assignment),
            _ => None,
        });
        assert_eq!(assignment.unwrap().url.as_str(), *joined);
    }
}

/// A registered machine, one of whose jobs the server has terminated.
fn terminated() -> Rig {
    let mut rig = Rig::registered(2);
    rig.run_job("AJ_1", "a");
    let actions = rig.receive(ServerMessage::Termination { job_id: "AJ_1".to_owned() });
    assert!(actions.contains(&Action::Terminate { job_id: "AJ_1".to_owned() }));
    assert!(!stops(&actions, "AJ_1"), "what it means the job finds out");
    rig
}

#[test]
fn a_terminated_job_is_told_and_its_task_ended_if_it_does_nothing() {
    let mut rig = terminated();
    assert!(!aborts(&rig.after(TERMINATION_TIMEOUT - Duration::from_millis(1)), "AJ_1"));
    assert!(aborts(&rig.after(Duration::from_millis(1)), "AJ_1"));
    // Its slot is free when its task is gone, and the server hears of it once.
    assert_eq!(rig.machine.health().slots_used, 1);
    assert_eq!(ends(&rig.finish("AJ_1", failed("ended"))), [("AJ_1", &failed("ended"))]);
    assert_eq!(rig.machine.health().slots_used, 0);
    assert!(!aborts(&rig.after(TERMINATION_TIMEOUT), "AJ_1"));
}

#[test]
fn a_terminated_job_that_stays_is_not_ended_and_serves_its_room() {
    let mut rig = terminated();
    assert!(matches!(rig.offer("AJ_2", "a"), Answer::Yes(_)), "it may be on its way out");
    rig.receive(ServerMessage::Termination { job_id: "AJ_2".to_owned() });
    rig.step(Event::JobStays { job_id: "AJ_1".to_owned() });
    assert_eq!(rig.offer("AJ_3", "a"), Answer::Superfluous);
    assert!(!aborts(&rig.pass(2 * TERMINATION_TIMEOUT), "AJ_1"));
}

#[test]
fn a_terminated_job_that_stays_still_ends_with_its_worker() {
    let mut rig = terminated();
    assert!(stops(&rig.step(Event::EndNow), "AJ_1"));
    rig.step(Event::JobStays { job_id: "AJ_1".to_owned() });
    assert!(aborts(&rig.pass(END_NOW_TIMEOUT), "AJ_1"));
}

#[test]
fn a_job_that_is_withdrawn_before_it_starts_frees_its_slot() {
    let mut rig = Rig::registered(1);
    rig.offer("AJ_1", "a");
    rig.receive(ServerMessage::Termination { job_id: "AJ_1".to_owned() });
    assert!(matches!(rig.offer("AJ_2", "b"), Answer::Yes(_)));
}

#[test]
fn the_termination_of_an_unknown_job_changes_nothing() {
    let mut rig = Rig::registered(1);
    assert_eq!(rig.receive(ServerMessage::Termination { job_id: "AJ_9".to_owned() }), []);
}

#[test]
fn unknown_messages_change_nothing() {
    let mut rig = Rig::registered(1);
    assert_eq!(rig.receive(ServerMessage::Unknown("a message of an unknown kind")), []);
    assert_eq!(rig.receive(ServerMessage::Pong), []);
    assert!(rig.machine.health().registered);
}

#[test]
fn a_job_to_be_resumed_is_started_or_turned_down_and_never_left_without_an_answer() {
    let mut rig = Rig::registered(2);
    let actions = rig.assign("AJ_1", "a");
    let Some(Action::Start(assignment)) =
        actions.into_iter().find(|action| matches!(action, Action::Start(_)))
    else {
        panic!("not started")
    };
    let not_resumed = Action::NotResumed { job_id: "AJ_1".to_owned() };
    let known = rig.step(Event::Resumed(assignment.clone()));
    assert!(known.contains(&not_resumed) && !starts(&known, "AJ_1"), "it runs");
    rig.finish("AJ_1", failed("lost"));
    let resumed = rig.step(Event::Resumed(assignment.clone()));
    assert!(starts(&resumed, "AJ_1") && !resumed.contains(&not_resumed));
    rig.finish("AJ_1", failed("lost"));
    rig.run_job("AJ_2", "b");
    rig.step(Event::Drain);
    assert!(rig.step(Event::Resumed(assignment)).contains(&not_resumed), "the worker drains");
}
