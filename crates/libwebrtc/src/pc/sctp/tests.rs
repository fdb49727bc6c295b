//! Two connections over a network that loses packets, 20 ms in each direction. Every claim holds for both directions,
//! and so for both roles in DTLS and SCTP.

use std::time::{Duration, Instant};

use super::simulation::{DELAY, Fate, Simulation, everything_until, first, nothing, one_in, these};
use crate::channel_init::DataChannelInit;

const ROUND_TRIP: Duration = DELAY.saturating_mul(2);
/// The number of chunks of a reply, and the pause between them.
const REPLY: usize = 20;
const PACE: Duration = Duration::from_millis(3);

/// The delivery of a reply.
struct Reply {
    /// The time from the sending of its last chunk until its arrival.
    wait: Duration,
    /// The number of records beyond that of the chunks.
    more: usize,
}

/// Sends a reply of which the records of `lost` and the acknowledgements of `unacknowledged` are lost.
fn reply(from: usize, lost: Fate, unacknowledged: Fate) -> Reply {
    let mut simulation = Simulation::connected();
    simulation.lose(from, lost);
    simulation.lose(1 - from, unacknowledged);
    let said = say(&mut simulation, from, REPLY);
    let wait = simulation.heard(from).last().unwrap().at - said;
    // Counts the records that are sent after everything has arrived.
    simulation.pass(20 * ROUND_TRIP);
    Reply { wait, more: simulation.records(from) - REPLY }
}

/// Sends `count` chunks and waits until they have arrived in order; returns when the last one arrived.
fn say(simulation: &mut Simulation, from: usize, count: usize) -> Instant {
    for number in 0..count {
        simulation.say(from, &number.to_string());
        if number + 1 < count {
            simulation.pass(PACE);
        }
    }
    let said = simulation.now;
    simulation.until_heard(from, count);
    let heard: Vec<_> = simulation.heard(from).iter().map(|message| message.bytes.clone()).collect();
    let expected: Vec<_> = (0..count).map(|number| number.to_string().into_bytes()).collect();
    assert_eq!(heard, expected);
    said
}

fn within(wait: Duration, round_trips: f64) {
    assert!(wait <= ROUND_TRIP.mul_f64(round_trips), "{wait:?} are more than {round_trips} round trips");
}

/// The last packet may be sent again: the other side delays its acknowledgement by 200 ms.
#[test]
fn without_loss_a_reply_comes_at_once_and_hardly_more_than_once() {
    for from in [0, 1] {
        let reply = reply(from, nothing(), nothing());
        assert_eq!(reply.wait, DELAY);
        assert!(reply.more <= 1, "{} more", reply.more);
    }
}

#[test]
fn short_messages_are_sent_once_and_acknowledged_at_once() {
    for from in [0, 1] {
        for count in 1..=3 {
            let mut simulation = Simulation::connected();
            simulation.lose(from, nothing());
            simulation.lose(1 - from, nothing());
            (0..count).for_each(|_| simulation.say(from, "a message"));
            simulation.pass(ROUND_TRIP);
            assert_eq!((simulation.records(from), simulation.records(1 - from)), (count, count));
            simulation.pass(50 * ROUND_TRIP);
            assert_eq!(simulation.records(from), count);
        }
    }
}

#[test]
fn a_lost_first_packet_is_missed_at_once() {
    for from in [0, 1] {
        let reply = reply(from, these([0]), nothing());
        within(reply.wait, 1.0);
        assert_eq!(reply.more, 1);
    }
}

#[test]
fn a_lost_last_packet_takes_three_round_trips() {
    for from in [0, 1] {
        let reply = reply(from, these([REPLY - 1]), nothing());
        within(reply.wait, 3.0);
        assert_eq!(reply.more, 1);
    }
}

#[test]
fn lost_last_packets_come_together() {
    for from in [0, 1] {
        let reply = reply(from, Box::new(|number, _| (REPLY - 4..REPLY).contains(&number)), nothing());
        within(reply.wait, 3.0);
        assert_eq!(reply.more, 1);
    }
}

#[test]
fn a_burst_lost_in_the_middle_is_missed_before_the_end() {
    for from in [0, 1] {
        let reply = reply(from, Box::new(|number, _| (5..12).contains(&number)), nothing());
        within(reply.wait, 1.5);
        assert!(reply.more < 7, "{} packets with the 7 that were lost", reply.more);
    }
}

#[test]
fn a_reply_that_is_lost_whole_takes_few_packets_more() {
    for from in [0, 1] {
        let reply = reply(from, first(REPLY), nothing());
        within(reply.wait, 5.0);
        assert!(reply.more <= 3, "{}", reply.more);
    }
}

#[test]
fn what_is_sent_again_may_be_lost_again() {
    for from in [0, 1] {
        // The first packet, and its next three copies.
        let reply =
            reply(from, Box::new(|number, _| number == 0 || (REPLY..REPLY + 2).contains(&number)), nothing());
        within(reply.wait, 9.0);
    }
}

#[test]
fn lost_acknowledgements_delay_nothing() {
    for from in [0, 1] {
        for lost in [1, 3, REPLY] {
            let reply = reply(from, nothing(), first(lost));
            assert_eq!(reply.wait, DELAY, "{lost} lost");
            assert!(reply.more <= 3, "{} more records when {lost} acknowledgements were lost", reply.more);
        }
    }
}

#[test]
fn losses_in_both_directions_are_made_good() {
    for from in [0, 1] {
        for seed in 1..=20 {
            let reply = reply(from, one_in(5, seed), one_in(5, !seed));
            within(reply.wait, 40.0);
        }
    }
}

#[test]
fn after_an_outage_what_waits_comes_within_three_seconds() {
    for from in [0, 1] {
        let mut simulation = Simulation::connected();
        let end = simulation.now + Duration::from_secs(40);
        simulation.lose(from, everything_until(end));
        simulation.lose(1 - from, everything_until(end));
        say(&mut simulation, from, REPLY);
        let late = simulation.heard(from)[0].at - end;
        assert!(late <= Duration::from_secs(3) + DELAY, "{late:?}");
    }
}

/// Unnecessary retransmissions would look like a shorter round trip: packets are late by up to 15 ms, and overtake each
/// other.
#[test]
fn packets_that_overtake_each_other_are_hardly_sent_again() {
    for from in [0, 1] {
        let mut simulation = Simulation::connected();
        simulation.disorder(|number| Duration::from_millis(number as u64 * 7 % 16));
        say(&mut simulation, from, 10 * REPLY);
        simulation.pass(20 * ROUND_TRIP);
        let more = simulation.records(from) - 10 * REPLY;
        assert!(more <= REPLY, "{more} of {} were sent again", 10 * REPLY);
    }
}

#[test]
fn the_first_message_after_a_silence_is_sent_once() {
    for from in [0, 1] {
        for silence in [1, 3, 10, 60] {
            let mut simulation = Simulation::connected();
            simulation.pass(Duration::from_secs(silence));
            simulation.lose(from, nothing());
            say(&mut simulation, from, 1);
            simulation.pass(50 * ROUND_TRIP);
            assert_eq!(simulation.records(from), 1, "after {silence} s");
        }
    }
}

#[test]
fn what_may_be_given_up_is_not_sent_again_by_us() {
    for from in [0, 1] {
        let mut simulation = Simulation::connected();
        let init = DataChannelInit { ordered: false, max_retransmits: Some(0), ..Default::default() };
        simulation.change_channel(from, &init);
        simulation.lose(from, these([0]));
        simulation.say(from, "lost");
        simulation.pass(10 * ROUND_TRIP);
        simulation.say(from, "heard");
        simulation.until_heard(from, 1);
        simulation.pass(50 * ROUND_TRIP);
        let heard: Vec<_> = simulation.heard(from).iter().map(|message| &*message.bytes).collect();
        assert_eq!(heard, [b"heard"]);
    }
}

#[test]
fn a_handshake_survives_the_loss_of_any_packet() {
    for from in [0, 1] {
        for lost in 0..8 {
            let mut simulation = Simulation::connecting();
            simulation.lose(from, these([lost]));
            let began = simulation.now;
            simulation.open();
            let took = simulation.now - began;
            assert!(took <= Duration::from_secs(2), "{took:?} without record {lost} of {from}");
        }
    }
}

/// LiveKit sends a participant no data before all its channels are open. One that is never retransmitted opens like the
/// others (RFC 8832, section 6).
#[test]
fn all_channels_open_on_both_sides_however_packets_are_lost() {
    for from in [0, 1] {
        for seed in 0..30 {
            let mut simulation = Simulation::connecting();
            let init = DataChannelInit { ordered: false, max_retransmits: Some(0), ..Default::default() };
            simulation.add_channel(from, "_lossy", &init);
            simulation.add_channel(from, "_data_track", &init);
            simulation.lose(0, one_in(8, seed));
            simulation.lose(1, one_in(8, seed + 1_000));
            let began = simulation.now;
            simulation.until_open(from, 4);
            simulation.until_open(1 - from, 4);
            let took = simulation.now - began;
            assert!(took < Duration::from_secs(60), "{took:?} from {from} with seed {seed}");
        }
    }
}

/// Bulk data is left to the association; the recovery must not disturb it.
#[test]
fn much_data_comes_through_losses_of_two_percent() {
    for from in [0, 1] {
        let mut simulation = Simulation::connected();
        simulation.lose(from, one_in(50, 3));
        simulation.lose(1 - from, one_in(50, 4));
        let (message, count) = ("m".repeat(10_000), 100);
        let began = simulation.now;
        (0..count).for_each(|_| simulation.say(from, &message));
        simulation.until_heard(from, count);
        let took = simulation.now - began;
        assert!(simulation.heard(from).iter().all(|heard| heard.bytes == message.as_bytes()));
        let least = message.len() * count / 1_100;
        assert!(simulation.records(from) < 2 * least, "{} records in {took:?}", simulation.records(from));
        println!("{from}: 1 MB in {took:?}, {} records", simulation.records(from));
    }
}
