//! Learning rate of each step.

use std::f64::consts::PI;

use super::config::{ScheduleKind, TrainConfig};

impl TrainConfig {
    /// Returns the learning rate of a step, counted from 0.
    ///
    /// It rises linearly over the `w` steps of the warm-up. The schedule is a function of `x = (step − w) / (steps − 1 − w)`, from 0 to 1
    /// over the other steps.
    #[must_use]
    pub fn learning_rate_at(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return self.learning_rate * (step + 1) as f64 / (self.warmup_steps + 1) as f64;
        }
        let span = self.steps.saturating_sub(1 + self.warmup_steps).max(1) as f64;
        let x = ((step - self.warmup_steps) as f64 / span).min(1.0);
        let last = self.final_learning_rate;
        let factor = match self.schedule {
            ScheduleKind::Constant => 1.0,
            ScheduleKind::Linear => 1.0 - (1.0 - last) * x,
            ScheduleKind::Cosine => last + (1.0 - last) * 0.5 * (1.0 + (PI * x).cos()),
            ScheduleKind::Exponential => last.powf(x),
        };
        self.learning_rate * factor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schedule_starts_at_the_learning_rate_and_ends_at_its_fraction() {
        for schedule in [
            ScheduleKind::Linear,
            ScheduleKind::Cosine,
            ScheduleKind::Exponential,
        ] {
            let config = TrainConfig {
                steps: 101,
                learning_rate: 2.0,
                schedule,
                final_learning_rate: 0.1,
                ..TrainConfig::default()
            };
            assert!((config.learning_rate_at(0) - 2.0).abs() < 1e-12);
            assert!((config.learning_rate_at(100) - 0.2).abs() < 1e-12);
            let middle = config.learning_rate_at(50);
            let expected = match schedule {
                ScheduleKind::Exponential => 2.0 * 0.1f64.sqrt(),
                _ => 1.1,
            };
            assert!((middle - expected).abs() < 1e-12, "{schedule:?}: {middle}");
        }
    }

    #[test]
    fn a_warm_up_rises_linearly() {
        let config = TrainConfig {
            warmup_steps: 3,
            learning_rate: 4.0,
            ..TrainConfig::default()
        };
        let rates: Vec<f64> = (0..5).map(|step| config.learning_rate_at(step)).collect();
        assert_eq!(rates, [1.0, 2.0, 3.0, 4.0, 4.0]);
    }
}
