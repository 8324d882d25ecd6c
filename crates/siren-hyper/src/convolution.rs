//! Convolutions, picture by picture.

use candle_core::Shape;
use rayon::prelude::*;
use siren_core::field::{self, Correlation, Plane, Real, Windows};

use crate::layers::{Entry, Gradient};
use crate::operation::Layer;

/// Pictures share gradient sums in so many groups at most; it fixes the order of additions, whatever the number of threads.
const GROUPS: usize = 16;

/// `(b, in, h, w)` to `(b, out, h, w)` with weights `(out, in, k, k)`: candle's own has a reverse pass that takes many times as long.
/// If `rectified`, what is negative is zero.
pub(crate) struct Convolution {
    pub(crate) rectified: bool,
    pub(crate) weight: Entry,
    pub(crate) bias: Option<Entry>,
    pub(crate) gradient: Gradient,
}

impl Convolution {
    /// What is seen of a picture, and its channels before and after.
    pub(crate) fn sizes(&self, x: &Shape) -> candle_core::Result<(Windows, [usize; 2])> {
        let (_, channels, height, width) = x.dims4()?;
        let windows = Windows {
            height,
            width,
            side: self.weight.shape[2],
        };
        Ok((windows, [channels, self.weight.shape[0]]))
    }

    /// What it gives at least.
    fn least<T: Real>(&self) -> T {
        T::of(if self.rectified {
            0.0
        } else {
            f64::NEG_INFINITY
        })
    }

    /// For pictures `x`.
    pub(crate) fn ready<'a, T: Real>(
        &self,
        x: &Shape,
        flat: &'a [T],
    ) -> candle_core::Result<Ready<'a, T>> {
        let (windows, channels) = self.sizes(x)?;
        let weight = &flat[self.weight.range.clone()];
        let bias = self.bias.as_ref();
        Ok(Ready {
            convolution: field::Convolution::new(windows, channels, weight),
            bias: bias.map_or(&[], |bias| &flat[bias.range.clone()]),
            least: self.least(),
        })
    }

    /// The gradient in pictures `x`; that in the parameters is left. For each picture `judge` is given what its group has gathered from
    /// `start` on, the picture's number and plane, and the plane in which it shows the gradient in `y`; what is gathered is returned.
    pub(crate) fn way_back<T: Real, S: Send>(
        &self,
        (shape, x): (&Shape, &[T]),
        flat: &[T],
        start: impl Fn() -> S + Sync,
        judge: impl Fn(&mut S, usize, &Plane<T>, &mut Plane<T>) + Sync,
    ) -> candle_core::Result<(Vec<T>, Vec<S>)> {
        let (windows, channels) = self.sizes(shape)?;
        let size = channels[0] * windows.height * windows.width;
        let weight = &flat[self.weight.range.clone()];
        let transposed = field::Convolution::transposed(windows, channels, weight);
        let mut d_x = vec![T::of(0.0); x.len()];
        let group = (x.len() / size).div_ceil(GROUPS);
        let groups = x
            .par_chunks(group * size)
            .zip(d_x.par_chunks_mut(group * size))
            .enumerate();
        let groups = groups.map(|(index, (x, d_x))| {
            let mut sum = Correlation::new(windows, channels);
            let mut gathered = start();
            let [mut seen, mut d_seen] = channels.map(|channels| Plane::new(windows, channels));
            let mut buffer = Vec::new();
            let pictures = x.chunks(size).zip(d_x.chunks_mut(size)).enumerate();
            for (at, (x, d_x)) in pictures {
                seen.show(|run| x[run].iter().copied());
                judge(&mut gathered, index * group + at, &seen, &mut d_seen);
                sum.add(&seen, &d_seen);
                transposed.apply(&d_seen, d_x, &mut buffer, |_, sum| sum);
            }
            (sum, gathered)
        });
        let (sums, gathered): (Vec<_>, Vec<_>) = groups.unzip();
        let mut sums = sums.into_iter();
        if let Some(mut sum) = sums.next() {
            sums.for_each(|more| sum.merge(&more));
            self.gradient.add(&self.weight, &sum.weight());
            if let Some(bias) = &self.bias {
                self.gradient.add(bias, sum.bias());
            }
        }
        Ok((d_x, gathered))
    }
}

/// A convolution with its weights packed.
pub(crate) struct Ready<'a, T: Real> {
    convolution: field::Convolution<T>,
    /// One for each output, or none.
    bias: &'a [T],
    least: T,
}

impl<T: Real> Ready<'_, T> {
    /// Writes `y (out, h, w)`.
    pub(crate) fn apply(&self, x: &Plane<T>, y: &mut [T], buffer: &mut Vec<T>) {
        self.convolution.apply(x, y, buffer, |channel, sum| {
            let sum = self.bias.get(channel).map_or(sum, |&bias| sum + bias);
            // What is not a number stays that.
            if sum < self.least { self.least } else { sum }
        });
    }
}

impl Layer for Convolution {
    const NAME: &'static str = "convolution";

    fn shape(&self, x: &Shape) -> candle_core::Result<Shape> {
        let (pictures, _, height, width) = x.dims4()?;
        Ok(Shape::from((pictures, self.weight.shape[0], height, width)))
    }

    fn forward<T: Real>(&self, shape: &Shape, x: &[T], flat: &[T]) -> candle_core::Result<Vec<T>> {
        let (windows, channels) = self.sizes(shape)?;
        let [before, after] = channels.map(|channels| channels * windows.height * windows.width);
        let convolve = self.ready(shape, flat)?;
        let mut y = vec![T::of(0.0); x.len() / before * after];
        let pictures = y.par_chunks_mut(after).zip(x.par_chunks(before));
        pictures.for_each_init(
            || (Plane::new(windows, channels[0]), Vec::new()),
            |(plane, buffer), (y, picture)| {
                plane.show(|run| picture[run].iter().copied());
                convolve.apply(plane, y, buffer);
            },
        );
        Ok(y)
    }

    fn backward<T: Real>(
        &self,
        shape: &Shape,
        [x, flat, y, d_y]: [&[T]; 4],
    ) -> candle_core::Result<Vec<T>> {
        let (windows, [_, outputs]) = self.sizes(shape)?;
        let size = outputs * windows.height * windows.width;
        let least = self.least();
        let show = |(): &mut (), at: usize, _: &Plane<T>, d_seen: &mut Plane<T>| {
            let [y, d_y] = [y, d_y].map(|numbers| &numbers[at * size..][..size]);
            d_seen.show(|run| {
                let pairs = y[run.clone()].iter().zip(&d_y[run]);
                pairs.map(|(&y, &d_y)| if y > least { d_y } else { T::of(0.0) })
            });
        };
        Ok(self.way_back((shape, x), flat, || (), show)?.0)
    }
}
