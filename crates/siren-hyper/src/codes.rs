//! The end of a convolutional encoder as one operation: what is between the two layers is as large as all before it.

use candle_core::Shape;
use rayon::prelude::*;
use siren_core::field::{Factor, Plane, Real};

use crate::convolution::Convolution;
use crate::layers::{Entry, Gradient};
use crate::operation::Layer;

/// `z_c = Σ u_p max(y_cp, 0) + a` of a convolution `y`: `(b, in, h, w)` to `(b, out)`. The reverse pass computes `y` again.
pub(crate) struct Codes {
    /// Rectified.
    pub(crate) convolution: Convolution,
    /// `u (1, h w)` and `a (1,)`.
    pub(crate) weight: Entry,
    pub(crate) bias: Entry,
    pub(crate) gradient: Gradient,
}

/// The gradients of some pictures, summed, and room for what is between the layers.
struct Sums<T> {
    weight: Vec<T>,
    bias: T,
    y: Vec<T>,
    buffer: Vec<T>,
}

impl Layer for Codes {
    const NAME: &'static str = "codes";

    fn shape(&self, x: &Shape) -> candle_core::Result<Shape> {
        let (_, [_, codes]) = self.convolution.sizes(x)?;
        Ok(Shape::from((x.dims4()?.0, codes)))
    }

    fn forward<T: Real>(&self, shape: &Shape, x: &[T], flat: &[T]) -> candle_core::Result<Vec<T>> {
        let (windows, [channels, codes]) = self.convolution.sizes(shape)?;
        let pixels = windows.height * windows.width;
        let convolve = self.convolution.ready(shape, flat)?;
        let over = Factor::transposed(&flat[self.weight.range.clone()], 1);
        let bias = flat[self.bias.range.start];
        let mut z = vec![bias; x.len() / (channels * pixels) * codes];
        let pictures = z.par_chunks_mut(codes).zip(x.par_chunks(channels * pixels));
        pictures.for_each_init(
            || {
                (
                    Plane::new(windows, channels),
                    vec![T::of(0.0); codes * pixels],
                    Vec::new(),
                )
            },
            |(plane, y, buffer), (z, x)| {
                plane.show(|run| x[run].iter().copied());
                convolve.apply(plane, y, buffer);
                over.multiply(y, z, true);
            },
        );
        Ok(z)
    }

    fn backward<T: Real>(
        &self,
        shape: &Shape,
        [x, flat, _, d_z]: [&[T]; 4],
    ) -> candle_core::Result<Vec<T>> {
        let (windows, [_, codes]) = self.convolution.sizes(shape)?;
        let pixels = windows.height * windows.width;
        let convolve = self.convolution.ready(shape, flat)?;
        let weight = &flat[self.weight.range.clone()];
        let start = || Sums {
            weight: vec![T::of(0.0); pixels],
            bias: T::of(0.0),
            y: vec![T::of(0.0); codes * pixels],
            buffer: Vec::new(),
        };
        let judge = |sums: &mut Sums<T>, at: usize, seen: &Plane<T>, d_seen: &mut Plane<T>| {
            let d_z = &d_z[at * codes..][..codes];
            convolve.apply(seen, &mut sums.y, &mut sums.buffer);
            let y = &sums.y;
            for (y, &d_z) in y.chunks_exact(pixels).zip(d_z) {
                sums.bias += d_z;
                let sum = sums.weight.iter_mut().zip(y);
                sum.for_each(|(sum, &y)| *sum += y * d_z);
            }
            d_seen.show(|run| {
                let (d_z, first) = (d_z[run.start / pixels], run.start % pixels);
                let pairs = y[run].iter().zip(&weight[first..]);
                pairs.map(move |(&y, &u)| if y > T::of(0.0) { u * d_z } else { T::of(0.0) })
            });
        };
        let (d_x, sums) = self.convolution.way_back((shape, x), flat, start, judge)?;
        for sum in sums {
            self.gradient.add(&self.weight, &sum.weight);
            self.gradient.add(&self.bias, &[sum.bias]);
        }
        Ok(d_x)
    }
}
