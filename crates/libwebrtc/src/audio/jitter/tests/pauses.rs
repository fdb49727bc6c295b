//! Senders that pause: DTX, mute, a restart.

use crate::audio::{
    jitter::{AudioPacket, simulation::*},
    opus::{BLOCK, Channels, EncoderConfig},
};

/// Two seconds of a voice, two seconds of silence, five times. A lasting tone would not do: Opus takes it for noise,
/// and sends none of it.
fn bursts() -> Vec<i16> {
    (0..5).flat_map(|_| [speech(2.0), vec![0; 96_000]]).flatten().collect()
}

#[test]
fn bursts_between_silences_are_heard_in_full_and_on_time() {
    let config = EncoderConfig { dtx: true, ..VOICE };
    let sent = Sent::of(bursts(), &config).without_silence();
    let silent = sent.packets.iter().filter(|packet| packet.is_none()).count();
    assert!(silent > 300, "the sender did not pause: {silent}");
    let heard = sent.through(clean());
    println!("bursts: {heard}");
    for burst in 0..5 {
        let loud = heard.loud(burst * 4..burst * 4 + 4);
        assert!((199..=204).contains(&loud), "burst {burst}: {loud} blocks");
        let (begin, end) = (burst * 4, burst * 4 + 2);
        assert!(heard.delay(begin..end) <= 45, "burst {burst}: {} ms", heard.delay(begin..end));
    }
    assert_eq!(heard.stats.packets_lost, 0);
    assert_eq!(heard.stats.concealed_samples, 0, "a pause is no loss");
}

#[test]
fn bursts_survive_a_bad_network_as_well() {
    let config = EncoderConfig { dtx: true, ..SPEECH };
    let sent = Sent::of(bursts(), &config).without_silence();
    let network: Network =
        Box::new(|_, random| (!random.chance(5)).then(|| 5_000 + random.below(30_000) as i64));
    let heard = sent.through(network);
    println!("bursts, 5 % loss, 30 ms jitter: {heard}");
    for burst in 0..5 {
        let loud = heard.loud(burst * 4..burst * 4 + 4);
        assert!((196..=212).contains(&loud), "burst {burst}: {loud} blocks");
    }
    assert!(heard.mostly(16..18) <= 80, "{} ms", heard.mostly(16..18));
}

#[test]
fn a_muted_sender_is_silent_at_once_and_back_at_once() {
    let heard = Sent::of(tone(20.0, 440.0), &VOICE).with_pause(250..750).through(clean());
    println!("mute: {heard}");
    assert!((400..=420).contains(&heard.loud(1..6)), "{}", heard.loud(1..6));
    assert_eq!(heard.samples[5 * 48_000 + 12_000..15 * 48_000].iter().max(), Some(&0));
    assert!(heard.loud(15..20) >= 495, "{}", heard.loud(15..20));
    assert!(heard.delay(16..20) <= 45, "{} ms", heard.delay(16..20));
    assert_eq!(heard.stats.restarts, 0);
}

#[test]
fn a_sender_that_begins_anew_elsewhere_is_followed() {
    for (sequence, timestamp) in [(0, 100_000_000), (70_000, 4_000_000_000), (1_500, 2_000_000_000)] {
        let mut sent = Sent::of(tone(10.0, 440.0), &VOICE);
        for (at, packet) in sent.packets.iter_mut().flatten().enumerate().skip(250) {
            packet.sequence = sequence + at as u64;
            packet.timestamp = (at as u32 * 960).wrapping_add(timestamp);
        }
        let heard = sent.through(clean());
        assert_eq!(heard.stats.restarts, 1, "{timestamp}");
        assert!(heard.loud(5..10) >= 490, "{timestamp}: {}", heard.loud(5..10));
        assert!(heard.delay(7..10) <= 45, "{timestamp}: {} ms", heard.delay(7..10));
    }
}

#[test]
fn a_sender_whose_time_steps_back_a_little_is_followed() {
    let mut sent = Sent::of(tone(10.0, 440.0), &VOICE);
    for packet in sent.packets.iter_mut().flatten().skip(250) {
        packet.timestamp = packet.timestamp.wrapping_sub(24_000);
    }
    let heard = sent.through(clean());
    assert_eq!(heard.stats.restarts, 1);
    assert!(heard.loud(5..10) >= 490, "{}", heard.loud(5..10));
}

#[test]
fn a_stray_packet_changes_nothing() {
    let sent = Sent::of(tone(10.0, 440.0), &VOICE);
    let alone = sent.through(clean());
    let mut strays = Sent::of(tone(10.0, 440.0), &VOICE);
    for at in [100, 200, 300] {
        let packet = strays.packets[at].clone().unwrap();
        let timestamp = packet.timestamp.wrapping_add(1_000_000_000 + at as u32 * 7_000_000);
        strays.packets.insert(at, Some(AudioPacket { timestamp, ..packet }));
    }
    let network: Network = Box::new(|at, _| {
        let strays = [100, 200, 300].iter().filter(|stray| at > **stray).count() as i64;
        Some(5_000 - strays * 20_000)
    });
    let heard = strays.through(network);
    assert_eq!(heard.samples[..9 * 48_000], alone.samples[..9 * 48_000]);
    assert_eq!((heard.stats.restarts, heard.stats.packets_discarded), (0, 3));
}

#[test]
fn a_late_listener_hears_what_is_said_now() {
    let sent = Sent::of(tone(12.0, 440.0), &VOICE);
    let mut listener = Listener::new(Channels::Mono);
    let mut out = [0; BLOCK];
    let mut loud = 0;
    for (at, packet) in (0_i64..).zip(sent.packets.iter().flatten()) {
        listener.buffer.insert(listener.at(at * 20_000), packet.clone());
        // The track has no listener in the first three seconds, and from the sixth to the ninth.
        for half in [0, 10_000].into_iter().filter(|_| matches!(at / 50, 3..6 | 9..)) {
            let now = at * 20_000 + half + 2_000;
            listener.buffer.pull(listener.at(now), &mut out);
            loud += usize::from(rms(&out) > 200.0);
            assert!(listener.delay(now) <= 45_000, "{} at {now}", listener.delay(now));
        }
    }
    assert!(loud >= 590, "{loud}");
}

#[test]
fn stereo_stays_stereo_through_loss_and_stretching() {
    let left = tone(20.0, 440.0);
    let samples = left.iter().flat_map(|sample| [*sample, sample / 10]).collect();
    let config = EncoderConfig { channels: Channels::Stereo, bitrate: 96_000, ..VOICE };
    let heard = Listener::new(Channels::Stereo).listen(&Sent::of(samples, &config), outage(300, 200));
    assert!(heard.stats.removed_samples_for_acceleration > 5_000, "{:?}", heard.stats);
    let side = |channel| rms(&heard.samples.iter().skip(channel).step_by(2).copied().collect::<Vec<_>>());
    assert!((8.0..12.0).contains(&(side(0) / side(1))), "{} and {}", side(0), side(1));
}

#[test]
fn before_the_first_packet_there_is_silence_and_nothing_is_counted() {
    let mut listener = Listener::new(Channels::Stereo);
    let mut out = [7; 2 * BLOCK];
    for at in 0..100 {
        let now = listener.at(at * 10_000);
        listener.buffer.pull(now, &mut out);
        assert_eq!(out, [0; 2 * BLOCK]);
    }
    assert_eq!(listener.buffer.stats(), Default::default());
}
