//! Uncompressed and compressed pictures.

use std::fmt::Debug;

use thiserror::Error;

use crate::video_source::VideoResolution;

mod buffer;
pub mod native;
mod planes;

pub use buffer::{I010Buffer, I420ABuffer, I420Buffer, I422Buffer, I444Buffer, NV12Buffer};

/// Why a sink could not take a frame.
#[derive(Debug, Error)]
pub enum SinkError {
    #[error("platform error: {0}")]
    Platform(String),
}

/// How far a picture must be turned clockwise to be upright, in degrees.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum VideoRotation {
    VideoRotation0 = 0,
    VideoRotation90 = 90,
    VideoRotation180 = 180,
    VideoRotation270 = 270,
}

/// The order of the four bytes of a pixel, from the highest to the lowest of a little-endian word:
/// `ARGB` is blue, green, red, alpha in memory.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum VideoFormatType {
    ARGB,
    BGRA,
    ABGR,
    RGBA,
}

/// How the planes of a buffer are laid out.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum VideoBufferType {
    /// A handle of the operating system.
    Native,
    /// Chroma halved both ways.
    I420,
    /// I420 with an alpha plane.
    I420A,
    /// Chroma halved horizontally.
    I422,
    /// Chroma in full.
    I444,
    /// I420 with 10 bits in each 16-bit sample.
    I010,
    /// I420 with both chroma planes interleaved.
    NV12,
}

/// Data that a sender may attach to a frame.
#[derive(Debug, Clone)]
pub struct FrameMetadata {
    /// When the frame was captured, in microseconds since the Unix epoch.
    pub user_timestamp: Option<u64>,
    /// The sender's number for the frame.
    pub frame_id: Option<u32>,
    /// Bytes of the application's own, some 200 at most.
    pub user_data: Option<Vec<u8>>,
}

/// How a compressed picture is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodedVideoCodec {
    H264,
    H265,
    VP8,
    VP9,
    AV1,
}

/// Whether a compressed picture needs the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncodedFrameType {
    /// It stands alone.
    Key,
    /// It needs its predecessors.
    Delta,
}

/// A compressed picture.
#[derive(Debug, Clone)]
pub struct EncodedVideoFrame<'a> {
    pub codec: EncodedVideoCodec,
    /// One access unit.
    pub payload: &'a [u8],
    /// When it was captured, in microseconds; 0 stands for now.
    pub timestamp_us: i64,
    pub frame_type: EncodedFrameType,
    pub resolution: VideoResolution,
    pub frame_metadata: Option<FrameMetadata>,
}

/// A picture and when it was taken.
#[derive(Debug)]
pub struct VideoFrame<T>
where
    T: AsRef<dyn VideoBuffer>,
{
    pub rotation: VideoRotation,
    /// When it was captured, in microseconds; 0 stands for now.
    pub timestamp_us: i64,
    pub frame_metadata: Option<FrameMetadata>,
    pub buffer: T,
}

/// A buffer of any layout.
pub type BoxVideoBuffer = Box<dyn VideoBuffer>;

/// A frame with a buffer of any layout.
pub type BoxVideoFrame = VideoFrame<BoxVideoBuffer>;

/// A picture of any layout. Only this crate implements it.
pub trait VideoBuffer: internal::BufferSealed + Debug {
    /// Width in pixels.
    fn width(&self) -> u32;

    /// Height in pixels.
    fn height(&self) -> u32;

    /// The layout, which tells which of the `as_` methods answers.
    fn buffer_type(&self) -> VideoBufferType;

    fn as_native(&self) -> Option<&native::NativeBuffer> {
        None
    }

    fn as_i420(&self) -> Option<&I420Buffer> {
        None
    }

    fn as_i420a(&self) -> Option<&I420ABuffer> {
        None
    }

    fn as_i422(&self) -> Option<&I422Buffer> {
        None
    }

    fn as_i444(&self) -> Option<&I444Buffer> {
        None
    }

    fn as_i010(&self) -> Option<&I010Buffer> {
        None
    }

    fn as_nv12(&self) -> Option<&NV12Buffer> {
        None
    }
}

impl<T: AsRef<dyn VideoBuffer>> VideoFrame<T> {
    /// A frame captured now, without metadata.
    pub fn new(rotation: VideoRotation, buffer: T) -> Self {
        Self { rotation, timestamp_us: 0, frame_metadata: None, buffer }
    }
}

pub(crate) mod internal {
    use super::{I420Buffer, VideoFormatType};

    /// Keeps [`VideoBuffer`](super::VideoBuffer) to this crate and gives it its conversions.
    #[allow(unreachable_pub)]
    pub trait BufferSealed: Send + Sync {
        /// A copy of the picture in the layout encoders take.
        fn to_i420(&self) -> I420Buffer;

        /// Writes the picture's upper left `dst_width` x `dst_height` pixels, four bytes each; a
        /// negative height turns it upside down.
        fn to_argb(
            &self,
            format: VideoFormatType,
            dst: &mut [u8],
            dst_stride: u32,
            dst_width: i32,
            dst_height: i32,
        );
    }
}
