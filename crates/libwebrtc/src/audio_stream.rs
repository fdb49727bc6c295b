//! The decoded audio of a remote track, as a stream of frames.

pub mod native {
    use std::{
        fmt,
        pin::Pin,
        task::{Context, Poll},
    };

    use futures_core::Stream;

    use crate::{
        audio_frame::AudioFrame, audio_track::RtcAudioTrack, idle_stream::IdleStream,
        unsupported::Unsupported,
    };

    /// How a [`NativeAudioStream`] buffers.
    #[derive(Clone, Debug, Default)]
    pub struct NativeAudioStreamOptions {
        /// Frames of 10 ms that may wait for the reader. When more come, the oldest are dropped.
        ///
        /// `None` is the default of 10 frames, `Some(0)` asks for no limit.
        pub queue_size_frames: Option<usize>,
    }

    /// The frames of one track, at the rate and channels asked for.
    ///
    /// No audio is decoded yet, so the stream pends until [`close`](Self::close) ends it.
    pub struct NativeAudioStream {
        track: RtcAudioTrack,
        idle: IdleStream,
    }

    impl NativeAudioStream {
        /// A stream with the default queue.
        pub fn new(audio_track: RtcAudioTrack, sample_rate: i32, num_channels: i32) -> Self {
            let options = NativeAudioStreamOptions::default();
            Self::with_options(audio_track, sample_rate, num_channels, options)
        }

        /// A stream with a queue of the caller's choice.
        pub fn with_options(
            audio_track: RtcAudioTrack,
            _sample_rate: i32,
            _num_channels: i32,
            _options: NativeAudioStreamOptions,
        ) -> Self {
            Unsupported::AudioReceive.warn_once();
            Self { track: audio_track, idle: IdleStream::default() }
        }

        /// The track being read.
        pub fn track(&self) -> RtcAudioTrack {
            self.track.clone()
        }

        /// Ends the stream: the next poll yields `None`.
        pub fn close(&mut self) {
            self.idle.close();
        }
    }

    impl Stream for NativeAudioStream {
        type Item = AudioFrame<'static>;

        fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            self.idle.poll(context)
        }
    }

    impl fmt::Debug for NativeAudioStream {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("NativeAudioStream").field("track", &self.track).finish_non_exhaustive()
        }
    }
}
