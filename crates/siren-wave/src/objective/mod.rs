//! Equations of waves as objectives on jets.

mod helmholtz;
mod inverse;
mod misfit;
#[cfg(test)]
mod tests;
mod wave;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use siren_core::Result;
use siren_core::objective::Term;

pub(crate) use self::helmholtz::stretches;
pub use self::helmholtz::{Helmholtz, MEDIUM, OFFSET, REMAINDER, Region, STRETCH};
pub use self::inverse::{InverseHelmholtz, RECORDED, RecordedError, SHOTS, UNKNOWN};
pub use self::misfit::{LEAST_SQUARED_SLOWNESS, MediumMisfit, SlownessMap};
pub use self::wave::{
    Condition, FACTOR, InitialState, NORMAL, OFFSET_GRADIENT, Scaled, WaveCondition, WaveEquation,
};

/// Norm of a residual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResidualNorm {
    /// Squares: what second-order optimizers need.
    #[default]
    Mse,
    /// Absolute values of the real and the imaginary part (the authors').
    L1,
}

impl ResidualNorm {
    /// Returns the term of residuals `(n, k)`: per point `Σ_k r²` or `Σ_k |r|`.
    ///
    /// # Errors
    /// Only from candle.
    pub fn term(self, name: &'static str, residuals: Tensor) -> Result<Term> {
        match self {
            Self::Mse => Term::squares(name, residuals),
            Self::L1 => Ok(Term::new(name, residuals.abs()?.sum(1)?)),
        }
    }
}
