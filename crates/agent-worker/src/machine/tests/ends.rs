use super::*;

#[test]
fn the_end_is_sent_when_the_job_reports_it_and_its_room_is_left_only_when_it_was_written() {
    let mut rig = Rig::registered(1);
    rig.run_job("AJ_1", "a");
    let actions = rig.report("AJ_1", JobEnd::Success);
    assert_eq!(ends(&actions), [("AJ_1", &JobEnd::Success)]);
    assert!(!releases(&actions, "AJ_1"));
    assert!(releases(&rig.written("AJ_1"), "AJ_1"));
    // The task's result is ignored after the report.
    assert_eq!(ends(&rig.finish("AJ_1", failed("late"))), []);
}

#[test]
fn a_job_that_leaves_its_room_holds_its_slot_until_it_is_out() {
    let mut rig = Rig::registered(1);
    rig.run_job("AJ_1", "a");
    rig.report("AJ_1", JobEnd::Success);
    assert_eq!(rig.offer("AJ_2", "b"), Answer::No);
    rig.finish("AJ_1", JobEnd::Success);
    assert!(matches!(rig.offer("AJ_3", "c"), Answer::Yes(_)));
}

#[test]
fn a_job_that_reported_and_does_not_end_is_ended() {
    let mut rig = Rig::registered(1);
    rig.run_job("AJ_1", "a");
    rig.report("AJ_1", JobEnd::Success);
    assert!(aborts(&rig.pass(STOP_TIMEOUT), "AJ_1"));
}

#[test]
fn a_job_that_ends_without_a_report_is_reported_by_the_worker() {
    let mut rig = Rig::registered(2);
    rig.run_job("AJ_1", "a");
    rig.run_job("AJ_2", "b");
    assert_eq!(ends(&rig.finish("AJ_1", JobEnd::Success)), [("AJ_1", &JobEnd::Success)]);
    assert_eq!(ends(&rig.finish("AJ_2", failed("panicked"))), [("AJ_2", &failed("panicked"))]);
}

#[test]
fn only_the_first_report_of_a_job_counts() {
    let mut rig = Rig::registered(1);
    rig.run_job("AJ_1", "a");
    rig.report("AJ_1", JobEnd::Success);
    let actions = rig.report("AJ_1", failed("again"));
    assert!(ends(&actions).is_empty() && releases(&actions, "AJ_1"));
}

#[test]
fn without_a_socket_the_end_is_sent_after_the_reconnect() {
    let mut rig = Rig::registered(1);
    rig.run_job("AJ_1", "a");
    rig.lose_socket();
    let actions = rig.report("AJ_1", JobEnd::Success);
    assert!(ends(&actions).is_empty() && releases(&actions, "AJ_1"));
    rig.finish("AJ_1", JobEnd::Success);
    rig.pass(Duration::from_secs(1));
    let actions = rig.register();
    assert_eq!(ends(&actions), [("AJ_1", &JobEnd::Success)]);
    let named = Action::Send(WorkerMessage::Migrate { job_ids: vec!["AJ_1".to_owned()] });
    assert!(actions.contains(&named));
}

#[test]
fn an_end_that_went_down_with_its_socket_is_sent_again() {
    let mut rig = Rig::registered(1);
    rig.run_job("AJ_1", "a");
    rig.report("AJ_1", failed("no model"));
    assert!(releases(&rig.lose_socket(), "AJ_1"));
    rig.pass(Duration::from_secs(1));
    assert_eq!(ends(&rig.register()), [("AJ_1", &failed("no model"))]);
}

#[test]
fn an_end_that_was_written_is_not_sent_again() {
    let mut rig = Rig::registered(1);
    rig.run_job("AJ_1", "a");
    rig.report("AJ_1", JobEnd::Success);
    rig.written("AJ_1");
    rig.finish("AJ_1", JobEnd::Success);
    rig.lose_socket();
    rig.pass(Duration::from_secs(1));
    assert_eq!(ends(&rig.register()), []);
}
