use candle_core::Tensor;

use super::config::{OptimizerKind, TrainConfig};
use super::optimizer::Part;
use crate::error::Result;

/// Adam (Kingma & Ba 2015) and AdamW (Loshchilov & Hutter 2019), as PyTorch computes them:
///
/// ```text
/// m ← β₁ m + (1 − β₁) g        v ← β₂ v + (1 − β₂) g²
/// θ ← θ (1 − η λ) − η/(1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε)
/// ```
///
/// with `λ = 0` for Adam, which instead adds `weight_decay · θ` to `g`.
pub(super) struct Adam {
    kind: OptimizerKind,
    betas: [f64; 2],
    epsilon: f64,
    weight_decay: f64,
}

impl Adam {
    pub(super) fn new(config: &TrainConfig) -> Self {
        Self {
            kind: config.optimizer,
            betas: config.betas,
            epsilon: config.epsilon,
            weight_decay: config.weight_decay,
        }
    }

    /// Step `t`, counted from 1, of some of the parameters; `gradient` is their gradient.
    pub(super) fn step(
        &self,
        part: Part,
        mut gradient: Tensor,
        (t, learning_rate): (u64, f64),
    ) -> Result<Part> {
        let [beta_1, beta_2] = self.betas;
        let mut theta = part.theta;
        if self.weight_decay > 0.0 {
            match self.kind {
                OptimizerKind::Adam => gradient = (gradient + (&theta * self.weight_decay)?)?,
                OptimizerKind::AdamW => {
                    theta = (theta * (1.0 - learning_rate * self.weight_decay))?;
                }
            }
        }
        let first = ((part.first * beta_1)? + (&gradient * (1.0 - beta_1))?)?;
        let second = ((part.second * beta_2)? + (gradient.sqr()? * (1.0 - beta_2))?)?;
        let root = (1.0 - beta_2.powf(t as f64)).sqrt();
        let denominator = ((second.sqrt()? / root)? + self.epsilon)?;
        let rate = learning_rate / (1.0 - beta_1.powf(t as f64));
        Ok(Part {
            theta: (theta - ((&first / denominator)? * rate)?)?,
            first,
            second,
        })
    }
}
