//! Panels, which show one quantity each, and sheets of panels.

use siren_core::{Error, Result};
use siren_picture::Picture;

use super::color::{BACKGROUND, Color};
use crate::Point;

/// Smallest side of a panel in pixels.
pub(crate) const MIN_PANEL_PIXELS: usize = 240;
/// Gap between panels in pixels.
pub(super) const GAP: usize = 6;
const BLACK: Color = [0.0; 3];
const WHITE: Color = [1.0; 3];
/// Radii of dots, as shares of the side of a panel, and their smallest values in pixels.
const SOURCE_RADIUS: f64 = 0.013;
const RECEIVER_RADIUS: f64 = 0.008;
const MIN_SOURCE_RADIUS: f64 = 3.5;
const MIN_RECEIVER_RADIUS: f64 = 2.2;
/// Width of the rim of a dot in pixels.
const RIM: f64 = 1.2;
/// Width of a frame in pixels, and its opacity.
const FRAME_WIDTH: f64 = 1.0;
const FRAME_OPACITY: f32 = 0.55;

/// Values at `side` × `side` points of [−1, 1]², borders included: index `row · side + column`, row ↔ y and column ↔ x, both ascending.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SquareGrid<'a, T> {
    values: &'a [T],
    side: usize,
}

impl<'a, T: Copy> SquareGrid<'a, T> {
    /// # Errors
    /// [`Error::Shape`] unless there are `side²` values, at least one.
    pub(crate) fn new(values: &'a [T], side: usize) -> Result<Self> {
        if side == 0 || side.checked_mul(side) != Some(values.len()) {
            let expected = format!("side² values, side = {side} (at least 1)");
            return Err(shape_error(expected, format!("{} values", values.len())));
        }
        Ok(Self { values, side })
    }

    /// Returns the values.
    pub(crate) fn values(self) -> &'a [T] {
        self.values
    }

    /// Returns the number of points along each axis.
    pub(crate) fn side(self) -> usize {
        self.side
    }

    /// # Errors
    /// [`Error::Shape`] if the other grid has another side.
    pub(super) fn ensure_same_side<U: Copy>(self, other: SquareGrid<'_, U>) -> Result<()> {
        if self.side == other.side {
            return Ok(());
        }
        let expected = format!("grids of the same side, {}", self.side);
        Err(shape_error(expected, format!("{}", other.side)))
    }
}

pub(super) fn shape_error(expected: String, got: String) -> Error {
    Error::Shape {
        what: "values to draw",
        expected,
        got,
    }
}

/// Landmarks drawn over fields and media.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Landmarks<'a> {
    /// Half side of a square around the center, drawn as a thin frame: the inner border of an absorbing layer, in coordinates.
    pub(crate) inner: Option<f64>,
    /// Positions of sources, drawn as black dots with a white rim.
    pub(crate) sources: &'a [Point],
    /// Positions of receivers, drawn as smaller white dots with a black rim.
    pub(crate) receivers: &'a [Point],
}

/// A square picture of one quantity.
pub(super) struct Panel {
    /// Number of points of the grid along each axis, and pixels per point.
    side: usize,
    magnification: usize,
    /// Colors of the pixels, row by row from the top.
    colors: Vec<Color>,
}

impl Panel {
    /// Draws `color(index, value)` for every point.
    pub(super) fn new<T: Copy>(grid: SquareGrid<'_, T>, color: impl Fn(usize, T) -> Color) -> Self {
        let side = grid.side();
        let magnification = MIN_PANEL_PIXELS.div_ceil(side);
        let mut colors = Vec::with_capacity((side * magnification).pow(2));
        for (row, values) in grid.values().chunks_exact(side).enumerate().rev() {
            let points = values.iter().enumerate();
            let row: Vec<Color> = points
                .map(|(column, &value)| color(row * side + column, value))
                .collect();
            for _ in 0..magnification {
                for &color in &row {
                    colors.extend(std::iter::repeat_n(color, magnification));
                }
            }
        }
        Self {
            side,
            magnification,
            colors,
        }
    }

    /// Returns the side in pixels.
    pub(super) fn pixels(&self) -> usize {
        self.side * self.magnification
    }

    /// Draws landmarks over the panel.
    pub(super) fn with(mut self, landmarks: &Landmarks<'_>) -> Self {
        if let Some(inner) = landmarks.inner {
            self.draw_frame(inner);
        }
        let pixels = self.pixels() as f64;
        let radius = (RECEIVER_RADIUS * pixels).max(MIN_RECEIVER_RADIUS);
        for &point in landmarks.receivers {
            self.draw_dot(point, radius, [WHITE, BLACK]);
        }
        let radius = (SOURCE_RADIUS * pixels).max(MIN_SOURCE_RADIUS);
        for &point in landmarks.sources {
            self.draw_dot(point, radius, [BLACK, WHITE]);
        }
        self
    }

    /// Returns the position of a point in pixels, to the right and downward from the upper left corner.
    fn place(&self, [x, y]: Point) -> [f64; 2] {
        let along = |x: f64| {
            let node = 0.5 * (x + 1.0) * (self.side - 1) as f64;
            (node + 0.5) * self.magnification as f64
        };
        [along(x), along(-y)]
    }

    fn draw_frame(&mut self, inner: f64) {
        let [right, _] = self.place([inner, 0.0]);
        let pixels = self.pixels();
        let center = 0.5 * pixels as f64;
        for row in 0..pixels {
            for column in 0..pixels {
                let [x, y] = [column, row].map(|i| (i as f64 + 0.5 - center).abs());
                let distance = (x.max(y) - (right - center)).abs();
                let coverage = coverage(0.5 * FRAME_WIDTH - distance);
                if coverage > 0.0 {
                    let pixel = row * pixels + column;
                    let is_light = self.colors[pixel].iter().sum::<f32>() > 1.0;
                    let ink = if is_light { BLACK } else { WHITE };
                    self.blend(pixel, ink, FRAME_OPACITY * coverage);
                }
            }
        }
    }

    /// Draws a disk of a color with a rim of another; `inks` are both.
    fn draw_dot(&mut self, point: Point, radius: f64, [ink, rim]: [Color; 2]) {
        let pixels = self.pixels();
        let center = self.place(point);
        if !center.iter().all(|c| c.is_finite()) {
            return;
        }
        let reach = radius + RIM + 1.0;
        // Negative positions become 0.
        let [columns, rows] =
            center.map(|c| (c - reach) as usize..((c + reach).ceil() as usize).min(pixels));
        for row in rows {
            for column in columns.clone() {
                let [x, y] = [
                    column as f64 + 0.5 - center[0],
                    row as f64 + 0.5 - center[1],
                ];
                let inside = radius - x.hypot(y);
                let pixel = row * pixels + column;
                self.blend(pixel, rim, coverage(inside + RIM));
                self.blend(pixel, ink, coverage(inside));
            }
        }
    }

    fn blend(&mut self, pixel: usize, ink: Color, opacity: f32) {
        let color = &mut self.colors[pixel];
        *color = std::array::from_fn(|k| color[k] + opacity * (ink[k] - color[k]));
    }
}

/// Returns the share of a pixel that a shape covers, from the distance of its center inside the shape's edge, in pixels.
fn coverage(inside: f64) -> f32 {
    (inside + 0.5).clamp(0.0, 1.0) as f32
}

/// Arranges rows of panels of the same size, with gaps between them.
pub(super) fn sheet(rows: &[Vec<Panel>]) -> Picture {
    let panel = rows.iter().flatten().map(Panel::pixels).max().unwrap_or(0);
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let extent = |count: usize| (count * (panel + GAP)).saturating_sub(GAP);
    let (height, width) = (extent(rows.len()), extent(columns));
    let mut colors = vec![BACKGROUND; height * width];
    for (row, panels) in rows.iter().enumerate() {
        for (column, panel) in panels.iter().enumerate() {
            let pixels = panel.pixels();
            for (line, pixel_row) in panel.colors.chunks_exact(pixels).enumerate() {
                let start = (row * (pixels + GAP) + line) * width + column * (pixels + GAP);
                colors[start..start + pixels].copy_from_slice(pixel_row);
            }
        }
    }
    Picture {
        height,
        width,
        channels: 3,
        values: colors.into_flattened().into(),
    }
}
