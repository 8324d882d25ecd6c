//! The first and the last layer of a pass over values. They have a few columns, the coordinates and the channels, which products of matrices
//! would pad to whole vectors.
//!
//! Vectors run along the neurons of the hidden layer, in blocks of [`LANES`]. Sums over points stay in registers.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::encoding::Features;
use super::plan::Plan;
use crate::Real;
use crate::function::Pointwise;
use crate::product::panel::{LANES, padded, stride};

/// Largest number of coordinates or channels.
pub(super) const MOST_COLUMNS: usize = 4;

/// Number of vectors of neurons whose sums over the points stay in registers together: enough to hide the latency of an addition.
const VECTORS: usize = 2;

/// Whether the first layer of a pass over values is a [`CoordinateLayer`].
pub(super) fn has_coordinate_layer(plan: &Plan) -> bool {
    plan.features == Features::Identity && plan.layers.len() > 1 && plan.in_features <= MOST_COLUMNS
}

/// Whether the last layer of a pass over values is a [`ChannelLayer`].
pub(super) fn has_channel_layer(plan: &Plan) -> bool {
    let last = plan.layers.last();
    last.is_some_and(|layer| layer.pointwise == Pointwise::Linear)
        && plan.layers.len() > 1
        && plan.out_features <= MOST_COLUMNS
}

/// Returns the layers of a pass over values that are products of matrices.
pub(super) fn products(plan: &Plan) -> Range<usize> {
    let first = usize::from(has_coordinate_layer(plan));
    first..plan.layers.len() - usize::from(has_channel_layer(plan))
}

/// Returns `COLUMNS` rows of `weight`, each padded to whole blocks.
pub(super) fn padded_rows<T: Real>(
    width: usize,
    columns: usize,
    weight: impl Fn(usize, usize) -> T,
) -> Vec<T> {
    let width_padded = padded(width);
    let element = |i: usize| {
        let (column, neuron) = (i / width_padded, i % width_padded);
        if neuron < width {
            weight(column, neuron)
        } else {
            T::of(0.0)
        }
    };
    (0..columns * width_padded).map(element).collect()
}

/// Returns `N` vectors of each of `COLUMNS` padded rows, from vector `first` on.
#[inline(always)]
fn columns<T: Real, S: Simd, const COLUMNS: usize, const N: usize>(
    rows: &[T],
    first: usize,
) -> [[T::Vector<S>; N]; COLUMNS] {
    let vectors = T::vectors::<S>(rows);
    let in_row = vectors.len() / COLUMNS;
    std::array::from_fn(|column| std::array::from_fn(|i| vectors[column * in_row + first + i]))
}

/// Returns `N` vectors of a row, from vector `first` on.
#[inline(always)]
fn part<T: Real, S: Simd, const N: usize>(row: &[T], first: usize) -> [T::Vector<S>; N] {
    let vectors = &T::vectors::<S>(row)[first..first + N];
    std::array::from_fn(|i| vectors[i])
}

/// Computes `sums += factor · vectors`.
#[inline(always)]
fn add_scaled<T: Real, S: Simd, const N: usize>(
    simd: S,
    factor: T,
    vectors: &[T::Vector<S>; N],
    sums: &mut [T::Vector<S>; N],
) {
    let factor = T::splat(simd, factor);
    for (sum, &vector) in sums.iter_mut().zip(vectors) {
        *sum = T::times_plus(simd, factor, vector, *sum);
    }
}

/// Adds vectors to a row, or to the beginning of it that it has.
#[inline(always)]
fn add_to_row<T: Real, S: Simd, const N: usize>(
    simd: S,
    vectors: &[T::Vector<S>; N],
    first: usize,
    row: &mut [T],
) {
    let whole = T::vectors_mut::<S>(row);
    if let Some(whole) = whole.get_mut(first..first + N) {
        for (sum, &vector) in whole.iter_mut().zip(vectors) {
            *sum = T::plus(simd, *sum, vector);
        }
        return;
    }
    let lanes = T::lanes::<S>();
    let mut terms = [T::of(0.0); VECTORS * LANES];
    T::vectors_mut::<S>(&mut terms)[..N].copy_from_slice(vectors);
    for (sum, &term) in row[first * lanes..].iter_mut().zip(&terms) {
        *sum += term;
    }
}

/// Work on the points of a tile, for some neighboring vectors of neurons at a time.
trait ByVectors: Sized {
    /// Number of neurons.
    fn width(&self) -> usize;

    /// Computes `N` vectors of neurons for all points, from vector `first` on.
    fn part<S: Simd, const COLUMNS: usize, const N: usize>(&mut self, simd: S, first: usize);

    /// Computes all neurons.
    #[inline(always)]
    fn run<S: Simd, const COLUMNS: usize>(mut self, simd: S, lanes: usize) {
        let vectors = self.width().div_ceil(lanes);
        for first in (0..vectors).step_by(VECTORS) {
            if first + VECTORS <= vectors {
                self.part::<S, COLUMNS, VECTORS>(simd, first);
            } else {
                self.part::<S, COLUMNS, 1>(simd, first);
            }
        }
    }
}

/// Calls a method of a structure with its number of columns as a constant.
macro_rules! with_columns {
    ($columns:expr, $self:ident.$run:ident($($argument:expr),*)) => {
        match $columns {
            1 => $self.$run::<S, 1>($($argument),*),
            2 => $self.$run::<S, 2>($($argument),*),
            3 => $self.$run::<S, 3>($($argument),*),
            MOST_COLUMNS => $self.$run::<S, MOST_COLUMNS>($($argument),*),
            columns => unreachable!("{columns} columns"),
        }
    };
}

/// `z = x Wᵀ` of the first layer, for coordinates `x (points, d)`.
pub(super) struct CoordinateLayer<'a, T> {
    pub(super) dims: usize,
    pub(super) coords: &'a [T],
    /// `Wᵀ (d, width)`, padded.
    pub(super) weight: &'a [T],
    pub(super) width: usize,
    pub(super) z: &'a mut [T],
}

impl<T: Real> WithSimd for CoordinateLayer<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        with_columns!(self.dims, self.run(simd, T::lanes::<S>()));
    }
}

impl<T: Real> ByVectors for CoordinateLayer<'_, T> {
    #[inline(always)]
    fn width(&self) -> usize {
        self.width
    }

    #[inline(always)]
    fn part<S: Simd, const DIMS: usize, const N: usize>(&mut self, simd: S, first: usize) {
        let stride = stride(self.width);
        let weight = columns::<T, S, DIMS, N>(self.weight, first);
        let (points, _) = self.coords.as_chunks::<DIMS>();
        for (x, z) in points.iter().zip(self.z.chunks_exact_mut(stride)) {
            let mut sums = [T::splat(simd, T::of(0.0)); N];
            for (&x, weight) in x.iter().zip(&weight) {
                add_scaled::<T, S, N>(simd, x, weight, &mut sums);
            }
            T::vectors_mut::<S>(z)[first..first + N].copy_from_slice(&sums);
        }
    }
}

/// Gradient with respect to the weights and the bias of the first layer.
pub(super) struct CoordinateGradient<'a, T> {
    pub(super) dims: usize,
    pub(super) coords: &'a [T],
    pub(super) width: usize,
    pub(super) dz: &'a [T],
    /// Rows `stride(d)` apart, to which the gradient is added.
    pub(super) d_weight: &'a mut [T],
    pub(super) d_bias: &'a mut [T],
}

impl<T: Real> WithSimd for CoordinateGradient<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        with_columns!(self.dims, self.run(simd, T::lanes::<S>()));
    }
}

impl<T: Real> ByVectors for CoordinateGradient<'_, T> {
    #[inline(always)]
    fn width(&self) -> usize {
        self.width
    }

    #[inline(always)]
    fn part<S: Simd, const DIMS: usize, const N: usize>(&mut self, simd: S, first: usize) {
        let zero = T::splat(simd, T::of(0.0));
        let mut bias_sums = [zero; N];
        let mut sums = [[zero; N]; DIMS];
        let (points, _) = self.coords.as_chunks::<DIMS>();
        let rows = self.dz.chunks_exact(stride(self.width));
        for (x, dz) in points.iter().zip(rows) {
            let dz = part::<T, S, N>(dz, first);
            for (sum, &dz) in bias_sums.iter_mut().zip(&dz) {
                *sum = T::plus(simd, *sum, dz);
            }
            for (&x, sums) in x.iter().zip(&mut sums) {
                add_scaled::<T, S, N>(simd, x, &dz, sums);
            }
        }
        add_to_row::<T, S, N>(simd, &bias_sums, first, self.d_bias);
        let lanes = T::lanes::<S>();
        let neurons = first * lanes..self.width.min((first + N) * lanes);
        for (column, sums) in sums.iter().enumerate() {
            let mut terms = [T::of(0.0); VECTORS * LANES];
            T::vectors_mut::<S>(&mut terms)[..N].copy_from_slice(sums);
            for (neuron, &term) in neurons.clone().zip(&terms) {
                self.d_weight[neuron * stride(DIMS) + column] += term;
            }
        }
    }
}

/// `y = h Wᵀ + b` of a linear last layer, for `h (points, width)`.
pub(super) struct ChannelLayer<'a, T> {
    pub(super) channels: usize,
    pub(super) h: &'a [T],
    /// `W (c, width)`, padded.
    pub(super) weight: &'a [T],
    pub(super) bias: &'a [T],
    pub(super) width: usize,
    /// `(points, c)`.
    pub(super) out: &'a mut [T],
}

impl<T: Real> WithSimd for ChannelLayer<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        with_columns!(self.channels, self.run(simd));
    }
}

impl<T: Real> ChannelLayer<'_, T> {
    #[inline(always)]
    fn run<S: Simd, const CHANNELS: usize>(self, simd: S) {
        let width = padded(self.width);
        let vectors = self.width.div_ceil(T::lanes::<S>());
        let bias: [T; CHANNELS] = std::array::from_fn(|channel| self.bias[channel]);
        let weight: [_; CHANNELS] = std::array::from_fn(|channel| {
            &T::vectors::<S>(&self.weight[channel * width..])[..vectors]
        });
        let (outs, _) = self.out.as_chunks_mut::<CHANNELS>();
        let rows = self.h.chunks_exact(stride(self.width));
        for (h, out) in rows.zip(outs) {
            let h = &T::vectors::<S>(h)[..vectors];
            for ((out, &bias), weight) in out.iter_mut().zip(&bias).zip(&weight) {
                let mut sum = T::splat(simd, T::of(0.0));
                for (&h, &weight) in h.iter().zip(*weight) {
                    sum = T::times_plus(simd, h, weight, sum);
                }
                *out = T::total(simd, sum) + bias;
            }
        }
    }
}

/// Backward pass of a linear last layer and of the activation before it.
pub(super) struct ChannelGradient<'a, T> {
    pub(super) channels: usize,
    /// `(points, c)`.
    pub(super) d_out: &'a [T],
    pub(super) h: &'a [T],
    /// `σ'` of the layer before.
    pub(super) slope: &'a [T],
    /// `W (c, width)`, padded.
    pub(super) weight: &'a [T],
    pub(super) width: usize,
    /// Receives the gradient with respect to the preactivations of the layer before.
    pub(super) dz: &'a mut [T],
    /// Rows `stride(width)` apart, to which the gradient is added.
    pub(super) d_weight: &'a mut [T],
    pub(super) d_bias: &'a mut [T],
}

impl<T: Real> WithSimd for ChannelGradient<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for d_out in self.d_out.chunks_exact(self.channels) {
            for (d_bias, &d_out) in self.d_bias.iter_mut().zip(d_out) {
                *d_bias += d_out;
            }
        }
        with_columns!(self.channels, self.run(simd, T::lanes::<S>()));
    }
}

impl<T: Real> ByVectors for ChannelGradient<'_, T> {
    #[inline(always)]
    fn width(&self) -> usize {
        self.width
    }

    #[inline(always)]
    fn part<S: Simd, const CHANNELS: usize, const N: usize>(&mut self, simd: S, first: usize) {
        let stride = stride(self.width);
        let zero = T::splat(simd, T::of(0.0));
        let weight = columns::<T, S, CHANNELS, N>(self.weight, first);
        let mut sums = [[zero; N]; CHANNELS];
        let rows = self.h.chunks_exact(stride);
        let rows = rows.zip(self.slope.chunks_exact(stride));
        let rows = rows.zip(self.dz.chunks_exact_mut(stride));
        let (d_outs, _) = self.d_out.as_chunks::<CHANNELS>();
        for (d_out, ((h, slope), dz)) in d_outs.iter().zip(rows) {
            let (h, slope) = (part::<T, S, N>(h, first), part::<T, S, N>(slope, first));
            let mut dh = [zero; N];
            for ((&d_out, weight), sums) in d_out.iter().zip(&weight).zip(&mut sums) {
                add_scaled::<T, S, N>(simd, d_out, weight, &mut dh);
                add_scaled::<T, S, N>(simd, d_out, &h, sums);
            }
            let dz = &mut T::vectors_mut::<S>(dz)[first..first + N];
            for ((dz, &dh), &slope) in dz.iter_mut().zip(&dh).zip(&slope) {
                *dz = T::times(simd, dh, slope);
            }
        }
        for (row, sums) in self.d_weight.chunks_exact_mut(stride).zip(&sums) {
            add_to_row::<T, S, N>(simd, sums, first, row);
        }
    }
}
