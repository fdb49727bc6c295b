//! The decoded pictures of a remote track, as a stream of frames.

pub mod native {
    use std::{
        fmt,
        pin::Pin,
        task::{Context, Poll},
    };

    use futures_core::Stream;

    use crate::{
        frame_queue::FrameQueue, native::packet_trailer::handler::PacketTrailerHandler,
        unsupported::Unsupported, video_frame::BoxVideoFrame, video_track::RtcVideoTrack,
    };

    /// How a [`NativeVideoStream`] buffers.
    #[derive(Clone, Debug, Default)]
    pub struct NativeVideoStreamOptions {
        /// Frames that may wait for the reader. When more come, the oldest are dropped.
        ///
        /// `None` is the default of one frame, `Some(0)` asks for no limit.
        pub queue_size_frames: Option<usize>,
    }

    /// The frames of one track.
    ///
    /// No video is decoded, so the stream pends until [`close`](Self::close) ends it.
    pub struct NativeVideoStream {
        track: RtcVideoTrack,
        frames: FrameQueue<BoxVideoFrame>,
    }

    impl NativeVideoStream {
        /// A stream that keeps the latest frame.
        pub fn new(video_track: RtcVideoTrack) -> Self {
            Self::with_options(video_track, NativeVideoStreamOptions::default())
        }

        /// A stream with a queue of the caller's choice.
        pub fn with_options(video_track: RtcVideoTrack, _options: NativeVideoStreamOptions) -> Self {
            Unsupported::VideoReceive.warn_once();
            Self { track: video_track, frames: FrameQueue::new(None) }
        }

        /// Accepted without effect: there are no frames whose metadata could be looked up.
        pub fn set_packet_trailer_handler(&self, _handler: PacketTrailerHandler) {}

        /// The track being read.
        pub fn track(&self) -> RtcVideoTrack {
            self.track.clone()
        }

        /// Ends the stream: the next poll yields `None`.
        pub fn close(&mut self) {
            self.frames.close();
        }
    }

    impl Stream for NativeVideoStream {
        type Item = BoxVideoFrame;

        fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            self.frames.poll(context)
        }
    }

    impl fmt::Debug for NativeVideoStream {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("NativeVideoStream").field("track", &self.track).finish_non_exhaustive()
        }
    }
}
