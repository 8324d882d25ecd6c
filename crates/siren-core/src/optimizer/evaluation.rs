//! Loss and gradient at one value of the parameters, measured and clipped.

use crate::error::{Error, Result};
use crate::field::FlatGradient;

/// Loss and gradient at one value of the parameters.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The loss.
    pub loss: f64,
    /// Gradient with respect to the parameters `(P,)`, before clipping.
    pub gradient: FlatGradient,
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
    pub fn new(
        loss: f64,
        gradient: impl Into<FlatGradient>,
        limit: Option<f64>,
        step: u64,
    ) -> Result<Self> {
        let gradient = gradient.into();
        let norm = gradient.norm()?;
        Self::with_norm(loss, gradient, norm, limit, step)
    }

    /// Clips a gradient as [`new`](Self::new) does, given its norm.
    pub(crate) fn with_norm(
        loss: f64,
        gradient: FlatGradient,
        norm: f64,
        limit: Option<f64>,
        step: u64,
    ) -> Result<Self> {
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
