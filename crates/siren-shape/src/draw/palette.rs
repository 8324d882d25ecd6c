//! Colors of values.

use image::Rgb;

use super::{Color, mix};

/// Color of a value that is not finite.
const NOT_FINITE: Color = [0.6, 0.6, 0.6];

/// A color map with its limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum ColorMap {
    /// Blue at `-range`, white at 0, orange at `range`.
    BlueOrange {
        /// Largest absolute value.
        range: f32,
    },
    /// Teal at `-range`, white at 0, violet at `range`.
    TealViolet {
        /// Largest absolute value.
        range: f32,
    },
    /// From ivory at 0 over orange to dark red at `max`.
    Heat {
        /// Largest value.
        max: f32,
    },
}

impl ColorMap {
    /// Returns the values at the ends of the map.
    pub(super) fn limits(self) -> [f32; 2] {
        match self {
            Self::BlueOrange { range } | Self::TealViolet { range } => [-range, range],
            Self::Heat { max } => [0.0, max],
        }
    }

    /// Returns the sRGB color of a value, channels in [0, 1]. Values beyond the limits get the color of the limit; a value that is not
    /// finite gets a gray.
    pub(super) fn color(self, value: f32) -> Color {
        let [low, high] = self.limits();
        if !value.is_finite() {
            return NOT_FINITE;
        }
        // Limits that are equal or not numbers give a position that is not finite.
        let position = (value - low) / (high - low);
        let position = if position.is_nan() {
            0.0
        } else {
            position.clamp(0.0, 1.0)
        };
        let stops = self.stops();
        let scaled = position * (stops.len() - 1) as f32;
        let index = (scaled as usize).min(stops.len() - 2);
        mix(stops[index], stops[index + 1], scaled - index as f32)
    }

    /// Returns colors at equal distances, whose lightness changes evenly on each side of white.
    fn stops(self) -> [Color; 7] {
        match self {
            Self::BlueOrange { .. } => [
                [0.06, 0.20, 0.42],
                [0.20, 0.45, 0.70],
                [0.58, 0.76, 0.89],
                [1.00, 1.00, 1.00],
                [0.98, 0.77, 0.52],
                [0.89, 0.46, 0.16],
                [0.55, 0.18, 0.04],
            ],
            Self::TealViolet { .. } => [
                [0.00, 0.26, 0.24],
                [0.14, 0.53, 0.49],
                [0.57, 0.81, 0.76],
                [1.00, 1.00, 1.00],
                [0.85, 0.73, 0.89],
                [0.60, 0.38, 0.68],
                [0.30, 0.10, 0.40],
            ],
            Self::Heat { .. } => [
                [0.96, 0.95, 0.90],
                [0.98, 0.86, 0.60],
                [0.97, 0.70, 0.33],
                [0.90, 0.47, 0.20],
                [0.75, 0.24, 0.20],
                [0.52, 0.09, 0.20],
                [0.27, 0.02, 0.15],
            ],
        }
    }
}

/// Converts an sRGB color to linear light (IEC 61966-2-1). All channels are in [0, 1].
pub(super) fn linear_from_srgb(color: Color) -> Color {
    color.map(|c| {
        if c <= 0.040_45 {
            c / 12.92
        } else {
            ((c + 0.055) / 1.055).powf(2.4)
        }
    })
}

/// Converts linear light to a pixel in sRGB (IEC 61966-2-1). Channels outside of [0, 1] are clamped.
pub(super) fn pixel_from_linear(color: Color) -> Rgb<u8> {
    pixel_from_srgb(color.map(|c| {
        if c <= 0.003_130_8 {
            12.92 * c
        } else {
            1.055 * c.powf(1.0 / 2.4) - 0.055
        }
    }))
}

/// Rounds an sRGB color to a pixel. Channels outside of [0, 1] are clamped.
pub(super) fn pixel_from_srgb(color: Color) -> Rgb<u8> {
    Rgb(color.map(|c| (255.0 * c.clamp(0.0, 1.0)).round() as u8))
}
