//! Jets carried forward through the layers, and the one reverse pass.

use super::encoding::Features;
use super::plan::Dense;
use super::pointwise::{Add, Scratch, Through};
use super::tile::{Gradients, Tile, Workspace, ensure};
use super::{Chunk, Form, features};
use crate::Real;
use crate::function::Pointwise;
use crate::product::panel::{Finish, Strided, room, stride};

impl<T: Real> Chunk<'_, T> {
    /// From the points `first ..` to the outputs of a tile.
    pub(super) fn forward_jets(
        &self,
        first: usize,
        workspace: &mut Workspace<T>,
        (slot, keep): (usize, bool),
    ) {
        let components = self.carried();
        let Workspace {
            tiles,
            hot,
            scratch,
            ..
        } = workspace;
        let tile = &mut tiles[slot];
        let rows = components.count() * tile.points;
        let width = |layer: &Dense| layer.fan_out.max(layer.fan_in);
        let widest = self.plan.layers.iter().map(width).max().unwrap_or_default();
        ensure(hot, room(rows, widest));
        let slopes_only = components.count() == 1 && self.form() == Form::Jets;
        let dims = self.plan.in_features;
        let coords = &self.coords[first * dims..][..tile.points * dims];
        features::forward(
            self.level,
            &self.plan.features,
            self.components(),
            (coords, self.params),
            (tile, hot, scratch),
        );
        for (l, layer) in self.plan.layers.iter().enumerate() {
            let (input, rest) = tile.inputs[l..].split_at_mut(1);
            let kept = &mut tile.preactivations[l];
            let mut through = Through::new(slopes_only, (hot, kept), &mut rest[0]);
            if !keep {
                through.slope = &mut [];
            }
            let input = Strided {
                data: &input[0],
                rows,
                stride: stride(layer.fan_in),
            };
            let out = (&mut *through.z, stride(layer.fan_out));
            T::multiply(
                self.level,
                input,
                &self.packed.forward[l],
                out,
                Finish::Write,
            );
            let bias = &self.params[layer.bias.clone()];
            self.stage(layer, tile.points)
                .forward(bias, &mut through, scratch);
        }
    }

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
        let backward = self.packed.backward(self.plan, self.params);
        let into_features = matches!(self.plan.features, Features::Rbf { .. });
        for (l, layer) in self.plan.layers.iter().enumerate().rev() {
            let Gradients {
                upstream,
                downstream,
                sum,
            } = gradients;
            let d_bias = &mut sum.d_params[layer.bias.clone()];
            let mut stage = self.stage(layer, tile.points);
            if self.form() == Form::Adjoint && l + 1 < self.plan.layers.len() {
                let d = &mut upstream[..rows * stride(layer.fan_out)];
                T::dispatch(self.level, Add(&tile.bends[l], d));
            }
            if values_only {
                // The product above has multiplied by `σ'` already.
                stage.pointwise = Pointwise::Linear;
            }
            stage.backward(&tile.preactivations[l], upstream, d_bias, scratch);
            let dz = Strided {
                data: upstream.as_slice(),
                rows,
                stride: stride(layer.fan_out),
            };
            let input = Strided {
                data: &tile.inputs[l],
                rows,
                stride: stride(layer.fan_in),
            };
            T::multiply_transposed(
                self.level,
                (dz, layer.fan_out),
                (input, layer.fan_in),
                &mut sum.d_weights[l],
            );
            if l > 0 || into_features {
                ensure(downstream, room(rows, layer.fan_in));
                let out = (downstream.as_mut_slice(), stride(layer.fan_in));
                let finish = if values_only && l > 0 {
                    Finish::Scale(&tile.preactivations[l - 1])
                } else {
                    Finish::Write
                };
                T::multiply(self.level, dz, &backward[l], out, finish);
                std::mem::swap(*upstream, *downstream);
            }
        }
        self.backward_centers(first_point, tile, gradients, scratch);
    }

    /// Back into centers and widths of radial basis functions, if there are any.
    fn backward_centers(
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
        let stage = features::rbf_stage(self.level, self.carried(), centers, tile.points);
        stage.backward(&tile.distances, gradients.upstream, &mut [], scratch);
        let centers_d = &self.params[first_center..][..centers * dims];
        let sigmas = &self.params[first_sigma..][..centers];
        // The layout puts the widths right behind the centers.
        let d_rbf = &mut gradients.sum.d_params[first_center..first_sigma + centers];
        let d_rbf = d_rbf.split_at_mut(first_sigma - first_center);
        let coords = &self.coords[first_point * dims..][..tile.points * dims];
        let d_distances = gradients.upstream.as_slice();
        features::backward_rbf(stage, coords, (centers_d, sigmas), d_distances, d_rbf);
    }
}
