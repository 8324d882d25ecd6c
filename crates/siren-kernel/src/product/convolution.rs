//! Convolutions of pictures by the products of fields, for networks that look at pictures.
//!
//! A picture lies pixel after pixel, each with its channels padded to whole vectors, within a border of zeros ([`Plane`]). A row
//! of the window around a pixel is then a run of numbers, and the windows of all pixels are the rows of a matrix, which overlap:
//! nothing is copied for them. A convolution is one product for every row of its windows.

use std::ops::Range;

use super::panel::{Finish, ROW_PAD, SLACK, Strided, padded, room, stride};
use crate::{Level, Real};

/// Pixels whose channels are brought together at once: a cache line of each channel.
const TILE: usize = 16;

/// The windows of a picture: squares of pixels, each about one of the picture's, of which some are beyond its border.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Rows of pixels of the picture.
    pub height: usize,
    /// Pixels of a row.
    pub width: usize,
    /// Pixels a side of a window, an odd number.
    pub side: usize,
}

impl Windows {
    fn reach(self) -> usize {
        self.side / 2
    }

    /// Pixels from one row to the next: the border to the right is also that to the left of the next row.
    fn pitch(self) -> usize {
        self.width + self.reach()
    }

    /// Windows, those about pixels of the border to the right included.
    fn count(self) -> usize {
        self.height * self.pitch()
    }

    /// Where the first pixel of the picture is; that of the first window is 0.
    fn first(self) -> usize {
        self.reach() * (self.pitch() + 1)
    }

    /// Calls `visit` with pixels that follow one another, [`TILE`] at most: the first one's place in the picture and among the windows, and
    /// how many there are.
    fn runs(self, mut visit: impl FnMut(usize, usize, usize)) {
        for y in 0..self.height {
            for x in (0..self.width).step_by(TILE) {
                let count = TILE.min(self.width - x);
                visit(y * self.width + x, y * self.pitch() + x, count);
            }
        }
    }
}

/// A picture as products want it.
pub struct Plane<T> {
    windows: Windows,
    channels: usize,
    data: Vec<T>,
}

impl<T: Real> Plane<T> {
    /// Without a picture yet.
    #[must_use]
    pub fn new(windows: Windows, channels: usize) -> Self {
        let rows = windows.count().next_multiple_of(ROW_PAD);
        let pixels = rows + (windows.side - 1) * windows.pitch() + windows.side;
        Self {
            windows,
            channels,
            data: vec![T::of(0.0); pixels * padded(channels) + SLACK],
        }
    }

    /// Shows a picture instead of the one before: `numbers` gives those of its `(channels, height, width)` numbers that are asked for.
    pub fn show<I: Iterator<Item = T>>(&mut self, numbers: impl Fn(Range<usize>) -> I) {
        let pixels = self.windows.height * self.windows.width;
        let (wide, first) = (padded(self.channels), self.windows.first());
        self.windows.runs(|from, to, count| {
            let to = &mut self.data[(first + to) * wide..][..count * wide];
            for channel in 0..self.channels {
                let from = channel * pixels + from;
                let to = to.chunks_exact_mut(wide);
                for (to, number) in to.zip(numbers(from..from + count)) {
                    to[channel] = number;
                }
            }
        });
    }

    /// Row `line` of all windows.
    fn line(&self, line: usize) -> Strided<'_, T> {
        let wide = padded(self.channels);
        Strided {
            data: &self.data[line * self.windows.pitch() * wide..],
            rows: self.windows.count(),
            stride: wide,
        }
    }

    /// The pixels that windows are about; what is beyond the border is zero.
    fn pixels(&self) -> Strided<'_, T> {
        let wide = padded(self.channels);
        Strided {
            data: &self.data[self.windows.first() * wide..],
            rows: self.windows.count(),
            stride: wide,
        }
    }
}

/// `yₒ = Σ w[o, c, i, j] x_c` over the channels `c` and pixels `(i, j)` of a window.
pub struct Convolution<T: Real> {
    windows: Windows,
    channels: [usize; 2],
    /// By row of the window.
    lines: Vec<T::Weight>,
}

impl<T: Real> Convolution<T> {
    /// From `inputs` to `outputs` channels with weights `(outputs, inputs, side, side)`.
    ///
    /// # Panics
    /// If there are more weights or fewer.
    #[must_use]
    pub fn new(windows: Windows, [inputs, outputs]: [usize; 2], weight: &[T]) -> Self {
        let side = windows.side;
        assert_eq!(weight.len(), inputs * outputs * side * side, "weights");
        let at = |[o, c, line, pixel]: [usize; 4]| {
            weight[((o * inputs + c) * side + line) * side + pixel]
        };
        Self::pack(windows, [inputs, outputs], at)
    }

    /// Its transpose, from the gradient in `y` to that in `x`: windows are turned by half a circle.
    ///
    /// # Panics
    /// If there are more weights or fewer.
    #[must_use]
    pub fn transposed(windows: Windows, [inputs, outputs]: [usize; 2], weight: &[T]) -> Self {
        let side = windows.side;
        assert_eq!(weight.len(), inputs * outputs * side * side, "weights");
        let at = |[c, o, line, pixel]: [usize; 4]| {
            let (line, pixel) = (side - 1 - line, side - 1 - pixel);
            weight[((o * inputs + c) * side + line) * side + pixel]
        };
        Self::pack(windows, [outputs, inputs], at)
    }

    /// From the weight of output, input, row and pixel of a row.
    fn pack(windows: Windows, [inputs, outputs]: [usize; 2], at: impl Fn([usize; 4]) -> T) -> Self {
        let (wide, side) = (padded(inputs), windows.side);
        let line = |line: usize| {
            let mut matrix = vec![T::of(0.0); outputs * side * wide];
            for (o, row) in matrix.chunks_exact_mut(side * wide).enumerate() {
                for (pixel, numbers) in row.chunks_exact_mut(wide).enumerate() {
                    for (c, number) in numbers[..inputs].iter_mut().enumerate() {
                        *number = at([o, c, line, pixel]);
                    }
                }
            }
            T::transposed(Level::best(), &matrix, outputs, side * wide)
        };
        Self {
            windows,
            channels: [inputs, outputs],
            lines: (0..side).map(line).collect(),
        }
    }

    /// Writes `finish` of each number of `y (outputs, height, width)`, given its channel; `buffer` is for what is between.
    ///
    /// # Panics
    /// If `x` or `y` is of another size.
    pub fn apply(
        &self,
        x: &Plane<T>,
        y: &mut [T],
        buffer: &mut Vec<T>,
        finish: impl Fn(usize, T) -> T,
    ) {
        let [inputs, outputs] = self.channels;
        let windows = self.windows;
        let pixels = windows.height * windows.width;
        assert_eq!(
            (x.windows, x.channels),
            (windows, inputs),
            "size of a plane"
        );
        assert_eq!(y.len(), outputs * pixels, "size of what is computed");
        let wide = padded(outputs);
        buffer.resize(windows.count().next_multiple_of(ROW_PAD) * wide, T::of(0.0));
        let level = Level::best();
        for (index, line) in self.lines.iter().enumerate() {
            let into = if index == 0 {
                Finish::Write
            } else {
                Finish::Add
            };
            T::multiply(level, x.line(index), line, (buffer, wide), into);
        }
        windows.runs(|to, from, count| {
            let from = &buffer[from * wide..][..count * wide];
            for (channel, y) in y.chunks_exact_mut(pixels).enumerate() {
                let from = from.chunks_exact(wide);
                for (y, from) in y[to..to + count].iter_mut().zip(from) {
                    *y = finish(channel, from[channel]);
                }
            }
        });
    }
}

/// The gradient in the weights of a [`Convolution`], and in biases, summed over pictures.
pub struct Correlation<T> {
    windows: Windows,
    channels: [usize; 2],
    /// By row of the window, `(pixels · inputs, outputs)` with both padded.
    lines: Vec<Vec<T>>,
    /// Of the gradient in `y`, by output.
    totals: Vec<T>,
}

impl<T: Real> Correlation<T> {
    /// Zero.
    #[must_use]
    pub fn new(windows: Windows, channels: [usize; 2]) -> Self {
        let [inputs, outputs] = channels;
        let mut zeros = Vec::new();
        // Written, not asked of the system, which gives pages that are read before they are written twice.
        zeros.resize(room(windows.side * padded(inputs), outputs), T::of(0.0));
        Self {
            windows,
            channels,
            lines: vec![zeros; windows.side],
            totals: vec![T::of(0.0); outputs],
        }
    }

    /// Adds what the gradient in `y` makes of a picture `x`.
    ///
    /// # Panics
    /// If a plane is of another size.
    pub fn add(&mut self, x: &Plane<T>, d_y: &Plane<T>) {
        let [inputs, outputs] = self.channels;
        for (plane, channels) in [(x, inputs), (d_y, outputs)] {
            let size = (plane.windows, plane.channels);
            assert_eq!(size, (self.windows, channels), "size of a plane");
        }
        let columns = self.windows.side * padded(inputs);
        for (index, line) in self.lines.iter_mut().enumerate() {
            let factors = ((x.line(index), columns), (d_y.pixels(), outputs));
            T::multiply_transposed(Level::best(), factors.0, factors.1, line);
        }
        let pixels = d_y.pixels();
        for pixel in pixels.data.chunks_exact(pixels.stride).take(pixels.rows) {
            for (total, &number) in self.totals.iter_mut().zip(pixel) {
                *total += number;
            }
        }
    }

    /// Adds another sum for convolutions of the same sizes.
    ///
    /// # Panics
    /// If they are of others.
    pub fn merge(&mut self, other: &Self) {
        let sizes = |sum: &Self| (sum.windows, sum.channels);
        assert_eq!(sizes(self), sizes(other), "sizes of two sums");
        let buffers = self.lines.iter_mut().chain([&mut self.totals]);
        for (buffer, other) in buffers.zip(other.lines.iter().chain([&other.totals])) {
            for (sum, &more) in buffer.iter_mut().zip(other) {
                *sum += more;
            }
        }
    }

    /// That in a bias of each output.
    #[must_use]
    pub fn bias(&self) -> &[T] {
        &self.totals
    }

    /// As the weights are, `(outputs, inputs, side, side)`.
    #[must_use]
    pub fn weight(&self) -> Vec<T> {
        let ([inputs, outputs], side) = (self.channels, self.windows.side);
        let mut numbers = Vec::with_capacity(inputs * outputs * side * side);
        for o in 0..outputs {
            for c in 0..inputs {
                for line in &self.lines {
                    let row = |pixel: usize| pixel * padded(inputs) + c;
                    numbers.extend((0..side).map(|pixel| line[row(pixel) * stride(outputs) + o]));
                }
            }
        }
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waves(count: usize, pitch: f64) -> Vec<f64> {
        (1..=count).map(|i| (pitch * i as f64).sin()).collect()
    }

    /// Output, gradient in the input and in the weights, if that in the output is `d_y`.
    fn passed<T: Real>(
        windows: Windows,
        channels: [usize; 2],
        [x, weight, d_y]: [&[f64]; 3],
    ) -> [Vec<f64>; 3] {
        let own = |numbers: &[f64]| -> Vec<T> { numbers.iter().map(|&x| T::of(x)).collect() };
        let (x, weight, d_y) = (own(x), own(weight), own(d_y));
        let mut planes = channels.map(|channels| Plane::new(windows, channels));
        planes[0].show(|run| x[run].iter().copied());
        planes[1].show(|run| d_y[run].iter().copied());
        let (mut y, mut d_x, mut buffer) = (d_y.clone(), x.clone(), Vec::new());
        let convolution = Convolution::new(windows, channels, &weight);
        convolution.apply(&planes[0], &mut y, &mut buffer, |_, sum| sum);
        let transposed = Convolution::transposed(windows, channels, &weight);
        transposed.apply(&planes[1], &mut d_x, &mut buffer, |_, sum| sum);
        let mut sum = Correlation::new(windows, channels);
        sum.add(&planes[0], &planes[1]);
        let totals = d_y.chunks(windows.height * windows.width);
        for (found, d_y) in sum.bias().iter().zip(totals) {
            let total: f64 = d_y.iter().map(|&d_y| d_y.to_double()).sum();
            assert!((found.to_double() - total).abs() < 1e-4);
        }
        let out = |numbers: &[T]| numbers.iter().map(|&x| x.to_double()).collect();
        [out(&y), out(&d_x), out(&sum.weight())]
    }

    /// The same from the definition.
    fn defined(
        windows: Windows,
        [inputs, outputs]: [usize; 2],
        [x, weight, d_y]: [&[f64]; 3],
    ) -> [Vec<f64>; 3] {
        let Windows {
            height,
            width,
            side,
        } = windows;
        let mut sums = [d_y, x, weight].map(|like| vec![0.0; like.len()]);
        let index = |c: usize, y: usize, x: usize| (c * height + y) * width + x;
        for (o, c) in (0..outputs).flat_map(|o| (0..inputs).map(move |c| (o, c))) {
            for (i, j) in (0..side).flat_map(|i| (0..side).map(move |j| (i, j))) {
                let w = ((o * inputs + c) * side + i) * side + j;
                for (row, column) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                    let from = |at: usize, step: usize, len: usize| {
                        (at + step).checked_sub(side / 2).filter(|&at| at < len)
                    };
                    let (Some(y), Some(z)) = (from(row, i, height), from(column, j, width)) else {
                        continue;
                    };
                    let (to, from) = (index(o, row, column), index(c, y, z));
                    sums[0][to] += weight[w] * x[from];
                    sums[1][from] += weight[w] * d_y[to];
                    sums[2][w] += x[from] * d_y[to];
                }
            }
        }
        sums
    }

    #[test]
    fn convolutions_and_their_gradients_are_those_of_the_definition() {
        for (height, width, side, channels) in [
            (1, 1, 1, [1, 1]),
            (3, 2, 5, [2, 5]),
            (7, 19, 3, [3, 17]),
            (2, 33, 3, [33, 2]),
            (9, 8, 5, [20, 40]),
        ] {
            let windows = Windows {
                height,
                width,
                side,
            };
            let [inputs, outputs] = channels;
            let x = waves(inputs * height * width, 1.7);
            let weight = waves(inputs * outputs * side * side, 0.9);
            let d_y = waves(outputs * height * width, 2.3);
            let numbers = [x.as_slice(), &weight, &d_y];
            let expected = defined(windows, channels, numbers);
            let exact = passed::<f64>(windows, channels, numbers);
            let rough = passed::<f32>(windows, channels, numbers);
            for (expected, (exact, rough)) in expected.iter().zip(exact.iter().zip(&rough)) {
                let largest = expected.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
                for (expected, (exact, rough)) in expected.iter().zip(exact.iter().zip(rough)) {
                    assert!((exact - expected).abs() < 1e-13 * largest);
                    assert!((rough - expected).abs() < 1e-5 * largest);
                }
            }
        }
    }
}
