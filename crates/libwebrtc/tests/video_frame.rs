//! Pictures keep their samples: planes, strides, scaling and conversions, as a program sees them.

use libwebrtc::video_frame::{
    BoxVideoFrame, I010Buffer, I420Buffer, I422Buffer, I444Buffer, NV12Buffer, VideoBuffer, VideoBufferType,
    VideoFormatType, VideoFrame, VideoRotation, native::VideoFrameBufferExt,
};

#[test]
fn planes_of_an_odd_picture_round_up() {
    let i420 = I420Buffer::new(5, 3);
    assert_eq!((i420.chroma_width(), i420.chroma_height()), (3, 2));
    assert_eq!(i420.strides(), (5, 3, 3));
    let (y, u, v) = i420.data();
    assert_eq!((y.len(), u.len(), v.len()), (15, 6, 6));

    let i422 = I422Buffer::new(5, 3);
    assert_eq!((i422.chroma_width(), i422.chroma_height()), (3, 3));
    let i444 = I444Buffer::new(5, 3);
    assert_eq!((i444.chroma_width(), i444.chroma_height()), (5, 3));
    let i010 = I010Buffer::new(5, 3);
    assert_eq!(i010.data().0.len(), 15);

    let nv12 = NV12Buffer::new(5, 3);
    assert_eq!(nv12.strides(), (5, 6));
    assert_eq!((nv12.chroma_width(), nv12.chroma_height()), (3, 2));
    assert_eq!(nv12.data().1.len(), 12);
}

#[test]
fn strides_are_kept_and_never_shorter_than_a_row() {
    let padded = I420Buffer::with_strides(4, 2, 64, 32, 33);
    assert_eq!(padded.strides(), (64, 32, 33));
    assert_eq!(padded.data().0.len(), 128);
    let short = I420Buffer::with_strides(4, 2, 1, 0, 1);
    assert_eq!(short.strides(), (4, 2, 2));
}

#[test]
fn planes_can_be_written_at_once() {
    let mut buffer = I420Buffer::new(2, 2);
    let (y, u, v) = buffer.data_mut();
    (y[3], u[0], v[0]) = (1, 2, 3);
    let (y, u, v) = buffer.data();
    assert_eq!((y, u, v), (&[0, 0, 0, 1][..], &[2][..], &[3][..]));
}

#[test]
fn black_is_dark_and_colourless() {
    let mut rgba = [9; 16];
    I420Buffer::new_black(2, 2).to_argb(VideoFormatType::ABGR, &mut rgba, 8, 2, 2);
    assert_eq!(rgba, [0, 0, 0, 255].repeat(4)[..]);
}

#[test]
fn a_scaled_buffer_keeps_its_colours() {
    let mut buffer = NV12Buffer::new(4, 4);
    let (y, uv) = buffer.data_mut();
    y.fill(100);
    uv.copy_from_slice(&[60, 70, 60, 70, 60, 70, 60, 70]);
    let scaled = buffer.scale(2, 2).to_i420();
    let (y, u, v) = scaled.data();
    assert_eq!((y, u, v), (&[100; 4][..], &[60][..], &[70][..]));
    assert_eq!(buffer.scale(-1, 7).width(), 0);
}

#[test]
fn a_boxed_frame_tells_its_layout_and_converts() {
    let boxed: Box<dyn VideoBuffer> = Box::new(I010Buffer::new(3, 3));
    let frame: BoxVideoFrame = VideoFrame::new(VideoRotation::VideoRotation90, boxed);
    assert_eq!(frame.buffer.buffer_type(), VideoBufferType::I010);
    assert!(frame.buffer.as_i010().is_some() && frame.buffer.as_i420().is_none());
    let i420 = frame.buffer.to_i420();
    assert_eq!((i420.width(), i420.height()), (3, 3));
}

#[test]
fn ten_bits_become_eight() {
    let mut buffer = I010Buffer::new(2, 2);
    let (y, u, v) = buffer.data_mut();
    y.fill(1023);
    u.fill(512);
    v.fill(4);
    let i420 = buffer.to_i420();
    let (y, u, v) = i420.data();
    assert_eq!((y, u, v), (&[255; 4][..], &[128][..], &[1][..]));
}
