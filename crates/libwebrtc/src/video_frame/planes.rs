//! One plane of a picture.

/// A sample of a plane, 8 bits or 16.
pub(super) trait Sample: Copy + Default + Into<u64> {
    /// The sample for a value that is known to fit, as an average of samples does.
    fn from_average(value: u64) -> Self;
}

/// Rows of samples, each row `stride` samples after the one before.
#[derive(Clone)]
pub(super) struct Plane<T> {
    width: u32,
    height: u32,
    stride: u32,
    data: Vec<T>,
}

impl Sample for u8 {
    fn from_average(value: u64) -> Self {
        value as Self
    }
}

impl Sample for u16 {
    fn from_average(value: u64) -> Self {
        value as Self
    }
}

impl<T: Sample> Plane<T> {
    /// A plane of one value. A stride shorter than a row is lengthened to it.
    pub(super) fn new(width: u32, height: u32, stride: u32, value: T) -> Self {
        let stride = stride.max(width);
        Self { width, height, stride, data: vec![value; stride as usize * height as usize] }
    }

    pub(super) fn width(&self) -> u32 {
        self.width
    }

    pub(super) fn height(&self) -> u32 {
        self.height
    }

    pub(super) fn stride(&self) -> u32 {
        self.stride
    }

    pub(super) fn data(&self) -> &[T] {
        &self.data
    }

    pub(super) fn data_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// The plane at another size: each new sample is the average of the old ones it covers.
    ///
    /// `step` samples side by side belong to one pixel: 2 for the interleaved chroma of NV12.
    pub(super) fn scaled(&self, width: u32, height: u32, step: u32) -> Self {
        let mut scaled = Self::new(width, height, width, T::default());
        if self.width < step || self.height == 0 {
            return scaled;
        }
        let (columns, source_columns) = (width / step, self.width / step);
        for y in 0..height {
            let rows = covered(y, height, self.height);
            for x in 0..columns {
                let pixels = covered(x, columns, source_columns);
                for offset in 0..step {
                    let at = (y * width + x * step + offset) as usize;
                    scaled.data[at] = self.average(rows.clone(), pixels.clone(), step, offset);
                }
            }
        }
        scaled
    }

    fn average(&self, rows: std::ops::Range<u64>, pixels: std::ops::Range<u64>, step: u32, offset: u32) -> T {
        let count = (rows.end - rows.start) * (pixels.end - pixels.start);
        let mut sum = count / 2;
        for row in rows {
            for pixel in pixels.clone() {
                let at = row * u64::from(self.stride) + pixel * u64::from(step) + u64::from(offset);
                sum += self.data[at as usize].into();
            }
        }
        T::from_average(sum / count)
    }
}

/// The samples of `source` that sample `index` of `count` stands for, at least one.
fn covered(index: u32, count: u32, source: u32) -> std::ops::Range<u64> {
    let (index, count, source) = (u64::from(index), u64::from(count), u64::from(source));
    let start = index * source / count;
    let end = ((index + 1) * source).div_ceil(count);
    start..end.max(start + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(width: u32, rows: &[&[u8]]) -> Plane<u8> {
        let mut plane = Plane::new(width, rows.len() as u32, width + 3, 0xee);
        for (y, row) in rows.iter().enumerate() {
            let start = y * plane.stride as usize;
            plane.data[start..start + row.len()].copy_from_slice(row);
        }
        plane
    }

    #[test]
    fn halving_averages_blocks_and_ignores_the_padding() {
        let plane = plane(4, &[&[0, 4, 10, 10], &[4, 8, 10, 10]]);
        assert_eq!(plane.scaled(2, 1, 1).data(), [4, 10]);
    }

    #[test]
    fn enlarging_repeats_samples() {
        let plane = plane(2, &[&[1, 9]]);
        assert_eq!(plane.scaled(4, 2, 1).data(), [1, 1, 9, 9, 1, 1, 9, 9]);
    }

    #[test]
    fn interleaved_colours_are_not_mixed() {
        let plane = plane(4, &[&[10, 200, 30, 240]]);
        assert_eq!(plane.scaled(2, 1, 2).data(), [20, 220]);
    }

    #[test]
    fn the_brightest_plane_does_not_overflow() {
        let mut plane = Plane::<u16>::new(300, 300, 300, u16::MAX);
        plane.data_mut().fill(u16::MAX);
        assert_eq!(plane.scaled(1, 1, 1).data(), [u16::MAX]);
    }

    #[test]
    fn nothing_scales_to_nothing_and_something_from_nothing_is_zero() {
        assert!(plane(2, &[&[1, 9]]).scaled(0, 0, 1).data().is_empty());
        assert_eq!(plane(0, &[]).scaled(2, 1, 1).data(), [0, 0]);
    }
}
