//! Backend of CUDA devices of candle: `siren-cuda` computes networks of type `f32` on candle's stream, and candle's operations compute all
//! others.

use std::sync::{Arc, Mutex, Weak};

use candle_core::cuda_backend::DeviceId;
use candle_core::{CudaDevice, DType, Result, Tensor};
use siren_cuda::Precision;
use siren_kernel::network::{Order, Plan};

use super::cuda::Cuda;
use super::square_error::square_error_of_jets;
use super::{Backend, Composed, Pass, Threads, lock};
use crate::field::gradients::Gradients;

/// A CUDA device of candle.
pub(super) struct CandleCuda {
    /// The same device, on candle's stream.
    engine: Cuda,
}

/// The devices that networks use. Each compiles its kernels once.
static DEVICES: Mutex<Vec<(DeviceId, Weak<CandleCuda>)>> = Mutex::new(Vec::new());

impl CandleCuda {
    /// Returns the backend of a device: candle's operations, if the kernels do not run on its card.
    pub(super) fn of(device: &CudaDevice) -> Arc<dyn Backend> {
        let mut devices = lock(&DEVICES);
        devices.retain(|(_, known)| known.strong_count() > 0);
        let known = devices.iter().find(|(id, _)| *id == device.id());
        if let Some(known) = known.and_then(|(_, known)| known.upgrade()) {
            return known;
        }
        match siren_cuda::Device::on_stream(device.cuda_stream()) {
            Ok(engine) => {
                let engine = Cuda::new(engine, Precision::Exact);
                let backend = Arc::new(Self { engine });
                devices.push((device.id(), Arc::downgrade(&backend)));
                backend
            }
            // A card older than Ampere. Other errors of the driver come again at candle's next call.
            Err(_) => Arc::new(Composed),
        }
    }
}

impl Backend for CandleCuda {
    fn threads(&self) -> Threads {
        Threads::One
    }

    /// Returns as many points as both can: the type of the parameters is not known here.
    fn chunk_points(&self, plan: &Plan, order: &Order) -> usize {
        let points = self.engine.chunk_points(plan, order);
        points.min(Composed.chunk_points(plan, order))
    }

    fn evaluation_points(&self, plan: &Plan, order: &Order) -> usize {
        let points = self.engine.evaluation_points(plan, order);
        points.min(Composed.evaluation_points(plan, order))
    }

    fn prepare(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        gradients: Gradients,
    ) -> Result<Box<dyn Pass>> {
        match params.dtype() {
            DType::F32 => self.engine.prepare(plan, params, gradients),
            _ => Composed.prepare(plan, params, gradients),
        }
    }

    fn batch_jets(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        coords: &Tensor,
        order: &Order,
    ) -> crate::Result<Tensor> {
        match params.dtype() {
            DType::F32 => self.engine.one_batch_jets(plan, params, coords, order),
            _ => Composed.batch_jets(plan, params, coords, order),
        }
    }

    fn batch_square_error(
        &self,
        plan: &Arc<Plan>,
        params: &Tensor,
        coords: &Tensor,
        targets: &Tensor,
    ) -> crate::Result<[Tensor; 2]> {
        let jets = self.batch_jets(plan, params, coords, &Order::Value)?;
        square_error_of_jets(&jets, params, targets)
    }
}
