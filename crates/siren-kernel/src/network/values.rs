//! Values alone: forward and backward pass of a tile whose rows are points.
//!
//! A narrow layer's product and activation alternate in blocks of rows, so that its preactivations stay in the first-level cache. The first
//! and the last layer are those of [`edges`](super::edges) where they apply.

use pulp::{Simd, WithSimd};

use super::plan::Dense;
use super::pointwise::{Scratch, Shape, add};
use super::tile::{Gradients, Tile, Workspace, grow};
use super::{Activations, Chunk, edges};
use crate::Real;
use crate::function::{Pointwise, SineLayer};
use crate::product::panel::{ROW_PAD, buffer_len, stride};
use crate::product::{Destination, Epilogue, RoundedOperands, StridedMatrix};

/// Number of preactivations of a block: few enough to stay in the first-level cache with the weights and the block's activations.
const BLOCK_ELEMENTS: usize = 2048;
/// Largest row of a layer that is computed in blocks: the weights of wider ones are in the second-level cache, and should serve more rows.
const MOST_BLOCKED: usize = 80;

/// Returns the number of rows of a block of a layer on a tile of `rows` rows.
fn block_rows(layer: &Dense, rows: usize) -> usize {
    let stride = stride(layer.fan_out);
    if stride > MOST_BLOCKED {
        return rows;
    }
    let most = BLOCK_ELEMENTS / stride;
    most - most % ROW_PAD
}

/// Buffers for the results of a tile's forward pass.
pub(super) struct TileResults<'a, T> {
    /// Values `(points, c)`.
    pub(super) out: &'a mut [T],
    /// Preactivations for [`Chunk::restore`], if they are kept.
    pub(super) kept: Option<&'a mut [T]>,
}

impl<T: Real> Chunk<'_, T> {
    /// Returns the coordinates of a tile.
    fn coords_of(&self, first_point: usize, tile: &Tile<T>) -> &[T] {
        let dims = self.plan.in_features;
        &self.coords[first_point * dims..][..tile.points * dims]
    }

    /// Computes the values of tile `slot` of the workspace.
    pub(super) fn forward_values(
        &self,
        first_point: usize,
        workspace: &mut Workspace<T>,
        slot: usize,
        activations: Activations,
        results: TileResults<'_, T>,
    ) {
        let TileResults { out, mut kept } = results;
        if !edges::has_coordinate_layer(self.plan) {
            self.encode(first_point, workspace, slot);
        }
        let Workspace {
            tiles,
            current_z,
            operands,
            ..
        } = workspace;
        let tile = &mut tiles[slot];
        grow(current_z, buffer_len(tile.points, self.plan.widest()));
        let products = edges::products(self.plan);
        let hidden = products.end;
        for l in 0..hidden {
            let coords = (!products.contains(&l)).then(|| self.coords_of(first_point, tile));
            let mut z = BlockBuffer::Reused(current_z);
            if let (None, Some(rest)) = (coords, &mut kept) {
                let len = buffer_len(tile.points, self.plan.layers[l].fan_out);
                let (own, others) = std::mem::take(rest).split_at_mut(len);
                *rest = others;
                z = BlockBuffer::Whole(own);
            }
            let buffers = LayerBuffers {
                z: &mut z,
                operands: &mut *operands,
            };
            self.forward_layer(l, coords, tile, buffers, activations);
        }
        if !edges::has_channel_layer(self.plan) {
            self.gather(tile, out);
            return;
        }
        let layer = &self.plan.layers[hidden];
        let channels = edges::ChannelLayer {
            channels: layer.fan_out,
            h: &tile.inputs[hidden],
            weight: &self.packed.values(self.plan, self.params).last,
            bias: &self.params[layer.bias.clone()],
            width: layer.fan_in,
            out,
        };
        T::dispatch(self.level, channels);
    }

    /// Computes layer `l` of a tile, from `coords` if given.
    fn forward_layer(
        &self,
        l: usize,
        coords: Option<&[T]>,
        tile: &mut Tile<T>,
        buffers: LayerBuffers<'_, '_, T>,
        activations: Activations,
    ) {
        let LayerBuffers { z, operands } = buffers;
        let layer = &self.plan.layers[l];
        let weights = self.packed.values(self.plan, self.params);
        let (input, rest) = tile.inputs[l..].split_at_mut(1);
        let (output, saved) = (&mut rest[0], &mut tile.preactivations[l]);
        let (stride_in, stride) = (stride(layer.fan_in), stride(layer.fan_out));
        let rows = tile.points;
        let block = block_rows(layer, rows);
        for first in (0..rows).step_by(block.max(1)) {
            let count = block.min(rows - first);
            let start = first * stride;
            let z = z.from(start);
            if let Some(coords) = coords {
                let dims = layer.fan_in;
                let product = edges::CoordinateLayer {
                    dims,
                    coords: &coords[first * dims..][..count * dims],
                    weight: &weights.first,
                    width: layer.fan_out,
                    z: &mut *z,
                };
                T::dispatch(self.level, product);
            } else {
                let input = StridedMatrix {
                    data: &input[0][first * stride_in..],
                    rows: count,
                    columns: layer.fan_in,
                    stride: stride_in,
                };
                let out = Destination {
                    data: &mut *z,
                    stride,
                };
                let epilogue = Epilogue::Overwrite;
                if let Some(arithmetic) = self.rounding(l) {
                    let weight = &weights.rounded[l];
                    T::multiply_rounded(arithmetic, input, weight, out, epilogue, operands);
                } else {
                    let weight = &weights.products[l];
                    T::multiply(self.level, input, weight, out, epilogue);
                }
            }
            let saved = match activations {
                Activations::Save => &mut saved[start..],
                Activations::Discard => &mut [],
            };
            let activation = Activation {
                pointwise: layer.pointwise,
                shape: Shape {
                    points: count,
                    width: layer.fan_out,
                    stride,
                },
                bias: &weights.biases[l],
                z,
                h: &mut output[start..],
                slope: saved,
            };
            T::dispatch(self.level, activation);
        }
    }

    /// Computes the activations of a tile from the preactivations that [`forward_values`](Self::forward_values) kept, for a backward pass.
    pub(super) fn restore_values(
        &self,
        first_point: usize,
        workspace: &mut Workspace<T>,
        slot: usize,
        mut kept: &mut [T],
    ) {
        if !edges::has_coordinate_layer(self.plan) {
            self.encode(first_point, workspace, slot);
        }
        let Workspace {
            tiles,
            current_z,
            operands,
            ..
        } = workspace;
        let tile = &mut tiles[slot];
        grow(current_z, buffer_len(tile.points, self.plan.widest()));
        let products = edges::products(self.plan);
        for (l, layer) in self.plan.layers[..products.end].iter().enumerate() {
            if !products.contains(&l) {
                let coords = Some(self.coords_of(first_point, tile));
                let buffers = LayerBuffers {
                    z: &mut BlockBuffer::Reused(current_z),
                    operands: &mut *operands,
                };
                self.forward_layer(l, coords, tile, buffers, Activations::Save);
                continue;
            }
            let (z, rest) = kept.split_at_mut(buffer_len(tile.points, layer.fan_out));
            kept = rest;
            let bias = match layer.pointwise {
                Pointwise::Sine { .. } => &self.packed.values(self.plan, self.params).biases[l],
                // The forward pass has added the bias.
                _ => [].as_slice(),
            };
            let activation = Activation {
                pointwise: layer.pointwise,
                shape: Shape {
                    points: tile.points,
                    width: layer.fan_out,
                    stride: stride(layer.fan_out),
                },
                bias,
                z,
                h: &mut tile.inputs[l + 1],
                slope: &mut tile.preactivations[l],
            };
            T::dispatch(self.level, activation);
        }
    }

    /// Backward pass of a tile whose points begin at `first_point`, given the gradient `d_out (points, c)` with respect to its values.
    pub(super) fn backward_values(
        &self,
        first_point: usize,
        d_out: &[T],
        tile: &Tile<T>,
        gradients: &mut Gradients<'_, T>,
        scratch: &mut Scratch<T>,
    ) {
        let mut layers = self.plan.layers.len();
        if edges::has_channel_layer(self.plan) {
            layers -= 1;
            self.backward_channels(d_out, tile, gradients);
        } else {
            self.scatter(d_out, tile.points, gradients.upstream);
        }
        let first = usize::from(edges::has_coordinate_layer(self.plan));
        for l in (first..layers).rev() {
            self.backward_layer(l, tile, gradients, scratch);
        }
        if first == 0 {
            self.backward_centers(first_point, tile, gradients, scratch);
            return;
        }
        let layer = &self.plan.layers[0];
        let gradient = edges::CoordinateGradient {
            dims: layer.fan_in,
            coords: self.coords_of(first_point, tile),
            width: layer.fan_out,
            dz: gradients.upstream,
            d_weight: &mut gradients.sum.d_weights[0],
            d_bias: &mut gradients.sum.d_params[layer.bias.clone()],
        };
        T::dispatch(self.level, gradient);
    }

    /// Backward pass of the last layer, which leaves the gradient with respect to the preactivations before it in `gradients.upstream`.
    fn backward_channels(&self, d_out: &[T], tile: &Tile<T>, gradients: &mut Gradients<'_, T>) {
        let last = self.plan.layers.len() - 1;
        let layer = &self.plan.layers[last];
        let Gradients { upstream, sum, .. } = gradients;
        grow(upstream, buffer_len(tile.points, layer.fan_in));
        let gradient = edges::ChannelGradient {
            channels: layer.fan_out,
            d_out,
            h: &tile.inputs[last],
            slope: &tile.preactivations[last - 1],
            weight: &self.packed.values(self.plan, self.params).last,
            width: layer.fan_in,
            dz: upstream,
            d_weight: &mut sum.d_weights[last],
            d_bias: &mut sum.d_params[layer.bias.clone()],
        };
        T::dispatch(self.level, gradient);
    }

    /// Backward pass of layer `l`, given the gradient with respect to its preactivations.
    fn backward_layer(
        &self,
        l: usize,
        tile: &Tile<T>,
        gradients: &mut Gradients<'_, T>,
        scratch: &mut Scratch<T>,
    ) {
        let layer = &self.plan.layers[l];
        let Gradients { upstream, sum, .. } = gradients;
        let d_bias = &mut sum.d_params[layer.bias.clone()];
        let mut stage = self.stage(layer, tile.points);
        // The product of the layer above has already multiplied by `σ'`.
        stage.pointwise = Pointwise::Linear;
        stage.backward(&[], upstream, d_bias, scratch);
        let epilogue = if l > 0 {
            Epilogue::Multiply(&tile.preactivations[l - 1])
        } else {
            Epilogue::Overwrite
        };
        self.backward_product(l, &tile.inputs[l], tile.points, gradients, epilogue);
    }
}

/// Buffers of a layer's forward pass.
struct LayerBuffers<'a, 'z, T> {
    z: &'a mut BlockBuffer<'z, T>,
    /// Rounded operands of the product.
    operands: &'a mut RoundedOperands,
}

/// Buffer of the preactivations of a tile's layer, which is computed block by block.
enum BlockBuffer<'a, T> {
    /// Every block overwrites the one before.
    Reused(&'a mut [T]),
    /// The preactivations of all blocks are kept.
    Whole(&'a mut [T]),
}

impl<T> BlockBuffer<'_, T> {
    /// Returns the buffer of the block whose rows begin at element `start` of the tile.
    fn from(&mut self, start: usize) -> &mut [T] {
        match self {
            Self::Reused(buffer) => buffer,
            Self::Whole(buffer) => &mut buffer[start..],
        }
    }
}

/// `h = σ(z + b)` and `σ'(z + b)` of some points.
struct Activation<'a, T> {
    pointwise: Pointwise,
    shape: Shape,
    /// Bias, padded to a row, with the same factor as the preactivations.
    bias: &'a [T],
    /// Preactivations without the bias, to which it may be added.
    z: &'a mut [T],
    h: &'a mut [T],
    /// Receives `σ'`; empty if no backward pass follows.
    slope: &'a mut [T],
}

impl<T: Real> WithSimd for Activation<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Shape {
            points,
            width,
            stride,
        } = self.shape;
        if let Pointwise::Sine { omega } = self.pointwise {
            let mut layer = SineLayer {
                rows: points,
                width: width.next_multiple_of(T::lanes::<S>()),
                stride,
                z: self.z,
                bias: self.bias,
                h: self.h,
                slope: self.slope,
            };
            T::sine_layer(simd, T::of(omega), &mut layer);
            return;
        }
        for first in (0..points).map(|point| point * stride) {
            let row = first..first + width;
            let (z, h) = (&mut self.z[row.clone()], &mut self.h[row.clone()]);
            add(self.bias, z);
            match self.pointwise {
                pointwise if self.slope.is_empty() => {
                    pointwise.derivatives(simd, z, 0, &mut [h]);
                }
                pointwise => {
                    pointwise.derivatives(simd, z, 0, &mut [h, &mut self.slope[row]]);
                }
            }
        }
    }
}
