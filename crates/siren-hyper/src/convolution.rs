//! Convolutions, one picture at a time.

use candle_core::Shape;
use rayon::prelude::*;
use siren_core::field::tensor::Element;
use siren_kernel::product::{self, Correlation, Plane, Windows};

use crate::layers::{Entry, Gradient};
use crate::operation::{BackwardInputs, Layer};

/// Maximum number of groups into which the backward pass divides the pictures of a batch. Each group sums its gradients, so the grouping
/// fixes the order of additions, whatever the number of threads.
const GROUPS: usize = 16;

/// Whether a convolution ends in `max(y, 0)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rectify {
    No,
    Yes,
}

/// Convolution from `(b, in, h, w)` to `(b, out, h, w)`, zero-padded, with an optional bias and rectification.
///
/// Candle's own convolution has a backward pass that takes many times as long.
pub(crate) struct Convolution {
    pub(crate) rectify: Rectify,
    /// `(out, in, k, k)`.
    pub(crate) weight: Entry,
    /// `(out,)`.
    pub(crate) bias: Option<Entry>,
    pub(crate) gradient: Gradient,
}

impl Convolution {
    /// Returns the windows of a picture of shape `x`, and the numbers of input and output channels.
    pub(crate) fn sizes(&self, x: &Shape) -> candle_core::Result<(Windows, [usize; 2])> {
        let (_, channels, height, width) = x.dims4()?;
        let windows = Windows {
            height,
            width,
            kernel_size: self.weight.shape[2],
        };
        Ok((windows, [channels, self.weight.shape[0]]))
    }

    /// Returns the lower bound of the outputs: 0 if they are rectified, −∞ otherwise.
    fn lower_bound<T: Element>(&self) -> T {
        T::of(match self.rectify {
            Rectify::Yes => 0.0,
            Rectify::No => f64::NEG_INFINITY,
        })
    }

    /// Packs the weights for inputs of shape `x`.
    pub(crate) fn packed<'a, T: Element>(
        &self,
        x: &Shape,
        flat: &'a [T],
    ) -> candle_core::Result<PackedConvolution<'a, T>> {
        let (windows, [inputs, outputs]) = self.sizes(x)?;
        let weight = &flat[self.weight.range.clone()];
        let bias = self.bias.as_ref();
        Ok(PackedConvolution {
            convolution: product::Convolution::new(windows, inputs, outputs, weight),
            bias: bias.map_or(&[], |bias| &flat[bias.range.clone()]),
            lower_bound: self.lower_bound(),
        })
    }

    /// Backward pass of the convolution, given the gradient with respect to its output `y` before rectification, picture by picture.
    ///
    /// For each picture, `write_d_y` is called with the accumulator of the picture's group, the index of the picture, the plane of its
    /// input, and the plane that it must fill with the gradient with respect to `y`. Each group's accumulator starts as `init()`.
    ///
    /// Returns the gradient with respect to the pictures, and the accumulators in the order of the groups. Adds the gradient with respect
    /// to the parameters to `self.gradient`.
    pub(crate) fn backward_by_picture<T: Element, A: Send>(
        &self,
        pictures: &Pictures<'_, T>,
        flat: &[T],
        init: impl Fn() -> A + Sync,
        write_d_y: impl Fn(&mut A, usize, &Plane<T>, &mut Plane<T>) + Sync,
    ) -> candle_core::Result<(Vec<T>, Vec<A>)> {
        let Pictures { shape, values: x } = *pictures;
        let (windows, channels) = self.sizes(shape)?;
        let size = channels[0] * windows.height * windows.width;
        let weight = &flat[self.weight.range.clone()];
        let [inputs, outputs] = channels;
        let transposed = product::Convolution::transposed(windows, inputs, outputs, weight);
        let mut d_x = vec![T::of(0.0); x.len()];
        let group = (x.len() / size).div_ceil(GROUPS);
        let groups = x
            .par_chunks(group * size)
            .zip(d_x.par_chunks_mut(group * size))
            .enumerate();
        let groups = groups.map(|(index, (x, d_x))| {
            let mut d_weight = Correlation::new(windows, inputs, outputs);
            let mut accumulator = init();
            let [mut x_plane, mut d_y_plane] =
                channels.map(|channels| Plane::new(windows, channels));
            let mut buffer = Vec::new();
            let pictures = x.chunks(size).zip(d_x.chunks_mut(size)).enumerate();
            for (offset, (x, d_x)) in pictures {
                x_plane.load(|range| x[range].iter().copied());
                let picture = index * group + offset;
                write_d_y(&mut accumulator, picture, &x_plane, &mut d_y_plane);
                d_weight.add(&x_plane, &d_y_plane);
                transposed.apply(&d_y_plane, d_x, &mut buffer, |_, sum| sum);
            }
            (d_weight, accumulator)
        });
        let (d_weights, accumulators): (Vec<_>, Vec<_>) = groups.unzip();
        let mut d_weights = d_weights.into_iter();
        if let Some(mut sum) = d_weights.next() {
            d_weights.for_each(|d_weight| sum.merge(&d_weight));
            self.gradient.add(&self.weight, &sum.d_weight());
            if let Some(bias) = &self.bias {
                self.gradient.add(bias, sum.d_bias());
            }
        }
        Ok((d_x, accumulators))
    }
}

/// Input pictures of a convolution.
pub(crate) struct Pictures<'a, T> {
    /// `(b, in, h, w)`.
    pub(crate) shape: &'a Shape,
    /// Row-major values.
    pub(crate) values: &'a [T],
}

/// A [`Convolution`] with packed weights.
pub(crate) struct PackedConvolution<'a, T: Element> {
    convolution: product::Convolution<T>,
    /// `(out,)`, or empty if there is no bias.
    bias: &'a [T],
    lower_bound: T,
}

impl<T: Element> PackedConvolution<'_, T> {
    /// Writes `y (out, h, w)` of one picture; `buffer` holds intermediate values.
    pub(crate) fn apply(&self, x: &Plane<T>, y: &mut [T], buffer: &mut Vec<T>) {
        self.convolution.apply(x, y, buffer, |channel, sum| {
            let sum = self.bias.get(channel).map_or(sum, |&bias| sum + bias);
            // `max` would turn NaN into the bound and hide it; this comparison keeps it.
            if sum < self.lower_bound {
                self.lower_bound
            } else {
                sum
            }
        });
    }
}

impl Layer for Convolution {
    const NAME: &'static str = "convolution";

    fn shape(&self, x: &Shape) -> candle_core::Result<Shape> {
        let (pictures, _, height, width) = x.dims4()?;
        Ok(Shape::from((pictures, self.weight.shape[0], height, width)))
    }

    fn forward<T: Element>(
        &self,
        shape: &Shape,
        x: &[T],
        flat: &[T],
    ) -> candle_core::Result<Vec<T>> {
        let (windows, channels) = self.sizes(shape)?;
        let [x_len, y_len] = channels.map(|channels| channels * windows.height * windows.width);
        let convolution = self.packed(shape, flat)?;
        let mut y = vec![T::of(0.0); x.len() / x_len * y_len];
        let pictures = y.par_chunks_mut(y_len).zip(x.par_chunks(x_len));
        pictures.for_each_init(
            || (Plane::new(windows, channels[0]), Vec::new()),
            |(plane, buffer), (y, x)| {
                plane.load(|range| x[range].iter().copied());
                convolution.apply(plane, y, buffer);
            },
        );
        Ok(y)
    }

    fn backward<T: Element>(&self, inputs: BackwardInputs<'_, T>) -> candle_core::Result<Vec<T>> {
        let BackwardInputs {
            shape,
            x,
            flat,
            y,
            d_y,
        } = inputs;
        let (windows, [_, outputs]) = self.sizes(shape)?;
        let size = outputs * windows.height * windows.width;
        let bound = self.lower_bound();
        let write_d_y = |(): &mut (), picture: usize, _: &Plane<T>, d_y_plane: &mut Plane<T>| {
            let [y, d_y] = [y, d_y].map(|batch| &batch[picture * size..][..size]);
            d_y_plane.load(|range| {
                let pairs = y[range.clone()].iter().zip(&d_y[range]);
                pairs.map(|(&y, &d_y)| if y > bound { d_y } else { T::of(0.0) })
            });
        };
        let pictures = Pictures { shape, values: x };
        let (d_x, _) = self.backward_by_picture(&pictures, flat, || (), write_d_y)?;
        Ok(d_x)
    }
}
