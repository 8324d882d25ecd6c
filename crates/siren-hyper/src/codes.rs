//! The last two layers of a convolutional encoder as one operation. The tensor between them is as large as all activations before it; here
//! each thread holds one picture of it at a time.

use candle_core::Shape;
use rayon::prelude::*;
use siren_core::field::tensor::Element;
use siren_kernel::product::{Accumulate, Factor, Plane};

use crate::convolution::{Convolution, Pictures};
use crate::layers::{Entry, Gradient};
use crate::operation::{BackwardInputs, Layer};

/// `z_c = Σ_p u_p max(y_cp, 0) + a` over the pixels `p` of a convolution `y`: from `(b, in, h, w)` to codes `(b, out)`.
///
/// The backward pass computes `y` again.
pub(crate) struct Codes {
    /// Must be rectified.
    pub(crate) convolution: Convolution,
    /// `u (1, h w)`.
    pub(crate) weight: Entry,
    /// `a (1,)`.
    pub(crate) bias: Entry,
    pub(crate) gradient: Gradient,
}

/// Gradients summed over a group of pictures, and buffers for one picture at a time.
struct GroupSums<T> {
    d_weight: Vec<T>,
    d_bias: T,
    /// Rectified output of the convolution, `(out, h w)`.
    y: Vec<T>,
    /// Buffer of the convolution.
    buffer: Vec<T>,
}

impl Layer for Codes {
    const NAME: &'static str = "codes";

    fn shape(&self, x: &Shape) -> candle_core::Result<Shape> {
        let (_, [_, codes]) = self.convolution.sizes(x)?;
        Ok(Shape::from((x.dims4()?.0, codes)))
    }

    fn forward<T: Element>(
        &self,
        shape: &Shape,
        x: &[T],
        flat: &[T],
    ) -> candle_core::Result<Vec<T>> {
        let (windows, [channels, codes]) = self.convolution.sizes(shape)?;
        let pixels = windows.height * windows.width;
        let convolution = self.convolution.packed(shape, flat)?;
        let weight = Factor::transposed(&flat[self.weight.range.clone()], 1);
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
                plane.load(|range| x[range].iter().copied());
                convolution.apply(plane, y, buffer);
                weight.multiply(y, z, Accumulate::Add);
            },
        );
        Ok(z)
    }

    fn backward<T: Element>(&self, inputs: BackwardInputs<'_, T>) -> candle_core::Result<Vec<T>> {
        let BackwardInputs {
            shape,
            x,
            flat,
            d_y: d_z,
            ..
        } = inputs;
        let (windows, [_, codes]) = self.convolution.sizes(shape)?;
        let pixels = windows.height * windows.width;
        let convolution = self.convolution.packed(shape, flat)?;
        let weight = &flat[self.weight.range.clone()];
        let init = || GroupSums {
            d_weight: vec![T::of(0.0); pixels],
            d_bias: T::of(0.0),
            y: vec![T::of(0.0); codes * pixels],
            buffer: Vec::new(),
        };
        let write_d_y = |sums: &mut GroupSums<T>, picture, x: &Plane<T>, d_y: &mut Plane<T>| {
            let d_z = &d_z[picture * codes..][..codes];
            convolution.apply(x, &mut sums.y, &mut sums.buffer);
            let y = &sums.y;
            for (y, &d_z) in y.chunks_exact(pixels).zip(d_z) {
                sums.d_bias += d_z;
                let pairs = sums.d_weight.iter_mut().zip(y);
                pairs.for_each(|(d_weight, &y)| *d_weight += y * d_z);
            }
            d_y.load(|range| {
                let (d_z, first) = (d_z[range.start / pixels], range.start % pixels);
                let pairs = y[range].iter().zip(&weight[first..]);
                pairs.map(move |(&y, &u)| if y > T::of(0.0) { u * d_z } else { T::of(0.0) })
            });
        };
        let pictures = Pictures { shape, values: x };
        let (d_x, groups) = self
            .convolution
            .backward_by_picture(&pictures, flat, init, write_d_y)?;
        for sums in groups {
            self.gradient.add(&self.weight, &sums.d_weight);
            self.gradient.add(&self.bias, &[sums.d_bias]);
        }
        Ok(d_x)
    }
}
