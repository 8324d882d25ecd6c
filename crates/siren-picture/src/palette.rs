//! False colors for the derivatives of a picture. Hue shows the direction of a gradient; blue and red show the sign of a Laplacian.

use std::f32::consts::TAU;

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

/// Returns the color of a Laplacian: blue for negative values, near white for zero, red for positive values, saturated at
/// `|value| = scale`.
///
/// The color map is a smooth curve through seven stops, and its lightness decreases evenly toward both ends. All channels are in
/// `[0, 1]`. A value that is not finite, or a `scale` that is not positive, gives the color of zero.
#[must_use]
pub fn laplacian_color(value: f32, scale: f32) -> [f32; 3] {
    const STOPS: [[f32; 3]; 7] = [
        [0.020, 0.188, 0.380],
        [0.129, 0.400, 0.675],
        [0.490, 0.725, 0.855],
        [0.969, 0.965, 0.957],
        [0.957, 0.647, 0.510],
        [0.839, 0.290, 0.255],
        [0.404, 0.000, 0.122],
    ];
    let position = if value.is_finite() && scale > 0.0 {
        ((value / scale).clamp(-1.0, 1.0) + 1.0) * 3.0
    } else {
        3.0
    };
    let stop = |index: i8| STOPS[usize::try_from(index.clamp(0, 6)).unwrap_or(0)];
    // The clamp above bounds `position` to 0 to 6.
    let low = (position.floor() as i8).min(5);
    let t = position - f32::from(low);
    let [before, from, to, after] = [-1, 0, 1, 2].map(|step| stop(low + step));
    // A Catmull-Rom spline, which passes through every stop.
    std::array::from_fn(|k| {
        let slope_in = (to[k] - before[k]) * 0.5;
        let slope_out = (after[k] - from[k]) * 0.5;
        let rise = to[k] - from[k];
        let cubic = slope_in + slope_out - 2.0 * rise;
        let square = 3.0 * rise - 2.0 * slope_in - slope_out;
        (from[k] + t * (slope_in + t * (square + t * cubic))).clamp(0.0, 1.0)
    })
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
    const LIGHTNESS: f32 = 0.75;
    const CHROMA: f32 = 0.12;
    let (sin, cos) = hue.sin_cos();
    let (a, b) = (CHROMA * cos, CHROMA * sin);
    // Oklab to linear sRGB, by way of the cubed cone responses.
    let long = (LIGHTNESS + 0.396_337_78 * a + 0.215_803_76 * b).powi(3);
    let medium = (LIGHTNESS - 0.105_561_346 * a - 0.063_854_17 * b).powi(3);
    let short = (LIGHTNESS - 0.089_484_18 * a - 1.291_485_5 * b).powi(3);
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
    fn a_laplacian_is_white_at_zero_blue_below_and_red_above() {
        assert!(laplacian_color(0.0, 2.0).iter().all(|&c| c > 0.95));
        assert!(laplacian_color(f32::NAN, 2.0).iter().all(|&c| c > 0.95));
        for infinite in [f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(laplacian_color(infinite, 2.0), laplacian_color(0.0, 2.0));
        }
        assert!(laplacian_color(1.0, 0.0).iter().all(|&c| c > 0.95));
        let (below, above) = (laplacian_color(-1.0, 2.0), laplacian_color(1.0, 2.0));
        assert!(below[2] > below[0] + 0.2 && above[0] > above[2] + 0.2);
        assert_eq!(laplacian_color(9.0, 2.0), laplacian_color(2.0, 2.0));
        let luminances: Vec<f32> = (0..=100_u8)
            .map(|i| luminance(laplacian_color(f32::from(i) / 100.0, 1.0)))
            .collect();
        assert!(
            luminances
                .windows(2)
                .all(|w| (-0.001..0.03).contains(&(w[0] - w[1])))
        );
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
