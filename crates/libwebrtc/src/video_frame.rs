//! Pictures for a video source. No video is sent, so a frame is only what a program needs to push one.

use std::fmt::Debug;

/// How far a picture must be turned clockwise to be upright, in degrees.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum VideoRotation {
    VideoRotation0 = 0,
    VideoRotation90 = 90,
    VideoRotation180 = 180,
    VideoRotation270 = 270,
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
    pub buffer: T,
}

/// A buffer of any layout.
pub type BoxVideoBuffer = Box<dyn VideoBuffer>;

/// A frame with a buffer of any layout.
pub type BoxVideoFrame = VideoFrame<BoxVideoBuffer>;

/// A picture of any layout.
pub trait VideoBuffer: Debug + Send + Sync {
    /// Width in pixels.
    fn width(&self) -> u32;

    /// Height in pixels.
    fn height(&self) -> u32;
}

/// 8 bits a sample, chroma halved both ways, half a sample rounded up. Rows follow each other without padding.
#[derive(Debug, Clone)]
pub struct I420Buffer {
    width: u32,
    height: u32,
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
}

impl<T: AsRef<dyn VideoBuffer>> VideoFrame<T> {
    /// A frame captured now.
    pub fn new(rotation: VideoRotation, buffer: T) -> Self {
        Self { rotation, timestamp_us: 0, buffer }
    }
}

impl I420Buffer {
    /// A buffer of zeros.
    pub fn new(width: u32, height: u32) -> Self {
        let chroma = vec![0; width.div_ceil(2) as usize * height.div_ceil(2) as usize];
        let y = vec![0; width as usize * height as usize];
        Self { width, height, y, u: chroma.clone(), v: chroma }
    }

    /// The planes Y, U and V.
    pub fn data(&self) -> (&[u8], &[u8], &[u8]) {
        (&self.y, &self.u, &self.v)
    }

    /// The planes Y, U and V, to be written.
    pub fn data_mut(&mut self) -> (&mut [u8], &mut [u8], &mut [u8]) {
        (&mut self.y, &mut self.u, &mut self.v)
    }
}

impl VideoBuffer for I420Buffer {
    fn width(&self) -> u32 {
        self.width
    }

    fn height(&self) -> u32 {
        self.height
    }
}

impl AsRef<dyn VideoBuffer> for I420Buffer {
    fn as_ref(&self) -> &(dyn VideoBuffer + 'static) {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_planes_of_an_odd_picture_round_up() {
        let mut buffer = I420Buffer::new(5, 3);
        let (y, u, v) = buffer.data_mut();
        (y[14], u[5], v[5]) = (1, 2, 3);
        let (y, u, v) = buffer.data();
        assert_eq!((y.len(), u.len(), v.len()), (15, 6, 6));
        assert_eq!((y[14], u[5], v[5]), (1, 2, 3));
        assert_eq!((buffer.as_ref().width(), buffer.as_ref().height()), (5, 3));
    }
}
