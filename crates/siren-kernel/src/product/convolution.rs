//! Two-dimensional convolutions by matrix products, without im2col copies.
//!
//! A picture is stored pixel by pixel (channels last) within a border of zeros, each pixel with its channels padded to whole vectors
//! ([`Plane`]). One row of the window around a pixel is then contiguous, and the windows of consecutive pixels are the rows of a matrix
//! whose rows overlap. A convolution is one matrix product for every row of its windows.

#[cfg(test)]
mod tests;

use std::ops::Range;

use super::panel::{ROW_PAD, SLACK, buffer_len, padded, stride};
use super::{Destination, Epilogue, StridedMatrix};
use crate::{Level, Real};

/// Number of pixels whose channels are gathered at once: a cache line of each channel.
const TILE: usize = 16;

/// Geometry of a convolution with stride 1 and zero padding that keeps the size of the picture: one square window around each pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Number of rows of the picture.
    pub height: usize,
    /// Number of pixels of a row.
    pub width: usize,
    /// Side of a window in pixels, an odd number.
    pub kernel_size: usize,
}

/// Up to [`TILE`] consecutive pixels of one row of a picture.
struct PixelRun {
    /// Index of the first pixel in the picture.
    pixel: usize,
    /// Index of its window.
    window: usize,
    count: usize,
}

impl Windows {
    fn border(self) -> usize {
        self.kernel_size / 2
    }

    /// Returns the distance between rows in pixels. The right border of a row is also the left border of the next.
    fn row_pitch(self) -> usize {
        self.width + self.border()
    }

    /// Returns the number of windows, including those around pixels of the right border.
    fn count(self) -> usize {
        self.height * self.row_pitch()
    }

    /// Returns the index of the first pixel of the picture in the plane. The first window starts at pixel 0 of the plane.
    fn first_pixel(self) -> usize {
        self.border() * (self.row_pitch() + 1)
    }

    /// Calls `visit` with all pixels of the picture, run by run.
    fn for_each_run(self, mut visit: impl FnMut(PixelRun)) {
        for y in 0..self.height {
            for x in (0..self.width).step_by(TILE) {
                visit(PixelRun {
                    pixel: y * self.width + x,
                    window: y * self.row_pitch() + x,
                    count: TILE.min(self.width - x),
                });
            }
        }
    }
}

/// A picture in the layout of convolutions: channels last, padded, with a border of zeros.
pub struct Plane<T> {
    windows: Windows,
    channels: usize,
    data: Vec<T>,
}

impl<T: Real> Plane<T> {
    /// Returns a plane of zeros for pictures of `channels` channels.
    #[must_use]
    pub fn new(windows: Windows, channels: usize) -> Self {
        let rows = windows.count().next_multiple_of(ROW_PAD);
        let pixels = rows + (windows.kernel_size - 1) * windows.row_pitch() + windows.kernel_size;
        Self {
            windows,
            channels,
            data: vec![T::of(0.0); pixels * padded(channels) + SLACK],
        }
    }

    /// Replaces the picture. `elements` returns any requested range of the row-major elements of a picture `(channels, height, width)`.
    pub fn load<I: Iterator<Item = T>>(&mut self, elements: impl Fn(Range<usize>) -> I) {
        let pixels = self.windows.height * self.windows.width;
        let (pixel_len, first_pixel) = (padded(self.channels), self.windows.first_pixel());
        self.windows.for_each_run(|run| {
            let PixelRun {
                pixel,
                window,
                count,
            } = run;
            let to = &mut self.data[(first_pixel + window) * pixel_len..][..count * pixel_len];
            for channel in 0..self.channels {
                let from = channel * pixels + pixel;
                let to = to.chunks_exact_mut(pixel_len);
                for (to, value) in to.zip(elements(from..from + count)) {
                    to[channel] = value;
                }
            }
        });
    }

    /// Returns row `row` of all windows, `(windows, kernel_size · padded channels)`.
    fn window_rows(&self, row: usize) -> StridedMatrix<'_, T> {
        let pixel_len = padded(self.channels);
        StridedMatrix {
            data: &self.data[row * self.windows.row_pitch() * pixel_len..],
            rows: self.windows.count(),
            columns: self.windows.kernel_size * pixel_len,
            stride: pixel_len,
        }
    }

    /// Returns the central pixels of all windows, `(windows, channels)`. Pixels of the border are zero.
    fn pixels(&self) -> StridedMatrix<'_, T> {
        let pixel_len = padded(self.channels);
        StridedMatrix {
            data: &self.data[self.windows.first_pixel() * pixel_len..],
            rows: self.windows.count(),
            columns: self.channels,
            stride: pixel_len,
        }
    }
}

/// Index of a weight `(outputs, inputs, kernel_size, kernel_size)`.
struct WeightIndex {
    output: usize,
    input: usize,
    row: usize,
    column: usize,
}

impl WeightIndex {
    /// Returns the offset in row-major weights with `inputs` inputs.
    fn offset(&self, inputs: usize, kernel_size: usize) -> usize {
        ((self.output * inputs + self.input) * kernel_size + self.row) * kernel_size + self.column
    }
}

/// A convolution with packed weights: `yₒ = Σ w[o, c, i, j] x_c`, summed over the input channels `c` and the pixels `(i, j)` of the window.
///
/// As in deep learning, this is a cross-correlation: windows are not flipped.
pub struct Convolution<T: Real> {
    windows: Windows,
    inputs: usize,
    outputs: usize,
    /// Packed weights, one matrix for each row of the window.
    rows: Vec<T::PackedMatrix>,
}

impl<T: Real> Convolution<T> {
    /// Packs the weights `(outputs, inputs, kernel_size, kernel_size)` of a convolution from `inputs` to `outputs` channels.
    ///
    /// # Panics
    /// If the number of weights is another one.
    #[must_use]
    pub fn new(windows: Windows, inputs: usize, outputs: usize, weight: &[T]) -> Self {
        let side = windows.kernel_size;
        assert_eq!(
            weight.len(),
            inputs * outputs * side * side,
            "number of weights of a convolution"
        );
        let element = |index: WeightIndex| weight[index.offset(inputs, side)];
        Self::pack(windows, inputs, outputs, element)
    }

    /// Packs the weights `(outputs, inputs, kernel_size, kernel_size)` of the transposed convolution, from `outputs` to `inputs` channels: it
    /// maps the gradient with respect to the output of [`Convolution::new`] to the gradient with respect to the input.
    ///
    /// # Panics
    /// If the number of weights is another one.
    #[must_use]
    pub fn transposed(windows: Windows, inputs: usize, outputs: usize, weight: &[T]) -> Self {
        let side = windows.kernel_size;
        assert_eq!(
            weight.len(),
            inputs * outputs * side * side,
            "number of weights of a convolution"
        );
        // Input and output are exchanged, and the window is rotated by 180 degrees.
        let element = |index: WeightIndex| {
            let original = WeightIndex {
                output: index.input,
                input: index.output,
                row: side - 1 - index.row,
                column: side - 1 - index.column,
            };
            weight[original.offset(inputs, side)]
        };
        Self::pack(windows, outputs, inputs, element)
    }

    fn pack(
        windows: Windows,
        inputs: usize,
        outputs: usize,
        element: impl Fn(WeightIndex) -> T,
    ) -> Self {
        let (pixel_len, side) = (padded(inputs), windows.kernel_size);
        let pack_row = |row: usize| {
            let mut matrix = vec![T::of(0.0); outputs * side * pixel_len];
            for (output, weights) in matrix.chunks_exact_mut(side * pixel_len).enumerate() {
                for (column, pixel) in weights.chunks_exact_mut(pixel_len).enumerate() {
                    for (input, value) in pixel[..inputs].iter_mut().enumerate() {
                        *value = element(WeightIndex {
                            output,
                            input,
                            row,
                            column,
                        });
                    }
                }
            }
            T::pack_transposed(Level::best(), &matrix, outputs, side * pixel_len)
        };
        Self {
            windows,
            inputs,
            outputs,
            rows: (0..side).map(pack_row).collect(),
        }
    }

    /// Convolves one picture on the calling thread and writes `epilogue(channel, sum)` for each element of `y (outputs, height, width)`.
    ///
    /// `buffer` holds intermediate values; its contents are irrelevant. Keeping it between calls avoids allocations.
    ///
    /// # Panics
    /// If `x` or `y` is of another size.
    pub fn apply(
        &self,
        x: &Plane<T>,
        y: &mut [T],
        buffer: &mut Vec<T>,
        epilogue: impl Fn(usize, T) -> T,
    ) {
        let windows = self.windows;
        let pixels = windows.height * windows.width;
        assert_eq!(x.windows, windows, "geometry of the input plane");
        assert_eq!(x.channels, self.inputs, "channels of the input plane");
        assert_eq!(
            y.len(),
            self.outputs * pixels,
            "length of the output of a convolution"
        );
        let pixel_len = padded(self.outputs);
        let rows = windows.count().next_multiple_of(ROW_PAD);
        buffer.resize(rows * pixel_len, T::of(0.0));
        let level = Level::best();
        for (index, weights) in self.rows.iter().enumerate() {
            let product_epilogue = if index == 0 {
                Epilogue::Overwrite
            } else {
                Epilogue::Add
            };
            let out = Destination {
                data: buffer.as_mut_slice(),
                stride: pixel_len,
            };
            T::multiply(level, x.window_rows(index), weights, out, product_epilogue);
        }
        windows.for_each_run(|run| {
            let PixelRun {
                pixel,
                window,
                count,
            } = run;
            let from = &buffer[window * pixel_len..][..count * pixel_len];
            for (channel, y) in y.chunks_exact_mut(pixels).enumerate() {
                let from = from.chunks_exact(pixel_len);
                for (y, from) in y[pixel..pixel + count].iter_mut().zip(from) {
                    *y = epilogue(channel, from[channel]);
                }
            }
        });
    }
}

/// Gradients of a loss with respect to the weights and the biases of a [`Convolution`], summed over pictures.
pub struct Correlation<T> {
    windows: Windows,
    inputs: usize,
    outputs: usize,
    /// Gradient with respect to the weights, one matrix `(kernel_size · inputs, outputs)` for each row of the window, both sides padded.
    d_weight_rows: Vec<Vec<T>>,
    /// Gradient with respect to the biases, `(outputs,)`.
    d_bias: Vec<T>,
}

impl<T: Real> Correlation<T> {
    /// Returns zero gradients.
    #[must_use]
    pub fn new(windows: Windows, inputs: usize, outputs: usize) -> Self {
        let mut zeros = Vec::new();
        // `resize` writes the zeros. `vec!` would get zeroed pages from the system, which fault twice: first when read, then when written.
        zeros.resize(
            buffer_len(windows.kernel_size * padded(inputs), outputs),
            T::of(0.0),
        );
        Self {
            windows,
            inputs,
            outputs,
            d_weight_rows: vec![zeros; windows.kernel_size],
            d_bias: vec![T::of(0.0); outputs],
        }
    }

    /// Adds the contribution of one picture `x`, given the gradient `d_y` with respect to the output of the convolution.
    ///
    /// # Panics
    /// If a plane is of another size.
    pub fn add(&mut self, x: &Plane<T>, d_y: &Plane<T>) {
        for (plane, channels) in [(x, self.inputs), (d_y, self.outputs)] {
            assert_eq!(plane.windows, self.windows, "geometry of a plane");
            assert_eq!(plane.channels, channels, "channels of a plane");
        }
        for (index, d_weight) in self.d_weight_rows.iter_mut().enumerate() {
            T::multiply_transposed(Level::best(), x.window_rows(index), d_y.pixels(), d_weight);
        }
        let pixels = d_y.pixels();
        for pixel in pixels.data.chunks_exact(pixels.stride).take(pixels.rows) {
            for (sum, &value) in self.d_bias.iter_mut().zip(pixel) {
                *sum += value;
            }
        }
    }

    /// Adds the gradients of another sum for the same sizes.
    ///
    /// # Panics
    /// If the sizes differ.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.windows, other.windows, "geometry of two gradients");
        assert_eq!(
            [self.inputs, self.outputs],
            [other.inputs, other.outputs],
            "channels of two gradients"
        );
        let buffers = self.d_weight_rows.iter_mut().chain([&mut self.d_bias]);
        let others = other.d_weight_rows.iter().chain([&other.d_bias]);
        for (buffer, other) in buffers.zip(others) {
            for (sum, &term) in buffer.iter_mut().zip(other) {
                *sum += term;
            }
        }
    }

    /// Returns the gradient with respect to the biases, `(outputs,)`.
    #[must_use]
    pub fn d_bias(&self) -> &[T] {
        &self.d_bias
    }

    /// Copies the gradient with respect to the weights, `(outputs, inputs, kernel_size, kernel_size)`, row-major.
    #[must_use]
    pub fn d_weight(&self) -> Vec<T> {
        let side = self.windows.kernel_size;
        let mut d_weight = Vec::with_capacity(self.inputs * self.outputs * side * side);
        for output in 0..self.outputs {
            for input in 0..self.inputs {
                for row in &self.d_weight_rows {
                    let matrix_row = |column: usize| column * padded(self.inputs) + input;
                    let offset = |column| matrix_row(column) * stride(self.outputs) + output;
                    d_weight.extend((0..side).map(|column| row[offset(column)]));
                }
            }
        }
        d_weight
    }
}
