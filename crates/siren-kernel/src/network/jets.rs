//! Jets carried forward through the layers, and their backward pass.

use super::encoding::Features;
use super::pointwise::{AddInPlace, ForwardBuffers, Scratch};
use super::tile::{Gradients, Tile, Workspace, grow};
use super::{Chunk, Form, features, radial_basis};
use crate::function::Pointwise;
use crate::product::panel::{buffer_len, stride};
use crate::product::{Destination, Epilogue, StridedMatrix};
use crate::{Bfloat16, Real};

impl<T: Real> Chunk<'_, T> {
    /// Writes the encoded coordinates of tile `slot` of the workspace, whose points begin at `first_point`.
    pub(super) fn encode(&self, first_point: usize, workspace: &mut Workspace<T>, slot: usize) {
        let Workspace {
            tiles,
            current_z,
            scratch,
            ..
        } = workspace;
        let tile = &mut tiles[slot];
        let rows = self.components().count() * tile.points;
        grow(current_z, buffer_len(rows, self.plan.layers[0].fan_in));
        let dims = self.plan.in_features;
        features::EncodingPass {
            level: self.level,
            features: &self.plan.features,
            components: self.components(),
            coords: &self.coords[first_point * dims..][..tile.points * dims],
            params: self.params,
        }
        .forward(features::TileBuffers {
            tile,
            current_z,
            scratch,
        });
    }

    /// Forward pass of tile `slot` of the workspace, whose points begin at `first_point`, up to its outputs.
    pub(super) fn forward_jets(
        &self,
        first_point: usize,
        workspace: &mut Workspace<T>,
        slot: usize,
    ) {
        self.encode(first_point, workspace, slot);
        let components = self.carried();
        let Workspace { tiles, scratch, .. } = workspace;
        let tile = &mut tiles[slot];
        let rows = components.count() * tile.points;
        for (l, layer) in self.plan.layers.iter().enumerate() {
            let (input, rest) = tile.inputs[l..].split_at_mut(1);
            let saved = tile.preactivations[l].as_mut_slice();
            let output = rest[0].as_mut_slice();
            let mut buffers = ForwardBuffers::saving_preactivations(saved, output);
            let input = rows_of(&input[0], rows, layer.fan_in);
            let out = Destination {
                data: &mut *buffers.z,
                stride: stride(layer.fan_out),
            };
            let weight = &self.packed.forward(self.plan, self.params)[l];
            T::multiply(self.level, input, weight, out, Epilogue::Overwrite);
            let bias = &self.params[layer.bias.clone()];
            self.stage(layer, tile.points)
                .forward(bias, &mut buffers, scratch);
        }
    }

    /// Backward pass of a tile, given the gradient with respect to its outputs in `gradients.upstream`.
    pub(super) fn backward_jets(
        &self,
        first_point: usize,
        tile: &Tile<T>,
        gradients: &mut Gradients<'_, T>,
        scratch: &mut Scratch<T>,
    ) {
        let components = self.carried();
        let rows = components.count() * tile.points;
        let values_only = components.count() == 1;
        for (l, layer) in self.plan.layers.iter().enumerate().rev() {
            let Gradients { upstream, sum, .. } = gradients;
            let d_bias = &mut sum.d_params[layer.bias.clone()];
            let mut stage = self.stage(layer, tile.points);
            if self.form() == Form::Adjoint && l + 1 < self.plan.layers.len() {
                let sum = &mut upstream[..rows * stride(layer.fan_out)];
                let terms = &tile.curvatures[l];
                T::dispatch(self.level, AddInPlace { terms, sum });
            }
            if values_only {
                // The product of the layer above has already multiplied by `σ'`.
                stage.pointwise = Pointwise::Linear;
            }
            stage.backward(&tile.preactivations[l], upstream, d_bias, scratch);
            let epilogue = if values_only && l > 0 {
                Epilogue::Multiply(&tile.preactivations[l - 1])
            } else {
                Epilogue::Overwrite
            };
            self.backward_product(l, &tile.inputs[l], rows, gradients, epilogue);
        }
        self.backward_centers(first_point, tile, gradients, scratch);
    }

    /// Backward pass of the product of layer `l` with an `input` of `rows` rows: from the gradient with respect to its result, in
    /// `gradients.upstream`, to those with respect to the weights and, unless nothing before it is learned, to the input, in the same place.
    pub(super) fn backward_product(
        &self,
        l: usize,
        input: &[T],
        rows: usize,
        gradients: &mut Gradients<'_, T>,
        epilogue: Epilogue<'_, T>,
    ) {
        let layer = &self.plan.layers[l];
        let rounding = self.rounding(l);
        let Gradients {
            upstream,
            downstream,
            sum,
            operands,
        } = gradients;
        let dz = rows_of(upstream, rows, layer.fan_out);
        let input = rows_of(input, rows, layer.fan_in);
        let d_weight = &mut sum.d_weights[l];
        match rounding {
            Some(arithmetic) => {
                T::multiply_transposed_rounded(arithmetic, dz, input, d_weight, operands);
            }
            None => T::multiply_transposed(self.level, dz, input, d_weight),
        }
        let has_learned_encoding = matches!(self.plan.features, Features::Rbf { .. });
        if l > 0 || has_learned_encoding {
            grow(downstream, buffer_len(rows, layer.fan_in));
            let out = Destination {
                data: downstream.as_mut_slice(),
                stride: stride(layer.fan_in),
            };
            if let Some(arithmetic) = rounding {
                let weight = self.packed.rounded_backward(self.plan, self.params, l);
                T::multiply_rounded(arithmetic, dz, weight, out, epilogue, operands);
            } else {
                let weight = self.packed.backward(self.plan, self.params, l);
                T::multiply(self.level, dz, weight, out, epilogue);
            }
            std::mem::swap(*upstream, *downstream);
        }
    }

    /// Returns how the operands of the products of layer `l` are rounded in this pass, if they are.
    pub(super) fn rounding(&self, l: usize) -> Option<Bfloat16> {
        let rounding = self.packed.rounding(self.plan, l);
        rounding.filter(|_| self.is_value_pass())
    }

    /// Backward pass of radial basis functions, if the network has any: adds the gradient with respect to their centers and widths.
    pub(super) fn backward_centers(
        &self,
        first_point: usize,
        tile: &Tile<T>,
        gradients: &mut Gradients<'_, T>,
        scratch: &mut Scratch<T>,
    ) {
        let Features::Rbf {
            centers,
            first_center,
            first_sigma,
        } = self.plan.features
        else {
            return;
        };
        let dims = self.plan.in_features;
        let stage = radial_basis::stage(self.level, self.carried(), centers, tile.points);
        stage.backward(&tile.distances, gradients.upstream, &mut [], scratch);
        let basis = radial_basis::RadialBasis {
            centers: &self.params[first_center..][..centers * dims],
            sigmas: &self.params[first_sigma..][..centers],
        };
        // The widths directly follow the centers in the flat parameters.
        let d_rbf = &mut gradients.sum.d_params[first_center..first_sigma + centers];
        let (d_centers, d_sigmas) = d_rbf.split_at_mut(first_sigma - first_center);
        let gradient = radial_basis::RadialBasisGradient {
            d_centers,
            d_sigmas,
        };
        let coords = &self.coords[first_point * dims..][..tile.points * dims];
        radial_basis::backward(stage, coords, basis, gradients.upstream, gradient);
    }
}

/// Returns a view of `rows` padded rows of `width` columns.
pub(super) fn rows_of<T>(data: &[T], rows: usize, width: usize) -> StridedMatrix<'_, T> {
    StridedMatrix {
        data,
        rows,
        columns: width,
        stride: stride(width),
    }
}
