//! Conversions between picture layouts (BT.601, limited range).
//!
//! All functions take each plane with its stride, the samples from one row to the next, and a size
//! in pixels. A negative height writes the picture upside down. The packed formats are named after
//! the bytes of a little-endian word: `argb` is blue, green, red, alpha in memory.
//!
//! # Panics
//! All functions panic when a plane is too small for the size.

#![allow(clippy::too_many_arguments)] // The shape of these functions is the API this crate stands in for.

mod convert;

use convert::{ABGR, ARGB, BGRA, Packed, Picture, RGBA, Yuv, average, fill, fill_packed};

/// Three planes to four-byte pixels.
macro_rules! planar_to_packed {
    ($($name:ident: $sample:ty, $shift:expr, $bits:expr, $order:expr;)+) => {$(
        pub fn $name(
            src_y: &[$sample],
            src_stride_y: u32,
            src_u: &[$sample],
            src_stride_u: u32,
            src_v: &[$sample],
            src_stride_v: u32,
            dst: &mut [u8],
            dst_stride: u32,
            width: i32,
            height: i32,
        ) {
            let picture = Picture::new(width, height);
            let y = picture.plane(src_y, src_stride_y, (0, 0));
            let u = picture.plane(src_u, src_stride_u, $shift);
            let v = picture.plane(src_v, src_stride_v, $shift);
            let eight = |sample: $sample| (sample >> ($bits - 8)) as u8;
            fill_packed(dst, dst_stride, picture, $order, |column, row| Yuv {
                y: eight(y.at(column, row)),
                u: eight(u.at(column >> $shift.0, row >> $shift.1)),
                v: eight(v.at(column >> $shift.0, row >> $shift.1)),
            });
        }
    )+};
}

planar_to_packed! {
    i420_to_argb: u8, (1, 1), 8, ARGB;
    i420_to_bgra: u8, (1, 1), 8, BGRA;
    i420_to_abgr: u8, (1, 1), 8, ABGR;
    i420_to_rgba: u8, (1, 1), 8, RGBA;
    i422_to_argb: u8, (1, 0), 8, ARGB;
    i422_to_abgr: u8, (1, 0), 8, ABGR;
    i444_to_argb: u8, (0, 0), 8, ARGB;
    i444_to_abgr: u8, (0, 0), 8, ABGR;
    i010_to_argb: u16, (1, 1), 10, ARGB;
    i010_to_abgr: u16, (1, 1), 10, ABGR;
}

/// A plane and one of interleaved colours to four-byte pixels.
macro_rules! nv12_to_packed {
    ($($name:ident: $order:expr;)+) => {$(
        pub fn $name(
            src_y: &[u8],
            src_stride_y: u32,
            src_uv: &[u8],
            src_stride_uv: u32,
            dst: &mut [u8],
            dst_stride: u32,
            width: i32,
            height: i32,
        ) {
            let picture = Picture::new(width, height);
            let y = picture.plane(src_y, src_stride_y, (0, 0));
            let uv = picture.interleaved(src_uv, src_stride_uv);
            fill_packed(dst, dst_stride, picture, $order, |column, row| Yuv {
                y: y.at(column, row),
                u: uv.at(column / 2 * 2, row / 2),
                v: uv.at(column / 2 * 2 + 1, row / 2),
            });
        }
    )+};
}

nv12_to_packed! {
    nv12_to_argb: ARGB;
    nv12_to_abgr: ABGR;
}

/// Three planes of one layout to the three of I420.
macro_rules! planar_to_i420 {
    ($($name:ident: $sample:ty, $shift:expr, $bits:expr;)+) => {$(
        pub fn $name(
            src_y: &[$sample],
            src_stride_y: u32,
            src_u: &[$sample],
            src_stride_u: u32,
            src_v: &[$sample],
            src_stride_v: u32,
            dst_y: &mut [u8],
            dst_stride_y: u32,
            dst_u: &mut [u8],
            dst_stride_u: u32,
            dst_v: &mut [u8],
            dst_stride_v: u32,
            width: i32,
            height: i32,
        ) {
            let picture = Picture::new(width, height);
            let y = picture.plane(src_y, src_stride_y, (0, 0));
            let u = picture.plane(src_u, src_stride_u, $shift);
            let v = picture.plane(src_v, src_stride_v, $shift);
            let eight = |sample: u32| (sample >> ($bits - 8)) as u8;
            fill(dst_y, dst_stride_y, picture.luma(), |column, row| {
                eight(u32::from(y.at(column, row)))
            });
            for (dst, stride, src) in [(dst_u, dst_stride_u, u), (dst_v, dst_stride_v, v)] {
                fill(dst, stride, picture.chroma(), |column, row| {
                    eight(average(&src, column, row, $shift))
                });
            }
        }
    )+};
}

planar_to_i420! {
    i422_to_i420: u8, (1, 0), 8;
    i444_to_i420: u8, (0, 0), 8;
    i010_to_i420: u16, (1, 1), 10;
}

/// Four-byte pixels to the three planes of I420.
macro_rules! packed_to_i420 {
    ($($name:ident: $order:expr;)+) => {$(
        pub fn $name(
            src: &[u8],
            src_stride: u32,
            dst_y: &mut [u8],
            dst_stride_y: u32,
            dst_u: &mut [u8],
            dst_stride_u: u32,
            dst_v: &mut [u8],
            dst_stride_v: u32,
            width: i32,
            height: i32,
        ) {
            let picture = Picture::new(width, height);
            let src = Packed::new(src, src_stride, picture, $order);
            fill(dst_y, dst_stride_y, picture.luma(), |x, y| src.rgb(x, y).luma());
            fill(dst_u, dst_stride_u, picture.chroma(), |x, y| src.block(x, y).blue());
            fill(dst_v, dst_stride_v, picture.chroma(), |x, y| src.block(x, y).red());
        }
    )+};
}

packed_to_i420! {
    argb_to_i420: ARGB;
    abgr_to_i420: ABGR;
}

/// Four-byte pixels to the two planes of NV12.
macro_rules! packed_to_nv12 {
    ($($name:ident: $order:expr;)+) => {$(
        pub fn $name(
            src: &[u8],
            src_stride: u32,
            dst_y: &mut [u8],
            dst_stride_y: u32,
            dst_uv: &mut [u8],
            dst_stride_uv: u32,
            width: i32,
            height: i32,
        ) {
            let picture = Picture::new(width, height);
            let src = Packed::new(src, src_stride, picture, $order);
            fill(dst_y, dst_stride_y, picture.luma(), |x, y| src.rgb(x, y).luma());
            fill(dst_uv, dst_stride_uv, picture.chroma_pairs(), |x, y| {
                let block = src.block(x / 2, y);
                if x % 2 == 0 { block.blue() } else { block.red() }
            });
        }
    )+};
}

packed_to_nv12! {
    argb_to_nv12: ARGB;
    abgr_to_nv12: ABGR;
}

/// Drops the alpha byte: blue, green, red in memory.
pub fn argb_to_rgb24(
    src_argb: &[u8],
    src_stride_argb: u32,
    dst_rgb24: &mut [u8],
    dst_stride_rgb24: u32,
    width: i32,
    height: i32,
) {
    let picture = Picture::new(width, height);
    let src = Packed::new(src_argb, src_stride_argb, picture, ARGB);
    fill(dst_rgb24, dst_stride_rgb24, picture.triples(), |x, y| src.byte(x / 3, y, x % 3));
}

/// Interleaves the colour planes.
pub fn i420_to_nv12(
    src_y: &[u8],
    src_stride_y: u32,
    src_u: &[u8],
    src_stride_u: u32,
    src_v: &[u8],
    src_stride_v: u32,
    dst_y: &mut [u8],
    dst_stride_y: u32,
    dst_uv: &mut [u8],
    dst_stride_uv: u32,
    width: i32,
    height: i32,
) {
    let picture = Picture::new(width, height);
    let y = picture.plane(src_y, src_stride_y, (0, 0));
    let u = picture.plane(src_u, src_stride_u, (1, 1));
    let v = picture.plane(src_v, src_stride_v, (1, 1));
    fill(dst_y, dst_stride_y, picture.luma(), |x, row| y.at(x, row));
    fill(dst_uv, dst_stride_uv, picture.chroma_pairs(), |x, row| {
        let plane = if x % 2 == 0 { &u } else { &v };
        plane.at(x / 2, row)
    });
}

/// Parts the interleaved colours.
pub fn nv12_to_i420(
    src_y: &[u8],
    src_stride_y: u32,
    src_uv: &[u8],
    src_stride_uv: u32,
    dst_y: &mut [u8],
    dst_stride_y: u32,
    dst_u: &mut [u8],
    dst_stride_u: u32,
    dst_v: &mut [u8],
    dst_stride_v: u32,
    width: i32,
    height: i32,
) {
    let picture = Picture::new(width, height);
    let y = picture.plane(src_y, src_stride_y, (0, 0));
    let uv = picture.interleaved(src_uv, src_stride_uv);
    fill(dst_y, dst_stride_y, picture.luma(), |x, row| y.at(x, row));
    fill(dst_u, dst_stride_u, picture.chroma(), |x, row| uv.at(2 * x, row));
    fill(dst_v, dst_stride_v, picture.chroma(), |x, row| uv.at(2 * x + 1, row));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One pixel of a primary colour in each format, and its BT.601 values.
    const COLOURS: [([u8; 3], [u8; 3]); 5] = [
        ([0, 0, 0], [16, 128, 128]),
        ([255, 255, 255], [235, 128, 128]),
        ([255, 0, 0], [82, 90, 240]),
        ([0, 255, 0], [144, 54, 34]),
        ([0, 0, 255], [41, 240, 110]),
    ];

    fn near(left: &[u8], right: &[u8]) {
        for (left, right) in left.iter().zip(right) {
            assert!(left.abs_diff(*right) <= 3, "{left} is not near {right}");
        }
    }

    #[test]
    fn primary_colours_become_their_bt601_values() {
        for ([r, g, b], [y, u, v]) in COLOURS {
            let argb = [b, g, r, 255].repeat(4);
            let (mut to_y, mut to_u, mut to_v) = ([0; 4], [0; 1], [0; 1]);
            argb_to_i420(&argb, 8, &mut to_y, 2, &mut to_u, 1, &mut to_v, 1, 2, 2);
            near(&to_y, &[y; 4]);
            near(&[to_u[0], to_v[0]], &[u, v]);

            let abgr = [r, g, b, 255].repeat(4);
            let (mut nv_y, mut nv_uv) = ([0; 4], [0; 2]);
            abgr_to_nv12(&abgr, 8, &mut nv_y, 2, &mut nv_uv, 2, 2, 2);
            assert_eq!((nv_y, nv_uv), (to_y, [to_u[0], to_v[0]]));
        }
    }

    #[test]
    fn bytes_are_in_the_order_of_the_name() {
        type Convert = fn(&[u8], u32, &[u8], u32, &[u8], u32, &mut [u8], u32, i32, i32);
        let ([r, g, b], [y, u, v]) = COLOURS[2];
        let orders: [(Convert, [u8; 4]); 4] = [
            (i420_to_argb, [b, g, r, 255]),
            (i420_to_abgr, [r, g, b, 255]),
            (i420_to_bgra, [255, r, g, b]),
            (i420_to_rgba, [255, b, g, r]),
        ];
        for (convert, expected) in orders {
            let mut pixel = [0; 4];
            convert(&[y], 1, &[u], 1, &[v], 1, &mut pixel, 4, 1, 1);
            near(&pixel, &expected);
        }
    }

    #[test]
    fn every_layout_gives_the_same_pixels() {
        let (y, u, v) = ([81; 4], [90; 4], [240; 4]);
        let wide = |plane: [u8; 4]| plane.map(|sample| u16::from(sample) << 2);
        let uv = [90, 240, 90, 240];
        let mut pixels = [[0; 16]; 5];
        let [a, b, c, d, e] = &mut pixels;
        i420_to_argb(&y, 2, &u, 1, &v, 1, a, 8, 2, 2);
        i422_to_argb(&y, 2, &u, 1, &v, 1, b, 8, 2, 2);
        i444_to_argb(&y, 2, &u, 2, &v, 2, c, 8, 2, 2);
        i010_to_argb(&wide(y), 2, &wide(u), 1, &wide(v), 1, d, 8, 2, 2);
        nv12_to_argb(&y, 2, &uv, 2, e, 8, 2, 2);
        assert!(pixels.iter().all(|layout| *layout == pixels[0]));
    }

    #[test]
    fn an_odd_picture_survives_interleaving() {
        let y: Vec<u8> = (0..15).collect();
        let (u, v) = ([1, 2, 3, 4, 5, 6], [11, 12, 13, 14, 15, 16]);
        let (mut nv_y, mut uv) = ([0; 15], [0; 12]);
        i420_to_nv12(&y, 5, &u, 3, &v, 3, &mut nv_y, 5, &mut uv, 6, 5, 3);
        assert_eq!(uv, [1, 11, 2, 12, 3, 13, 4, 14, 5, 15, 6, 16]);
        let (mut back_y, mut back_u, mut back_v) = ([0; 15], [0; 6], [0; 6]);
        nv12_to_i420(&nv_y, 5, &uv, 6, &mut back_y, 5, &mut back_u, 3, &mut back_v, 3, 5, 3);
        assert_eq!((&back_y[..], back_u, back_v), (&y[..], u, v));
    }

    #[test]
    fn chroma_in_full_is_averaged_in_blocks() {
        let (y, u) = ([0; 9], [0, 10, 100, 10, 20, 200, 7, 9, 50]);
        let (mut to_y, mut to_u, mut to_v) = ([0; 9], [0; 4], [0; 4]);
        i444_to_i420(&y, 3, &u, 3, &u, 3, &mut to_y, 3, &mut to_u, 2, &mut to_v, 2, 3, 3);
        assert_eq!(to_u, [10, 150, 8, 50]);
        assert_eq!(to_v, to_u);
    }

    #[test]
    fn a_negative_height_turns_the_picture_upside_down() {
        let argb: Vec<u8> = (0..16).collect();
        let mut rgb = [0; 12];
        argb_to_rgb24(&argb, 8, &mut rgb, 6, 2, -2);
        assert_eq!(rgb, [8, 9, 10, 12, 13, 14, 0, 1, 2, 4, 5, 6]);
    }

    #[test]
    fn a_picture_without_pixels_touches_nothing() {
        for (width, height) in [(0, 0), (0, 4), (4, 0), (-3, 2)] {
            argb_to_rgb24(&[], 0, &mut [], 0, width, height);
        }
    }

    #[test]
    #[should_panic(expected = "plane too small")]
    fn a_plane_that_is_too_small_is_refused() {
        argb_to_rgb24(&[0; 15], 8, &mut [0; 12], 6, 2, 2);
    }
}
