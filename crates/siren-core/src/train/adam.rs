use candle_core::{DType, Tensor, Var};

use super::config::{OptimizerKind, TrainConfig};
use crate::error::{Error, Result};

/// Adam (Kingma & Ba 2015) and AdamW (Loshchilov & Hutter 2019) on the flat parameters, as PyTorch computes them:
///
/// ```text
/// m ← β₁ m + (1 − β₁) g        v ← β₂ v + (1 − β₂) g²
/// θ ← θ (1 − η λ) − η/(1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε)
/// ```
///
/// with `λ = 0` for Adam, which instead adds `weight_decay · θ` to `g`.
pub struct Adam {
    kind: OptimizerKind,
    betas: [f64; 2],
    epsilon: f64,
    weight_decay: f64,
    moments: AdamMoments,
}

/// The state of [`Adam`]: everything a checkpoint must hold besides the parameters.
#[derive(Clone, Debug)]
pub struct AdamMoments {
    /// Steps taken, `t`.
    pub step: u64,
    /// Running mean of the gradient, `(P,)`.
    pub first: Tensor,
    /// Running mean of its square, `(P,)`.
    pub second: Tensor,
}

impl Adam {
    /// At `t = 0`, both moments zero.
    ///
    /// # Errors
    /// Only from candle.
    pub fn new(config: &TrainConfig, params: &Var) -> Result<Self> {
        Ok(Self {
            kind: config.optimizer,
            betas: config.betas,
            epsilon: config.epsilon,
            weight_decay: config.weight_decay,
            moments: AdamMoments {
                step: 0,
                first: params.zeros_like()?,
                second: params.zeros_like()?,
            },
        })
    }

    /// The state.
    #[must_use]
    pub fn moments(&self) -> &AdamMoments {
        &self.moments
    }

    /// Replaces the state.
    ///
    /// # Errors
    /// If the shapes are not those of this network.
    pub fn restore(&mut self, moments: AdamMoments) -> Result<()> {
        let expected = self.moments.first.dims();
        for moment in [&moments.first, &moments.second] {
            if moment.dims() != expected {
                return Err(Error::Shape {
                    what: "optimizer moments",
                    expected: format!("{expected:?}"),
                    got: format!("{:?}", moment.dims()),
                });
            }
        }
        self.moments = moments;
        Ok(())
    }

    /// One step on `params (P,)` with `gradient (P,)`; nothing is changed by one that fails.
    ///
    /// # Errors
    /// [`Error::Diverged`] if the step would leave the finite numbers.
    pub fn step(&mut self, params: &Var, gradient: &Tensor, learning_rate: f64) -> Result<()> {
        let [beta_1, beta_2] = self.betas;
        let mut theta = params.as_detached_tensor();
        let mut gradient = gradient.clone();
        if self.weight_decay > 0.0 {
            match self.kind {
                OptimizerKind::Adam => gradient = (gradient + (&theta * self.weight_decay)?)?,
                OptimizerKind::AdamW => {
                    theta = (theta * (1.0 - learning_rate * self.weight_decay))?;
                }
            }
        }
        let AdamMoments {
            step,
            first,
            second,
        } = &self.moments;
        let moments = AdamMoments {
            step: step + 1,
            first: ((first * beta_1)? + (&gradient * (1.0 - beta_1))?)?,
            second: ((second * beta_2)? + (gradient.sqr()? * (1.0 - beta_2))?)?,
        };
        let t = moments.step as f64;
        let root = (1.0 - beta_2.powf(t)).sqrt();
        let denominator = ((moments.second.sqrt()? / root)? + self.epsilon)?;
        let rate = learning_rate / (1.0 - beta_1.powf(t));
        let stepped = (theta - ((&moments.first / denominator)? * rate)?)?;
        for (what, tensor) in [
            ("the optimizer's second moment", &moments.second),
            ("a parameter", &stepped),
        ] {
            if !is_finite(tensor)? {
                return Err(Error::Diverged {
                    step: *step,
                    what: what.to_owned(),
                });
            }
        }
        params.set(&stepped)?;
        self.moments = moments;
        Ok(())
    }
}

/// Whether every element is: a sum in `f64` keeps whatever is not, and `f32` cannot overflow it.
fn is_finite(tensor: &Tensor) -> Result<bool> {
    let sum = tensor.to_dtype(DType::F64)?.sum_all()?;
    Ok(sum.to_scalar::<f64>()?.is_finite())
}
