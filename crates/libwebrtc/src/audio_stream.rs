//! The decoded audio of a track, as a stream of frames.

pub mod native {
    use std::{
        fmt,
        pin::Pin,
        sync::Arc,
        task::{Context, Poll},
    };

    use futures_core::Stream;

    use crate::{
        RtcError,
        audio::{
            receiver::Listener,
            resample::Format,
            source::{Sink, Source},
        },
        audio_frame::AudioFrame,
        audio_track::{RtcAudioTrack, Sound},
        frame_queue::FrameQueue,
    };

    /// How a [`NativeAudioStream`] buffers.
    #[derive(Clone, Debug, Default)]
    pub struct NativeAudioStreamOptions {
        /// Frames of 10 ms that may wait for the reader. When more come, the oldest are dropped.
        ///
        /// `None` is the default of 10 frames. `Some(0)` asks for no limit, and gets one minute.
        pub queue_size_frames: Option<usize>,
    }

    /// The frames of one track, 10 ms each, at the rate and channels asked for.
    ///
    /// A remote track is decoded while a stream of it exists, and yields a frame every 10 ms from then on: silence when
    /// nothing comes. A local track yields what its source plays. The stream ends when it is closed or its track ends.
    pub struct NativeAudioStream {
        track: RtcAudioTrack,
        frames: Arc<FrameQueue<AudioFrame<'static>>>,
        listener: Option<Arc<Listener>>,
    }

    impl NativeAudioStream {
        /// A stream with the default queue.
        pub fn new(audio_track: RtcAudioTrack, sample_rate: i32, num_channels: i32) -> Self {
            let options = NativeAudioStreamOptions::default();
            Self::with_options(audio_track, sample_rate, num_channels, options)
        }

        /// A stream with a queue of the caller's choice.
        ///
        /// An unsupported rate or number of channels is logged, and the stream ends at once.
        pub fn with_options(
            audio_track: RtcAudioTrack,
            sample_rate: i32,
            num_channels: i32,
            options: NativeAudioStreamOptions,
        ) -> Self {
            let frames = Arc::new(FrameQueue::new(options.queue_size_frames));
            let listener = match listen(&audio_track, sample_rate, num_channels, &frames) {
                Ok(listener) => Some(listener),
                Err(error) => {
                    log::error!("no audio stream of {sample_rate} Hz x {num_channels} channels: {error}");
                    frames.close();
                    None
                }
            };
            Self { track: audio_track, frames, listener }
        }

        /// The track being read.
        pub fn track(&self) -> RtcAudioTrack {
            self.track.clone()
        }

        /// Takes a frame back that was read, so that its memory serves the next one. The C++ binding has no such function:
        /// there each frame is copied.
        pub fn reuse(&self, frame: AudioFrame<'static>) {
            self.frames.reuse(frame);
        }

        /// Ends the stream: the next poll yields `None`.
        pub fn close(&mut self) {
            self.frames.close();
            let Some(listener) = self.listener.take() else { return };
            match self.track.sound() {
                Sound::Remote(receiver) => receiver.unlisten(&listener),
                Sound::Source(source) => source.remove_sink(&(listener as Arc<dyn Sink>)),
                Sound::Device => {}
            }
        }
    }

    fn listen(
        track: &RtcAudioTrack,
        sample_rate: i32,
        num_channels: i32,
        frames: &Arc<FrameQueue<AudioFrame<'static>>>,
    ) -> Result<Arc<Listener>, RtcError> {
        let count = |number: i32| u32::try_from(number).unwrap_or_default();
        let format = Format { rate: count(sample_rate), channels: count(num_channels) };
        let listener = Listener::new(format, frames.clone());
        attach(track.sound(), &listener)?;
        Ok(listener)
    }

    fn attach(sound: &Sound, listener: &Arc<Listener>) -> Result<(), RtcError> {
        match sound {
            Sound::Remote(receiver) => receiver.listen(listener.clone()),
            Sound::Source(source) => {
                let tuned = listener.tune(source.format());
                tuned.map_err(|error| RtcError::invalid_state(error.to_string()))?;
                Source::add_sink(source, listener.clone())
            }
            Sound::Device => Ok(()),
        }
    }

    impl Drop for NativeAudioStream {
        fn drop(&mut self) {
            self.close();
        }
    }

    impl Stream for NativeAudioStream {
        type Item = AudioFrame<'static>;

        fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            self.frames.poll(context)
        }
    }

    impl fmt::Debug for NativeAudioStream {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("NativeAudioStream").field("track", &self.track).finish_non_exhaustive()
        }
    }
}
