//! What hearing allocates: nothing per frame, and little for a session.

use std::time::{Duration, Instant};

use speech::pieces::{self, Pieces};
use speech::playout::{self, Playout};
use speech::resample::Resampler;
use speech::vad::{Provider, Settings, Vad};

const FRAME: usize = 320;

fn speech() -> Vec<i16> {
    let file = include_bytes!("data/phrase.wav");
    file[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

#[test]
fn a_frame_without_an_event_allocates_nothing() {
    for provider in [Provider::Silero, Provider::Energy] {
        let mut vad = Vad::new(Settings { provider, ..Settings::default() });
        let samples = speech();
        let mut now = Instant::now();
        let (mut frames, mut events) = (0, 0);
        for frame in samples.chunks_exact(FRAME).cycle().take(1000) {
            now += Duration::from_millis(20);
            let mut told = 0;
            let counted = allocation_counter::measure(|| told = vad.step(now, frame).len());
            assert!(counted.count_total == 0 || told > 0, "frame {frames}: {counted:?}");
            frames += 1;
            events += told;
        }
        assert!(events > 4, "speech was heard: {events}");
    }
}

#[test]
fn a_session_holds_less_than_150_kilobytes_besides_the_weights_of_all() {
    let weights = allocation_counter::measure(|| drop(Vad::new(Settings::default())));
    let mut held = None;
    let session = allocation_counter::measure(|| held = Some(Vad::new(Settings::default())));
    assert!(session.bytes_current < 150_000, "{session:?}");
    assert!(weights.bytes_current < 1_300_000, "{weights:?}");
}

#[test]
fn a_frame_is_resampled_without_allocations() {
    for (from, to) in [(48_000, 16_000), (24_000, 48_000), (44_100, 16_000), (22_050, 48_000)] {
        let mut resampler = Resampler::new(from, to).unwrap();
        let frame = vec![1000_i16; from as usize / 50];
        let mut output = Vec::with_capacity(2000);
        let counted = allocation_counter::measure(|| {
            for _ in 0..100 {
                output.clear();
                resampler.push(&frame, &mut output);
            }
        });
        assert_eq!(counted.count_total, 0, "{from} to {to}");
        assert!(output.len() >= to as usize / 50 - 1);
    }
}

#[test]
fn a_frame_is_played_without_allocations() {
    let mut pieces = Pieces::new(pieces::Settings::default());
    let pieces: Vec<_> =
        pieces.push("A word to begin with. And another one, to go on with it.").into_iter().collect();
    let mut playout = Playout::new(playout::Settings::new(24_000));
    let (part, mut frame) = (vec![1000; 2 * playout.frame()], vec![0; playout.frame()]);
    playout.begin(0, pieces[0].clone());
    (0..100).for_each(|_| playout.add(&part));
    let mut heard = 0;
    let counted = allocation_counter::measure(|| {
        for _ in 0..1000 {
            assert!(playout.next(&mut frame) && playout.next(&mut frame));
            playout.add(&part);
            heard = playout.heard(0);
        }
    });
    assert_eq!(counted.count_total, 0, "{counted:?}");
    assert!(heard > 0 && frame == vec![1000; 240]);
}
