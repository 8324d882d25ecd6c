//! Convolutions as matrix products over patches, picture by picture.

use candle_core::Shape;
use rayon::prelude::*;
use siren_core::field::{MatrixView, Real, matrix_product};

use crate::layers::{Entry, Gradient};
use crate::operation::Layer;

/// Pictures share gradient sums in so many groups at most; it fixes the order of additions, whatever the number of threads.
const GROUPS: usize = 16;

/// `(b, in, h, w)` to `(b, out, h, w)` with weights `(out, in, k, k)`: candle's own has a reverse pass that takes many times as long.
pub(crate) struct Convolution {
    pub(crate) weight: Entry,
    pub(crate) bias: Option<Entry>,
    pub(crate) gradient: Gradient,
}

/// Sizes of one picture's share.
#[derive(Clone, Copy)]
struct Sizes {
    channels: usize,
    height: usize,
    width: usize,
    kernel: usize,
}

impl Sizes {
    fn pixels(self) -> usize {
        self.height * self.width
    }

    fn rows(self) -> usize {
        self.channels * self.kernel * self.kernel
    }

    /// Calls `visit` with a run of pixels of a row of the patch matrix, and the run of pixels of the picture that it shows.
    fn runs(self, mut visit: impl FnMut(std::ops::Range<usize>, std::ops::Range<usize>)) {
        let reach = self.kernel / 2;
        for row in 0..self.rows() {
            let channel = row / (self.kernel * self.kernel);
            let (down, right) = (row / self.kernel % self.kernel, row % self.kernel);
            // The pixel at column `x` shows column `x + right − reach` of the picture.
            let first = reach.saturating_sub(right).min(self.width);
            let last = (self.width + reach).saturating_sub(right).min(self.width);
            if first >= last {
                continue;
            }
            for y in 0..self.height {
                let Some(from_y) = (y + down).checked_sub(reach).filter(|&y| y < self.height)
                else {
                    continue;
                };
                let to = row * self.pixels() + y * self.width;
                let from = channel * self.pixels() + from_y * self.width + first + right - reach;
                visit(to + first..to + last, from..from + last - first);
            }
        }
    }

    /// `(in · k · k, h · w)`; what lies beyond the border stays as it is, zero.
    fn patches<T: Real>(self, picture: &[T], patches: &mut [T]) {
        self.runs(|to, from| patches[to].copy_from_slice(&picture[from]));
    }

    /// The transpose of [`patches`](Self::patches).
    fn fold<T: Real>(self, patches: &[T], picture: &mut [T]) {
        self.runs(|from, to| {
            for (to, &from) in picture[to].iter_mut().zip(&patches[from]) {
                *to += from;
            }
        });
    }

    fn zeros<T: Real>(self) -> Vec<T> {
        vec![T::of(0.0); self.rows() * self.pixels()]
    }
}

impl Convolution {
    fn sizes(&self, x: &Shape) -> candle_core::Result<Sizes> {
        let (_, channels, height, width) = x.dims4()?;
        Ok(Sizes {
            channels,
            height,
            width,
            kernel: self.weight.shape[2],
        })
    }
}

impl Layer for Convolution {
    const NAME: &'static str = "convolution";

    fn shape(&self, x: &Shape) -> candle_core::Result<Shape> {
        let (pictures, _, height, width) = x.dims4()?;
        Ok(Shape::from((pictures, self.weight.shape[0], height, width)))
    }

    fn forward<T: Real>(&self, shape: &Shape, x: &[T], flat: &[T]) -> candle_core::Result<Vec<T>> {
        let sizes = self.sizes(shape)?;
        let (outputs, rows) = self.weight.sides();
        let weight = MatrixView::new(&flat[self.weight.range.clone()], outputs, rows);
        let pixels = sizes.pixels();
        let mut y = vec![T::of(0.0); x.len() / sizes.channels * outputs];
        let pictures = y
            .par_chunks_mut(outputs * pixels)
            .zip(x.par_chunks(sizes.channels * pixels));
        pictures.for_each_init(
            || sizes.zeros(),
            |patches, (y, picture)| {
                sizes.patches(picture, patches);
                if let Some(bias) = &self.bias {
                    let channels = y.chunks_mut(pixels).zip(&flat[bias.range.clone()]);
                    channels.for_each(|(y, &bias)| y.fill(bias));
                }
                let patches = MatrixView::new(patches, rows, pixels);
                matrix_product(&weight, &patches, (y, pixels), true);
            },
        );
        Ok(y)
    }

    fn backward<T: Real>(
        &self,
        shape: &Shape,
        [x, flat, d_y]: [&[T]; 3],
    ) -> candle_core::Result<Vec<T>> {
        let sizes = self.sizes(shape)?;
        let (outputs, rows) = self.weight.sides();
        let weight = MatrixView::new(&flat[self.weight.range.clone()], outputs, rows);
        let (pixels, picture) = (sizes.pixels(), sizes.channels * sizes.pixels());
        let mut d_x = vec![T::of(0.0); x.len()];
        let group = (x.len() / picture).div_ceil(GROUPS);
        let groups = x
            .par_chunks(group * picture)
            .zip(d_y.par_chunks(group * outputs * pixels))
            .zip(d_x.par_chunks_mut(group * picture));
        let sums = groups.map(|((x, d_y), d_x)| {
            let mut sum = vec![T::of(0.0); outputs * rows];
            let (mut patches, mut d_patches) = (sizes.zeros(), sizes.zeros());
            let pictures = x.chunks(picture).zip(d_y.chunks(outputs * pixels));
            for ((x, d_y), d_x) in pictures.zip(d_x.chunks_mut(picture)) {
                sizes.patches(x, &mut patches);
                let d_y = MatrixView::new(d_y, outputs, pixels);
                let seen = MatrixView::new(&patches, rows, pixels);
                matrix_product(&d_y, &seen.t(), (&mut sum, rows), true);
                matrix_product(&weight.t(), &d_y, (&mut d_patches, pixels), false);
                sizes.fold(&d_patches, d_x);
            }
            sum
        });
        for sum in sums.collect::<Vec<_>>() {
            self.gradient.add(&self.weight, &sum);
        }
        if let Some(bias) = &self.bias {
            for picture in d_y.chunks(outputs * pixels) {
                let channels = picture.chunks(pixels);
                let sums: Vec<T> = channels
                    .map(|d_y| d_y.iter().fold(T::of(0.0), |sum, &d_y| sum + d_y))
                    .collect();
                self.gradient.add(bias, &sums);
            }
        }
        Ok(d_x)
    }
}
