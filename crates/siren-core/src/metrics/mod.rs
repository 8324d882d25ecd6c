//! Metrics: measures of how well a fitted signal matches its target.
//!
//! A [`Metric`] has a name, a unit and a direction (which values are better); a [`Measured`] is a metric with its value, and [`Metrics`]
//! are the results of one evaluation. [`psnr_db`] and [`ssim`] compute the metrics of pictures.

mod ssim;

use std::borrow::Cow;

pub use self::ssim::{ImageShape, SsimRows, ssim};

/// Which values of a metric are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// Higher ones.
    Higher,
    /// Lower ones.
    Lower,
}

/// A metric by name, with its unit and direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Column in `evaluation.csv`, such as `psnr_db`.
    pub name: Cow<'static, str>,
    /// Unit, such as `dB`; empty for a number without unit.
    pub unit: &'static str,
    /// Which values are better.
    pub better: Better,
}

impl Metric {
    /// Makes a metric of which higher values are better.
    #[must_use]
    pub const fn higher(name: &'static str, unit: &'static str) -> Self {
        Self {
            name: Cow::Borrowed(name),
            unit,
            better: Better::Higher,
        }
    }

    /// Makes a metric of which lower values are better.
    #[must_use]
    pub const fn lower(name: &'static str, unit: &'static str) -> Self {
        Self {
            name: Cow::Borrowed(name),
            unit,
            better: Better::Lower,
        }
    }

    /// Returns the same metric under another name, for a part of the signal.
    #[must_use]
    pub fn named(&self, name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            ..*self
        }
    }

    /// Returns whether `value` is better than `best`. NaN never is, and any number is better than NaN.
    #[must_use]
    pub fn is_better(&self, value: f64, best: f64) -> bool {
        let better = match self.better {
            Better::Higher => value > best,
            Better::Lower => value < best,
        };
        !value.is_nan() && (best.is_nan() || better)
    }

    /// Returns the metric with a value.
    #[must_use]
    pub fn of(&self, value: f64) -> Measured {
        Measured {
            metric: self.clone(),
            value,
        }
    }
}

/// A metric with a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The metric.
    pub metric: Metric,
    /// Its value.
    pub value: f64,
}

/// Metrics of one evaluation, in the order in which they are shown.
pub type Metrics = Vec<Measured>;

/// Peak signal-to-noise ratio, see [`psnr_db`].
pub const PSNR_DB: Metric = Metric::higher("psnr_db", "dB");
/// Structural similarity, see [`ssim`].
pub const SSIM: Metric = Metric::higher("ssim", "");
/// Mean squared error.
pub const MSE: Metric = Metric::lower("mse", "");

/// Peak signal-to-noise ratio in decibels, `10 log10(peak² / mse)`.
///
/// `peak` is the width of the range of values: 1 for pictures in [0, 1], 2 for signals in [−1, 1]. The ratio is infinite for an `mse` of
/// 0, and NaN for one that is negative or NaN.
#[must_use]
pub fn psnr_db(mse: f64, peak: f64) -> f64 {
    10.0 * (peak * peak / mse).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_is_better_than_nan_and_infinity_is_the_highest() {
        let (nan, infinity) = (f64::NAN, f64::INFINITY);
        assert!(!PSNR_DB.is_better(nan, nan) && !PSNR_DB.is_better(nan, 1.0));
        assert!(PSNR_DB.is_better(-3.0, nan) && PSNR_DB.is_better(f64::NEG_INFINITY, nan));
        assert!(PSNR_DB.is_better(infinity, 30.0) && !PSNR_DB.is_better(30.0, infinity));
    }

    #[test]
    fn a_lower_error_is_better() {
        assert!(
            MSE.is_better(0.1, 0.2) && !MSE.is_better(0.2, 0.1) && MSE.is_better(0.2, f64::NAN)
        );
    }
}
