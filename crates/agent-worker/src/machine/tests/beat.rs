use super::*;

const EVERY: Duration = Duration::from_secs(15);

fn beating() -> Rig {
    let rules = Rig::new(2).machine.rules;
    Rig::of(Rules { beat_every: Some(EVERY), ..rules })
}

fn beats(actions: &[Action]) -> usize {
    actions.iter().filter(|action| **action == Action::Beat).count()
}

#[test]
fn a_worker_beats_at_once_and_then_in_its_time_whatever_else_happens() {
    let mut rig = beating();
    assert_eq!(beats(&rig.tick()), 1);
    assert_eq!(beats(&rig.register()), 0);
    assert_eq!(beats(&rig.after(EVERY - Duration::from_millis(1))), 0);
    assert_eq!(beats(&rig.pass(EVERY * 4)), 4);
}

#[test]
fn a_worker_without_a_server_and_one_that_drains_beat_as_well() {
    let mut rig = beating();
    rig.tick();
    rig.step(Event::Closed { reason: "down".to_owned() });
    assert_eq!(beats(&rig.pass(EVERY * 2)), 2);
    let mut rig = beating();
    rig.tick();
    rig.register();
    rig.run_job("AJ_1", "a");
    rig.step(Event::Drain);
    assert_eq!(beats(&rig.pass(EVERY * 2)), 2);
}

#[test]
fn beats_that_were_missed_are_not_made_up_for() {
    let mut rig = beating();
    rig.tick();
    assert_eq!(beats(&rig.after(EVERY * 10)), 1);
    assert_eq!(beats(&rig.tick()), 0);
}
