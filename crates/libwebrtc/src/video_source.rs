//! Sources of a local video track's pictures, none of which are sent.

use crate::enum_dispatch;

/// A size in pixels; 1280 x 720 by default.
#[derive(Debug, Clone)]
pub struct VideoResolution {
    pub width: u32,
    pub height: u32,
}

/// The kinds of source a local video track can have.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub enum RtcVideoSource {
    /// Frames pushed by the program.
    Native(native::NativeVideoSource),
}

impl Default for VideoResolution {
    fn default() -> Self {
        Self { width: 1280, height: 720 }
    }
}

impl RtcVideoSource {
    enum_dispatch!(
        [Native];
        /// The size the source was made with.
        pub fn video_resolution(self: &Self) -> VideoResolution;
    );
}

pub mod native {
    use super::VideoResolution;
    use crate::{
        native::packet_trailer::handler::PacketTrailerHandler,
        unsupported::Unsupported,
        video_frame::{VideoBuffer, VideoFrame},
    };

    /// A source that has a size and drops every frame: no video is sent.
    #[derive(Clone, Debug, Default)]
    pub struct NativeVideoSource {
        resolution: VideoResolution,
    }

    impl NativeVideoSource {
        /// A source of pictures of this size.
        pub fn new(resolution: VideoResolution, _is_screencast: bool) -> Self {
            Self { resolution }
        }

        /// Drops the frame and returns `false`.
        pub fn capture_frame<T: AsRef<dyn VideoBuffer>>(&self, _frame: &VideoFrame<T>) -> bool {
            Unsupported::VideoSend.warn_once();
            false
        }

        /// Accepted without effect: no frame is sent that could carry metadata.
        pub fn set_packet_trailer_handler(&self, _handler: PacketTrailerHandler) {}

        /// The size the source was made with.
        pub fn video_resolution(&self) -> VideoResolution {
            self.resolution.clone()
        }
    }
}
