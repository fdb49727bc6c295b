//! The source a program pushes its own samples into.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    sync::Notify,
    time::{Instant, Sleep},
};

use super::{AudioSourceOptions, pacing::Pacing};
use crate::{RtcError, audio_frame::AudioFrame, pc::runtime, unsupported::Unsupported};

/// The audio pipeline's block, which a queue holds a whole number of.
const BLOCK_MS: u32 = 10;

/// A source fed by [`capture_frame`](Self::capture_frame). Clones are the same source.
///
/// The queue keeps the pace of a real one: a producer that pushes a minute of speech at once is
/// let go after a minute, less the queue size. What is queued goes nowhere yet: no encoder is
/// attached to the tracks made from this source.
#[derive(Clone)]
pub struct NativeAudioSource {
    shared: Arc<Shared>,
}

struct Shared {
    sample_rate: u32,
    num_channels: u32,
    queue_size: Duration,
    echo_cancellation: AtomicBool,
    noise_suppression: AtomicBool,
    auto_gain_control: AtomicBool,
    pacing: Mutex<Pacing>,
    cleared: Notify,
}

impl NativeAudioSource {
    /// A source of `sample_rate` Hz and `num_channels` interleaved channels.
    ///
    /// `queue_size_ms` is how much audio may wait to be sent. Zero means no queue: each captured
    /// frame must be exactly 10 ms long and the caller keeps the pace. A size that is no multiple
    /// of 10 ms is rounded up.
    pub fn new(options: AudioSourceOptions, sample_rate: u32, num_channels: u32, queue_size_ms: u32) -> Self {
        let queue_size_ms = u64::from(queue_size_ms.div_ceil(BLOCK_MS)) * u64::from(BLOCK_MS);
        let queue_size = Duration::from_millis(queue_size_ms);
        Self {
            shared: Arc::new(Shared {
                sample_rate,
                num_channels,
                queue_size,
                echo_cancellation: AtomicBool::new(options.echo_cancellation),
                noise_suppression: AtomicBool::new(options.noise_suppression),
                auto_gain_control: AtomicBool::new(options.auto_gain_control),
                pacing: Mutex::new(Pacing::new(queue_size)),
                cleared: Notify::new(),
            }),
        }
    }

    /// Drops what is queued and lets every waiting [`capture_frame`](Self::capture_frame) return.
    pub fn clear_buffer(&self) {
        self.shared.pacing.lock().clear();
        self.shared.cleared.notify_waiters();
    }

    /// Queues a frame and returns once no more than the queue size is waiting.
    ///
    /// # Errors
    /// [`InvalidState`](crate::RtcErrorType::InvalidState) when the frame's rate or channels are not the source's, when
    /// its samples are no whole number per channel, or, without a queue, when it is not 10 ms long.
    pub async fn capture_frame(&self, frame: &AudioFrame<'_>) -> Result<(), RtcError> {
        let length = self.shared.check(frame)?;
        Unsupported::AudioSend.warn_once();
        self.shared.pacing.lock().push(now(), length);
        self.shared.wait_for_room().await
    }

    /// Remembers the options.
    pub fn set_audio_options(&self, options: AudioSourceOptions) {
        let shared = &self.shared;
        for (flag, value) in [
            (&shared.echo_cancellation, options.echo_cancellation),
            (&shared.noise_suppression, options.noise_suppression),
            (&shared.auto_gain_control, options.auto_gain_control),
        ] {
            flag.store(value, Ordering::Relaxed);
        }
    }

    /// The options last set.
    pub fn audio_options(&self) -> AudioSourceOptions {
        let shared = &self.shared;
        AudioSourceOptions {
            echo_cancellation: shared.echo_cancellation.load(Ordering::Relaxed),
            noise_suppression: shared.noise_suppression.load(Ordering::Relaxed),
            auto_gain_control: shared.auto_gain_control.load(Ordering::Relaxed),
        }
    }

    /// Samples per second of each channel, in Hz.
    pub fn sample_rate(&self) -> u32 {
        self.shared.sample_rate
    }

    /// Interleaved channels.
    pub fn num_channels(&self) -> u32 {
        self.shared.num_channels
    }
}

impl fmt::Debug for NativeAudioSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeAudioSource")
            .field("sample_rate", &self.shared.sample_rate)
            .field("num_channels", &self.shared.num_channels)
            .field("queue_size", &self.shared.queue_size)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// The frame's length in time, if it is one this source can take.
    fn check(&self, frame: &AudioFrame<'_>) -> Result<Duration, RtcError> {
        if (frame.sample_rate, frame.num_channels) != (self.sample_rate, self.num_channels) {
            return refuse(format!(
                "frame is {} Hz x {} channels, the source is {} Hz x {}",
                frame.sample_rate, frame.num_channels, self.sample_rate, self.num_channels
            ));
        }
        if self.sample_rate == 0 || self.num_channels == 0 {
            return refuse("the source has no sample rate or no channels".to_owned());
        }
        let channels = self.num_channels as usize;
        if !frame.data.len().is_multiple_of(channels) {
            return refuse(format!("{} samples do not divide into {channels} channels", frame.data.len()));
        }
        let samples = frame.data.len() / channels;
        let block = (self.sample_rate / 100) as usize;
        if self.queue_size.is_zero() && samples != block {
            return refuse(format!(
                "a source without a queue takes frames of 10 ms: got {samples} samples per channel, want {block}"
            ));
        }
        Ok(Duration::from_secs_f64(samples as f64 / f64::from(self.sample_rate)))
    }

    async fn wait_for_room(&self) -> Result<(), RtcError> {
        loop {
            // Registered before the queue is read, so that a clear in between is not missed.
            let cleared = self.cleared.notified();
            let wait = self.pacing.lock().wait(now());
            if wait.is_zero() {
                return Ok(());
            }
            tokio::select! {
                () = sleep(wait)? => {}
                () = cleared => {}
            }
        }
    }
}

fn refuse<T>(message: String) -> Result<T, RtcError> {
    Err(RtcError::invalid_state(message))
}

/// A timer that also works where the caller's executor is not tokio.
fn sleep(wait: Duration) -> Result<Sleep, RtcError> {
    let runtime = runtime::handle()?;
    let _entered = runtime.enter();
    Ok(tokio::time::sleep(wait))
}

/// The clock the waits sleep by, which a test may stop.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RtcErrorType;

    fn source(sample_rate: u32, num_channels: u32, queue_size_ms: u32) -> NativeAudioSource {
        let options = AudioSourceOptions::default();
        NativeAudioSource::new(options, sample_rate, num_channels, queue_size_ms)
    }

    async fn refusal(source: &NativeAudioSource, frame: &AudioFrame<'_>) -> String {
        let error = source.capture_frame(frame).await.unwrap_err();
        assert_eq!(error.error_type, RtcErrorType::InvalidState);
        error.message
    }

    #[tokio::test(start_paused = true)]
    async fn a_producer_is_held_to_the_pace_of_speech() {
        let source = source(48_000, 1, 100);
        let start = Instant::now();
        for _ in 0..50 {
            let frame = AudioFrame::new(48_000, 1, 960);
            source.capture_frame(&frame).await.unwrap();
        }
        let held = start.elapsed();
        assert!(held >= Duration::from_millis(900), "{held:?}");
        assert!(held <= Duration::from_millis(950), "{held:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn clearing_the_buffer_lets_a_waiting_producer_go() {
        let source = source(16_000, 1, 100);
        let producer = source.clone();
        let minute = AudioFrame::new(16_000, 1, 60 * 16_000);
        let start = Instant::now();
        let waiting = tokio::spawn(async move { producer.capture_frame(&minute).await });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!waiting.is_finished());
        source.clear_buffer();
        waiting.await.unwrap().unwrap();
        assert!(start.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn a_producer_outside_of_tokio_is_held_too() {
        struct Unpark(std::thread::Thread);
        impl std::task::Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Arc::new(Unpark(std::thread::current())).into();
        let mut context = std::task::Context::from_waker(&waker);
        let source = source(16_000, 1, 10);
        let frame = AudioFrame::new(16_000, 1, 800);
        let mut capture = std::pin::pin!(source.capture_frame(&frame));
        let mut waits = 0;
        while capture.as_mut().poll(&mut context).is_pending() {
            waits += 1;
            std::thread::park();
        }
        assert!(waits > 0);
    }

    #[tokio::test]
    async fn without_a_queue_a_frame_of_10_ms_is_taken_at_once() {
        let source = source(48_000, 2, 0);
        for _ in 0..1000 {
            let frame = AudioFrame::new(48_000, 2, 480);
            source.capture_frame(&frame).await.unwrap();
        }
    }

    #[tokio::test]
    async fn without_a_queue_any_other_length_is_refused() {
        let source = source(48_000, 2, 0);
        for samples in [0, 479, 481, 960] {
            let frame = AudioFrame::new(48_000, 2, samples);
            let message = refusal(&source, &frame).await;
            assert!(message.contains("10 ms"), "{message}");
        }
    }

    #[tokio::test]
    async fn a_frame_of_another_shape_is_refused_with_both_shapes() {
        let source = source(48_000, 1, 100);
        for frame in [AudioFrame::new(44_100, 1, 441), AudioFrame::new(48_000, 2, 480)] {
            let message = refusal(&source, &frame).await;
            assert!(message.contains("48000 Hz x 1"), "{message}");
        }
    }

    #[tokio::test]
    async fn samples_that_do_not_divide_into_channels_are_refused() {
        let source = source(48_000, 2, 100);
        let mut frame = AudioFrame::new(48_000, 2, 480);
        frame.data.to_mut().pop();
        let message = refusal(&source, &frame).await;
        assert!(message.contains("959 samples"), "{message}");
    }

    #[tokio::test]
    async fn a_source_without_rate_or_channels_refuses_instead_of_dividing_by_zero() {
        for (rate, channels) in [(0, 1), (48_000, 0), (0, 0)] {
            let source = source(rate, channels, 100);
            refusal(&source, &AudioFrame::new(rate, channels, 0)).await;
        }
    }

    #[test]
    fn a_queue_is_a_whole_number_of_blocks() {
        for (asked, given) in [(0, 0), (1, 10), (10, 10), (95, 100), (u32::MAX, 4_294_967_300)] {
            let queue_size = source(48_000, 1, asked).shared.queue_size;
            assert_eq!(queue_size, Duration::from_millis(given));
        }
    }

    #[test]
    fn clones_share_the_options() {
        let source = source(48_000, 1, 0);
        source.clone().set_audio_options(AudioSourceOptions {
            echo_cancellation: true,
            noise_suppression: false,
            auto_gain_control: true,
        });
        let options = source.audio_options();
        assert!(options.echo_cancellation && options.auto_gain_control);
        assert!(!options.noise_suppression);
    }
}
