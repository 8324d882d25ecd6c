//! Gradients with respect to parameters, and whether a network is prepared for them.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use siren_kernel::product::sum_of_squares;

use super::resident::ResidentGradient;
use super::tensor::read;
use crate::error::Result;

/// Whether the jets of a prepared network can be differentiated in the parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gradients {
    /// The forward pass keeps the intermediate values that a backward pass needs.
    Tracked,
    /// Values only: no graph is built.
    Untracked,
}

/// Gradient with respect to the flat parameters `(P,)`: a tensor, or elements on the device of an engine, where they stay until they are asked for.
/// Clones share the elements.
#[derive(Clone)]
pub struct FlatGradient(Place);

#[derive(Clone)]
enum Place {
    Memory(Tensor),
    Device(Arc<dyn ResidentGradient>),
}

impl FlatGradient {
    /// Makes a gradient whose elements are on the device of an engine.
    pub(crate) fn on_device(gradient: Arc<dyn ResidentGradient>) -> Self {
        Self(Place::Device(gradient))
    }

    /// Returns the gradient on the device of an engine, if it is there.
    pub(crate) fn resident(&self) -> Option<&dyn ResidentGradient> {
        match &self.0 {
            Place::Memory(_) => None,
            Place::Device(gradient) => Some(gradient.as_ref()),
        }
    }

    /// Returns the gradient as a tensor `(P,)`; elements on the device of an engine are copied to CPU memory.
    ///
    /// # Errors
    /// If the device fails.
    pub fn tensor(&self) -> Result<Tensor> {
        match &self.0 {
            Place::Memory(tensor) => Ok(tensor.clone()),
            Place::Device(gradient) => Ok(gradient.read()?),
        }
    }

    /// Returns the tensor, or nothing if the elements are on the device of an engine.
    pub(crate) fn into_memory(self) -> Option<Tensor> {
        match self.0 {
            Place::Memory(tensor) => Some(tensor),
            Place::Device(_) => None,
        }
    }

    /// Returns the sum of two gradients with respect to the same parameters.
    ///
    /// # Errors
    /// [`Error::Candle`](crate::Error::Candle) if their lengths differ.
    pub fn plus(self, other: &Self) -> Result<Self> {
        if let (Place::Device(sum), Place::Device(more)) = (&self.0, &other.0) {
            sum.add(more.as_ref())?;
            return Ok(self);
        }
        Ok(Self::from((self.tensor()? + other.tensor()?)?))
    }

    /// Returns the Euclidean norm.
    ///
    /// # Errors
    /// If the device fails.
    pub fn norm(&self) -> Result<f64> {
        let tensor = match &self.0 {
            Place::Memory(tensor) => tensor,
            Place::Device(gradient) => return Ok(gradient.norm()?),
        };
        // In double precision: the square of a large but finite `f32` would overflow, which clipping is there to mend.
        let local = tensor.to_device(&Device::Cpu)?.contiguous()?;
        let sum = match local.dtype() {
            DType::F64 => read(&local, sum_of_squares::<f64>)?,
            _ => read(&local, sum_of_squares::<f32>)?,
        };
        Ok(sum.sqrt())
    }
}

impl From<Tensor> for FlatGradient {
    fn from(tensor: Tensor) -> Self {
        Self(Place::Memory(tensor))
    }
}

impl std::fmt::Debug for FlatGradient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Place::Memory(tensor) => f.debug_tuple("FlatGradient").field(tensor).finish(),
            Place::Device(_) => f.write_str("FlatGradient(on a device)"),
        }
    }
}
