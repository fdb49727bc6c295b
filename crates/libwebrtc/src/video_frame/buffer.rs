//! Pictures in memory, one type for each layout.
//!
//! A new buffer is zeroed. Strides count samples from one row to the next.

use std::fmt;

use super::{VideoBuffer, VideoBufferType, VideoFormatType, internal::BufferSealed, planes::Plane};
use crate::native::yuv_helper;

/// Black has no brightness and its colour in the middle of the range.
const BLACK_CHROMA: u8 = 128;

/// The common parts of every layout: the trait, `Debug` and `AsRef`.
macro_rules! video_buffer {
    ($name:ident, $variant:ident, $as:ident) => {
        impl VideoBuffer for $name {
            fn width(&self) -> u32 {
                self.y.width()
            }

            fn height(&self) -> u32 {
                self.y.height()
            }

            fn buffer_type(&self) -> VideoBufferType {
                VideoBufferType::$variant
            }

            fn $as(&self) -> Option<&$name> {
                Some(self)
            }
        }

        impl BufferSealed for $name {
            fn to_i420(&self) -> I420Buffer {
                self.convert_to_i420()
            }

            fn to_argb(
                &self,
                format: VideoFormatType,
                dst: &mut [u8],
                dst_stride: u32,
                dst_width: i32,
                dst_height: i32,
            ) {
                let i420 = self.convert_to_i420();
                i420.write_rgb(format, dst, dst_stride, dst_width, dst_height);
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("width", &self.width())
                    .field("height", &self.height())
                    .finish()
            }
        }

        impl AsRef<dyn VideoBuffer> for $name {
            fn as_ref(&self) -> &(dyn VideoBuffer + 'static) {
                self
            }
        }
    };
}

/// A layout with a brightness and two colour planes, each colour plane `shift` times halved.
macro_rules! three_plane_buffer {
    ($(#[$doc:meta])* $name:ident, $variant:ident, $as:ident, $sample:ty, $shift:expr) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name {
            y: Plane<$sample>,
            u: Plane<$sample>,
            v: Plane<$sample>,
        }

        video_buffer!($name, $variant, $as);

        impl $name {
            /// A buffer with rows longer than the picture is wide.
            pub fn with_strides(
                width: u32,
                height: u32,
                stride_y: u32,
                stride_u: u32,
                stride_v: u32,
            ) -> Self {
                let (chroma_width, chroma_height) = chroma(width, height, $shift);
                Self {
                    y: Plane::new(width, height, stride_y, 0),
                    u: Plane::new(chroma_width, chroma_height, stride_u, 0),
                    v: Plane::new(chroma_width, chroma_height, stride_v, 0),
                }
            }

            /// A buffer without padding.
            pub fn new(width: u32, height: u32) -> Self {
                Self::with_strides(width, height, 0, 0, 0)
            }

            /// Samples in a row of a colour plane.
            pub fn chroma_width(&self) -> u32 {
                self.u.width()
            }

            /// Rows of a colour plane.
            pub fn chroma_height(&self) -> u32 {
                self.u.height()
            }

            /// Samples from row to row of Y, U and V.
            pub fn strides(&self) -> (u32, u32, u32) {
                (self.y.stride(), self.u.stride(), self.v.stride())
            }

            /// The planes Y, U and V.
            pub fn data(&self) -> (&[$sample], &[$sample], &[$sample]) {
                (self.y.data(), self.u.data(), self.v.data())
            }

            /// The planes Y, U and V, to be written.
            pub fn data_mut(&mut self) -> (&mut [$sample], &mut [$sample], &mut [$sample]) {
                (self.y.data_mut(), self.u.data_mut(), self.v.data_mut())
            }

            /// A copy of another size. A size below zero counts as zero.
            pub fn scale(&mut self, scaled_width: i32, scaled_height: i32) -> Self {
                let (width, height) = size(scaled_width, scaled_height);
                let (chroma_width, chroma_height) = chroma(width, height, $shift);
                Self {
                    y: self.y.scaled(width, height, 1),
                    u: self.u.scaled(chroma_width, chroma_height, 1),
                    v: self.v.scaled(chroma_width, chroma_height, 1),
                }
            }
        }
    };
}

three_plane_buffer!(
    /// 8 bits, chroma halved both ways: what encoders take.
    I420Buffer, I420, as_i420, u8, (1, 1)
);
three_plane_buffer!(
    /// 8 bits, chroma halved horizontally.
    I422Buffer, I422, as_i422, u8, (1, 0)
);
three_plane_buffer!(
    /// 8 bits, chroma in full.
    I444Buffer, I444, as_i444, u8, (0, 0)
);
three_plane_buffer!(
    /// 10 bits in the low end of 16, chroma halved both ways.
    I010Buffer, I010, as_i010, u16, (1, 1)
);

/// I420 with a plane of transparency. It can only be made from an existing one.
#[derive(Clone)]
pub struct I420ABuffer {
    y: Plane<u8>,
    u: Plane<u8>,
    v: Plane<u8>,
    a: Option<Plane<u8>>,
}

/// 8 bits, chroma halved both ways, U and V side by side in one plane.
#[derive(Clone)]
pub struct NV12Buffer {
    y: Plane<u8>,
    uv: Plane<u8>,
}

video_buffer!(I420ABuffer, I420A, as_i420a);
video_buffer!(NV12Buffer, NV12, as_nv12);

impl I420Buffer {
    /// A black picture.
    pub fn new_black(width: u32, height: u32) -> Self {
        let mut black = Self::new(width, height);
        black.u.data_mut().fill(BLACK_CHROMA);
        black.v.data_mut().fill(BLACK_CHROMA);
        black
    }

    fn convert_to_i420(&self) -> Self {
        self.clone()
    }

    pub(super) fn write_rgb(
        &self,
        format: VideoFormatType,
        dst: &mut [u8],
        dst_stride: u32,
        width: i32,
        height: i32,
    ) {
        let convert = match format {
            VideoFormatType::ARGB => yuv_helper::i420_to_argb,
            VideoFormatType::BGRA => yuv_helper::i420_to_bgra,
            VideoFormatType::ABGR => yuv_helper::i420_to_abgr,
            VideoFormatType::RGBA => yuv_helper::i420_to_rgba,
        };
        let (y, u, v) = self.data();
        let (sy, su, sv) = self.strides();
        convert(y, sy, u, su, v, sv, dst, dst_stride, width, height);
    }
}

/// `to_i420` of a layout with three planes, by its helper.
macro_rules! convert_to_i420 {
    ($name:ident, $helper:ident) => {
        impl $name {
            fn convert_to_i420(&self) -> I420Buffer {
                let (width, height) = (self.width(), self.height());
                let mut i420 = I420Buffer::new(width, height);
                let (y, u, v) = self.data();
                let (sy, su, sv) = self.strides();
                let (dy, du, dv) = i420.strides();
                let (to_y, to_u, to_v) = i420.data_mut();
                yuv_helper::$helper(
                    y,
                    sy,
                    u,
                    su,
                    v,
                    sv,
                    to_y,
                    dy,
                    to_u,
                    du,
                    to_v,
                    dv,
                    width as i32,
                    height as i32,
                );
                i420
            }
        }
    };
}

convert_to_i420!(I422Buffer, i422_to_i420);
convert_to_i420!(I444Buffer, i444_to_i420);
convert_to_i420!(I010Buffer, i010_to_i420);

impl I420ABuffer {
    /// Samples in a row of a colour plane.
    pub fn chroma_width(&self) -> u32 {
        self.u.width()
    }

    /// Rows of a colour plane.
    pub fn chroma_height(&self) -> u32 {
        self.u.height()
    }

    /// Samples from row to row of Y, U, V and alpha.
    pub fn strides(&self) -> (u32, u32, u32, u32) {
        let alpha = self.a.as_ref().map_or(0, Plane::stride);
        (self.y.stride(), self.u.stride(), self.v.stride(), alpha)
    }

    /// The planes Y, U, V and alpha.
    #[allow(clippy::type_complexity)]
    pub fn data(&self) -> (&[u8], &[u8], &[u8], Option<&[u8]>) {
        let alpha = self.a.as_ref().map(Plane::data);
        (self.y.data(), self.u.data(), self.v.data(), alpha)
    }

    /// The planes Y, U, V and alpha, to be written.
    ///
    /// The C++ wrapper hands them out from `&self`, which two callers at once could misuse.
    #[allow(clippy::type_complexity)]
    pub fn data_mut(&mut self) -> (&mut [u8], &mut [u8], &mut [u8], Option<&mut [u8]>) {
        let alpha = self.a.as_mut().map(Plane::data_mut);
        (self.y.data_mut(), self.u.data_mut(), self.v.data_mut(), alpha)
    }

    /// A copy of another size. A size below zero counts as zero.
    pub fn scale(&mut self, scaled_width: i32, scaled_height: i32) -> Self {
        let (width, height) = size(scaled_width, scaled_height);
        let (chroma_width, chroma_height) = chroma(width, height, (1, 1));
        Self {
            y: self.y.scaled(width, height, 1),
            u: self.u.scaled(chroma_width, chroma_height, 1),
            v: self.v.scaled(chroma_width, chroma_height, 1),
            a: self.a.as_ref().map(|alpha| alpha.scaled(width, height, 1)),
        }
    }

    fn convert_to_i420(&self) -> I420Buffer {
        I420Buffer { y: self.y.clone(), u: self.u.clone(), v: self.v.clone() }
    }
}

impl NV12Buffer {
    /// A buffer with rows longer than the picture is wide.
    pub fn with_strides(width: u32, height: u32, stride_y: u32, stride_uv: u32) -> Self {
        let (chroma_width, chroma_height) = chroma(width, height, (1, 1));
        Self {
            y: Plane::new(width, height, stride_y, 0),
            uv: Plane::new(2 * chroma_width, chroma_height, stride_uv, 0),
        }
    }

    /// A buffer without padding.
    pub fn new(width: u32, height: u32) -> Self {
        Self::with_strides(width, height, 0, 0)
    }

    /// Pairs of samples in a row of the colour plane.
    pub fn chroma_width(&self) -> u32 {
        self.uv.width() / 2
    }

    /// Rows of the colour plane.
    pub fn chroma_height(&self) -> u32 {
        self.uv.height()
    }

    /// Samples from row to row of Y and of UV.
    pub fn strides(&self) -> (u32, u32) {
        (self.y.stride(), self.uv.stride())
    }

    /// The planes Y and UV.
    pub fn data(&self) -> (&[u8], &[u8]) {
        (self.y.data(), self.uv.data())
    }

    /// The planes Y and UV, to be written.
    pub fn data_mut(&mut self) -> (&mut [u8], &mut [u8]) {
        (self.y.data_mut(), self.uv.data_mut())
    }

    /// A copy of another size. A size below zero counts as zero.
    pub fn scale(&mut self, scaled_width: i32, scaled_height: i32) -> Self {
        let (width, height) = size(scaled_width, scaled_height);
        let (chroma_width, chroma_height) = chroma(width, height, (1, 1));
        Self { y: self.y.scaled(width, height, 1), uv: self.uv.scaled(2 * chroma_width, chroma_height, 2) }
    }

    fn convert_to_i420(&self) -> I420Buffer {
        let (width, height) = (self.width(), self.height());
        let mut i420 = I420Buffer::new(width, height);
        let (y, uv) = self.data();
        let (sy, suv) = self.strides();
        let (dy, du, dv) = i420.strides();
        let (to_y, to_u, to_v) = i420.data_mut();
        yuv_helper::nv12_to_i420(y, sy, uv, suv, to_y, dy, to_u, du, to_v, dv, width as i32, height as i32);
        i420
    }
}

/// The size of a colour plane that is halved `shift` times; half a sample is rounded up.
fn chroma(width: u32, height: u32, shift: (u32, u32)) -> (u32, u32) {
    (width.div_ceil(1 << shift.0), height.div_ceil(1 << shift.1))
}

fn size(width: i32, height: i32) -> (u32, u32) {
    (width.max(0).unsigned_abs(), height.max(0).unsigned_abs())
}
