//! Colors of values.

use siren_picture::palette::{diverging_color, phase_color, robust_scale, sequential_color};

/// An sRGB color, channels in [0, 1].
pub(super) type Color = [f32; 3];

/// Color of the gaps between panels.
pub(super) const BACKGROUND: Color = [1.0; 3];
/// Color of points that are left out on purpose.
pub(super) const HIDDEN: Color = [0.72; 3];
/// Color of a value that is not finite.
const NOT_FINITE: Color = [0.0; 3];

/// A color map with its limits. Values beyond the limits have the colors of the limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ColorScale {
    /// Blue at `-range`, white at 0, red at `range`.
    Signed {
        /// Largest absolute value, above 0.
        range: f64,
    },
    /// Dark violet at `low`, yellow at `high`. If both are equal, every value has the color of the middle.
    Sequential {
        /// Smallest value.
        low: f64,
        /// Largest value.
        high: f64,
    },
    /// Phase in radians, with the period 2π.
    Phase,
}

impl ColorScale {
    /// Returns the color of a value; black if it is not finite.
    pub(super) fn color(self, value: f64) -> Color {
        if !value.is_finite() {
            return NOT_FINITE;
        }
        match self {
            Self::Signed { range } => diverging_color((value / range) as f32, 1.0),
            Self::Sequential { low, high } if low < high => {
                sequential_color(((value - low) / (high - low)) as f32)
            }
            Self::Sequential { .. } => sequential_color(0.5),
            Self::Phase => phase_color(value as f32),
        }
    }
}

/// Returns the `quantile` of the finite magnitudes, which outliers do not change. It is positive: 1 without any magnitude above 0.
pub(super) fn quantile_range(magnitudes: impl Iterator<Item = f64>, quantile: f32) -> f64 {
    robust_scale(magnitudes.map(|value| value as f32), quantile).into()
}

/// Returns the largest finite magnitude, or `None` if none is above 0.
pub(super) fn largest_magnitude(values: &[f64]) -> Option<f64> {
    let magnitudes = values.iter().map(|value| value.abs());
    let largest = magnitudes
        .filter(|value| value.is_finite())
        .fold(0.0, f64::max);
    (largest > 0.0).then_some(largest)
}
