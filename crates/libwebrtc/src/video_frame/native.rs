//! Pictures that are handles of the operating system, and the conversions of all pictures.

use std::fmt;

use super::{I420Buffer, VideoBuffer, VideoBufferType, VideoFormatType, internal::BufferSealed};
use crate::{unsupported::Unsupported, video_source::VideoResolution};

/// A borrowed file descriptor of a DMA-BUF; its owner keeps it open and closes it.
#[cfg(target_os = "linux")]
pub type DmaBufFileDescriptor = std::os::fd::RawFd;

/// How the pixels of a DMA-BUF are laid out.
#[cfg(target_os = "linux")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DmaBufPixelFormat {
    NV12 = 0,
    YUV420M = 1,
}

/// A handle of the operating system. Its pixels cannot be read here: conversions give black.
pub struct NativeBuffer {
    resolution: VideoResolution,
    #[cfg(target_os = "linux")]
    dmabuf_fd: DmaBufFileDescriptor,
}

/// Conversions, for buffers whose type is known.
pub trait VideoFrameBufferExt: VideoBuffer {
    /// A copy of the picture as I420.
    fn to_i420(&self) -> I420Buffer;

    /// Writes the picture's upper left `dst_width` x `dst_height` pixels, four bytes each; a
    /// negative height turns it upside down. Colours follow BT.601, limited range.
    ///
    /// # Panics
    /// When `dst` is too small or the picture smaller than asked for.
    fn to_argb(
        &self,
        format: VideoFormatType,
        dst: &mut [u8],
        dst_stride: u32,
        dst_width: i32,
        dst_height: i32,
    );
}

impl<T: VideoBuffer> VideoFrameBufferExt for T {
    fn to_i420(&self) -> I420Buffer {
        BufferSealed::to_i420(self)
    }

    fn to_argb(
        &self,
        format: VideoFormatType,
        dst: &mut [u8],
        dst_stride: u32,
        dst_width: i32,
        dst_height: i32,
    ) {
        BufferSealed::to_argb(self, format, dst, dst_stride, dst_width, dst_height);
    }
}

impl NativeBuffer {
    /// Wraps a DMA-BUF, which is never read.
    #[cfg(target_os = "linux")]
    pub fn from_dmabuf(
        dmabuf_fd: DmaBufFileDescriptor,
        resolution: VideoResolution,
        _pixel_format: DmaBufPixelFormat,
    ) -> Self {
        Self { resolution, dmabuf_fd }
    }

    /// The descriptor this buffer wraps.
    #[cfg(target_os = "linux")]
    pub fn get_dmabuf_fd(&self) -> Option<DmaBufFileDescriptor> {
        Some(self.dmabuf_fd)
    }
}

impl VideoBuffer for NativeBuffer {
    fn width(&self) -> u32 {
        self.resolution.width
    }

    fn height(&self) -> u32 {
        self.resolution.height
    }

    fn buffer_type(&self) -> VideoBufferType {
        VideoBufferType::Native
    }

    fn as_native(&self) -> Option<&NativeBuffer> {
        Some(self)
    }
}

impl BufferSealed for NativeBuffer {
    fn to_i420(&self) -> I420Buffer {
        Unsupported::DmaBuf.warn_once();
        I420Buffer::new_black(self.width(), self.height())
    }

    fn to_argb(
        &self,
        format: VideoFormatType,
        dst: &mut [u8],
        dst_stride: u32,
        dst_width: i32,
        dst_height: i32,
    ) {
        let black = BufferSealed::to_i420(self);
        black.write_rgb(format, dst, dst_stride, dst_width, dst_height);
    }
}

impl fmt::Debug for NativeBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeBuffer")
            .field("width", &self.width())
            .field("height", &self.height())
            .finish_non_exhaustive()
    }
}

impl AsRef<dyn VideoBuffer> for NativeBuffer {
    fn as_ref(&self) -> &(dyn VideoBuffer + 'static) {
        self
    }
}
