//! Light on surfaces, and the picture that comes of it.

use std::f32::consts::TAU;

use image::RgbImage;
use nalgebra::Vector3;
use rayon::prelude::*;

use super::palette::{linear_from_srgb, pixel_from_linear};
use super::visible::VisibilityBuffer;
use super::{Color, mix};

/// sRGB colors of the background at the top and at the bottom of a picture.
const BACKGROUND_TOP: Color = [0.975, 0.978, 0.982];
const BACKGROUND_BOTTOM: Color = [0.90, 0.905, 0.915];
/// Light from above and from below.
const SKY: Color = [0.31, 0.325, 0.35];
const GROUND: Color = [0.12, 0.11, 0.10];
/// Number of neighbors that are tested for occlusion.
const NEIGHBORS: usize = 28;
/// Number of patterns of neighbors, which alternate between pixels.
const PATTERNS: usize = 9;
/// Radius of the neighborhood, as a share of the side of the picture.
const OCCLUSION_RADIUS: f32 = 0.045;
const OCCLUSION_STRENGTH: f32 = 2.4;

/// A light far away. Directions are right, up, toward the viewer.
struct Lamp {
    direction: Vector3<f32>,
    /// Direction halfway between the light and the viewer, of length 1.
    halfway: Vector3<f32>,
    color: Color,
}

impl Lamp {
    fn new(direction: Vector3<f32>, color: Color) -> Self {
        Self {
            direction,
            halfway: (direction + Vector3::z()).normalize(),
            color,
        }
    }
}

/// Returns the key light from the upper left, and a weaker one from the right.
fn lamps() -> [Lamp; 2] {
    [
        Lamp::new(Vector3::new(-0.51, 0.62, 0.597), [0.70, 0.685, 0.66]),
        Lamp::new(Vector3::new(0.86, 0.10, 0.50), [0.09, 0.11, 0.14]),
    ]
}

/// What is seen at a pixel: the color of the surface in linear light, and its normal toward the viewer (right, up, toward the viewer).
pub(super) struct Surface {
    pub(super) albedo: Color,
    pub(super) normal: Vector3<f32>,
}

/// Lights the visible surfaces and returns a picture of `side / supersampling` pixels a side.
///
/// `surface(object, row, column)` describes an object where it is visible.
pub(super) fn render(
    visible: &VisibilityBuffer,
    supersampling: usize,
    surface: impl Fn(usize, usize, usize) -> Surface + Sync,
) -> RgbImage {
    let side = visible.side() / supersampling.max(1);
    let occlusion = Occlusion::new(visible.side());
    let lamps = lamps();
    let samples = supersampling * supersampling;
    let pixel = |row: usize, column: usize, background: Color| {
        let mut sum = [0.0; 3];
        for sample in 0..samples {
            let fine_row = row * supersampling + sample / supersampling;
            let fine_column = column * supersampling + sample % supersampling;
            let color = match visible.object(fine_row, fine_column) {
                Some(object) => {
                    let surface = surface(object, fine_row, fine_column);
                    let open =
                        occlusion.open_share(visible, fine_row, fine_column, &surface.normal);
                    light(&surface, open, &lamps)
                }
                None => background,
            };
            for (sum, c) in sum.iter_mut().zip(color) {
                *sum += c / samples as f32;
            }
        }
        pixel_from_linear(sum)
    };
    let rows = (0..side).into_par_iter().map(|row| {
        let background = background(row, side);
        let pixels = (0..side).map(|column| pixel(row, column, background));
        pixels.collect::<Vec<_>>()
    });
    let rows: Vec<_> = rows.collect();
    RgbImage::from_fn(side as u32, side as u32, |x, y| {
        rows[y as usize][x as usize]
    })
}

/// Returns the background of a row in linear light.
pub(super) fn background(row: usize, side: usize) -> Color {
    let height = (row as f32 + 0.5) / side as f32;
    linear_from_srgb(mix(BACKGROUND_TOP, BACKGROUND_BOTTOM, height))
}

/// Returns the light that the surface sends to the viewer, if `open` of the light from all sides reaches it.
fn light(surface: &Surface, open: f32, lamps: &[Lamp]) -> Color {
    let normal = &surface.normal;
    let ambient = mix(GROUND, SKY, 0.5 + 0.5 * normal.y).map(|c| c * open);
    let mut diffuse = ambient;
    let mut gloss = [0.0; 3];
    for lamp in lamps {
        // Light wraps a little around the edge of the shadow, which softens it.
        let cosine = (normal.dot(&lamp.direction) + 0.15) / 1.15;
        let shine = 0.10 * normal.dot(&lamp.halfway).max(0.0).powi(40);
        for k in 0..3 {
            let strength = lamp.color[k] * (0.4 + 0.6 * open);
            diffuse[k] += strength * cosine.max(0.0);
            gloss[k] += strength * shine;
        }
    }
    std::array::from_fn(|k| surface.albedo[k] * diffuse[k] + gloss[k])
}

/// Ambient occlusion from the depths of neighboring pixels.
struct Occlusion {
    radius: f32,
    /// Offsets in rows and columns.
    patterns: Vec<Vec<[isize; 2]>>,
}

impl Occlusion {
    fn new(side: usize) -> Self {
        let radius = OCCLUSION_RADIUS * side as f32;
        let golden_angle = TAU * 0.381_966;
        let pattern = |turn: usize| {
            let offsets = (0..NEIGHBORS).map(|i| {
                let share = (i as f32 + 0.5) / NEIGHBORS as f32;
                let angle = golden_angle * i as f32 + TAU * turn as f32 / PATTERNS as f32;
                let (sine, cosine) = angle.sin_cos();
                // Denser near the center, where contacts are.
                [sine, cosine].map(|c| (radius * share.powf(0.75) * c).round() as isize)
            });
            offsets.filter(|offset| *offset != [0, 0]).collect()
        };
        Self {
            radius,
            patterns: (0..PATTERNS).map(pattern).collect(),
        }
    }

    /// Returns the share of the light from all sides that reaches a pixel's surface, 1 if nothing is in the way.
    fn open_share(
        &self,
        visible: &VisibilityBuffer,
        row: usize,
        column: usize,
        normal: &Vector3<f32>,
    ) -> f32 {
        let (row, column) = (row as isize, column as isize);
        let depth = visible.depth(row, column);
        let Some(pattern) = self.patterns.get((row % 3 * 3 + column % 3) as usize) else {
            return 1.0;
        };
        let mut blocked = 0.0;
        for &[down, right] in pattern {
            let neighbor = visible.depth(row + down, column + right);
            let delta = Vector3::new(right as f32, -down as f32, neighbor - depth);
            let square = delta.norm_squared() / (self.radius * self.radius);
            // Far neighbors and those below the surface do not occlude; nothing is infinitely far.
            let height = delta.dot(normal);
            if square < 4.0 && height > 0.0 {
                let sine = height / delta.norm();
                let fall = 1.0 - 0.25 * square;
                blocked += (sine - 0.12).max(0.0) * fall * fall;
            }
        }
        (1.0 - OCCLUSION_STRENGTH * blocked / NEIGHBORS as f32).max(0.0)
    }
}
