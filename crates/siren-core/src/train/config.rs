//! The `[train]` table of a config.

use serde::{Deserialize, Serialize};

use super::precision::Precision;
use crate::error::{Error, Result};
use crate::optimizer::{OptimizerConfig, positive};

/// Largest number of steps: small enough that counts derived from it do not overflow.
pub(super) const MAX_STEPS: u64 = 1_000_000_000;
/// Longest time budget: 365 days, in seconds.
const MAX_SECONDS: f64 = 31_536_000.0;

/// Steps, learning rate and optimizer. The default is the authors' recipe: Adam at a constant rate of 1e-4.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Number of optimizer steps.
    pub steps: u64,
    /// Time budget in seconds, in place of `steps`: a run times some steps and an evaluation before it starts, and takes as many steps as fit with their
    /// evaluations. Files that are written at the end take further time. The number of steps depends on the machine; the run folder's `config.toml` holds it as `steps`. Of a file's
    /// key and an override's, and of several overrides, the last one counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// Highest learning rate; the schedule starts from it after the warm-up. `lbfgs` and `ssbroyden` search for the lengths of their steps;
    /// `gauss_newton` does not use it.
    pub learning_rate: f64,
    /// How the learning rate changes over the steps.
    pub schedule: ScheduleKind,
    /// Learning rate at the last step, as a fraction of `learning_rate`. Not used by `constant`.
    pub final_learning_rate: f64,
    /// Number of steps at the start over which the learning rate rises linearly from 0.
    pub warmup_steps: u64,
    /// Optimizer and its settings.
    pub optimizer: OptimizerConfig,
    /// Type of the parameters, and arithmetic on them.
    #[serde(skip_serializing_if = "Precision::is_default")]
    pub precision: Precision,
    /// Largest Euclidean norm of the gradient; longer gradients are scaled down to it. Not for `gauss_newton`, `lbfgs` and `ssbroyden`. Default: no clipping.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// PSNR in dB, for values in [−1, 1], at which a tile of a mosaic (`[field.mosaic]`) rests: every 50 steps the tiles that reached it in these steps
    /// cease to be trained, and cost nothing from then on. The training ends when all tiles rest. For losses that are squared errors of the values, on the
    /// CPU, with `adam`, `adamw` or `muon`. Default: no tile rests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rest_db: Option<f64>,
}

/// How the learning rate changes from `learning_rate` to `final_learning_rate × learning_rate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleKind {
    /// It does not change.
    #[default]
    Constant,
    /// Linearly in the step.
    Linear,
    /// Along half a period of a cosine.
    Cosine,
    /// By the same factor in every step.
    Exponential,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            steps: 500,
            seconds: None,
            learning_rate: 1e-4,
            schedule: ScheduleKind::Constant,
            final_learning_rate: 0.01,
            warmup_steps: 0,
            optimizer: OptimizerConfig::default(),
            precision: Precision::default(),
            clip_norm: None,
            rest_db: None,
        }
    }
}

impl TrainConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] with the full key, such as `train.steps`.
    pub fn validate(&self) -> Result<()> {
        if !(1..=MAX_STEPS).contains(&self.steps) {
            let expected = format!("at least 1 and at most {MAX_STEPS}");
            return Err(Error::invalid("train.steps", self.steps, &expected));
        }
        if let Some(seconds) = self.seconds
            && !(seconds > 0.0 && seconds <= MAX_SECONDS)
        {
            let expected = "a number of seconds above 0, at most a year (31536000)";
            return Err(Error::invalid("train.seconds", seconds, expected));
        }
        if self.seconds.is_none() && self.warmup_steps >= self.steps {
            let expected = format!("less than `train.steps`, which is {}", self.steps);
            let key = "train.warmup_steps";
            return Err(Error::invalid(key, self.warmup_steps, &expected));
        }
        positive("train.learning_rate", self.learning_rate)?;
        positive("train.clip_norm", self.clip_norm.unwrap_or(1.0))?;
        if let Some(norm) = self.clip_norm
            && !self.optimizer.allows_clipping()
        {
            let expected = "no value with `gauss_newton`, `lbfgs` or `ssbroyden`: remove the key, or choose another `train.optimizer`";
            return Err(Error::invalid("train.clip_norm", norm, expected));
        }
        self.precision.check_optimizer(&self.optimizer)?;
        self.check_rest()?;
        let last = self.final_learning_rate;
        let lowest_is_open = self.schedule == ScheduleKind::Exponential;
        if !(0.0..=1.0).contains(&last) || (lowest_is_open && last == 0.0) {
            let expected = "a fraction of learning_rate from 0 to 1 (above 0 for exponential)";
            return Err(Error::invalid("train.final_learning_rate", last, expected));
        }
        self.optimizer.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::{AdamConfig, LbfgsConfig, SsBroydenConfig};

    fn refused(set: impl FnOnce(&mut TrainConfig)) -> String {
        let mut config = TrainConfig::default();
        set(&mut config);
        config.validate().unwrap_err().to_string()
    }

    #[test]
    fn numbers_that_are_zero_or_infinite_in_single_precision_are_refused() {
        for value in [0.0, -1.0, 1e-46, 1e39, f64::NAN] {
            assert!(refused(|c| c.learning_rate = value).contains("train.learning_rate"));
            let adam = AdamConfig {
                epsilon: value,
                ..AdamConfig::default()
            };
            let message = refused(|c| c.optimizer = OptimizerConfig::Adam(adam));
            assert!(
                message.contains("train.optimizer.adam.epsilon"),
                "{message}"
            );
            assert!(refused(|c| c.clip_norm = Some(value)).contains("train.clip_norm"));
        }
        let adam = AdamConfig {
            weight_decay: 1e39,
            ..AdamConfig::default()
        };
        let message = refused(|c| c.optimizer = OptimizerConfig::AdamW(adam));
        assert!(message.contains("train.optimizer.adamw.weight_decay"));
    }

    #[test]
    fn clipping_is_refused_with_a_line_search() {
        for optimizer in [
            OptimizerConfig::Lbfgs(LbfgsConfig::default()),
            OptimizerConfig::SsBroyden(SsBroydenConfig::default()),
        ] {
            let message = refused(|c| {
                c.optimizer = optimizer.clone();
                c.clip_norm = Some(1.0);
            });
            assert!(message.contains("`train.clip_norm` is 1"), "{message}");
            let alone = TrainConfig {
                optimizer,
                ..TrainConfig::default()
            };
            alone.validate().unwrap();
        }
    }

    #[test]
    fn settings_of_a_line_search_are_checked_with_their_full_key() {
        let lbfgs = LbfgsConfig {
            history: 0,
            ..LbfgsConfig::default()
        };
        let message = refused(|c| c.optimizer = OptimizerConfig::Lbfgs(lbfgs));
        assert!(
            message.contains("`train.optimizer.lbfgs.history` is 0"),
            "{message}"
        );
        let broyden = SsBroydenConfig { max_evaluations: 1 };
        let message = refused(|c| c.optimizer = OptimizerConfig::SsBroyden(broyden));
        let key = "`train.optimizer.ssbroyden.max_evaluations` is 1";
        assert!(message.contains(key), "{message}");
    }

    #[test]
    fn a_time_budget_is_positive_and_at_most_a_year() {
        for seconds in [0.0, -1.0, f64::NAN, f64::INFINITY, 31_536_001.0] {
            let message = refused(|c| c.seconds = Some(seconds));
            assert!(message.starts_with("`train.seconds` is "), "{message}");
            assert!(message.contains("at most a year"), "{message}");
        }
        let config = TrainConfig {
            seconds: Some(1e-3),
            warmup_steps: 1000,
            ..TrainConfig::default()
        };
        config.validate().unwrap();
    }

    #[test]
    fn steps_are_bounded_and_a_warm_up_ends_before_them() {
        assert!(refused(|c| c.steps = u64::MAX).contains("at most 1000000000"));
        let message = refused(|c| c.warmup_steps = c.steps);
        assert!(message.contains("`train.warmup_steps` is 500"), "{message}");
    }
}
