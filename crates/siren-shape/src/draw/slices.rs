//! Pictures of a scalar function on three planes.

use image::{Rgb, RgbImage};

use super::bar;
use super::palette::{ColorMap, pixel_from_srgb};
use super::{Color, mix};

const BACKGROUND: Rgb<u8> = Rgb([255; 3]);
/// Gap between the slices in pixels.
pub(super) const GAP: u32 = 8;
const BLACK: Color = [0.0; 3];
/// Widths in pixels of the zero line, of the zero line over another quantity, and of the other level lines.
const BOLD: f32 = 2.2;
const THIN: f32 = 1.0;
const HAIR: f32 = 0.8;
/// Opacity of the level lines.
const HAIR_OPACITY: f32 = 0.35;

/// Returns the positions of the pixels of three slices through the cube [−extent, extent]³, `(side · side, 3)` each, row by row.
///
/// The slices are the planes x = 0, y = 0 and z = 0, each seen from the end of its positive axis: to the right and up are −z and y
/// for x = 0, x and −z for y = 0, x and y for z = 0.
pub(crate) fn slice_points(side: usize, extent: f64) -> [Vec<f64>; 3] {
    let right = |column: usize| extent * ((2 * column + 1) as f64 / side as f64 - 1.0);
    let up = |row: usize| -right(row);
    let pixels = || (0..side).flat_map(|row| (0..side).map(move |column| [row, column]));
    let slice = |place: fn(f64, f64) -> [f64; 3]| {
        let points = pixels().flat_map(|[row, column]| place(right(column), up(row)));
        points.collect()
    };
    [
        slice(|right, up| [0.0, up, -right]),
        slice(|right, up| [right, 0.0, -up]),
        slice(|right, up| [right, up, 0.0]),
    ]
}

/// Draws the values of a function at [`slice_points`] side by side, with a color bar at the right.
///
/// Negative values are blue, positive ones orange, saturated at `range`. Zero is a bold black line; thin lines are at multiples of
/// [`level_step`]. Missing and non-finite values are gray.
pub(crate) fn slices_picture(values: &[Vec<f32>; 3], side: usize, range: f32) -> RgbImage {
    let map = ColorMap::BlueOrange { range };
    let step = level_step(range);
    draw_slices(side, map, |slice, row, column| {
        let values = Samples {
            values: &values[slice],
            side,
        };
        let value = values.at(row, column);
        let color = map.color(value);
        let level = step * (value / step).round();
        let color = if level == 0.0 {
            color
        } else {
            let coverage = values.line_coverage(row, column, level, HAIR);
            mix(color, BLACK, HAIR_OPACITY * coverage)
        };
        let coverage = values.line_coverage(row, column, 0.0, BOLD);
        mix(color, BLACK, coverage)
    })
}

/// Draws the deviation of a gradient's norm from 1, `‖∇Φ‖ − 1`, as [`slices_picture`] draws values, in teal and violet and without
/// level lines. A thin line shows where `values`, those of Φ, are zero.
pub(crate) fn deviations_picture(
    deviations: &[Vec<f32>; 3],
    values: &[Vec<f32>; 3],
    side: usize,
    range: f32,
) -> RgbImage {
    let map = ColorMap::TealViolet { range };
    draw_slices(side, map, |slice, row, column| {
        let [deviations, values] =
            [&deviations[slice], &values[slice]].map(|values| Samples { values, side });
        let coverage = values.line_coverage(row, column, 0.0, THIN);
        mix(map.color(deviations.at(row, column)), BLACK, coverage)
    })
}

/// Returns the distance of level lines: 0.1, 0.05 or 0.02 times a power of ten, such that 4 to 10 levels are within `range`.
pub(super) fn level_step(range: f32) -> f32 {
    let power = 10.0_f32.powf(range.log10().ceil() - 1.0);
    let mantissa = range / power;
    if mantissa >= 5.0 {
        power
    } else if mantissa >= 2.0 {
        0.5 * power
    } else {
        0.2 * power
    }
}

/// Draws three slices, whose pixels have the sRGB color `color(slice, row, column)`.
fn draw_slices(
    side: usize,
    map: ColorMap,
    color: impl Fn(usize, usize, usize) -> Color,
) -> RgbImage {
    let pixels = side as u32;
    let mut picture = RgbImage::from_pixel(3 * pixels + 2 * GAP, pixels, BACKGROUND);
    for slice in 0..3 {
        let left = slice as u32 * (pixels + GAP);
        for row in 0..side {
            for column in 0..side {
                let pixel = pixel_from_srgb(color(slice, row, column));
                picture.put_pixel(left + column as u32, row as u32, pixel);
            }
        }
    }
    bar::with_color_bar(&picture, map)
}

/// Values at the pixels of a square.
#[derive(Clone, Copy)]
struct Samples<'a> {
    values: &'a [f32],
    side: usize,
}

impl Samples<'_> {
    /// Returns a value, NaN if it is missing.
    fn at(self, row: usize, column: usize) -> f32 {
        let value = self.values.get(row * self.side + column);
        value.copied().unwrap_or(f32::NAN)
    }

    /// Returns the share of a pixel that the line of a level covers.
    fn line_coverage(self, row: usize, column: usize, level: f32, width: f32) -> f32 {
        // To first order, the distance from the line is the difference of values divided by the slope.
        let slope = self.slope(row, column);
        let distance = (self.at(row, column) - level).abs() / slope;
        if slope > 0.0 && distance.is_finite() {
            (0.5 * width + 0.5 - distance).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }

    /// Returns the norm of the gradient per pixel, by central differences.
    fn slope(self, row: usize, column: usize) -> f32 {
        let last = self.side - 1;
        let neighbors = |index: usize| [index.saturating_sub(1), (index + 1).min(last)];
        let [above, below] = neighbors(row);
        let [left, right] = neighbors(column);
        let down =
            (self.at(below, column) - self.at(above, column)) / (below - above).max(1) as f32;
        let across = (self.at(row, right) - self.at(row, left)) / (right - left).max(1) as f32;
        down.hypot(across)
    }
}
