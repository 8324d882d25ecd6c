//! The adjoint form: the spatial gradient of a single output by reverse-mode differentiation, and the backward pass of that computation.
//!
//! With `z_l = W_l h_{l−1} + b_l`, `h_l = σ(z_l)` and `u_l = ∂Φ/∂z_l` (so that `u = 1` at the output):
//!
//! ```text
//! g_{l−1} = u_l W_l           u_l = σ'(z_l) ∘ g_l          ∇Φ = Jᵀ g, with J the derivatives of the encoding
//! ```
//!
//! The backward pass, where a bar denotes the derivative of the loss, first runs upward through these equations, starting from
//! `ḡ = J ∇Φ̄`,
//!
//! ```text
//! ū_l = ḡ_{l−1} W_lᵀ          W̄_l += u_lᵀ ḡ_{l−1}          ḡ_l = σ'(z_l) ∘ ū_l
//! ```
//!
//! and then downward as for values alone, with `σ''(z_l) ∘ g_l ∘ ū_l` added to `z̄_l`.

use pulp::{Simd, WithSimd};

use super::Chunk;
use super::jets::rows_of;
use super::pointwise::{Scratch, Stage};
use super::tile::{Gradients, Tile, Workspace, grow};
use crate::Real;
use crate::product::panel::{buffer_len, stride};
use crate::product::{Destination, Epilogue};

impl<T: Real> Chunk<'_, T> {
    /// Writes the spatial gradients of a tile to its jets `(points, 1, 1 + d)`. Replaces the saved preactivations `z` by `σ'(z)`.
    pub(super) fn forward_adjoint(&self, workspace: &mut Workspace<T>, slot: usize, out: &mut [T]) {
        let Workspace {
            tiles,
            scratch,
            downstream,
            ..
        } = workspace;
        let tile = &mut tiles[slot];
        self.resize_adjoint(tile);
        for (l, layer) in self.plan.layers.iter().enumerate().rev() {
            let (lower_adjoints, adjoints) = tile.adjoints.split_at_mut(l);
            let g = lower_adjoints.last_mut().unwrap_or(downstream);
            grow(g, buffer_len(tile.points, layer.fan_in));
            let u = rows_of(&adjoints[0], tile.points, layer.fan_out);
            let out = Destination {
                data: g.as_mut_slice(),
                stride: stride(layer.fan_in),
            };
            let weight = self.packed.backward(self.plan, self.params, l);
            T::multiply(self.level, u, weight, out, Epilogue::Overwrite);
            if l > 0 {
                T::dispatch(
                    self.level,
                    ApplySlope {
                        stage: self.stage(&self.plan.layers[l - 1], tile.points),
                        z: &mut tile.preactivations[l - 1],
                        g,
                        curvature: &mut tile.curvatures[l - 1],
                        scratch,
                    },
                );
            }
        }
        let dims = self.plan.in_features;
        for (point, out) in out.chunks_mut(1 + dims).enumerate() {
            let width = self.plan.layers[0].fan_in;
            let g = &downstream[point * stride(width)..][..width];
            for (i, out) in out[1..].iter_mut().enumerate() {
                let products = self.encoding_derivative(tile, i, point).iter().zip(g);
                *out = products.fold(T::of(0.0), |sum, (&j, &g)| sum + j * g);
            }
        }
    }

    /// Grows the buffers of the adjoint form, and sets `u = 1` at the output.
    fn resize_adjoint(&self, tile: &mut Tile<T>) {
        let layers = &self.plan.layers;
        tile.adjoints.resize_with(layers.len(), Vec::new);
        tile.curvatures.resize_with(layers.len(), Vec::new);
        for (l, layer) in layers.iter().enumerate() {
            let len = buffer_len(tile.points, layer.fan_out);
            grow(&mut tile.adjoints[l], len);
            grow(&mut tile.curvatures[l], len);
        }
        for row in tile.adjoints[layers.len() - 1].chunks_mut(stride(1)) {
            row[0] = T::of(1.0);
        }
    }

    /// Returns the derivative of the encoding at a point with respect to `xᵢ`.
    fn encoding_derivative<'t>(&self, tile: &'t Tile<T>, i: usize, point: usize) -> &'t [T] {
        let width = self.plan.layers[0].fan_in;
        &tile.inputs[0][((1 + i) * tile.points + point) * stride(width)..][..width]
    }

    /// The upward part of the backward pass: adds to the gradient with respect to the weights, and leaves in `tile.curvatures` the terms that
    /// the downward part adds to `z̄`.
    pub(super) fn backward_adjoint(
        &self,
        d_out: &[T],
        tile: &mut Tile<T>,
        gradients: &mut Gradients<'_, T>,
    ) {
        let Gradients {
            upstream,
            downstream,
            sum,
            ..
        } = gradients;
        let dims = self.plan.in_features;
        let width = self.plan.layers[0].fan_in;
        grow(upstream, buffer_len(tile.points, width));
        for (point, d_out) in d_out.chunks(1 + dims).enumerate() {
            let d_g = &mut upstream[point * stride(width)..][..width];
            d_g.fill(T::of(0.0));
            for (i, &d) in d_out[1..].iter().enumerate() {
                for (d_g, &j) in d_g.iter_mut().zip(self.encoding_derivative(tile, i, point)) {
                    *d_g += d * j;
                }
            }
        }
        let last = self.plan.layers.len() - 1;
        for (l, layer) in self.plan.layers.iter().enumerate() {
            let u = rows_of(&tile.adjoints[l], tile.points, layer.fan_out);
            let d_g = rows_of(upstream, tile.points, layer.fan_in);
            T::multiply_transposed(self.level, u, d_g, &mut sum.d_weights[l]);
            if l == last {
                return;
            }
            grow(downstream, buffer_len(tile.points, layer.fan_out));
            let out = Destination {
                data: downstream.as_mut_slice(),
                stride: stride(layer.fan_out),
            };
            let weight = &self.packed.forward(self.plan, self.params)[l];
            T::multiply(self.level, d_g, weight, out, Epilogue::Overwrite);
            T::dispatch(
                self.level,
                ApplySlopeBackward {
                    slope: &tile.preactivations[l],
                    curvature: &mut tile.curvatures[l],
                    d: &mut downstream[..tile.points * stride(layer.fan_out)],
                },
            );
            std::mem::swap(*upstream, *downstream);
        }
    }
}

/// The activation of a layer in the adjoint form: `curvature = σ''(z) ∘ g`, `g ← σ'(z) ∘ g`, `z ← σ'(z)`.
struct ApplySlope<'a, 'b, T> {
    stage: Stage<'a>,
    z: &'b mut [T],
    g: &'b mut [T],
    curvature: &'b mut [T],
    scratch: &'b mut Scratch<T>,
}

impl<T: Real> WithSimd for ApplySlope<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let shape = self.stage.shape;
        for point in 0..shape.points {
            let row = point * shape.stride..point * shape.stride + shape.width;
            let (z, g) = (&mut self.z[row.clone()], &mut self.g[row.clone()]);
            let pointwise = self.stage.pointwise;
            let [first, second] = self.scratch.slope_and_curvature(simd, pointwise, z);
            let out = z.iter_mut().zip(g).zip(&mut self.curvature[row]);
            for (((z, g), curvature), (&slope, &second)) in out.zip(first.iter().zip(second)) {
                *curvature = second * *g;
                *g *= slope;
                *z = slope;
            }
        }
    }
}

/// Backward pass of [`ApplySlope`]: `curvature ← curvature ∘ d`, `d ← slope ∘ d`.
struct ApplySlopeBackward<'a, T> {
    slope: &'a [T],
    curvature: &'a mut [T],
    d: &'a mut [T],
}

impl<T: Real> WithSimd for ApplySlopeBackward<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        for ((d, curvature), &slope) in self.d.iter_mut().zip(self.curvature).zip(self.slope) {
            *curvature *= *d;
            *d *= slope;
        }
    }
}
