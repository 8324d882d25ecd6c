use candle_core::{Tensor, WithDType};

use super::config::{OptimizerKind, TrainConfig};
use super::optimizer::Part;
use crate::error::Result;
use crate::field::Real;

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

/// Step `t` of one number, with its constants at hand.
#[derive(Clone, Copy)]
pub(super) struct Rule<T> {
    /// Of the gradient.
    factor: T,
    betas: [T; 2],
    rests: [T; 2],
    inverse_root: T,
    epsilon: T,
    rate: T,
    /// λ where it is added to the gradient, and what is left of θ where it is not.
    decay: [T; 2],
}

impl Adam {
    /// [`step`](Self::step) of number after number, with their gradient times `factor`.
    pub(super) fn rule<T: Real>(&self, (t, learning_rate): (u64, f64), factor: f64) -> Rule<T> {
        let [beta_1, beta_2] = self.betas;
        let root = (1.0 - beta_2.powf(t as f64)).sqrt();
        let decay = match self.kind {
            OptimizerKind::Adam => [self.weight_decay, 1.0],
            OptimizerKind::AdamW => [0.0, 1.0 - learning_rate * self.weight_decay],
        };
        Rule {
            factor: T::of(factor),
            betas: self.betas.map(T::of),
            rests: [1.0 - beta_1, 1.0 - beta_2].map(T::of),
            inverse_root: T::of(1.0 / root),
            epsilon: T::of(self.epsilon),
            rate: T::of(learning_rate / (1.0 - beta_1.powf(t as f64))),
            decay: decay.map(T::of),
        }
    }
}

impl<T: Real> Rule<T> {
    /// θ, m and v after the step.
    #[inline]
    pub(super) fn stepped(&self, [theta, first, second]: [T; 3], gradient: T) -> [T; 3] {
        let gradient = gradient * self.factor + theta * self.decay[0];
        let first = first * self.betas[0] + gradient * self.rests[0];
        let second = second * self.betas[1] + gradient * gradient * self.rests[1];
        let denominator = second.sqrt() * self.inverse_root + self.epsilon;
        let theta = theta * self.decay[1] - first / denominator * self.rate;
        [theta, first, second]
    }

    /// How large moments may be after a step, from how large they may be before it and the norm of the gradient; Muon's are not meant.
    pub(super) fn bounds(&self, [first, second]: [f64; 2], norm: f64) -> [f64; 2] {
        let number = |x: T| WithDType::to_f64(x);
        let largest = norm * number(self.factor);
        let mean = |index: usize, before: f64, now: f64| {
            number(self.betas[index]) * before + number(self.rests[index]) * now
        };
        [mean(0, first, largest), mean(1, second, largest * largest)]
    }

    /// No parameter moves farther where no first moment is larger than this.
    pub(super) fn largest_step(&self, first: f64) -> f64 {
        let [rate, epsilon] = [self.rate, self.epsilon].map(WithDType::to_f64);
        rate * first / epsilon
    }
}
