//! What a model is fitted to.

use candle_core::{DType, Device};

use super::Model;
use crate::error::Result;
use crate::field::FieldShape;
use crate::metrics::Metrics;
use crate::signal::{Grid, Points, Spectrum};

/// A signal as a fitting problem: sizes, constraints, and scores.
pub trait Task {
    /// What is trained: a [`Siren`](crate::field::Siren), or a network that computes the parameters of fields.
    type Model: Model;

    /// Returns the numbers of coordinates and channels.
    fn shape(&self) -> FieldShape;

    /// Returns how fast the signal varies, for values that a config leaves to `"auto"`; `None` if it does not vary.
    ///
    /// # Errors
    /// If the signal may not be looked at as a whole.
    fn spectrum(&self) -> Result<Option<Spectrum>>;

    /// Returns the grid on which the signal is sampled, for the tiles of a mosaic; `None` if it is not.
    fn grid(&self) -> Option<Grid> {
        None
    }

    /// Returns how many points of the grid a step of the fit sees, for the width of a mosaic's tiles; `None` for all of them.
    fn points_per_step(&self) -> Option<usize> {
        None
    }

    /// Returns the points of the signal, with the values that a field should have there as targets, in `f32` or `f64` on a device; `None` if the signal
    /// has no such points. `field.last_bias` starts at their mean, if it says so.
    ///
    /// # Errors
    /// Those of reading the signal.
    fn points(&self, _dtype: DType, _device: &Device) -> Result<Option<Box<dyn Points>>> {
        Ok(None)
    }

    /// Returns the parts of the loss, with samples in `f32` or `f64` on a device: those of the model.
    ///
    /// # Errors
    /// If the objective does not fit the signal.
    fn constraints(
        &self,
        dtype: DType,
        device: &Device,
    ) -> Result<Vec<<Self::Model as Model>::Constraint>>;

    /// Prepares a newly drawn model for the fit, for example by a fit to a simpler signal. The result must depend on the model alone.
    ///
    /// # Errors
    /// As [`Trainer::step`](super::Trainer::step).
    fn pretrain(&self, model: Self::Model) -> Result<Self::Model> {
        Ok(model)
    }

    /// Scores a model.
    ///
    /// # Errors
    /// Only from candle.
    fn evaluate(&self, model: &Self::Model) -> Result<Metrics>;
}
