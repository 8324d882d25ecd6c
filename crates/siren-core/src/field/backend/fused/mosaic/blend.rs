//! The jet of a weighted field `W φ`, by the product rule.
//!
//! With `s` the factor from derivatives in a tile's own coordinates:
//!
//! ```text
//! ∂ᵢ(W φ) = W sᵢ ∂ᵢφ + φ ∂ᵢW
//! t_A(W φ) = W t_SAS(φ) + 2 Σᵢⱼ Aᵢⱼ ∂ᵢW sⱼ ∂ⱼφ + φ t_A(W)
//! ```

use siren_kernel::network::Order;

use super::super::precision::Precision;
use crate::field::mosaic::{Tiling, Weight};

/// Shape of the jets of a tile, and the factors from its own coordinates.
pub(super) struct Blending<T> {
    scales: Vec<T>,
    gradients: usize,
    traces: usize,
    channels: usize,
    /// Factors of the jets of a tile where it is alone.
    alone: Vec<T>,
}

/// Factors of the jets of one tile at one point, in the sequence `W`, `∂W`, and for each trace `t_A(W)` and `2 A ∂W`.
pub(super) type Factors<'a, T> = &'a [T];

impl<T: Precision> Blending<T> {
    pub(super) fn new(tiling: &Tiling, order: &Order, channels: usize) -> Self {
        let mut blending = Self {
            scales: (0..tiling.dims())
                .map(|axis| T::of(tiling.scale(axis)))
                .collect(),
            gradients: order.gradients(tiling.dims()),
            traces: order.traces().len(),
            channels,
            alone: Vec::new(),
        };
        blending.alone = vec![T::of(0.0); blending.len()];
        blending.alone[0] = T::of(1.0);
        blending
    }

    /// Returns the factors of a tile where no other has a weight.
    pub(super) fn alone(&self) -> Factors<'_, T> {
        &self.alone
    }

    /// Returns the number of factors per point.
    pub(super) fn len(&self) -> usize {
        1 + self.gradients + self.traces * (1 + self.gradients)
    }

    /// Returns the number of components of a jet.
    fn components(&self) -> usize {
        1 + self.gradients + self.traces
    }

    /// Appends the factors of a weight.
    pub(super) fn push(&self, factors: &mut Vec<T>, weight: &Weight, order: &Order) {
        factors.push(T::of(weight.value()));
        if self.gradients == 0 {
            return;
        }
        let slopes: Vec<f64> = (0..self.gradients).map(|i| weight.slope(i)).collect();
        factors.extend(slopes.iter().map(|&slope| T::of(slope)));
        for trace in order.traces() {
            let mut value = 0.0;
            let mut crossed = vec![0.0; self.gradients];
            for entry in trace.entries() {
                let (i, j, a) = (entry.i, entry.j, entry.coefficient);
                value += a * weight.curvature(i, j);
                crossed[i] += a * slopes[j];
                crossed[j] += a * slopes[i];
            }
            factors.push(T::of(value));
            factors.extend(crossed.into_iter().map(T::of));
        }
    }

    /// Adds the jet of `W φ` at a point to `out`, given that of `φ` in the tile's own coordinates; all channels of both.
    pub(super) fn add(&self, factors: Factors<'_, T>, own: &[T], out: &mut [T]) {
        let weight = factors[0];
        let (slopes, of_traces) = factors[1..].split_at(self.gradients);
        let size = self.components();
        if size == 1 {
            for (&own, out) in own.iter().zip(out) {
                *out += weight * own;
            }
            return;
        }
        for (own, out) in own.chunks_exact(size).zip(out.chunks_exact_mut(size)) {
            let value = own[0];
            out[0] += weight * value;
            for i in 0..self.gradients {
                out[1 + i] += weight * self.scales[i] * own[1 + i] + slopes[i] * value;
            }
            let traces = of_traces.chunks_exact(1 + self.gradients).enumerate();
            for (k, of_trace) in traces {
                let at = 1 + self.gradients + k;
                let mut sum = weight * own[at] + of_trace[0] * value;
                for i in 0..self.gradients {
                    sum += of_trace[1 + i] * self.scales[i] * own[1 + i];
                }
                out[at] += sum;
            }
        }
    }

    /// Writes the gradient with respect to the tile's jet to `d_own`, given that with respect to the sum: the transpose of [`add`](Self::add).
    pub(super) fn pull_back(&self, factors: Factors<'_, T>, d_out: &[T], d_own: &mut [T]) {
        let weight = factors[0];
        let (slopes, of_traces) = factors[1..].split_at(self.gradients);
        let size = self.components();
        if size == 1 {
            for (d_own, &d_out) in d_own.iter_mut().zip(d_out) {
                *d_own = weight * d_out;
            }
            return;
        }
        for (d_own, d_out) in d_own.chunks_exact_mut(size).zip(d_out.chunks_exact(size)) {
            d_own[0] = weight * d_out[0];
            for i in 0..self.gradients {
                d_own[0] += slopes[i] * d_out[1 + i];
                d_own[1 + i] = weight * self.scales[i] * d_out[1 + i];
            }
            let traces = of_traces.chunks_exact(1 + self.gradients).enumerate();
            for (k, of_trace) in traces {
                let d_trace = d_out[1 + self.gradients + k];
                d_own[0] += of_trace[0] * d_trace;
                for i in 0..self.gradients {
                    d_own[1 + i] += of_trace[1 + i] * self.scales[i] * d_trace;
                }
                d_own[1 + self.gradients + k] = weight * d_trace;
            }
        }
    }

    /// Returns the number of elements of the jets of a point, all channels.
    pub(super) fn jet_len(&self) -> usize {
        self.channels * self.components()
    }
}
