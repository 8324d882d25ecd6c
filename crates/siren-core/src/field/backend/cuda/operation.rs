//! Fields on a device as one differentiable candle operation: `(coords (…, n, d), parameters (…, P)) → jets (…, n, c, 1 + d + K)`, of one field or
//! of a batch.

use std::sync::{Arc, Mutex};

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use siren_cuda::{DeviceArray, Fields, Gradient, Tape};
use siren_kernel::network::{Order, Plan};

use super::super::lock;
use super::{memory, wrapped};
use crate::field::gradients::Gradients;
use crate::field::tensor::contiguous;

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
    /// Returns the jets, and keeps the tape if a backward pass may follow.
    fn forward(&self, coords: &DeviceArray) -> Result<DeviceArray> {
        match self.gradients {
            Gradients::Tracked => {
                let forward = self.fields.forward_on_device(coords, &self.order);
                let (jets, tape) = forward.map_err(wrapped)?;
                *lock(&self.tape) = Some(tape);
                Ok(jets)
            }
            Gradients::Untracked => {
                let jets = self.fields.jets_on_device(coords, &self.order);
                jets.map_err(wrapped)
            }
        }
    }

    /// Returns the shape of the jets at coordinates of a layout.
    fn shape(&self, coords: &Layout) -> Shape {
        let mut sides = coords.dims().to_vec();
        sides.pop();
        sides.push(self.plan.out_features);
        sides.push(self.order.components(self.plan.in_features));
        Shape::from(sides)
    }

    /// Adds the gradient with respect to the parameters to `sum`, given the gradient `d_jets` with respect to the jets.
    fn backward(&self, coords: &Tensor, d_jets: &Tensor, sum: &mut Gradient) -> Result<()> {
        let device = self.fields.device();
        let taken = lock(&self.tape).take();
        // The first backward pass takes the tape; a second one over the same graph computes the forward pass again.
        let tape = if let Some(tape) = taken {
            tape
        } else {
            let coords = memory::array(device, coords)?;
            let forward = self.fields.forward_on_device(&coords, &self.order);
            forward.map_err(wrapped)?.1
        };
        memory::with_view(device, d_jets, |d_jets| {
            self.fields.backward_on_device(&tape, d_jets, sum)
        })
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
        let device = self.fields.device();
        let coords = device.array(contiguous(coords, layout)?).map_err(wrapped)?;
        let jets = self.forward(&coords)?.read().map_err(wrapped)?;
        Ok((CpuStorage::F32(jets), self.shape(layout)))
    }

    #[cfg(feature = "candle-cuda")]
    fn cuda_fwd(
        &self,
        coords: &candle_core::CudaStorage,
        layout: &Layout,
        _params: &candle_core::CudaStorage,
        _params_layout: &Layout,
    ) -> Result<(candle_core::CudaStorage, Shape)> {
        let (device, home) = (self.fields.device(), &coords.device);
        let elements = memory::elements(coords, layout)?;
        let coords = device.array_from(&elements).map_err(wrapped)?;
        let jets = memory::storage(self.forward(&coords)?, home)?;
        Ok((jets, self.shape(layout)))
    }

    /// Returns a gradient with respect to the parameters only, or adds it to the sum: coordinates are data.
    fn bwd(
        &self,
        coords: &Tensor,
        params: &Tensor,
        _jets: &Tensor,
        d_jets: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        if let Some(sum) = &self.sum {
            self.backward(coords, d_jets, &mut lock(sum))?;
            return Ok((None, None));
        }
        let mut sum = self.fields.gradient().map_err(wrapped)?;
        self.backward(coords, d_jets, &mut sum)?;
        let gradient = memory::tensor(sum.into_array(), params.shape(), params.device())?;
        Ok((None, Some(gradient)))
    }
}
