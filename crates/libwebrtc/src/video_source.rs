//! Sources of a local video track's pictures, none of which are sent.

use crate::enum_dispatch;

/// A size in pixels; 1280 x 720 by default.
#[derive(Debug, Clone)]
pub struct VideoResolution {
    pub width: u32,
    pub height: u32,
}

/// What an encoder outside of this crate is asked to produce.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EncodedRateControl {
    /// Bits per second.
    pub target_bitrate_bps: u64,
    /// Frames per second.
    pub framerate_fps: f64,
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
        pub fn video_resolution(self: &Self) -> VideoResolution;
    );
}

pub mod native {
    use super::{EncodedRateControl, VideoResolution};
    use crate::{
        native::packet_trailer::PacketTrailerHandler,
        unsupported::Unsupported,
        video_frame::{EncodedVideoFrame, VideoBuffer, VideoFrame},
    };

    /// A source that has a size and drops every frame: no video is sent.
    #[derive(Clone, Debug, Default)]
    pub struct NativeVideoSource {
        resolution: VideoResolution,
    }

    impl NativeVideoSource {
        /// A source of raw pictures.
        pub fn new(resolution: VideoResolution, _is_screencast: bool) -> Self {
            Self { resolution }
        }

        /// A source of pictures that are encoded already.
        pub fn new_encoded(resolution: VideoResolution) -> Self {
            Self { resolution }
        }

        /// Drops the frame and returns `false`.
        pub fn capture_frame<T: AsRef<dyn VideoBuffer>>(&self, _frame: &VideoFrame<T>) -> bool {
            Unsupported::VideoSend.warn_once();
            false
        }

        /// Drops the frame and returns `false`.
        #[cfg(target_os = "linux")]
        #[deprecated(note = "wrap the fd with `NativeBuffer::from_dmabuf` and use `capture_frame`")]
        pub fn capture_dmabuf_frame(
            &self,
            _dmabuf_fd: i32,
            _width: u32,
            _height: u32,
            _pixel_format: i32,
            _timestamp_us: i64,
        ) -> bool {
            Unsupported::VideoSend.warn_once();
            false
        }

        /// Drops the frame and returns `false`.
        #[cfg(target_os = "linux")]
        #[deprecated(note = "wrap the fd with `NativeBuffer::from_dmabuf` and use `capture_frame`")]
        pub fn capture_dmabuf_frame_with_metadata(
            &self,
            _dmabuf_fd: i32,
            _width: u32,
            _height: u32,
            _pixel_format: i32,
            _timestamp_us: i64,
            _frame_metadata: Option<crate::video_frame::FrameMetadata>,
        ) -> bool {
            Unsupported::VideoSend.warn_once();
            false
        }

        /// Drops the frame and returns `false`.
        pub fn capture_encoded_frame(&self, _frame: &EncodedVideoFrame<'_>) -> bool {
            Unsupported::VideoSend.warn_once();
            false
        }

        /// Whether a receiver wants a key frame: never, as none receives.
        pub fn take_keyframe_request(&self) -> bool {
            false
        }

        /// The rate a receiver can take: none receives.
        pub fn take_rate_control_request(&self) -> Option<EncodedRateControl> {
            None
        }

        /// Accepted without effect: no frame is sent that could carry metadata.
        pub fn set_packet_trailer_handler(&self, _handler: PacketTrailerHandler) {}

        /// The size the source was made with.
        pub fn video_resolution(&self) -> VideoResolution {
            self.resolution.clone()
        }
    }
}
