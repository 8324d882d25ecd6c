//! A field on a device as one differentiable candle operation: `(coords (n, d), parameters (P,)) → jets (n, c, 1 + d + K)`.

use std::sync::{Arc, Mutex};

use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Tensor};
use siren_cuda::{Fields, Gradient, Tape};
use siren_kernel::network::{Order, Plan};

use super::super::lock;
use super::wrapped;
use crate::field::gradients::Gradients;
use crate::field::tensor::{contiguous, read};

/// One application of a network to a chunk of points.
pub(super) struct DeviceJets {
    pub(super) plan: Arc<Plan>,
    /// The parameters to which the operation is applied, on the device.
    pub(super) fields: Arc<Fields>,
    pub(super) order: Order,
    /// Whether a backward pass may follow.
    pub(super) gradients: Gradients,
    /// What the forward pass saved on the device.
    pub(super) tape: Mutex<Option<Tape>>,
    /// Gradient to which the backward pass adds, instead of returning it to candle's store.
    pub(super) sum: Option<Arc<Mutex<Gradient>>>,
}

impl DeviceJets {
    /// Adds the gradient with respect to the parameters to `sum`, given the gradient `d_jets` with respect to the jets.
    fn backward(&self, coords: &Tensor, d_jets: &Tensor, sum: &mut Gradient) -> Result<()> {
        let taken = lock(&self.tape).take();
        // The first backward pass takes the tape; a second one over the same graph computes the forward pass again.
        let tape = if let Some(tape) = taken {
            tape
        } else {
            let forward = |coords: &[f32]| self.fields.forward(coords, &self.order);
            read(coords, forward)?.map_err(wrapped)?.1
        };
        let backward = |d_jets: &[f32]| self.fields.backward(&tape, d_jets, sum);
        read(&d_jets.contiguous()?, backward)?.map_err(wrapped)
    }
}

impl CustomOp2 for DeviceJets {
    fn name(&self) -> &'static str {
        "siren-device-jet"
    }

    fn cpu_fwd(
        &self,
        coords: &CpuStorage,
        layout: &Layout,
        _params: &CpuStorage,
        _params_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let points = layout.dims()[0];
        let components = self.order.components(self.plan.in_features);
        let shape = Shape::from((points, self.plan.out_features, components));
        let coords = contiguous::<f32>(coords, layout)?;
        let jets = match self.gradients {
            Gradients::Tracked => {
                let forward = self.fields.forward(coords, &self.order);
                let (jets, tape) = forward.map_err(wrapped)?;
                *lock(&self.tape) = Some(tape);
                jets
            }
            Gradients::Untracked => self.fields.jets(coords, &self.order).map_err(wrapped)?,
        };
        Ok((CpuStorage::F32(jets), shape))
    }

    /// Returns a gradient with respect to the parameters only, or adds it to the sum: coordinates are data.
    fn bwd(
        &self,
        coords: &Tensor,
        _params: &Tensor,
        _jets: &Tensor,
        d_jets: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        if let Some(sum) = &self.sum {
            self.backward(coords, d_jets, &mut lock(sum))?;
            return Ok((None, None));
        }
        let mut sum = self.fields.gradient().map_err(wrapped)?;
        self.backward(coords, d_jets, &mut sum)?;
        let gradient = sum.read().map_err(wrapped)?;
        let gradient = Tensor::from_vec(gradient, self.plan.parameters, &Device::Cpu)?;
        Ok((None, Some(gradient)))
    }
}
