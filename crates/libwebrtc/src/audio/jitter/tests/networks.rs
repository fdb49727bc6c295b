//! Delay, jitter, loss, reordering, drift: the sound that arrives of a stream that never pauses.

use crate::audio::{jitter::simulation::*, opus::Channels};

/// The largest jump between two samples of a clean tone.
fn jump(hertz: f64) -> i32 {
    (10_000.0 * hertz * std::f64::consts::TAU / 48_000.0) as i32
}

#[test]
fn a_clean_network_adds_little_and_leaves_a_tone_as_it_is() {
    let heard = Sent::of(tone(20.0, 440.0), &VOICE).through(clean());
    assert!(heard.delay(2..20) <= 40, "{} ms", heard.delay(2..20));
    assert_eq!(heard.stats.concealed_samples, 0);
    assert_eq!(heard.loud(1..20), 1900);
    assert!(heard.largest_jump(1..20) < jump(440.0) * 3 / 2, "{}", heard.largest_jump(1..20));
    let stretched = |stats: &super::super::JitterStats| {
        stats.removed_samples_for_acceleration + stats.inserted_samples_for_deceleration
    };
    assert_eq!(heard.counted(3..20, stretched), 0, "{:?}", heard.stats);
    let waited = heard.stats.jitter_buffer_delay / heard.stats.jitter_buffer_emitted_count as f64;
    println!("clean: waited {:.1} ms on average, {}", waited * 1000.0, heard);
    assert!(waited <= 0.040, "{waited}");
}

#[test]
fn jitter_is_waited_for_once_it_is_known() {
    for milliseconds in [40, 100] {
        let heard = Sent::of(tone(30.0, 440.0), &VOICE).through(jitter(milliseconds));
        let concealed = heard.counted(10..30, |stats| stats.concealed_samples);
        println!("jitter {milliseconds} ms: {} ms at most, {}", heard.delay(10..30), heard);
        assert_eq!(concealed, 0, "{milliseconds} ms");
        assert!(heard.delay(10..30) <= milliseconds as i64 + 40, "{}", heard.delay(10..30));
        assert!(heard.loud(10..30) >= 1995);
    }
}

#[test]
fn after_an_outage_nothing_is_cut_and_the_delay_comes_back() {
    for first in [100, 107, 500] {
        let second = first / 50;
        let heard = Sent::of(speech(20.0), &VOICE).through(outage(first, 300));
        println!(
            "outage at {first}: {} ms, then {} ms, {}",
            heard.delay(second..second + 2),
            heard.delay(second + 4..20),
            heard
        );
        assert!(heard.delay(second..second + 2) >= 250, "the outage was not felt");
        assert!(heard.delay(second + 4..20) < 60, "{} ms", heard.delay(second + 4..20));
        assert_eq!(heard.stats.packets_discarded, 0);
        assert_eq!(heard.stats.packets_lost, 0);
    }
}

#[test]
fn a_way_that_becomes_longer_interrupts_once() {
    let heard = Sent::of(tone(20.0, 440.0), &VOICE).through(longer_way(500, 300));
    println!("300 ms longer: {} ms, {}", heard.delay(13..20), heard);
    assert!((12_000..17_000).contains(&heard.stats.concealed_samples), "{:?}", heard.stats);
    assert!(heard.delay(13..20) <= 45, "{} ms", heard.delay(13..20));
    assert!(heard.loud(11..20) >= 899);
    assert!(heard.stats.removed_samples_for_acceleration < 2_000, "{:?}", heard.stats);
}

#[test]
fn most_of_what_is_lost_comes_back_from_the_copies() {
    for (percent, most) in [(10, 4.0), (20, 9.0)] {
        let sent = Sent::of(speech(40.0), &SPEECH);
        let heard = sent.through(loss(percent));
        let share = 100.0 * heard.stats.concealed_samples as f64 / heard.stats.total_samples_received as f64;
        println!("loss {percent} %: {share:.1} % concealed, {} ms, {}", heard.mostly(5..40), heard);
        assert_eq!(heard.samples.len(), sent.samples.len());
        assert!(heard.stats.packets_lost > 2000 * percent as i64 / 125);
        assert!(share < most, "{share} %");
        assert!(heard.mostly(5..40) <= 60, "{} ms", heard.mostly(5..40));
    }
}

#[test]
fn a_voice_goes_on_where_a_packet_is_lost_and_is_back_at_once() {
    let sent = Sent::of(speech(20.0), &VOICE);
    let whole = sent.through(clean());
    let heard = sent.through(Box::new(|at, _| (at % 10 != 9).then_some(5_000)));
    let weak = |(is, was): &(f64, f64)| *is < was / 2.0;
    let weak = heard.blocks().zip(whole.blocks()).skip(100).filter(weak).count();
    println!("{weak} blocks at half the loudness or less, {heard}");
    assert!(heard.stats.concealment_events >= 95 && heard.stats.fec_packets == 0, "{heard}");
    assert!(weak < 2 * heard.stats.concealment_events as usize, "{weak} of 1900 blocks");
}

#[test]
fn reordered_and_repeated_packets_are_heard_once_and_in_order() {
    let swapped: Network = Box::new(|at, _| Some(if at % 5 == 0 { 30_000 } else { 5_000 }));
    let heard = Sent::of(tone(20.0, 440.0), &VOICE).through(swapped);
    assert_eq!(heard.counted(5..20, |stats| stats.concealed_samples), 0, "{:?}", heard.stats);
    assert_eq!(heard.stats.packets_lost, 0);
    assert!(heard.largest_jump(5..20) < jump(440.0) * 3 / 2);
}

#[test]
fn copies_of_packets_count_as_duplicates_and_change_nothing() {
    let mut sent = Sent::of(tone(10.0, 440.0), &VOICE);
    let once = sent.through(clean());
    let all = sent.packets.iter().flat_map(|packet| [packet.clone(), packet.clone()]).collect();
    sent.packets = all;
    // Two packets for each frame: both are sent at the frame's time, and every second one again 60 ms later.
    let doubled: Network = Box::new(|at, _| {
        let early = at as i64 - at as i64 / 2;
        Some(5_000 - early * 20_000 + if at % 2 == 1 { 60_000 } else { 0 })
    });
    let twice = sent.through(doubled);
    assert_eq!(once.samples[48_000..], twice.samples[48_000..once.samples.len()]);
    assert!(twice.stats.packets_duplicate >= 490, "{:?}", twice.stats);
    assert_eq!((twice.stats.packets_discarded, twice.stats.packets_lost), (0, 0));
}

#[test]
fn a_clock_that_drifts_neither_fills_nor_empties_the_buffer() {
    let sent = Sent::of(tone(120.0, 440.0), &VOICE);
    for block in [9_998, 10_002] {
        let heard = Listener { block, ..Listener::new(Channels::Mono) }.listen(&sent, clean());
        println!("10 ms take {block} us: {} ms, {}", heard.delay(5..115), heard);
        assert!(heard.delay(5..115) <= 45, "{} ms", heard.delay(5..115));
        let changed =
            heard.stats.removed_samples_for_acceleration + heard.stats.inserted_samples_for_deceleration;
        assert!(changed > 0 && heard.stats.concealed_samples < 48_000, "{:?}", heard.stats);
        assert!(heard.largest_jump(5..115) < jump(440.0) * 2, "{}", heard.largest_jump(5..115));
    }
}
