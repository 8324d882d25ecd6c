//! False colors of values that are no colors: gradients, signed values, magnitudes and phases.
//!
//! Every map is computed in polar Oklab, in which equal distances look alike: a lightness, a chroma and a hue for each value.

use std::f32::consts::TAU;

/// Hues in radians of negative values, blue, and of positive values, red. People with a color deficiency see them as different.
const NEGATIVE_HUE: f32 = 255.0 / 360.0 * TAU;
const POSITIVE_HUE: f32 = 27.0 / 360.0 * TAU;

/// Returns the color of the gradient `(d_row, d_col)`, whose hue shows the direction and whose brightness shows the magnitude.
///
/// The hue is given by the angle `atan2(d_row, d_col)` on a wheel of constant lightness in the Oklab color space: red to the
/// right, yellow downward (rows grow downward), cyan to the left, violet upward. The color of full magnitude is scaled by
/// `min(1, |(d_row, d_col)| / scale)`, so flat regions are black. All channels are in `[0, 1]`. A gradient that is not finite,
/// or a `scale` that is not positive, gives black.
#[must_use]
pub fn gradient_color(d_row: f32, d_col: f32, scale: f32) -> [f32; 3] {
    let strength = d_row.hypot(d_col) / scale;
    let is_finite = d_row.is_finite() && d_col.is_finite();
    if !(is_finite && scale > 0.0 && strength > 0.0) {
        return [0.0; 3];
    }
    // Red has an Oklab hue of 0.08 turns on this wheel.
    let hue = d_row.atan2(d_col) + 0.08 * TAU;
    wheel(hue).map(|channel| channel * strength.min(1.0))
}

/// Returns the color of a signed value, such as a Laplacian or a wave: blue for negative values, near white for zero, red for positive
/// values, saturated at `|value| = scale`.
///
/// The color map imitates `RdBu` of `ColorBrewer`, reversed. Lightness decreases evenly toward both ends, and opposite values have the same
/// lightness and chroma in Oklab, so that neither sign stands out. All channels are in `[0, 1]`. A value that is not finite, or a
/// `scale` that is not positive, gives the color of zero.
#[must_use]
pub fn diverging_color(value: f32, scale: f32) -> [f32; 3] {
    const CHROMAS: [f32; 7] = [0.0, 0.058, 0.115, 0.15, 0.145, 0.12, 0.088];
    let distance = if value.is_finite() && scale > 0.0 {
        (value / scale).abs().min(1.0)
    } else {
        0.0
    };
    let [chroma] = between(&CHROMAS.map(|chroma| [chroma]), distance);
    let hue = if value < 0.0 {
        NEGATIVE_HUE
    } else {
        POSITIVE_HUE
    };
    oklch(0.97 - 0.68 * distance, chroma, hue)
}

/// Returns the color of a position in `[0, 1]`, from dark violet at 0 over teal to yellow at 1.
///
/// The color map imitates `viridis` of matplotlib. Lightness in Oklab grows evenly. All channels are in `[0, 1]`. A position outside is
/// clamped; NaN gives the color of 0.
#[must_use]
pub fn sequential_color(position: f32) -> [f32; 3] {
    /// Chroma, and hue in degrees.
    const STOPS: [[f32; 2]; 9] = [
        [0.12, 315.0],
        [0.13, 292.0],
        [0.115, 262.0],
        [0.095, 225.0],
        [0.10, 185.0],
        [0.135, 160.0],
        [0.16, 140.0],
        [0.17, 122.0],
        [0.17, 106.0],
    ];
    let position = if position.is_nan() {
        0.0
    } else {
        position.clamp(0.0, 1.0)
    };
    let [chroma, degrees] = between(&STOPS, position);
    oklch(0.28 + 0.65 * position, chroma, degrees.to_radians())
}

/// Returns the color of a phase in radians: light at 0, red at π/2, dark at ±π, blue at −π/2.
///
/// The color map imitates `twilight_shifted` of matplotlib, lightened. Lightness in Oklab follows the cosine. All channels are in `[0, 1]`.
/// A phase that is not finite gives the color of 0.
#[must_use]
pub fn phase_color(phase: f32) -> [f32; 3] {
    let phase = if phase.is_finite() { phase } else { 0.0 };
    let (sin, cos) = phase.sin_cos();
    let hue = if sin < 0.0 {
        NEGATIVE_HUE
    } else {
        POSITIVE_HUE
    };
    oklch(0.62 + 0.32 * cos, 0.14 * sin * sin, hue)
}

/// Interpolates linearly between stops at equal distances. `position` is in `[0, 1]`.
fn between<const N: usize, const STOPS: usize>(
    stops: &[[f32; N]; STOPS],
    position: f32,
) -> [f32; N] {
    let last = STOPS - 1;
    let scaled = position * last as f32;
    let low = (scaled as usize).min(last);
    let (from, to) = (stops[low], stops[(low + 1).min(last)]);
    std::array::from_fn(|k| from[k] + (scaled - low as f32) * (to[k] - from[k]))
}

/// Returns the `quantile` (0 to 1) of `|value|` over the finite `values`, a scale that a few outliers do not change.
///
/// The result is always finite and positive: 1 if no value is finite, and the largest `|value|` (or 1 if all are zero) if the
/// quantile itself is zero. A `quantile` outside `[0, 1]` is clamped.
#[must_use]
pub fn robust_scale(values: impl Iterator<Item = f32>, quantile: f32) -> f32 {
    let mut magnitudes: Vec<f32> = values.filter(|v| v.is_finite()).map(f32::abs).collect();
    let Some(last) = magnitudes.len().checked_sub(1) else {
        return 1.0;
    };
    let rank = (f64::from(quantile.clamp(0.0, 1.0)) * last as f64).round() as usize;
    let (_, &mut scale, above) = magnitudes.select_nth_unstable_by(rank.min(last), f32::total_cmp);
    let largest = above.iter().copied().fold(scale, f32::max);
    if scale > 0.0 {
        scale
    } else if largest > 0.0 {
        largest
    } else {
        1.0
    }
}

/// Returns the sRGB color of a hue in radians. Lightness 0.75 and chroma 0.12 in Oklab lie just inside sRGB for every hue.
fn wheel(hue: f32) -> [f32; 3] {
    oklch(0.75, 0.12, hue)
}

/// Converts a color in polar Oklab to sRGB. The hue is in radians. Channels of colors outside of sRGB are clamped.
fn oklch(lightness: f32, chroma: f32, hue: f32) -> [f32; 3] {
    let (sin, cos) = hue.sin_cos();
    let (a, b) = (chroma * cos, chroma * sin);
    // Oklab to linear sRGB, by way of the cubed cone responses.
    let long = (lightness + 0.396_337_78 * a + 0.215_803_76 * b).powi(3);
    let medium = (lightness - 0.105_561_346 * a - 0.063_854_17 * b).powi(3);
    let short = (lightness - 0.089_484_18 * a - 1.291_485_5 * b).powi(3);
    [
        4.076_741_7 * long - 3.307_711_6 * medium + 0.230_969_94 * short,
        -1.268_438 * long + 2.609_757_4 * medium - 0.341_319_38 * short,
        -0.004_196_086_3 * long - 0.703_418_6 * medium + 1.707_614_7 * short,
    ]
    .map(srgb)
}

/// Converts a linear channel in `[0, 1]` to sRGB.
fn srgb(linear: f32) -> f32 {
    let linear = linear.clamp(0.0, 1.0);
    if linear <= 0.003_130_8 {
        12.92 * linear
    } else {
        1.055 * linear.powf(1.0 / 2.4) - 0.055
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "black and saturated colors are exact")]
mod tests {
    use super::*;

    fn luminance([r, g, b]: [f32; 3]) -> f32 {
        let [of_red, of_green, of_blue] = crate::picture::LUMA;
        of_red * r + of_green * g + of_blue * b
    }

    #[test]
    fn a_zero_gradient_is_black_and_brightness_grows_with_the_magnitude() {
        assert_eq!(gradient_color(0.0, 0.0, 1.0), [0.0; 3]);
        assert_eq!(gradient_color(f32::NAN, 0.0, 1.0), [0.0; 3]);
        assert_eq!(gradient_color(f32::INFINITY, 0.0, 1.0), [0.0; 3]);
        assert_eq!(gradient_color(1.0, 0.0, 0.0), [0.0; 3]);
        let (dim, full) = (gradient_color(0.3, 0.4, 1.0), gradient_color(0.6, 0.8, 1.0));
        for k in 0..3 {
            assert!((dim[k] * 2.0 - full[k]).abs() < 1e-6);
        }
        let (full, beyond) = (gradient_color(0.6, 0.8, 1.0), gradient_color(6.0, 8.0, 1.0));
        for k in 0..3 {
            assert!((full[k] - beyond[k]).abs() < 1e-6);
        }
    }

    #[test]
    fn all_directions_have_similar_luminance_and_opposite_directions_differ() {
        let colors: Vec<_> = (0..360_u16)
            .map(|degree| {
                let (row, col) = f32::from(degree).to_radians().sin_cos();
                gradient_color(row, col, 1.0)
            })
            .collect();
        for (degree, color) in colors.iter().enumerate() {
            assert!(
                (0.58..0.70).contains(&luminance(*color)),
                "{degree} {color:?}"
            );
            assert!(
                color.iter().all(|c| (0.02..0.999).contains(c)),
                "{degree} {color:?}"
            );
            let opposite = colors[(degree + 180) % 360];
            let distance: f32 = (0..3).map(|k| (color[k] - opposite[k]).abs()).sum();
            assert!(distance > 0.5, "{degree} {distance}");
        }
    }

    #[test]
    fn a_signed_value_is_white_at_zero_blue_below_and_red_above() {
        assert!(diverging_color(0.0, 2.0).iter().all(|&c| c > 0.95));
        assert!(diverging_color(f32::NAN, 2.0).iter().all(|&c| c > 0.95));
        for infinite in [f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(diverging_color(infinite, 2.0), diverging_color(0.0, 2.0));
        }
        assert!(diverging_color(1.0, 0.0).iter().all(|&c| c > 0.95));
        let (below, above) = (diverging_color(-1.0, 2.0), diverging_color(1.0, 2.0));
        assert!(below[2] > below[0] + 0.2 && above[0] > above[2] + 0.2);
        assert_eq!(diverging_color(9.0, 2.0), diverging_color(2.0, 2.0));
        let luminances: Vec<f32> = (0..=100_u8)
            .map(|i| luminance(diverging_color(f32::from(i) / 100.0, 1.0)))
            .collect();
        assert!(
            luminances
                .windows(2)
                .all(|w| (-0.001..0.03).contains(&(w[0] - w[1])))
        );
    }

    /// Returns the lightness and the chroma in Oklab.
    fn lightness_and_chroma(color: [f32; 3]) -> [f32; 2] {
        let [r, g, b] = color.map(|c| {
            if c <= 0.040_45 {
                c / 12.92
            } else {
                ((c + 0.055) / 1.055).powf(2.4)
            }
        });
        let long = (0.412_221_47 * r + 0.536_332_55 * g + 0.051_445_995 * b).cbrt();
        let medium = (0.211_903_5 * r + 0.680_699_5 * g + 0.107_396_96 * b).cbrt();
        let short = (0.088_302_46 * r + 0.281_718_85 * g + 0.629_978_7 * b).cbrt();
        let a = 1.977_998_5 * long - 2.428_592_2 * medium + 0.450_593_7 * short;
        let b = 0.025_904_037 * long + 0.782_771_8 * medium - 0.808_675_8 * short;
        let lightness = 0.210_454_26 * long + 0.793_617_8 * medium - 0.004_072_047 * short;
        [lightness, a.hypot(b)]
    }

    #[test]
    fn opposite_values_have_the_same_lightness_and_chroma() {
        for percent in 0..=100_u8 {
            let value = f32::from(percent) / 100.0;
            let below = lightness_and_chroma(diverging_color(-value, 1.0));
            let above = lightness_and_chroma(diverging_color(value, 1.0));
            for k in 0..2 {
                assert!((below[k] - above[k]).abs() < 2e-3, "{value}");
            }
            assert!((above[0] - (0.97 - 0.68 * value)).abs() < 2e-3, "{value}");
        }
    }

    #[test]
    fn lightness_grows_evenly_along_the_sequential_map() {
        for percent in 0..=100_u8 {
            let position = f32::from(percent) / 100.0;
            let [lightness, _] = lightness_and_chroma(sequential_color(position));
            // Some colors lie a little outside of sRGB.
            assert!((lightness - (0.28 + 0.65 * position)).abs() < 6e-3);
        }
        assert_eq!(sequential_color(-1.0), sequential_color(0.0));
        assert_eq!(sequential_color(f32::NAN), sequential_color(0.0));
        assert_eq!(sequential_color(f32::INFINITY), sequential_color(1.0));
    }

    #[test]
    fn phases_close_a_circle_and_differ_from_their_opposites() {
        let distance =
            |a: [f32; 3], b: [f32; 3]| -> f32 { a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum() };
        for degree in 0..360_u16 {
            let color = |turn: u16| phase_color(f32::from(degree + turn).to_radians());
            assert!(distance(color(0), color(1)) < 0.06, "{degree}");
            assert!(distance(color(0), color(180)) > 0.5, "{degree}");
            assert!(distance(color(0), color(360)) < 1e-4, "{degree}");
        }
        assert_eq!(phase_color(f32::NAN), phase_color(0.0));
    }

    #[test]
    fn the_robust_scale_ignores_outliers_and_is_never_zero() {
        let values = (0..100_u8).map(|i| -f32::from(i)).chain([1e9, f32::NAN]);
        assert!((robust_scale(values, 0.95) - 95.0).abs() < 1e-6);
        assert!(robust_scale([f32::INFINITY, f32::NAN].into_iter(), 0.99) > 0.0);
        assert!(robust_scale([0.0; 9].into_iter(), 0.99) > 0.0);
        assert!((robust_scale([0.0, 0.0, 0.0, 3.0].into_iter(), 0.5) - 3.0).abs() < 1e-6);
        assert!(robust_scale(std::iter::empty(), f32::NAN) > 0.0);
    }
}
