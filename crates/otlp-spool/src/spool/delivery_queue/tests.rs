use super::*;

const SECOND: u64 = 1_000_000;
const HOUR: u64 = 3_600 * SECOND;
const LATER: Outcome = Outcome::Later { after: None, strike: false };

fn bounds(bytes: u64) -> Bounds {
    Bounds { bytes, memory_bytes: 1_000, age: Duration::from_secs(24 * 3600) }
}

fn queue(bytes: u64) -> DeliveryQueue {
    DeliveryQueue::new(bounds(bytes), fastrand::Rng::with_seed(7))
}

/// A moment, in seconds.
fn at(seconds: f64) -> Now {
    let elapsed = Duration::from_secs_f64(seconds);
    Now { elapsed, unix: 1_000 * HOUR + u64::try_from(elapsed.as_micros()).unwrap() }
}

fn batch(now: Now, spans: usize) -> BatchName {
    BatchName::new(now.unix, spans)
}

fn send(queue: &mut DeliveryQueue, now: Now) -> BatchName {
    match queue.next(now) {
        Next::Send(name, _) => name,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_oldest_goes_first_and_one_at_a_time() {
    let mut queue = queue(1_000);
    let (late, early) = (batch(at(2.0), 3), batch(at(1.0), 3));
    assert_eq!(queue.store(at(2.0), late, 10, Location::Disk), []);
    assert_eq!(queue.store(at(2.0), early, 10, Location::Disk), []);
    assert_eq!(send(&mut queue, at(2.0)), early);
    assert_eq!(queue.next(at(2.0)), Next::Idle);
    assert_eq!(queue.settle(at(2.1), Outcome::Taken), []);
    assert_eq!(send(&mut queue, at(2.1)), late);
    assert_eq!(queue.settle(at(2.2), Outcome::Taken), []);
    assert_eq!((queue.next(at(2.2)), queue.bytes(), queue.spans()), (Next::Idle, 0, 0));
    assert_eq!(queue.stats(), Stats { taken: 6, ..Stats::default() });
}

#[test]
fn a_failure_waits_longer_each_time_and_success_forgets_it() {
    let mut queue = queue(1_000);
    let name = batch(at(0.0), 3);
    let _ = queue.store(at(0.0), name, 10, Location::Disk);
    let mut now = 0.0;
    for longest in [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0] {
        assert_eq!(send(&mut queue, at(now)), name);
        let _ = queue.settle(at(now), LATER);
        let Next::Wait(wait) = queue.next(at(now)) else { panic!("no wait") };
        assert!((longest / 2.0..=longest).contains(&wait.as_secs_f64()), "{wait:?} of {longest}");
        now += longest;
    }
    assert_eq!(queue.stats().failures, 8);
    send(&mut queue, at(now));
    let _ = queue.settle(at(now), Outcome::Taken);
    let _ = queue.store(at(now), batch(at(now), 3), 10, Location::Disk);
    send(&mut queue, at(now));
}

#[test]
fn a_receiver_may_ask_for_a_wait_but_not_for_a_day() {
    for (asked, waited) in [(45, 45), (86_400, 60), (1_000_000_000_000, 60)] {
        let mut queue = queue(1_000);
        let _ = queue.store(at(0.0), batch(at(0.0), 3), 10, Location::Disk);
        send(&mut queue, at(0.0));
        let after = Some(Duration::from_secs(asked));
        let _ = queue.settle(at(0.0), Outcome::Later { after, strike: false });
        assert_eq!(queue.next(at(0.0)), Next::Wait(Duration::from_secs(waited)));
    }
}

#[test]
fn what_is_refused_is_counted_and_gone() {
    let mut queue = queue(1_000);
    for (spans, refused) in [(5, 5), (5, 2), (5, 99)] {
        let _ = queue.store(at(0.0), batch(at(0.0), spans), 10, Location::Disk);
        send(&mut queue, at(0.0));
        let _ = queue.settle(at(0.0), Outcome::Refused { spans: refused });
    }
    assert_eq!(queue.stats(), Stats { taken: 3, rejected: 12, ..Stats::default() });
    assert_eq!(queue.spans(), 0);
}

#[test]
fn the_parts_of_a_cut_batch_take_its_place() {
    let mut queue = queue(1_000);
    let (whole, later) = (batch(at(0.0), 5), batch(at(1.0), 1));
    let _ = queue.store(at(1.0), whole, 50, Location::Disk);
    let _ = queue.store(at(1.0), later, 10, Location::Disk);
    send(&mut queue, at(1.0));
    let parts = [(batch(at(0.0), 3), 30), (batch(at(0.0), 2), 25)];
    assert_eq!(queue.settle(at(1.0), Outcome::Cut(parts)), []);
    assert_eq!((queue.spans(), queue.bytes()), (6, 65));
    let first = send(&mut queue, at(1.0));
    assert!(parts.iter().any(|(part, _)| *part == first));
}

#[test]
fn the_oldest_fall_off_a_full_queue_but_never_the_one_under_way() {
    let mut queue = queue(30);
    let names: Vec<BatchName> = (0..5_u32).map(|second| batch(at(f64::from(second)), 3)).collect();
    for name in &names[..3] {
        assert_eq!(queue.store(at(3.0), *name, 10, Location::Disk), []);
    }
    assert_eq!(send(&mut queue, at(3.0)), names[0]);
    assert_eq!(queue.store(at(4.0), names[3], 10, Location::Disk), [(names[1], Location::Disk)]);
    let _ = queue.settle(at(4.0), LATER);
    assert_eq!(queue.store(at(5.0), names[4], 10, Location::Disk), [(names[0], Location::Disk)]);
    assert_eq!((queue.bytes(), queue.stats().dropped), (30, 6));
}

#[test]
fn memory_and_disk_have_bounds_of_their_own() {
    let mut queue = queue(1_000);
    let (disk, first, second) = (batch(at(0.0), 1), batch(at(1.0), 2), batch(at(2.0), 4));
    let _ = queue.store(at(0.0), disk, 900, Location::Disk);
    assert_eq!(queue.store(at(1.0), first, 900, Location::Memory), []);
    assert_eq!(queue.store(at(2.0), second, 900, Location::Memory), [(first, Location::Memory)]);
    assert_eq!(queue.left(), (1, 4));
}

/// One turn of three spans every second through a little more than a day without a receiver.
#[test]
fn a_day_of_outage_keeps_the_bound_and_counts_what_fell_exactly() {
    let (turns, spans, bytes) = (90_000_u64, 3_u64, 4_096_u64);
    let room = 20_000;
    let mut queue = queue(room * bytes);
    let (mut evicted, mut tries) = (0, 0);
    for turn in 0..turns {
        let now = at(f64::from(u32::try_from(turn).unwrap()));
        evicted += queue.store(now, batch(now, 3), bytes, Location::Disk).len() as u64;
        assert!(queue.bytes() <= room * bytes);
        if let Next::Send(..) = queue.next(now) {
            tries += 1;
            evicted += queue.settle(now, LATER).len() as u64;
        }
    }
    assert_eq!(evicted, turns - room);
    assert_eq!(queue.stats().dropped, evicted * spans);
    assert!(tries < turns / 15, "{tries} attempts in a day");
    let end = at(100_000.0);
    let mut sent = 0;
    while let Next::Send(..) = queue.next(end) {
        let _ = queue.settle(end, Outcome::Taken);
        sent += 1;
    }
    assert_eq!(sent, room);
    assert_eq!(queue.stats().taken + queue.stats().dropped, turns * spans);
}

#[test]
fn what_is_too_old_falls_off_when_something_new_comes() {
    let mut queue = queue(1_000);
    let old = batch(at(0.0), 3);
    let _ = queue.store(at(0.0), old, 10, Location::Disk);
    let day = 24.0 * 3600.0;
    assert_eq!(queue.store(at(day), batch(at(day), 3), 10, Location::Disk), []);
    let later = at(day + 1.0);
    assert_eq!(queue.store(later, batch(later, 3), 10, Location::Disk), [(old, Location::Disk)]);
}

#[test]
fn a_batch_that_breaks_the_receiver_cannot_hold_back_the_others() {
    let mut queue = queue(1_000);
    let (bad, good) = (batch(at(0.0), 3), batch(at(1.0), 3));
    let _ = queue.store(at(1.0), bad, 10, Location::Disk);
    let _ = queue.store(at(1.0), good, 10, Location::Disk);
    let mut now = 1.0;
    for _ in 0..MOST_STRIKES {
        assert_eq!(send(&mut queue, at(now)), bad);
        let _ = queue.settle(at(now), Outcome::Later { after: None, strike: true });
        now += 30.0;
    }
    assert_eq!(send(&mut queue, at(now)), good);
    let _ = queue.settle(at(now), Outcome::Taken);
    assert_eq!(send(&mut queue, at(now)), bad);
}

#[test]
fn at_the_end_everything_is_tried_once_and_only_memory_again() {
    let mut queue = queue(1_000);
    let (disk, memory) = (batch(at(0.0), 3), batch(at(1.0), 2));
    let _ = queue.store(at(1.0), disk, 10, Location::Disk);
    let _ = queue.store(at(1.0), memory, 10, Location::Memory);
    send(&mut queue, at(1.0));
    let _ = queue.settle(at(1.0), LATER);
    queue.hurry();
    assert_eq!(send(&mut queue, at(1.0)), disk);
    let _ = queue.settle(at(1.0), LATER);
    assert!(matches!(queue.next(at(1.0)), Next::Wait(_)));
    assert_eq!(send(&mut queue, at(3.0)), memory);
    let _ = queue.settle(at(3.0), Outcome::Taken);
    assert_eq!((queue.next(at(3.0)), queue.left()), (Next::Idle, (3, 0)));
}

#[test]
fn at_the_end_the_wait_for_a_receiver_is_bounded() {
    let mut queue = queue(1_000);
    let _ = queue.store(at(1.0), batch(at(1.0), 2), 10, Location::Memory);
    queue.hurry();
    for attempt in 0..LAST_TRIES {
        let now = at(2.0 + 40.0 * f64::from(attempt));
        send(&mut queue, now);
        let _ = queue.settle(now, LATER);
    }
    assert_eq!((queue.next(at(1_000.0)), queue.left()), (Next::Idle, (0, 2)));
}

#[test]
fn what_is_in_memory_moves_to_the_disk_unless_it_is_under_way() {
    let mut queue = queue(1_000);
    let (early, late) = (batch(at(0.0), 3), batch(at(1.0), 2));
    for name in [early, late] {
        assert_eq!(queue.store(at(1.0), name, 500, Location::Memory), []);
    }
    assert_eq!(send(&mut queue, at(1.0)), early);
    assert_eq!(queue.in_memory().collect::<Vec<_>>(), [late]);
    assert!(!queue.moved_to_disk(early, 600), "it may be gone the next moment");
    assert!(queue.moved_to_disk(late, 600));
    assert_eq!((queue.left(), queue.bytes()), ((2, 3), 1_100));
    assert_eq!(queue.settle(at(1.0), Outcome::Taken), []);
    assert!(!queue.moved_to_disk(early, 600), "it is gone");
    assert_eq!(queue.next(at(1.0)), Next::Send(late, Location::Disk));
}
