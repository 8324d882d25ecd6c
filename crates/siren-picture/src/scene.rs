//! The embedded picture, a computed seascape at dusk, so that every example runs without an image file.

mod coast;
mod glyphs;
mod noise;
mod sea;
mod sky;

use crate::picture::MAX_SIDE;
use crate::picture::Picture;

/// Samples per pixel along each axis. A pixel is the mean of `SAMPLES²` samples.
const SAMPLES: u16 = 4;
/// Vertical position of the horizon on the unit square, from the top.
const HORIZON: f32 = 0.615;
/// Center `(u, v)` of the sun.
const SUN: (f32, f32) = (0.64, 0.535);
/// Radius of the sun.
const SUN_RADIUS: f32 = 0.135;

/// Red, green and blue in `[0, 1]`.
type Color = [f32; 3];

const NIGHT: Color = rgb(0x0D_1B36);
const INK: Color = rgb(0x0A_1628);
const TEAL: Color = rgb(0x1B_5563);
const PLUM: Color = rgb(0x4A_3660);
const ROSE: Color = rgb(0xC8_6470);
const APRICOT: Color = rgb(0xF5_A465);
const GOLD: Color = rgb(0xFD_CB85);
const CREAM: Color = rgb(0xFF_F1D6);

/// Renders the seascape at `height` × `width` pixels, each clamped to 1..=[`MAX_SIDE`].
///
/// Returns RGB values `(height, width, 3)` in `[0, 1]`. Each pixel is the mean of 4 × 4 samples.
///
/// The scene shows a sunset behind headlands, a lighthouse and its beam, waves whose crests are sums of sines, rock of fractal
/// noise, and the word SIREN, so that a fit meets sharp edges, smooth gradients, fine texture and lettering. The scene is a fixed
/// function on the unit square, so every size shows the same picture. If the sides differ, the longer side spans the square and
/// the picture is cropped at the center along the other axis.
#[must_use]
pub fn scene(height: usize, width: usize) -> Picture {
    let (height, width) = (height.clamp(1, MAX_SIDE), width.clamp(1, MAX_SIDE));
    let side = length(height.max(width));
    let (top, left) = (
        0.5 - 0.5 * length(height) / side,
        0.5 - 0.5 * length(width) / side,
    );
    let mut values = Vec::with_capacity(height * width * 3);
    for row in 0..height {
        for column in 0..width {
            let mut sum = [0.0; 3];
            for i in 0..SAMPLES * SAMPLES {
                let offset = |k: u16| (f32::from(k) + 0.5) / f32::from(SAMPLES);
                let v = top + (length(row) + offset(i / SAMPLES)) / side;
                let u = left + (length(column) + offset(i % SAMPLES)) / side;
                let sample = color(u, v);
                for k in 0..3 {
                    sum[k] += sample[k].clamp(0.0, 1.0);
                }
            }
            values.extend(sum.map(|s| s / f32::from(SAMPLES * SAMPLES)));
        }
    }
    Picture {
        height,
        width,
        channels: 3,
        values: values.into(),
    }
}

/// Converts a number of pixels, at most [`MAX_SIDE`] and therefore exact in `f32`.
fn length(pixels: usize) -> f32 {
    pixels as f32
}

/// Returns the color of the scene at `u` (rightward) and `v` (downward), both in [0, 1].
fn color(u: f32, v: f32) -> Color {
    let distant = if v < HORIZON {
        let sky = sky::color(u, v);
        coast::hills(u, v).unwrap_or(sky)
    } else {
        sea::color(u, v)
    };
    let distant = if coast::gull(u, v) {
        scaled(PLUM, 0.45)
    } else {
        distant
    };
    let boat = coast::boat(u, v).unwrap_or(distant);
    let lit = add(boat, coast::beam(u, v));
    let near = coast::lighthouse(u, v).unwrap_or(lit);
    let near = coast::cliff(u, v).unwrap_or(near);
    sky::lettering(u, v, near)
}

/// Unpacks a color `0xRRGGBB`.
const fn rgb(hex: u32) -> Color {
    let [_, r, g, b] = hex.to_be_bytes();
    [r as f32 / 255.0, g as f32 / 255.0, b as f32 / 255.0]
}

/// Interpolates linearly from `a` (t = 0) to `b` (t = 1).
fn mix(a: Color, b: Color, t: f32) -> Color {
    std::array::from_fn(|k| a[k] + (b[k] - a[k]) * t)
}

fn add(a: Color, b: Color) -> Color {
    std::array::from_fn(|k| a[k] + b[k])
}

fn scaled(a: Color, factor: f32) -> Color {
    a.map(|channel| channel * factor)
}

/// Returns the smoothstep function: 0 at `low`, 1 at `high`, cubic in between, clamped outside. `low` may be above `high`.
fn smooth(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Interpolates a color at `x` linearly between `stops`, which are `(position, color)` in ascending order.
fn gradient(stops: &[(f32, Color)], x: f32) -> Color {
    let after = stops.partition_point(|stop| stop.0 <= x);
    match (after.checked_sub(1).map(|i| stops[i]), stops.get(after)) {
        (Some((a, from)), Some(&(b, to))) => mix(from, to, (x - a) / (b - a)),
        (Some((_, color)), None) | (None, Some(&(_, color))) => color,
        (None, None) => [0.0; 3],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_scene_equals_a_large_one_reduced() {
        let (small, large) = (scene(64, 64), scene(256, 256));
        let reduced: Vec<f32> = (0..64 * 64 * 3)
            .map(|i| {
                let (row, column, k) = (i / 192, i / 3 % 64, i % 3);
                let block = |j: usize| ((row * 4 + j / 4) * 256 + column * 4 + j % 4) * 3 + k;
                (0..16).map(|j| large.values.at(block(j))).sum::<f32>() / 16.0
            })
            .collect();
        let pairs = small.values.iter().zip(reduced.iter());
        let error = pairs.map(|(a, b)| (a - b).powi(2)).sum::<f32>() / (64.0 * 64.0 * 3.0);
        assert!(error.sqrt() < 0.03, "{}", error.sqrt());
    }

    #[test]
    fn a_wide_scene_is_the_square_scene_cropped_at_the_center() {
        let (wide, square) = (scene(32, 64), scene(64, 64));
        assert_eq!((wide.height, wide.width, wide.channels), (32, 64, 3));
        assert_eq!(wide.values.len(), 32 * 64 * 3);
        let cropped = square.crop_center(32, 64).map(|crop| crop.values);
        for (a, b) in wide.values.iter().zip(cropped.unwrap().iter()) {
            assert!((a - b).abs() < 1e-3);
        }
        assert_eq!(scene(0, 5).height, 1);
    }

    #[test]
    fn the_scene_has_contrast_and_stays_in_range() {
        let picture = scene(96, 96);
        assert!(picture.values.iter().all(|v| (0.0..=1.0).contains(&v)));
        let luma = picture.luma().values;
        let mean = luma.iter().sum::<f32>() / 9216.0;
        let deviation = (luma.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / 9216.0).sqrt();
        assert!(
            (0.25..0.6).contains(&mean) && deviation > 0.15,
            "{mean} {deviation}"
        );
    }
}
