//! The gradient of one output, backward from it, and the reverse pass of that.
//!
//! With `z_l = W_l h_{l−1} + b_l`, `h_l = σ(z_l)` and `u_l = ∂Φ/∂z_l` (so that `u = 1` at the output):
//!
//! ```text
//! g_{l−1} = u_l W_l           u_l = σ'(z_l) ∘ g_l          ∇Φ = Jᵀ g, with J the derivatives of the encoding
//! ```
//!
//! and in reverse, where a bar marks the derivative of the loss, first up through these from `ḡ = J ∇Φ̄`,
//!
//! ```text
//! ū_l = ḡ_{l−1} W_lᵀ          W̄_l += u_lᵀ ḡ_{l−1}          ḡ_l = σ'(z_l) ∘ ū_l
//! ```
//!
//! then down as for values alone, with `σ''(z_l) ∘ g_l ∘ ū_l` added to `z̄_l`.

use pulp::{Simd, WithSimd};

use super::Chunk;
use super::pointwise::{Scratch, Stage};
use super::tile::{Gradients, Tile, Workspace, ensure};
use crate::Real;
use crate::product::panel::{Finish, Strided, room, stride};

impl<T: Real> Chunk<'_, T> {
    /// Writes the gradients of a tile to its jets `(points, 1, 1 + d)`; where the forward pass left `z`, it leaves `σ'(z)`.
    pub(super) fn forward_adjoint(&self, workspace: &mut Workspace<T>, slot: usize, out: &mut [T]) {
        let Workspace {
            tiles,
            scratch,
            downstream,
            ..
        } = workspace;
        let tile = &mut tiles[slot];
        self.resize_adjoint(tile);
        let backward = self.packed.backward(self.plan, self.params);
        for (l, layer) in self.plan.layers.iter().enumerate().rev() {
            let (below, from) = tile.adjoints.split_at_mut(l);
            let g = below.last_mut().unwrap_or(downstream);
            ensure(g, room(tile.points, layer.fan_in));
            let from = rows_of(&from[0], tile.points, layer.fan_out);
            let to = (g.as_mut_slice(), stride(layer.fan_in));
            T::multiply(self.level, from, &backward[l], to, Finish::Write);
            if l > 0 {
                T::dispatch(
                    self.level,
                    Bend {
                        stage: self.stage(&self.plan.layers[l - 1], tile.points),
                        z: &mut tile.preactivations[l - 1],
                        g,
                        second: &mut tile.bends[l - 1],
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

    fn resize_adjoint(&self, tile: &mut Tile<T>) {
        let layers = &self.plan.layers;
        tile.adjoints.resize_with(layers.len(), Vec::new);
        tile.bends.resize_with(layers.len(), Vec::new);
        for (l, layer) in layers.iter().enumerate() {
            let len = room(tile.points, layer.fan_out);
            ensure(&mut tile.adjoints[l], len);
            ensure(&mut tile.bends[l], len);
        }
        for row in tile.adjoints[layers.len() - 1].chunks_mut(stride(1)) {
            row[0] = T::of(1.0);
        }
    }

    /// `∂/∂xᵢ` of the encoding at a point.
    fn encoding_derivative<'t>(&self, tile: &'t Tile<T>, i: usize, point: usize) -> &'t [T] {
        let width = self.plan.layers[0].fan_in;
        &tile.inputs[0][((1 + i) * tile.points + point) * stride(width)..][..width]
    }

    /// The way up: adds to the weights' gradient, and leaves in `tile.bends` what the way down adds to `z̄`.
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
        } = gradients;
        let dims = self.plan.in_features;
        let width = self.plan.layers[0].fan_in;
        ensure(upstream, room(tile.points, width));
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
            let factors = ((u, layer.fan_out), (d_g, layer.fan_in));
            T::multiply_transposed(self.level, factors.0, factors.1, &mut sum.d_weights[l]);
            if l == last {
                return;
            }
            ensure(downstream, room(tile.points, layer.fan_out));
            let to = (downstream.as_mut_slice(), stride(layer.fan_out));
            T::multiply(self.level, d_g, &self.packed.forward[l], to, Finish::Write);
            T::dispatch(
                self.level,
                Cross {
                    slope: &tile.preactivations[l],
                    bend: &mut tile.bends[l],
                    d: &mut downstream[..tile.points * stride(layer.fan_out)],
                },
            );
            std::mem::swap(*upstream, *downstream);
        }
    }
}

fn rows_of<T>(data: &[T], rows: usize, width: usize) -> Strided<'_, T> {
    Strided {
        data,
        rows,
        stride: stride(width),
    }
}

/// `second = σ''(z) ∘ g`, `g ← σ'(z) ∘ g`, `z ← σ'(z)`.
struct Bend<'a, 'b, T> {
    stage: Stage<'a>,
    z: &'b mut [T],
    g: &'b mut [T],
    second: &'b mut [T],
    scratch: &'b mut Scratch<T>,
}

impl<T: Real> WithSimd for Bend<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let shape = self.stage.shape;
        for point in 0..shape.points {
            let row = point * shape.stride..point * shape.stride + shape.width;
            let (z, g) = (&mut self.z[row.clone()], &mut self.g[row.clone()]);
            let slopes = self.scratch.slopes(simd, self.stage.pointwise, z);
            let out = z.iter_mut().zip(g).zip(&mut self.second[row]);
            for (((z, g), second), (&slope, &bend)) in out.zip(slopes[0].iter().zip(slopes[1])) {
                *second = bend * *g;
                *g *= slope;
                *z = slope;
            }
        }
    }
}

/// `bend ← bend ∘ d`, `d ← slope ∘ d`.
struct Cross<'a, T> {
    slope: &'a [T],
    bend: &'a mut [T],
    d: &'a mut [T],
}

impl<T: Real> WithSimd for Cross<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        for ((d, bend), &slope) in self.d.iter_mut().zip(self.bend).zip(self.slope) {
            *bend *= *d;
            *d *= slope;
        }
    }
}
