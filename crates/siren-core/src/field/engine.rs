//! What computes networks whose tensors are in CPU memory.

#[cfg(feature = "cuda")]
use candle_core::{DType, Device};

use super::parameters::Parameters;
#[cfg(feature = "cuda")]
use crate::error::Error;
use crate::error::Result;

/// What computes networks whose tensors are in CPU memory. [`Network::on`](super::Network::on) and [`Siren::on`](super::Siren::on) choose it.
///
/// An engine with memory of its own keeps the parameters of a field there between training steps, with the gradient and the state of Adam and Muon.
/// Other objectives than squared errors, and other optimizers, stay on the CPU: coordinates go to the engine, jets come back, their gradients go
/// there again. Results of two engines agree to rounding.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum FieldEngine {
    /// The CPU, by `siren-kernel`.
    #[default]
    Cpu,
    /// An NVIDIA device, by `siren-cuda`: parameters in `f32` alone.
    #[cfg(feature = "cuda")]
    Cuda {
        /// The device. Clones share it.
        device: siren_cuda::Device,
        /// How operands of products are rounded.
        precision: siren_cuda::Precision,
    },
}

impl FieldEngine {
    /// Opens NVIDIA device number `index`, counted from 0, with products as accurate as single precision.
    ///
    /// # Errors
    /// [`Error::Cuda`] if there is no driver, no such device, or the device is older than Ampere (2020).
    #[cfg(feature = "cuda")]
    pub fn cuda(index: usize) -> Result<Self> {
        Ok(Self::Cuda {
            device: siren_cuda::Device::open(index)?,
            precision: siren_cuda::Precision::Exact,
        })
    }

    /// Returns the name of the card, such as `NVIDIA H100 80GB HBM3`; `None` for the CPU.
    #[must_use]
    pub fn card(&self) -> Option<&str> {
        match self {
            Self::Cpu => None,
            #[cfg(feature = "cuda")]
            Self::Cuda { device, .. } => Some(device.name()),
        }
    }

    /// Checks that the engine computes networks with these parameters.
    ///
    /// # Errors
    /// [`Error::Shape`] for an NVIDIA device, if the parameters are not of type `f32` in CPU memory.
    pub fn must_compute(&self, parameters: &Parameters) -> Result<()> {
        match self {
            Self::Cpu => {
                let _ = parameters;
                Ok(())
            }
            #[cfg(feature = "cuda")]
            Self::Cuda { .. } => must_be_single(parameters.dtype(), parameters.device()),
        }
    }
}

/// `cpu`, or `cuda:N`.
impl std::fmt::Display for FieldEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            #[cfg(feature = "cuda")]
            Self::Cuda { device, .. } => write!(f, "cuda:{}", device.index()),
        }
    }
}

/// Checks the parameters of a network on an NVIDIA device.
#[cfg(feature = "cuda")]
pub(super) fn must_be_single(dtype: DType, device: &Device) -> Result<()> {
    if dtype == DType::F32 && device.is_cpu() {
        return Ok(());
    }
    Err(Error::Shape {
        what: "parameters of a network on a CUDA device",
        expected: "F32 in CPU memory (double precision needs the device `cpu`)".to_owned(),
        got: format!("{dtype:?} on the device {:?}", device.location()),
    })
}

#[cfg(all(test, feature = "cuda"))]
mod tests {
    use super::*;

    #[test]
    fn double_precision_is_refused_on_a_cuda_device() {
        must_be_single(DType::F32, &Device::Cpu).unwrap();
        let error = must_be_single(DType::F64, &Device::Cpu).unwrap_err();
        assert_eq!(
            error.to_string(),
            "parameters of a network on a CUDA device: expected F32 in CPU memory (double precision needs the device `cpu`), got F64 on the \
             device Cpu"
        );
    }
}
