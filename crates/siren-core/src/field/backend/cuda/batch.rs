//! Batches of fields on a device, some fields at a time.

use std::sync::Arc;

use candle_core::{Result, bail};
use siren_cuda::{Fields, Gradient, Precision, SquareTargets};
use siren_kernel::network::{Order, Plan};

use super::super::batch::{BatchComputation, BatchGradient, BatchPlan, WriteDJets};
use super::wrapped;

/// Most fields at a time: a limit of CUDA on one axis of a grid.
const MOST_FIELDS: usize = 65_535;
/// Most parameters at a time: 256 MiB.
const MOST_PARAMETERS: usize = 1 << 26;

/// A batch of fields on a device.
pub(super) struct DeviceBatch {
    pub(super) device: siren_cuda::Device,
    pub(super) precision: Precision,
    pub(super) plan: Arc<Plan>,
    pub(super) order: Order,
    /// Most points of one application, over all its fields.
    pub(super) chunk_points: usize,
}

/// Some fields of a batch.
struct Group<'a> {
    fields: Fields,
    /// Coordinates of all their points.
    coords: &'a [f32],
    /// Number of coordinates of an application: those of all points, or, of a single field, of some.
    step: usize,
}

impl DeviceBatch {
    /// Uploads the fields of a batch with coordinates `(b, n, d)` and parameters `(b, P)`, some at a time.
    fn groups<'a>(
        &'a self,
        coords: &'a [f32],
        params: &'a [f32],
    ) -> impl Iterator<Item = Result<Group<'a>>> {
        let (dims, each) = (self.plan.in_features, self.plan.parameters);
        let points = coords.len() / dims / (params.len() / each).max(1);
        let most = MOST_FIELDS.min(MOST_PARAMETERS / each).max(1);
        let count = (self.chunk_points / points.max(1)).clamp(1, most);
        let step = count * points.min(self.chunk_points) * dims;
        let params = params.chunks(count * each);
        let coords = coords.chunks((count * points * dims).max(1));
        params.zip(coords).map(move |(params, coords)| {
            let fields = self.device.fields(&self.plan, params, self.precision);
            Ok(Group {
                fields: fields.map_err(wrapped)?,
                coords,
                step,
            })
        })
    }

    /// Sums losses and gradients with respect to `params (b, P)` over the applications: `pass` receives their fields, their coordinates and
    /// the gradient to which it adds, and returns their loss.
    fn sum(
        &self,
        coords: &[f32],
        params: &[f32],
        mut pass: impl FnMut(&Fields, &[f32], &mut Gradient) -> siren_cuda::Result<f64>,
    ) -> Result<BatchGradient<f32>> {
        let mut loss = 0.0;
        let mut d_params = Vec::with_capacity(params.len());
        for group in self.groups(coords, params) {
            let group = group?;
            let mut gradient = group.fields.gradient().map_err(wrapped)?;
            for coords in group.coords.chunks(group.step) {
                loss += pass(&group.fields, coords, &mut gradient).map_err(wrapped)?;
            }
            d_params.extend(gradient.read().map_err(wrapped)?);
        }
        // Without points there is no group.
        d_params.resize(params.len(), 0.0);
        Ok(BatchGradient { loss, d_params })
    }
}

impl BatchPlan for DeviceBatch {
    fn plan(&self) -> &Plan {
        &self.plan
    }

    fn order(&self) -> &Order {
        &self.order
    }
}

impl BatchComputation<f32> for DeviceBatch {
    fn jets(&self, coords: &[f32], params: &[f32]) -> Result<Vec<f32>> {
        let mut jets = Vec::new();
        for group in self.groups(coords, params) {
            let group = group?;
            for coords in group.coords.chunks(group.step) {
                jets.extend(group.fields.jets(coords, &self.order).map_err(wrapped)?);
            }
        }
        Ok(jets)
    }

    fn gradient(
        &self,
        coords: &[f32],
        params: &[f32],
        write_d_jets: &WriteDJets<'_, f32>,
    ) -> Result<BatchGradient<f32>> {
        let mut first = 0;
        self.sum(coords, params, |fields, coords, gradient| {
            let (mut jets, tape) = fields.forward(coords, &self.order)?;
            let loss = write_d_jets(first..first + jets.len(), &mut jets);
            first += jets.len();
            fields.backward(&tape, &jets, gradient)?;
            Ok(loss)
        })
    }

    /// Computes the error on the device: neither values nor their gradients are copied.
    fn square_error(
        &self,
        coords: &[f32],
        params: &[f32],
        targets: &[f32],
        factor: f64,
    ) -> Result<BatchGradient<f32>> {
        let Plan {
            in_features: dims,
            out_features: channels,
            ..
        } = *self.plan;
        let mut rest = targets;
        self.sum(coords, params, |fields, coords, gradient| {
            let (own, others) = rest.split_at(coords.len() / dims * channels);
            rest = others;
            let targets = SquareTargets {
                targets: &self.device.array(own)?,
                first: 0,
                count: 1,
                factors: &[factor as f32],
            };
            let coords = self.device.array(coords)?;
            let sums = fields.square_error(&coords, &self.order, &targets, gradient)?;
            Ok(sums.iter().sum())
        })
    }
}

impl BatchComputation<f64> for DeviceBatch {
    fn jets(&self, _coords: &[f64], _params: &[f64]) -> Result<Vec<f64>> {
        double_precision()
    }

    fn gradient(
        &self,
        _coords: &[f64],
        _params: &[f64],
        _write_d_jets: &WriteDJets<'_, f64>,
    ) -> Result<BatchGradient<f64>> {
        double_precision()
    }
}

fn double_precision<T>() -> Result<T> {
    bail!(
        "fields of a batch on a CUDA device: expected parameters of F32 (double precision needs the device `cpu`), got F64"
    )
}
