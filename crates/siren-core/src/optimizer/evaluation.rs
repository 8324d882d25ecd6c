//! Loss and gradient at one value of the parameters, measured and clipped.

use candle_core::{DType, Device, Tensor};
use siren_kernel::product::sum_of_squares;

use crate::error::{Error, Result};
use crate::field::tensor::read;

/// Loss and gradient at one value of the parameters.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The loss.
    pub loss: f64,
    /// Gradient with respect to the parameters `(P,)`, before clipping.
    pub gradient: Tensor,
    /// Euclidean norm of `gradient`.
    pub norm: f64,
    /// Factor by which an optimizer multiplies `gradient`: below 1 where it is clipped.
    pub factor: f64,
}

impl Evaluation {
    /// Measures a gradient, and clips it to a Euclidean norm of `limit`. `step` is the number of steps taken before.
    ///
    /// # Errors
    /// [`Error::Diverged`] if the gradient is not finite.
    pub fn new(loss: f64, gradient: Tensor, limit: Option<f64>, step: u64) -> Result<Self> {
        // In double precision: the square of a large but finite `f32` would overflow, which clipping is there to mend.
        let local = gradient.to_device(&Device::Cpu)?.contiguous()?;
        let sum = match local.dtype() {
            DType::F64 => read(&local, sum_of_squares::<f64>)?,
            _ => read(&local, sum_of_squares::<f32>)?,
        };
        let norm = sum.sqrt();
        if !norm.is_finite() {
            return Err(Error::Diverged {
                step,
                what: "the gradient".to_owned(),
            });
        }
        let factor = match limit {
            // PyTorch's `clip_grad_norm_` divides by the norm plus 1e-6.
            Some(limit) if norm > limit => limit / (norm + 1e-6),
            _ => 1.0,
        };
        Ok(Self {
            loss,
            gradient,
            norm,
            factor,
        })
    }
}
