use std::path::PathBuf;

use image::RgbImage;
use num_complex::Complex64;
use siren_core::Error;
use siren_picture::palette::{diverging_color, phase_color, sequential_color};
use tempfile::TempDir;

mod pictures;
mod sequences;

use super::panel::GAP;
use super::*;
use crate::Point;

const SIDE: usize = 60;
/// Pixels a panel and pixels a point of grids with [`SIDE`] points a side.
const PANEL: usize = super::panel::MIN_PANEL_PIXELS;
const POINT: usize = PANEL / SIDE;
const HIDDEN: [u8; 3] = [184; 3];
const BLACK: [u8; 3] = [0; 3];
const WHITE: [u8; 3] = [255; 3];

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn picture(&self, name: &str) -> RgbImage {
        image::open(self.path(name)).unwrap().to_rgb8()
    }
}

fn byte(color: [f32; 3]) -> [u8; 3] {
    color.map(|c| (255.0 * c).round() as u8)
}

/// Evaluates a function of the coordinates on a grid.
fn sampled<T>(side: usize, value: impl Fn(Point) -> T) -> Vec<T> {
    let coordinate = |i: usize| -1.0 + 2.0 * i as f64 / (side - 1) as f64;
    let points = (0..side * side).map(|i| [coordinate(i % side), coordinate(i / side)]);
    points.map(value).collect()
}

fn grid<T: Copy>(values: &[T]) -> SquareGrid<'_, T> {
    SquareGrid::new(values, values.len().isqrt()).unwrap()
}

/// Returns the color in the middle of a point, counted in panels, and in points from the left and from the bottom of a panel.
fn color_at(picture: &RgbImage, [row, column]: [usize; 2], [right, up]: [usize; 2]) -> [u8; 3] {
    let x = column * (PANEL + GAP) + right * POINT + POINT / 2;
    let y = row * (PANEL + GAP) + PANEL - 1 - (up * POINT + POINT / 2);
    picture.get_pixel(x as u32, y as u32).0
}

/// Returns 1 near a point up right, and 0 elsewhere.
fn bump([x, y]: Point) -> f64 {
    let is_near = (x - 0.5).abs() < 0.1 && (y - 0.7).abs() < 0.1;
    if is_near { 1.0 } else { 0.0 }
}
