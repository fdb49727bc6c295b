//! The clock that rests in silence.

use std::{
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::*;
use crate::audio::{
    opus::{Decoder, Encoder, EncoderConfig},
    sounds::noise,
};

const VOICE: EncoderConfig =
    EncoderConfig { channels: Channels::Mono, bitrate: 32_000, dtx: false, expected_loss: 0 };

struct Heard(Arc<FrameQueue<AudioFrame<'static>>>);

impl Heard {
    /// The largest samples of the frames that wait.
    fn next(&self) -> Vec<u16> {
        let context = Context::from_waker(Waker::noop());
        let next = || match self.0.poll(&context) {
            Poll::Ready(Some(frame)) => frame.data.iter().map(|sample| sample.unsigned_abs()).max(),
            _ => None,
        };
        std::iter::from_fn(next).collect()
    }
}

fn receiver(queue: usize) -> (Arc<Receiver>, Heard) {
    let receiver = Arc::<Receiver>::default();
    let frames = Arc::new(FrameQueue::new(Some(queue)));
    let listener = Listener::new(Format { rate: 16_000, channels: 1 }, frames.clone());
    receiver.listen(listener).unwrap();
    (receiver, Heard(frames))
}

/// So many packets of 20 ms, each in its time.
async fn send(receiver: &Receiver, packets: usize, samples: &[i16]) {
    let mut encoder = Encoder::new(&VOICE).unwrap();
    for (at, frame) in samples.chunks_exact(960).cycle().take(packets).enumerate() {
        let payload = encoder.encode(frame).unwrap();
        let packet = AudioPacket { sequence: at as u64, timestamp: at as u32 * 960, payload };
        receiver.insert(tokio::time::Instant::now().into_std(), packet);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn pass(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

#[tokio::test(start_paused = true)]
async fn lasting_silence_comes_in_batches_of_half_the_queue() {
    for (queue, batch) in [(100, 20), (20, 10), (10, 5)] {
        let (_receiver, heard) = receiver(queue);
        for _ in 0..20 {
            pass(50).await;
            assert!((4..=6).contains(&heard.next().len()), "each in its time for a second");
        }
        let (mut batches, mut frames) = (0, 0);
        for _ in 0..100 {
            pass(10).await;
            let came = heard.next();
            batches += usize::from(!came.is_empty());
            frames += came.len();
        }
        assert!(batches <= 100 / batch + 1, "{queue}: {batches} batches");
        assert!((100 - batch..=100 + batch).contains(&frames), "{queue}: {frames} frames");
    }
}

#[tokio::test(start_paused = true)]
async fn sound_behind_lasting_silence_is_heard_at_once_and_whole() {
    for silence in [1500, 1555, 1607, 1699] {
        let (receiver, heard) = receiver(1000);
        pass(silence).await;
        send(&receiver, 50, &noise(48_000, 1)).await;
        pass(100).await;
        let levels = heard.next();
        let first = levels.iter().position(|level| *level > 1000).unwrap() as u64;
        assert!((silence / 10..=silence / 10 + 4).contains(&first), "{silence}: {first}");
        let loud = levels.iter().filter(|level| **level > 1000).count();
        // Behind the last packet its sound fades within 120 ms.
        assert!((98..=112).contains(&loud), "{silence}: {loud} frames are loud");
        assert!((silence / 10 + 108..=silence / 10 + 111).contains(&(levels.len() as u64)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_sender_that_announces_it_lets_the_clock_rest() {
    let (receiver, heard) = receiver(100);
    send(&receiver, 1, &[0; 960]).await;
    for at in 1..12 {
        let packet = AudioPacket { sequence: at, timestamp: at as u32 * 19_200, payload: vec![0xf8, 0xff] };
        pass(400).await;
        receiver.insert(tokio::time::Instant::now().into_std(), packet);
        heard.next();
    }
    let mut batches = 0;
    for _ in 0..40 {
        pass(10).await;
        batches += usize::from(!heard.next().is_empty());
    }
    assert!(batches <= 8, "{batches} wake-ups in 400 ms");
}

/// The library that decodes packets takes some memory for each, and nothing else does.
#[tokio::test(start_paused = true)]
async fn a_block_of_sound_or_silence_takes_no_memory_beyond_its_decoder() {
    let (receiver, heard) = receiver(100);
    let (mut encoder, mut decoder) = (Encoder::new(&VOICE).unwrap(), Decoder::new(Channels::Mono).unwrap());
    let (sound, mut now, mut samples) = (noise(48_000, 1), Instant::now(), [0; 960]);
    let (mut of_decoder, mut of_sound, mut of_silence) = (0, 0, 0);
    for at in 0..250 {
        // Behind two seconds of sound there is silence.
        if at < 100 {
            let payload = encoder.encode(&sound[at % 50 * 960..][..960]).unwrap();
            of_decoder += allocation_counter::measure(|| {
                decoder.decode(&payload, &mut samples).unwrap();
            })
            .count_total;
            receiver.insert(now, AudioPacket { sequence: at as u64, timestamp: at as u32 * 960, payload });
        }
        for _ in 0..2 {
            now += Duration::from_millis(10);
            let counted = allocation_counter::measure(|| {
                receiver.play(now);
                while let Poll::Ready(Some(frame)) = heard.0.poll(&Context::from_waker(Waker::noop())) {
                    heard.0.reuse(frame);
                }
            });
            *(if at < 150 { &mut of_sound } else { &mut of_silence }) += counted.count_total;
        }
    }
    // The first blocks fill buffers that later ones use again.
    assert!(of_sound < of_decoder + 100, "{of_sound} allocations, of which {of_decoder} by the decoder");
    assert_eq!(of_silence, 0);
}
