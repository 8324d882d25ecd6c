//! Backend of NVIDIA devices: networks computed by `siren-cuda`. From tensors in CPU memory, coordinates go up, jets come down, and their
//! gradients go up, unless the objective is a sum of squares. The parameters of a field, gradients with respect to them and the state of
//! Adam and Muon stay on the device until they are asked for. Tensors on a CUDA device of candle stay there.

mod batch;
mod memory;
mod operation;
mod resident;
mod uploads;

use std::sync::{Arc, Mutex};

use candle_core::backprop::GradStore;
use candle_core::{DType, Result, Tensor, bail};
use siren_cuda::{Fields, Gradient, Precision, SquareTargets};
use siren_kernel::network::{Order, Plan};

use self::batch::DeviceBatch;
use self::operation::DeviceJets;
use self::resident::{DeviceGradient, DeviceParameters};
use self::uploads::Uploads;
use super::batch::batch_jets;
use super::effective::EffectiveParameters;
use super::square_error::square_error;
use super::{Accumulate, Backend, ComponentSquares, Pass, Threads, frequency, lock, same_kind};
use crate::field::gradients::{FlatGradient, Gradients};
use crate::field::parameters::Parameters;
use crate::field::resident::{Resident, ResidentGradient};

/// Rows of jets, points times components, of one application: enough blocks for the largest cards.
const ROWS: usize = 1 << 16;
/// Most bytes on the device of what the forward pass saves for the backward pass.
const MOST_TAPE_BYTES: usize = 1 << 30;

/// An NVIDIA device, with the precision of its products.
pub(in super::super) struct Cuda {
    device: siren_cuda::Device,
    precision: Precision,
    uploads: Arc<Uploads>,
}

impl Cuda {
    pub(super) fn new(device: siren_cuda::Device, precision: Precision) -> Self {
        Self {
            uploads: Arc::new(Uploads::new(device.clone())),
            device,
            precision,
        }
    }

    /// Packs the weights of parameters `(…, P)`.
    fn fields(&self, plan: &Arc<Plan>, params: &Tensor) -> Result<Fields> {
        let params = memory::array(&self.device, params)?;
        let fields = self.device.fields_of(plan, &params, self.precision);
        fields.map_err(wrapped)
    }

    /// Returns the jets of a batch as [`Backend::batch_jets`], by one operation that keeps what the backward pass needs of the whole batch.
    #[cfg(feature = "candle-cuda")]
    pub(super) fn one_batch_jets(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        coords: &Tensor,
        order: &Order,
    ) -> crate::Result<Tensor> {
        let params = frequency::effective(plan, params)?.contiguous()?;
        let operation = DeviceJets {
            plan: Arc::clone(plan),
            fields: Arc::new(self.fields(plan, &params)?),
            order: order.clone(),
            gradients: Gradients::Tracked,
            tape: Mutex::default(),
            sum: None,
        };
        Ok(coords.contiguous()?.apply_op2(&params, operation)?)
    }

    fn batch(&self, plan: &Arc<Plan>, order: &Order) -> DeviceBatch {
        DeviceBatch {
            device: self.device.clone(),
            precision: self.precision,
            plan: Arc::clone(plan),
            order: order.clone(),
            chunk_points: self.chunk_points(plan, order),
        }
    }
}

/// Wraps an error, so that [`Error`](crate::Error) finds it in one of candle.
fn wrapped(error: siren_cuda::Error) -> candle_core::Error {
    candle_core::Error::Cuda(Box::new(error))
}

impl Backend for Cuda {
    fn threads(&self) -> Threads {
        Threads::One
    }

    fn keeps_samples(&self) -> bool {
        true
    }

    fn chunk_points(&self, plan: &Plan, order: &Order) -> usize {
        let fitting = MOST_TAPE_BYTES / Fields::tape_bytes_per_point(plan, order).max(1);
        fitting.clamp(1, self.evaluation_points(plan, order))
    }

    fn evaluation_points(&self, plan: &Plan, order: &Order) -> usize {
        (ROWS / order.components(plan.in_features)).max(1)
    }

    fn prepare(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        gradients: Gradients,
    ) -> Result<Box<dyn Pass>> {
        if params.dtype() != DType::F32 {
            bail!(
                "parameters of a network on a CUDA device: expected F32 (double precision needs the device `cpu`), got {:?}",
                params.dtype()
            );
        }
        // The kernels do not support learned frequencies: they receive the effective parameters.
        let params = EffectiveParameters::new(plan, params, gradients)?;
        let fields = self.fields(plan, params.leaf())?;
        Ok(Box::new(DevicePass {
            fields: Arc::new(fields),
            uploads: Arc::clone(&self.uploads),
            params,
        }))
    }

    /// Keeps the parameters on the device, unless the network's are not all of the field's, or the kernels receive others.
    fn prepare_field(
        &self,
        plan: &Arc<Plan>,
        parameters: &Parameters,
        gradients: Gradients,
    ) -> crate::Result<Box<dyn Pass>> {
        if frequency::is_learned(plan) || parameters.dtype() != DType::F32 {
            return Ok(self.prepare(plan, parameters.var()?.as_tensor(), gradients)?);
        }
        let upload = |flat: &Tensor| -> crate::Result<Arc<dyn Resident>> {
            Ok(Arc::new(DeviceParameters::upload(&self.device, flat)?))
        };
        let resident = parameters.resident(upload)?;
        let array = DeviceParameters::of(resident.as_ref())?.array();
        let fields = self.device.fields_of(plan, array, self.precision);
        let leaf = parameters.leaf().as_tensor();
        Ok(Box::new(DevicePass {
            fields: Arc::new(fields.map_err(wrapped)?),
            uploads: Arc::clone(&self.uploads),
            params: EffectiveParameters::new(plan, leaf, gradients)?,
        }))
    }

    fn batch_jets(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        coords: &Tensor,
        order: &Order,
    ) -> crate::Result<Tensor> {
        Ok(batch_jets(self.batch(plan, order), params, coords)?)
    }

    /// Computes the error on the device, chunk by chunk.
    fn batch_square_error(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        coords: &Tensor,
        targets: &Tensor,
    ) -> crate::Result<[Tensor; 2]> {
        let batch = self.batch(plan, &Order::Value);
        Ok(square_error(batch, params, coords, targets)?)
    }
}

/// A network on the device. Clones share its weights.
#[derive(Clone)]
struct DevicePass {
    /// The effective parameters on the device.
    fields: Arc<Fields>,
    uploads: Arc<Uploads>,
    params: EffectiveParameters,
}

impl DevicePass {
    fn operation(&self, order: &Order, sum: Option<&Arc<Mutex<Gradient>>>) -> DeviceJets {
        DeviceJets {
            plan: Arc::clone(self.params.plan()),
            fields: Arc::clone(&self.fields),
            order: order.clone(),
            gradients: self.params.gradients(),
            tape: Mutex::default(),
            sum: sum.cloned(),
        }
    }
}

impl Pass for DevicePass {
    fn jets(&self, coords: &Tensor, order: &Order) -> Result<Tensor> {
        self.params.apply(coords, self.operation(order, None))
    }

    fn accumulator(&self) -> Result<Box<dyn Accumulate>> {
        let zero = self.fields.gradient().map_err(wrapped)?;
        Ok(Box::new(DeviceSum {
            pass: self.clone(),
            sum: Arc::new(Mutex::new(zero)),
            merged: Vec::new(),
        }))
    }

    fn gradient_of(&self, raw: &Tensor) -> Result<FlatGradient> {
        let raw = raw.to_device(self.params.leaf().device())?;
        Ok(self.params.pull_back(&raw)?.into())
    }
}

/// Gradient on the device to which the backward pass of the operation adds.
struct DeviceSum {
    pass: DevicePass,
    sum: Arc<Mutex<Gradient>>,
    /// Sums that were merged with this one. Training merges none, because one thread uses the device.
    merged: Vec<Arc<Mutex<Gradient>>>,
}

impl Accumulate for DeviceSum {
    fn jets(&mut self, coords: &Tensor, order: &Order) -> Result<Tensor> {
        let operation = self.pass.operation(order, Some(&self.sum));
        self.pass.params.apply_summing(coords, operation)
    }

    fn squares(
        &mut self,
        coords: &Tensor,
        order: &Order,
        squares: &ComponentSquares<'_>,
    ) -> Result<Option<Vec<f64>>> {
        let plan = self.pass.params.plan();
        let count = squares.targets_per_channel(coords, plan.out_features)?;
        let Some(count) = count.filter(|_| squares.targets.dtype() == DType::F32) else {
            return Ok(None);
        };
        let factors: Vec<f32> = squares.factors.iter().map(|&x| x as f32).collect();
        let uploads = &self.pass.uploads;
        let points = uploads.rows(&squares.points)?;
        let width = plan.out_features * count;
        let targets = SquareTargets {
            targets: &uploads.of_rows(squares.targets, width, &points)?,
            first: squares.first,
            count,
            factors: &factors,
        };
        let fields = &self.pass.fields;
        let coords = uploads.of_rows(coords, plan.in_features, &points)?;
        let sums = fields.square_error(&coords, order, &targets, &mut lock(&self.sum));
        Ok(Some(sums.map_err(wrapped)?))
    }

    /// Does nothing: the backward pass has added the gradient already.
    fn collect(&mut self, _store: &GradStore) -> Result<()> {
        Ok(())
    }

    fn merge(&mut self, other: Box<dyn Accumulate>) -> Result<()> {
        let Self { sum, merged, .. } = *same_kind::<Self>(other)?;
        self.merged.push(sum);
        self.merged.extend(merged);
        Ok(())
    }

    fn into_raw(self: Box<Self>) -> Result<Tensor> {
        self.total()?.read()
    }

    fn finish(self: Box<Self>) -> Result<FlatGradient> {
        let total = self.total()?;
        let params = &self.pass.params;
        let (home, plan) = (params.leaf().device(), params.plan());
        if home.is_cpu() && !frequency::is_learned(plan) {
            return Ok(FlatGradient::on_device(Arc::new(total)));
        }
        let total = lock(&total.0).to_array().map_err(wrapped)?;
        let total = memory::tensor(total, plan.parameters, home)?;
        Ok(params.pull_back(&total)?.into())
    }
}

impl DeviceSum {
    fn total(&self) -> Result<DeviceGradient> {
        for other in &self.merged {
            lock(&self.sum).add(&lock(other)).map_err(wrapped)?;
        }
        Ok(DeviceGradient(Arc::clone(&self.sum)))
    }
}
