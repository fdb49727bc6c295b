//! The source a program pushes its own samples into.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::AudioSourceOptions;
use crate::{
    RtcError,
    audio::{resample::Format, source::Source},
    audio_frame::AudioFrame,
};

/// The length of the audio pipeline's block; a queue holds a whole number of them.
const BLOCK_MS: u32 = 10;

/// A source fed by [`capture_frame`](Self::capture_frame). Clones are the same source.
///
/// The queue keeps the pace of a real one: a producer that pushes a minute of speech at once is
/// let go after a minute, less the queue size. One source may feed several tracks.
#[derive(Clone)]
pub struct NativeAudioSource {
    source: Arc<Source>,
    options: Arc<Options>,
}

#[derive(Default)]
struct Options {
    echo_cancellation: AtomicBool,
    noise_suppression: AtomicBool,
    auto_gain_control: AtomicBool,
}

impl NativeAudioSource {
    /// A source of `sample_rate` Hz and `num_channels` interleaved channels.
    ///
    /// `queue_size_ms` is how much audio may wait to be sent. Zero means no queue: each captured
    /// frame must be exactly 10 ms long and the caller keeps the pace. A size that is no multiple
    /// of 10 ms is rounded up.
    pub fn new(options: AudioSourceOptions, sample_rate: u32, num_channels: u32, queue_size_ms: u32) -> Self {
        let format = Format { rate: sample_rate, channels: num_channels };
        let source = Source::new(format, queue_size_ms.div_ceil(BLOCK_MS) as usize);
        let native = Self { source, options: Arc::default() };
        native.set_audio_options(options);
        native
    }

    /// Drops the queued samples and the remaining parts of the frames that wait for room, and lets every waiting
    /// [`capture_frame`](Self::capture_frame) return.
    pub fn clear_buffer(&self) {
        self.source.clear();
    }

    /// Queues a frame and returns once no more than the queue size is waiting.
    ///
    /// A frame longer than the queue goes in part by part. Dropping the future gives up the parts that are not queued yet.
    ///
    /// # Errors
    /// [`InvalidState`](crate::RtcErrorType::InvalidState) when the frame's rate or channels are not the source's, when
    /// its samples are no whole number per channel, when others wait with so much audio that the queue is full twice over,
    /// or, without a queue, when the frame is not 10 ms long.
    pub async fn capture_frame(&self, frame: &AudioFrame<'_>) -> Result<(), RtcError> {
        self.check(frame)?;
        if self.source.is_queued() {
            return self.source.push(&frame.data).await;
        }
        self.source.play(&frame.data);
        Ok(())
    }

    /// Remembers the options.
    pub fn set_audio_options(&self, options: AudioSourceOptions) {
        for (flag, value) in [
            (&self.options.echo_cancellation, options.echo_cancellation),
            (&self.options.noise_suppression, options.noise_suppression),
            (&self.options.auto_gain_control, options.auto_gain_control),
        ] {
            flag.store(value, Ordering::Relaxed);
        }
    }

    /// The options last set.
    pub fn audio_options(&self) -> AudioSourceOptions {
        AudioSourceOptions {
            echo_cancellation: self.options.echo_cancellation.load(Ordering::Relaxed),
            noise_suppression: self.options.noise_suppression.load(Ordering::Relaxed),
            auto_gain_control: self.options.auto_gain_control.load(Ordering::Relaxed),
        }
    }

    /// Samples per second of each channel, in Hz.
    pub fn sample_rate(&self) -> u32 {
        self.source.format().rate
    }

    /// Interleaved channels.
    pub fn num_channels(&self) -> u32 {
        self.source.format().channels
    }

    pub(crate) fn source(&self) -> &Arc<Source> {
        &self.source
    }

    fn check(&self, frame: &AudioFrame<'_>) -> Result<(), RtcError> {
        let format = self.source.format();
        if (frame.sample_rate, frame.num_channels) != (format.rate, format.channels) {
            return refuse(format!(
                "frame is {} Hz x {} channels, the source is {} Hz x {}",
                frame.sample_rate, frame.num_channels, format.rate, format.channels
            ));
        }
        if format.samples() == 0 {
            return refuse("the source has no channels, or not a sample in 10 ms".to_owned());
        }
        let channels = format.channels as usize;
        if !frame.data.len().is_multiple_of(channels) {
            return refuse(format!("{} samples do not divide into {channels} channels", frame.data.len()));
        }
        if !self.source.is_queued() && frame.data.len() != format.samples() {
            return refuse(format!(
                "a source without a queue takes frames of 10 ms: got {} samples per channel, want {}",
                frame.data.len() / channels,
                format.block()
            ));
        }
        Ok(())
    }
}

impl fmt::Debug for NativeAudioSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeAudioSource")
            .field("sample_rate", &self.sample_rate())
            .field("num_channels", &self.num_channels())
            .finish_non_exhaustive()
    }
}

fn refuse<T>(message: String) -> Result<T, RtcError> {
    Err(RtcError::invalid_state(message))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

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
