//! Gradients with respect to parameters, and whether a network is prepared for them.

use std::ops::Range;
use std::sync::Arc;

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor};
use siren_kernel::product::sum_of_squares;

use super::resident::ResidentGradient;
use super::resting::{TileErrors, TilesOfStep};
use super::tensor::read;
use crate::error::Result;

/// Runs the backward pass of a loss: every gradient starts here.
///
/// # Errors
/// Only from candle.
#[expect(
    clippy::disallowed_methods,
    reason = "the one call of the backward pass"
)]
pub fn differentiate(loss: &Tensor) -> Result<GradStore> {
    Ok(loss.backward()?)
}

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
pub struct FlatGradient {
    place: Place,
    /// Of a mosaic some of whose tiles may rest.
    tiles: Option<Arc<TilesOfStep>>,
}

#[derive(Clone)]
enum Place {
    Memory(Tensor),
    /// The elements of a range are the gradient; the others are undefined, and other ranks have them.
    Slice(Tensor, Range<usize>),
    Device(Arc<dyn ResidentGradient>),
}

impl FlatGradient {
    fn at(place: Place) -> Self {
        Self { place, tiles: None }
    }

    /// Makes the gradient `(P,)` of a mosaic some of whose tiles may rest.
    pub(crate) fn of_tiles(gradient: Tensor, tiles: TilesOfStep) -> Self {
        Self {
            place: Place::Memory(gradient),
            tiles: Some(Arc::new(tiles)),
        }
    }

    /// Returns the ranges of the parameters of tiles at rest, ascending: an optimizer leaves these parameters, and its state of them, as they are.
    /// The elements of the gradient there are 0.
    #[must_use]
    pub fn resting(&self) -> &[Range<usize>] {
        self.tiles.as_ref().map_or(&[], |tiles| &tiles.resting)
    }

    /// Returns the errors of the tiles of a mosaic some of which may rest.
    pub(crate) fn tile_errors(&self) -> Option<&TileErrors> {
        Some(&self.tiles.as_ref()?.errors)
    }

    /// Makes a gradient whose elements are on the device of an engine.
    pub(crate) fn on_device(gradient: Arc<dyn ResidentGradient>) -> Self {
        Self::at(Place::Device(gradient))
    }

    /// Makes a gradient `(P,)` of which only the elements of a range count: those of this rank.
    pub(crate) fn slice_of(gradient: Tensor, range: Range<usize>) -> Self {
        Self::at(Place::Slice(gradient, range))
    }

    /// Returns the range of the elements that this rank has, unless it has all.
    pub(crate) fn slice(&self) -> Option<Range<usize>> {
        match &self.place {
            Place::Slice(_, range) => Some(range.clone()),
            Place::Memory(_) | Place::Device(_) => None,
        }
    }

    /// Returns the gradient on the device of an engine, if it is there.
    pub(crate) fn resident(&self) -> Option<&dyn ResidentGradient> {
        match &self.place {
            Place::Memory(_) | Place::Slice(..) => None,
            Place::Device(gradient) => Some(gradient.as_ref()),
        }
    }

    /// Returns the gradient as a tensor `(P,)`; elements on the device of an engine are copied to CPU memory. Elements that other ranks have are
    /// undefined.
    ///
    /// # Errors
    /// If the device fails.
    pub fn tensor(&self) -> Result<Tensor> {
        match &self.place {
            Place::Memory(tensor) | Place::Slice(tensor, _) => Ok(tensor.clone()),
            Place::Device(gradient) => Ok(gradient.read()?),
        }
    }

    /// Returns the tensor, or nothing if the elements are on the device of an engine.
    pub(crate) fn into_memory(self) -> Option<Tensor> {
        match self.place {
            Place::Memory(tensor) | Place::Slice(tensor, _) => Some(tensor),
            Place::Device(_) => None,
        }
    }

    /// Returns the sum of two gradients with respect to the same parameters.
    ///
    /// # Errors
    /// [`Error::Candle`](crate::Error::Candle) if their lengths differ.
    pub fn plus(self, other: &Self) -> Result<Self> {
        if let (Place::Device(sum), Place::Device(more)) = (&self.place, &other.place) {
            sum.add(more.as_ref())?;
            return Ok(self);
        }
        let sum = (self.tensor()? + other.tensor()?)?;
        Ok(match self.slice() {
            Some(range) => Self::slice_of(sum, range),
            None => Self::from(sum),
        })
    }

    /// Returns the Euclidean norm: that of its slice, if this rank has no more.
    ///
    /// # Errors
    /// If the device fails.
    pub fn norm(&self) -> Result<f64> {
        let tensor = match &self.place {
            Place::Memory(tensor) => tensor.clone(),
            Place::Slice(tensor, range) => tensor.narrow(0, range.start, range.len())?,
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
        Self::at(Place::Memory(tensor))
    }
}

impl std::fmt::Debug for FlatGradient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Place::Memory(tensor) | Place::Slice(tensor, _) => {
                f.debug_tuple("FlatGradient").field(tensor).finish()
            }
            Place::Device(_) => f.write_str("FlatGradient(on a device)"),
        }
    }
}
