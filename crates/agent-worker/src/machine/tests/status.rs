use super::*;

#[test]
fn a_status_follows_the_registration_at_once() {
    let mut rig = Rig::new(2);
    assert_eq!(rig.tick(), [Action::Connect]);
    let actions = rig.register();
    assert!(matches!(actions[0], Action::Send(WorkerMessage::Register(_))));
    let expected = Status { available: true, load: 0.0, job_count: 0, draining: false, sequence: 1 };
    assert_eq!(statuses(&actions), [expected]);
}

#[test]
fn load_is_the_used_part_of_the_slots_and_stays_below_the_servers_limit() {
    let mut rig = Rig::registered(4);
    let mut loads = Vec::new();
    for number in 0..4 {
        let (id, room) = (format!("AJ_{number}"), format!("room-{number}"));
        let actions = rig.receive(ServerMessage::Offer(job(&id, &room)));
        loads.extend(statuses(&actions).iter().map(|status| (status.load, status.available)));
        rig.assign(&id, &room);
    }
    assert_eq!(loads, [(0.1725, true), (0.345, true), (0.5175, true), (0.69, false)]);
}

#[test]
fn every_change_is_told_at_once_and_nothing_else_before_its_time() {
    let mut rig = Rig::registered(2);
    rig.run_job("AJ_1", "a");
    let status = statuses(&rig.finish("AJ_1", JobEnd::Success));
    assert_eq!(status.len(), 1);
    assert_eq!((status[0].load, status[0].job_count), (0.0, 0));
    assert_eq!(statuses(&rig.receive(ServerMessage::Pong)), []);
}

#[test]
fn a_status_is_sent_every_two_and_a_half_seconds_with_a_growing_sequence_number() {
    let mut rig = Rig::registered(2);
    let mut sequences = Vec::new();
    for _ in 0..4 {
        sequences.extend(statuses(&rig.pass(Duration::from_millis(2500))).iter().map(|it| it.sequence));
    }
    assert_eq!(sequences, [2, 3, 4, 5]);
}

#[test]
fn a_worker_without_slots_is_full_but_never_overloaded() {
    let mut rig = Rig::new(0);
    rig.tick();
    let status = statuses(&rig.register())[0];
    assert!(!status.available);
    assert_eq!(rig.offer("AJ_1", "a"), Answer::No);
    assert!(rig.machine.health().load < 0.7);
}

#[test]
fn why_the_worker_takes_no_jobs_is_announced_once_per_change() {
    let announced = |actions: &[Action]| -> Vec<Option<Unavailable>> {
        let announcement = |action: &Action| match action {
            Action::Announce(why) => Some(why.clone()),
            _ => None,
        };
        actions.iter().filter_map(announcement).collect()
    };
    let mut rig = Rig::new(1);
    rig.tick();
    let gone = Unavailable::NotRegistered("gone".to_owned());
    assert_eq!(announced(&rig.lose_socket()), [Some(gone.clone())]);
    for _ in 0..5 {
        assert!(rig.after(MINUTE).contains(&Action::Connect));
        assert_eq!(announced(&rig.lose_socket()), []);
    }
    rig.after(MINUTE);
    assert_eq!(announced(&rig.register()), [None]);
    let full = rig.receive(ServerMessage::Offer(job("AJ_1", "a")));
    assert_eq!(announced(&full), [Some(Unavailable::Full { slots: 1 })]);
    assert_eq!(announced(&rig.receive(ServerMessage::Offer(job("AJ_2", "b")))), []);
    assert_eq!(announced(&rig.assign("AJ_1", "a")), []);
    assert_eq!(announced(&rig.lose_socket()), [Some(gone)]);
}

#[test]
fn a_full_worker_is_ready_and_one_without_a_connection_says_what_is_wrong() {
    let mut rig = Rig::registered(1);
    rig.run_job("AJ_1", "a");
    let health = rig.machine.health();
    assert!(health.is_ready() && health.reason.is_empty());
    assert_eq!((health.worker_id.as_str(), health.active_jobs, health.load), ("AW_1", 1, 0.69));
    rig.lose_socket();
    let health = rig.machine.health();
    assert!(!health.is_ready());
    assert_eq!((health.reason.as_str(), health.worker_id.as_str(), health.active_jobs), ("gone", "", 1));
}

const MINUTE: Duration = Duration::from_secs(60);
