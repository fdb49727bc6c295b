//! Pixels, planes and the colour arithmetic of the conversions.

/// Where the bytes of a four-byte pixel are in memory.
#[derive(Clone, Copy)]
pub(super) struct Order {
    red: usize,
    green: usize,
    blue: usize,
    alpha: usize,
}

pub(super) const ARGB: Order = order(2, 1, 0, 3);
pub(super) const ABGR: Order = order(0, 1, 2, 3);
pub(super) const BGRA: Order = order(1, 2, 3, 0);
pub(super) const RGBA: Order = order(3, 2, 1, 0);

/// A size in pixels and the direction rows are written in.
#[derive(Clone, Copy)]
pub(super) struct Picture {
    width: usize,
    height: usize,
    bottom_up: bool,
}

/// A picture's plane to be written: samples in a row, rows, and their direction.
#[derive(Clone, Copy)]
pub(super) struct Area {
    columns: usize,
    rows: usize,
    bottom_up: bool,
}

/// A plane to be read, known to be large enough.
#[derive(Clone, Copy)]
pub(super) struct Samples<'a, T> {
    data: &'a [T],
    stride: usize,
    columns: usize,
    rows: usize,
}

/// Four-byte pixels to be read.
pub(super) struct Packed<'a> {
    samples: Samples<'a, u8>,
    picture: Picture,
    order: Order,
}

pub(super) struct Yuv {
    pub(super) y: u8,
    pub(super) u: u8,
    pub(super) v: u8,
}

#[derive(Clone, Copy)]
pub(super) struct Rgb {
    red: i32,
    green: i32,
    blue: i32,
}

const fn order(red: usize, green: usize, blue: usize, alpha: usize) -> Order {
    Order { red, green, blue, alpha }
}

/// Writes an area sample by sample.
pub(super) fn fill(dst: &mut [u8], stride: u32, area: Area, sample: impl Fn(usize, usize) -> u8) {
    let stride = stride as usize;
    check(dst.len(), stride, area.columns, area.rows);
    for row in 0..area.rows {
        let start = area.target(row) * stride;
        let line = &mut dst[start..start + area.columns];
        for (column, value) in line.iter_mut().enumerate() {
            *value = sample(column, row);
        }
    }
}

/// Writes a picture pixel by pixel, opaque.
pub(super) fn fill_packed(
    dst: &mut [u8],
    stride: u32,
    picture: Picture,
    order: Order,
    pixel: impl Fn(usize, usize) -> Yuv,
) {
    let (stride, area) = (stride as usize, picture.quads());
    check(dst.len(), stride, area.columns, area.rows);
    for row in 0..area.rows {
        let start = area.target(row) * stride;
        let line = &mut dst[start..start + area.columns];
        for (column, bytes) in line.chunks_exact_mut(4).enumerate() {
            let rgb = pixel(column, row).to_rgb();
            bytes[order.red] = rgb.red as u8;
            bytes[order.green] = rgb.green as u8;
            bytes[order.blue] = rgb.blue as u8;
            bytes[order.alpha] = u8::MAX;
        }
    }
}

/// The average of the pixels that one chroma sample of I420 covers in a plane halved `shift` times.
pub(super) fn average<T: Copy + Into<u32>>(
    plane: &Samples<'_, T>,
    column: usize,
    row: usize,
    shift: (usize, usize),
) -> u32 {
    let (across, down) = (2 >> shift.0, 2 >> shift.1);
    let columns = column * across..(column * across + across).min(plane.columns);
    let rows = row * down..(row * down + down).min(plane.rows);
    let count = (columns.len() * rows.len()) as u32;
    let mut sum = count / 2;
    for row in rows {
        sum += columns.clone().map(|x| plane.at(x, row).into()).sum::<u32>();
    }
    sum / count
}

fn check(len: usize, stride: usize, columns: usize, rows: usize) {
    let needed = rows.checked_sub(1).map_or(0, |rows| rows * stride + columns);
    assert!(
        len >= needed,
        "plane too small: {columns} x {rows} samples at stride {stride} need {needed}, got {len}"
    );
}

impl Picture {
    pub(super) fn new(width: i32, height: i32) -> Self {
        Self { width: width.max(0) as usize, height: height.unsigned_abs() as usize, bottom_up: height < 0 }
    }

    /// A plane of this picture that is halved `shift` times.
    pub(super) fn plane<'a, T>(&self, data: &'a [T], stride: u32, shift: (usize, usize)) -> Samples<'a, T> {
        let columns = self.width.div_ceil(1 << shift.0);
        Samples::new(data, stride, columns, self.height.div_ceil(1 << shift.1))
    }

    /// The colours of NV12.
    pub(super) fn interleaved<'a>(&self, data: &'a [u8], stride: u32) -> Samples<'a, u8> {
        let pairs = self.chroma_pairs();
        Samples::new(data, stride, pairs.columns, pairs.rows)
    }

    pub(super) fn luma(&self) -> Area {
        self.area(self.width, self.height)
    }

    pub(super) fn chroma(&self) -> Area {
        self.area(self.width.div_ceil(2), self.height.div_ceil(2))
    }

    pub(super) fn chroma_pairs(&self) -> Area {
        self.area(2 * self.width.div_ceil(2), self.height.div_ceil(2))
    }

    pub(super) fn triples(&self) -> Area {
        self.area(3 * self.width, self.height)
    }

    fn quads(&self) -> Area {
        self.area(4 * self.width, self.height)
    }

    fn area(&self, columns: usize, rows: usize) -> Area {
        Area { columns, rows, bottom_up: self.bottom_up }
    }
}

impl Area {
    fn target(&self, row: usize) -> usize {
        if self.bottom_up { self.rows - 1 - row } else { row }
    }
}

impl<'a, T> Samples<'a, T> {
    fn new(data: &'a [T], stride: u32, columns: usize, rows: usize) -> Self {
        let stride = stride as usize;
        check(data.len(), stride, columns, rows);
        Self { data, stride, columns, rows }
    }
}

impl<T: Copy> Samples<'_, T> {
    pub(super) fn at(&self, column: usize, row: usize) -> T {
        self.data[row * self.stride + column]
    }
}

impl<'a> Packed<'a> {
    pub(super) fn new(data: &'a [u8], stride: u32, picture: Picture, order: Order) -> Self {
        let samples = Samples::new(data, stride, 4 * picture.width, picture.height);
        Self { samples, picture, order }
    }

    pub(super) fn byte(&self, column: usize, row: usize, index: usize) -> u8 {
        self.samples.at(4 * column + index, row)
    }

    pub(super) fn rgb(&self, column: usize, row: usize) -> Rgb {
        let byte = |index| i32::from(self.byte(column, row, index));
        Rgb { red: byte(self.order.red), green: byte(self.order.green), blue: byte(self.order.blue) }
    }

    /// The average colour of a block of two by two pixels, fewer at the edge.
    pub(super) fn block(&self, column: usize, row: usize) -> Rgb {
        let columns = 2 * column..(2 * column + 2).min(self.picture.width);
        let rows = 2 * row..(2 * row + 2).min(self.picture.height);
        let count = (columns.len() * rows.len()) as i32;
        let half = count / 2;
        let (mut red, mut green, mut blue) = (half, half, half);
        for row in rows {
            for rgb in columns.clone().map(|column| self.rgb(column, row)) {
                red += rgb.red;
                green += rgb.green;
                blue += rgb.blue;
            }
        }
        Rgb { red: red / count, green: green / count, blue: blue / count }
    }
}

impl Yuv {
    /// BT.601 in fixed point, 8 bits after the point.
    fn to_rgb(&self) -> Rgb {
        let luma = 298 * (i32::from(self.y) - 16) + 128;
        let (blue, red) = (i32::from(self.u) - 128, i32::from(self.v) - 128);
        let clamp = |value: i32| (value >> 8).clamp(0, 255);
        Rgb {
            red: clamp(luma + 409 * red),
            green: clamp(luma - 100 * blue - 208 * red),
            blue: clamp(luma + 516 * blue),
        }
    }
}

impl Rgb {
    pub(super) fn luma(&self) -> u8 {
        (((66 * self.red + 129 * self.green + 25 * self.blue + 128) >> 8) + 16) as u8
    }

    pub(super) fn blue(&self) -> u8 {
        (((112 * self.blue - 38 * self.red - 74 * self.green + 128) >> 8) + 128) as u8
    }

    pub(super) fn red(&self) -> u8 {
        (((112 * self.red - 94 * self.green - 18 * self.blue + 128) >> 8) + 128) as u8
    }
}
