use super::*;

const SECOND: u64 = 1_000_000;
const HOUR: u64 = 3_600 * SECOND;
const LATER: Outcome = Outcome::Later { after: None, blame: false };

fn bounds(bytes: u64) -> Bounds {
    Bounds { bytes, memory_bytes: 1_000, age: Duration::from_secs(24 * 3600) }
}

fn shelf(bytes: u64) -> Shelf {
    Shelf::new(bounds(bytes), fastrand::Rng::with_seed(7))
}

/// A moment, in seconds.
fn at(seconds: f64) -> Now {
    let elapsed = Duration::from_secs_f64(seconds);
    Now { elapsed, unix: 1_000 * HOUR + u64::try_from(elapsed.as_micros()).unwrap() }
}

fn batch(now: Now, spans: usize) -> BatchName {
    BatchName::new(now.unix, spans)
}

fn send(shelf: &mut Shelf, now: Now) -> BatchName {
    match shelf.next(now) {
        Next::Send(name, _) => name,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_oldest_goes_first_and_one_at_a_time() {
    let mut shelf = shelf(1_000);
    let (late, early) = (batch(at(2.0), 3), batch(at(1.0), 3));
    assert_eq!(shelf.store(at(2.0), late, 10, Place::Disk), []);
    assert_eq!(shelf.store(at(2.0), early, 10, Place::Disk), []);
    assert_eq!(send(&mut shelf, at(2.0)), early);
    assert_eq!(shelf.next(at(2.0)), Next::Idle);
    assert_eq!(shelf.settle(at(2.1), Outcome::Taken), []);
    assert_eq!(send(&mut shelf, at(2.1)), late);
    assert_eq!(shelf.settle(at(2.2), Outcome::Taken), []);
    assert_eq!((shelf.next(at(2.2)), shelf.bytes(), shelf.spans()), (Next::Idle, 0, 0));
    assert_eq!(shelf.tally(), Tally { taken: 6, ..Tally::default() });
}

#[test]
fn a_failure_waits_longer_each_time_and_success_forgets_it() {
    let mut shelf = shelf(1_000);
    let name = batch(at(0.0), 3);
    let _ = shelf.store(at(0.0), name, 10, Place::Disk);
    let mut now = 0.0;
    for longest in [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0] {
        assert_eq!(send(&mut shelf, at(now)), name);
        let _ = shelf.settle(at(now), LATER);
        let Next::Wait(wait) = shelf.next(at(now)) else { panic!("no wait") };
        assert!((longest / 2.0..=longest).contains(&wait.as_secs_f64()), "{wait:?} of {longest}");
        now += longest;
    }
    assert_eq!(shelf.tally().failures, 8);
    send(&mut shelf, at(now));
    let _ = shelf.settle(at(now), Outcome::Taken);
    let _ = shelf.store(at(now), batch(at(now), 3), 10, Place::Disk);
    send(&mut shelf, at(now));
}

#[test]
fn a_receiver_may_ask_for_a_wait_but_not_for_a_day() {
    for (asked, waited) in [(45, 45), (86_400, 60), (1_000_000_000_000, 60)] {
        let mut shelf = shelf(1_000);
        let _ = shelf.store(at(0.0), batch(at(0.0), 3), 10, Place::Disk);
        send(&mut shelf, at(0.0));
        let after = Some(Duration::from_secs(asked));
        let _ = shelf.settle(at(0.0), Outcome::Later { after, blame: false });
        assert_eq!(shelf.next(at(0.0)), Next::Wait(Duration::from_secs(waited)));
    }
}

#[test]
fn what_is_refused_is_counted_and_gone() {
    let mut shelf = shelf(1_000);
    for (spans, refused) in [(5, 5), (5, 2), (5, 99)] {
        let _ = shelf.store(at(0.0), batch(at(0.0), spans), 10, Place::Disk);
        send(&mut shelf, at(0.0));
        let _ = shelf.settle(at(0.0), Outcome::Refused { spans: refused });
    }
    assert_eq!(shelf.tally(), Tally { taken: 3, rejected: 12, ..Tally::default() });
    assert_eq!(shelf.spans(), 0);
}

#[test]
fn the_parts_of_a_cut_batch_take_its_place() {
    let mut shelf = shelf(1_000);
    let (whole, later) = (batch(at(0.0), 5), batch(at(1.0), 1));
    let _ = shelf.store(at(1.0), whole, 50, Place::Disk);
    let _ = shelf.store(at(1.0), later, 10, Place::Disk);
    send(&mut shelf, at(1.0));
    let parts = [(batch(at(0.0), 3), 30), (batch(at(0.0), 2), 25)];
    assert_eq!(shelf.settle(at(1.0), Outcome::Cut(parts)), []);
    assert_eq!((shelf.spans(), shelf.bytes()), (6, 65));
    let first = send(&mut shelf, at(1.0));
    assert!(parts.iter().any(|(part, _)| *part == first));
}

#[test]
fn the_oldest_fall_off_a_full_shelf_but_never_the_one_under_way() {
    let mut shelf = shelf(30);
    let names: Vec<BatchName> = (0..5_u32).map(|second| batch(at(f64::from(second)), 3)).collect();
    for name in &names[..3] {
        assert_eq!(shelf.store(at(3.0), *name, 10, Place::Disk), []);
    }
    assert_eq!(send(&mut shelf, at(3.0)), names[0]);
    assert_eq!(shelf.store(at(4.0), names[3], 10, Place::Disk), [(names[1], Place::Disk)]);
    let _ = shelf.settle(at(4.0), LATER);
    assert_eq!(shelf.store(at(5.0), names[4], 10, Place::Disk), [(names[0], Place::Disk)]);
    assert_eq!((shelf.bytes(), shelf.tally().dropped), (30, 6));
}

#[test]
fn memory_and_disk_have_bounds_of_their_own() {
    let mut shelf = shelf(1_000);
    let (disk, first, second) = (batch(at(0.0), 1), batch(at(1.0), 2), batch(at(2.0), 4));
    let _ = shelf.store(at(0.0), disk, 900, Place::Disk);
    assert_eq!(shelf.store(at(1.0), first, 900, Place::Memory), []);
    assert_eq!(shelf.store(at(2.0), second, 900, Place::Memory), [(first, Place::Memory)]);
    assert_eq!(shelf.left(), (1, 4));
}

/// One turn of three spans every second through a little more than a day without a receiver.
#[test]
fn a_day_of_outage_keeps_the_bound_and_counts_what_fell_exactly() {
    let (turns, spans, bytes) = (90_000_u64, 3_u64, 4_096_u64);
    let room = 20_000;
    let mut shelf = shelf(room * bytes);
    let (mut fallen, mut tries) = (0, 0);
    for turn in 0..turns {
        let now = at(f64::from(u32::try_from(turn).unwrap()));
        fallen += shelf.store(now, batch(now, 3), bytes, Place::Disk).len() as u64;
        assert!(shelf.bytes() <= room * bytes);
        if let Next::Send(..) = shelf.next(now) {
            tries += 1;
            fallen += shelf.settle(now, LATER).len() as u64;
        }
    }
    assert_eq!(fallen, turns - room);
    assert_eq!(shelf.tally().dropped, fallen * spans);
    assert!(tries < turns / 15, "{tries} attempts in a day");
    let end = at(100_000.0);
    let mut sent = 0;
    while let Next::Send(..) = shelf.next(end) {
        let _ = shelf.settle(end, Outcome::Taken);
        sent += 1;
    }
    assert_eq!(sent, room);
    assert_eq!(shelf.tally().taken + shelf.tally().dropped, turns * spans);
}

#[test]
fn what_is_too_old_falls_off_when_something_new_comes() {
    let mut shelf = shelf(1_000);
    let old = batch(at(0.0), 3);
    let _ = shelf.store(at(0.0), old, 10, Place::Disk);
    let day = 24.0 * 3600.0;
    assert_eq!(shelf.store(at(day), batch(at(day), 3), 10, Place::Disk), []);
    let later = at(day + 1.0);
    assert_eq!(shelf.store(later, batch(later, 3), 10, Place::Disk), [(old, Place::Disk)]);
}

#[test]
fn a_batch_that_breaks_the_receiver_cannot_hold_back_the_others() {
    let mut shelf = shelf(1_000);
    let (bad, good) = (batch(at(0.0), 3), batch(at(1.0), 3));
    let _ = shelf.store(at(1.0), bad, 10, Place::Disk);
    let _ = shelf.store(at(1.0), good, 10, Place::Disk);
    let mut now = 1.0;
    for _ in 0..BLAMES {
        assert_eq!(send(&mut shelf, at(now)), bad);
        let _ = shelf.settle(at(now), Outcome::Later { after: None, blame: true });
        now += 30.0;
    }
    assert_eq!(send(&mut shelf, at(now)), good);
    let _ = shelf.settle(at(now), Outcome::Taken);
    assert_eq!(send(&mut shelf, at(now)), bad);
}

#[test]
fn at_the_end_everything_is_tried_once_and_only_memory_again() {
    let mut shelf = shelf(1_000);
    let (disk, memory) = (batch(at(0.0), 3), batch(at(1.0), 2));
    let _ = shelf.store(at(1.0), disk, 10, Place::Disk);
    let _ = shelf.store(at(1.0), memory, 10, Place::Memory);
    send(&mut shelf, at(1.0));
    let _ = shelf.settle(at(1.0), LATER);
    shelf.hurry();
    assert_eq!(send(&mut shelf, at(1.0)), disk);
    let _ = shelf.settle(at(1.0), LATER);
    assert!(matches!(shelf.next(at(1.0)), Next::Wait(_)));
    assert_eq!(send(&mut shelf, at(3.0)), memory);
    let _ = shelf.settle(at(3.0), Outcome::Taken);
    assert_eq!((shelf.next(at(3.0)), shelf.left()), (Next::Idle, (3, 0)));
}

#[test]
fn at_the_end_the_wait_for_a_receiver_is_bounded() {
    let mut shelf = shelf(1_000);
    let _ = shelf.store(at(1.0), batch(at(1.0), 2), 10, Place::Memory);
    shelf.hurry();
    for attempt in 0..LAST_TRIES {
        let now = at(2.0 + 40.0 * f64::from(attempt));
        send(&mut shelf, now);
        let _ = shelf.settle(now, LATER);
    }
    assert_eq!((shelf.next(at(1_000.0)), shelf.left()), (Next::Idle, (0, 2)));
}

#[test]
fn what_is_in_memory_moves_to_the_disk_unless_it_is_under_way() {
    let mut shelf = shelf(1_000);
    let (early, late) = (batch(at(0.0), 3), batch(at(1.0), 2));
    for name in [early, late] {
        assert_eq!(shelf.store(at(1.0), name, 500, Place::Memory), []);
    }
    assert_eq!(send(&mut shelf, at(1.0)), early);
    assert_eq!(shelf.in_memory().collect::<Vec<_>>(), [late]);
    assert!(!shelf.moved_to_disk(early, 600), "it may be gone the next moment");
    assert!(shelf.moved_to_disk(late, 600));
    assert_eq!((shelf.left(), shelf.bytes()), ((2, 3), 1_100));
    assert_eq!(shelf.settle(at(1.0), Outcome::Taken), []);
    assert!(!shelf.moved_to_disk(early, 600), "it is gone");
    assert_eq!(shelf.next(at(1.0)), Next::Send(late, Place::Disk));
}
