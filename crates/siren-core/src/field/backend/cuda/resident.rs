//! Parameters, gradients and optimizer states that stay on an NVIDIA device between steps.

use std::any::Any;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use candle_core::{Device, Result, Tensor, bail};
use siren_cuda::{AdamMoments, AdamStep, DeviceArray, Gradient, MuonMatrix, MuonMomenta, MuonStep};

use super::super::lock;
use super::wrapped;
use crate::field::resident::{
    AdamConstants, MuonConstants, Resident, ResidentAdam, ResidentGradient, ResidentMatrix,
    ResidentMuon,
};
use crate::field::tensor::read;

/// Parameters of a network on a device.
pub(super) struct DeviceParameters {
    device: siren_cuda::Device,
    array: DeviceArray,
}

impl DeviceParameters {
    /// Uploads the parameters `flat (P,)`.
    pub(super) fn upload(device: &siren_cuda::Device, flat: &Tensor) -> Result<Self> {
        let array = read(&flat.contiguous()?, |flat: &[f32]| device.array(flat))?;
        Ok(Self {
            device: device.clone(),
            array: array.map_err(wrapped)?,
        })
    }

    /// Returns the parameters that an engine of this kind keeps.
    pub(super) fn of(parameters: &dyn Resident) -> Result<&Self> {
        let parameters: &dyn Any = parameters;
        let Some(own) = parameters.downcast_ref() else {
            bail!("the parameters are on the device of another engine");
        };
        Ok(own)
    }

    /// Returns the elements on the device.
    pub(super) fn array(&self) -> &DeviceArray {
        &self.array
    }
}

impl Resident for DeviceParameters {
    fn read(&self) -> Result<Tensor> {
        in_memory(self.array.read())
    }

    fn norm(&self) -> Result<f64> {
        Ok(self.array.sum_of_squares().map_err(wrapped)?.sqrt())
    }

    fn adam(
        &self,
        ranges: &[Range<usize>],
        moments: [&Tensor; 2],
    ) -> Result<Box<dyn ResidentAdam>> {
        let [first, second] = moments.map(Tensor::to_vec1::<f32>);
        let moments = AdamMoments::new(&self.device, ranges, [&first?, &second?]);
        Ok(Box::new(DeviceMoments(moments.map_err(wrapped)?)))
    }

    fn muon(
        &self,
        matrices: &[ResidentMatrix],
        momenta: &[&Tensor],
    ) -> Result<Box<dyn ResidentMuon>> {
        let place = |matrix: &ResidentMatrix| MuonMatrix {
            first: matrix.first,
            rows: matrix.rows,
            columns: matrix.columns,
        };
        let places: Vec<MuonMatrix> = matrices.iter().map(place).collect();
        let momenta = momenta
            .iter()
            .map(|momentum| momentum.flatten_all()?.to_vec1::<f32>());
        let momenta: Vec<Vec<f32>> = momenta.collect::<Result<_>>()?;
        let state = MuonMomenta::new(&self.device, &places, &momenta).map_err(wrapped)?;
        Ok(Box::new(DeviceMomenta {
            state,
            shapes: matrices.iter().map(|m| [m.rows, m.columns]).collect(),
        }))
    }
}

/// Gradient on a device, and others that are added to it.
pub(super) struct DeviceGradient(pub(super) Arc<Mutex<Gradient>>);

impl DeviceGradient {
    /// Returns the gradient that an engine of this kind computed.
    fn of(gradient: &dyn ResidentGradient) -> Result<&Self> {
        let gradient: &dyn Any = gradient;
        let Some(own) = gradient.downcast_ref() else {
            bail!("the gradient is on the device of another engine");
        };
        Ok(own)
    }
}

impl ResidentGradient for DeviceGradient {
    fn read(&self) -> Result<Tensor> {
        in_memory(lock(&self.0).read())
    }

    fn norm(&self) -> Result<f64> {
        Ok(lock(&self.0).sum_of_squares().map_err(wrapped)?.sqrt())
    }

    fn add(&self, other: &dyn ResidentGradient) -> Result<()> {
        let other = Self::of(other)?;
        lock(&self.0).add(&lock(&other.0)).map_err(wrapped)
    }
}

/// State of Adam on a device.
struct DeviceMoments(AdamMoments);

impl ResidentAdam for DeviceMoments {
    fn step(
        &mut self,
        constants: &AdamConstants,
        parameters: &dyn Resident,
        gradient: &dyn ResidentGradient,
    ) -> Result<()> {
        let &AdamConstants {
            factor,
            betas,
            inverse_root,
            epsilon,
            rate,
            decay,
            rest,
        } = constants;
        let step = AdamStep {
            factor,
            betas,
            inverse_root,
            epsilon,
            rate,
            decay,
            rest,
        };
        let parameters = DeviceParameters::of(parameters)?.array();
        let gradient = lock(&DeviceGradient::of(gradient)?.0);
        let stepped = self.0.step(&step, parameters, &gradient);
        stepped.map_err(wrapped)
    }

    fn read(&self) -> Result<[Tensor; 2]> {
        let [first, second] = self.0.read().map_err(wrapped)?;
        Ok([in_memory(Ok(first))?, in_memory(Ok(second))?])
    }
}

/// State of Muon on a device.
struct DeviceMomenta {
    state: MuonMomenta,
    /// Rows and columns of each matrix.
    shapes: Vec<[usize; 2]>,
}

impl ResidentMuon for DeviceMomenta {
    fn step(
        &mut self,
        constants: &MuonConstants,
        parameters: &dyn Resident,
        gradient: &dyn ResidentGradient,
    ) -> Result<()> {
        let &MuonConstants {
            factor,
            momentum,
            rate,
            weight_decay,
            iterations,
        } = constants;
        let step = MuonStep {
            factor,
            momentum,
            rate,
            weight_decay,
            iterations,
        };
        let parameters = DeviceParameters::of(parameters)?.array();
        let gradient = lock(&DeviceGradient::of(gradient)?.0);
        let stepped = self.state.step(&step, parameters, &gradient);
        stepped.map_err(wrapped)
    }

    fn read(&self) -> Result<Vec<Tensor>> {
        let momenta = self.state.read().map_err(wrapped)?;
        let matrix = |(momentum, &shape): (Vec<f32>, &[usize; 2])| {
            in_memory(Ok(momentum))?.reshape(&shape[..])
        };
        momenta.into_iter().zip(&self.shapes).map(matrix).collect()
    }
}

/// Returns elements that were copied from a device as a tensor `(n,)`.
fn in_memory(elements: siren_cuda::Result<Vec<f32>>) -> Result<Tensor> {
    let elements = elements.map_err(wrapped)?;
    let len = elements.len();
    Tensor::from_vec(elements, len, &Device::Cpu)
}
