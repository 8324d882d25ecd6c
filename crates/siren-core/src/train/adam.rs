use candle_core::{DType, Tensor, Var};
use rayon::prelude::*;

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
        let AdamMoments {
            step,
            first,
            second,
        } = &self.moments;
        let params_now = params.as_detached_tensor();
        let tensors = [&params_now, gradient, first, second];
        let starts: Vec<usize> = (0..params.elem_count()).step_by(PART).collect();
        let parts = starts.into_par_iter().map(|start| {
            let narrow =
                |tensor: &Tensor| tensor.narrow(0, start, PART.min(tensor.elem_count() - start));
            let [theta, gradient, first, second] = tensors.map(narrow);
            self.step_part([theta?, gradient?, first?, second?], learning_rate)
        });
        let parts = parts.collect::<Result<Vec<[Tensor; 3]>>>()?;
        let join = |which: usize| {
            let parts: Vec<&Tensor> = parts.iter().map(|part| &part[which]).collect();
            Tensor::cat(&parts, 0)
        };
        let moments = AdamMoments {
            step: step + 1,
            first: join(1)?,
            second: join(2)?,
        };
        params.set(&join(0)?)?;
        self.moments = moments;
        Ok(())
    }

    /// New parameters and moments of one part of all parameters.
    fn step_part(
        &self,
        [mut theta, mut gradient, first, second]: [Tensor; 4],
        learning_rate: f64,
    ) -> Result<[Tensor; 3]> {
        let [beta_1, beta_2] = self.betas;
        if self.weight_decay > 0.0 {
            match self.kind {
                OptimizerKind::Adam => gradient = (gradient + (&theta * self.weight_decay)?)?,
                OptimizerKind::AdamW => {
                    theta = (theta * (1.0 - learning_rate * self.weight_decay))?;
                }
            }
        }
        let first = ((first * beta_1)? + (&gradient * (1.0 - beta_1))?)?;
        let second = ((second * beta_2)? + (gradient.sqr()? * (1.0 - beta_2))?)?;
        let t = (self.moments.step + 1) as f64;
        let root = (1.0 - beta_2.powf(t)).sqrt();
        let denominator = ((second.sqrt()? / root)? + self.epsilon)?;
        let rate = learning_rate / (1.0 - beta_1.powf(t));
        let stepped = (theta - ((&first / denominator)? * rate)?)?;
        for (what, tensor) in [
            ("the optimizer's second moment", &second),
            ("a parameter", &stepped),
        ] {
            if !is_finite(tensor)? {
                return Err(Error::Diverged {
                    step: self.moments.step,
                    what: what.to_owned(),
                });
            }
        }
        Ok([stepped, first, second])
    }
}

/// Parameters worked on at once: the dozen operations of a step then find them in the nearest cache, and parts are what
/// threads share. (Candle's own threads, which start at four times this, spin while they wait.)
const PART: usize = 1 << 14;

/// Whether every element is: a sum in `f64` keeps whatever is not, and `f32` cannot overflow it.
fn is_finite(tensor: &Tensor) -> Result<bool> {
    let sum = tensor.to_dtype(DType::F64)?.sum_all()?;
    Ok(sum.to_scalar::<f64>()?.is_finite())
}

/// `Σ xᵢ²` in `f64`, part by part.
pub(super) fn sum_of_squares(tensor: &Tensor) -> Result<f64> {
    let mut sum = 0.0;
    for start in (0..tensor.elem_count()).step_by(PART) {
        let part = tensor.narrow(0, start, PART.min(tensor.elem_count() - start))?;
        sum += part
            .to_dtype(DType::F64)?
            .sqr()?
            .sum_all()?
            .to_scalar::<f64>()?;
    }
    Ok(sum)
}
