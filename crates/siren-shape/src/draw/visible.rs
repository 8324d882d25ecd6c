//! What is visible at every pixel.

use nalgebra::Vector3;

/// Identifier of a pixel without anything.
const NOTHING: u32 = u32::MAX;

/// Nearest object at the center of every pixel of a square picture.
pub(super) struct VisibilityBuffer {
    side: usize,
    /// Positions toward the viewer, in pixels; −∞ where there is nothing.
    depths: Vec<f32>,
    objects: Vec<u32>,
}

impl VisibilityBuffer {
    /// Creates the buffer of an empty picture.
    pub(super) fn new(side: usize) -> Self {
        Self {
            side,
            depths: vec![f32::NEG_INFINITY; side * side],
            objects: vec![NOTHING; side * side],
        }
    }

    pub(super) fn side(&self) -> usize {
        self.side
    }

    /// Returns the object at a pixel.
    pub(super) fn object(&self, row: usize, column: usize) -> Option<usize> {
        let object = *self.objects.get(row * self.side + column)?;
        (object != NOTHING).then_some(object as usize)
    }

    /// Returns the position toward the viewer at a pixel, −∞ where there is nothing or outside of the picture.
    pub(super) fn depth(&self, row: isize, column: isize) -> f32 {
        let inside = 0..self.side as isize;
        if inside.contains(&row) && inside.contains(&column) {
            self.depths[row as usize * self.side + column as usize]
        } else {
            f32::NEG_INFINITY
        }
    }

    /// Draws the triangle with the corners `(x, y, toward the viewer)`. Of objects at the same depth, the first one stays.
    pub(super) fn draw_triangle(&mut self, object: u32, corners: [[f32; 3]; 3]) {
        let Some(triangle) = Triangle::new(corners) else {
            return;
        };
        let [columns, rows] = [0, 1].map(|k| {
            let low = corners.iter().map(|c| c[k]).fold(f32::INFINITY, f32::min);
            let high = corners
                .iter()
                .map(|c| c[k])
                .fold(f32::NEG_INFINITY, f32::max);
            self.centers_between(low, high)
        });
        for row in rows {
            for column in columns.clone() {
                let weights = triangle.weights(row, column);
                if weights.iter().all(|&w| w >= 0.0) {
                    let depth = (0..3).map(|k| weights[k] * f64::from(corners[k][2]));
                    self.draw_pixel(object, row * self.side + column, depth.sum::<f64>() as f32);
                }
            }
        }
    }

    /// Draws the half of a ball that faces the viewer.
    pub(super) fn draw_ball(&mut self, object: u32, center: [f32; 3], radius: f32) {
        self.draw_around(object, center, radius, |dx, dy| {
            let square = radius * radius - dx * dx - dy * dy;
            (square >= 0.0).then(|| square.sqrt())
        });
    }

    /// Draws a disk around `center` with the given normal: right, up, toward the viewer, of length 1.
    pub(super) fn draw_disk(&mut self, object: u32, center: [f32; 3], disk: &Disk) {
        let Disk { normal, radius } = disk;
        // A disk that is seen from its edge is turned a little, since it would not cover a pixel.
        let toward_viewer = normal.z.abs().max(0.2).copysign(normal.z);
        self.draw_around(object, center, *radius, |dx, dy| {
            // Rows grow downward.
            let dz = (normal.y * dy - normal.x * dx) / toward_viewer;
            (dx * dx + dy * dy + dz * dz <= radius * radius).then_some(dz)
        });
    }

    /// Draws an object within `radius` of `center`: `height` returns how far it is toward the viewer from `center` at an offset to the right and
    /// downward, or `None` beside it.
    fn draw_around(
        &mut self,
        object: u32,
        center: [f32; 3],
        radius: f32,
        height: impl Fn(f32, f32) -> Option<f32>,
    ) {
        let [columns, rows] =
            [0, 1].map(|k| self.centers_between(center[k] - radius, center[k] + radius));
        for row in rows {
            for column in columns.clone() {
                let offset = [column, row].map(|index| index as f32 + 0.5);
                if let Some(dz) = height(offset[0] - center[0], offset[1] - center[1]) {
                    self.draw_pixel(object, row * self.side + column, center[2] + dz);
                }
            }
        }
    }

    fn draw_pixel(&mut self, object: u32, pixel: usize, depth: f32) {
        if depth > self.depths[pixel] {
            self.depths[pixel] = depth;
            self.objects[pixel] = object;
        }
    }

    /// Returns the indices of pixels whose centers are in `[low, high]`, none if a limit is NaN.
    fn centers_between(&self, low: f32, high: f32) -> std::ops::Range<usize> {
        // The conversion clamps to 0, and makes NaN 0.
        let end = ((high + 0.5).floor() as usize).min(self.side);
        let start = ((low - 0.5).ceil() as usize).min(end);
        start..end
    }
}

/// Orientation and radius of a disk.
pub(super) struct Disk {
    pub(super) normal: Vector3<f32>,
    pub(super) radius: f32,
}

/// A triangle on the screen.
pub(super) struct Triangle {
    corners: [[f64; 2]; 3],
    /// Twice the area, with the sign of the orientation.
    area: f64,
}

impl Triangle {
    /// Returns `None` if a corner is not finite, or if the triangle is seen from its edge.
    pub(super) fn new(corners: [[f32; 3]; 3]) -> Option<Self> {
        let corners = corners.map(|[x, y, _]| [f64::from(x), f64::from(y)]);
        let [a, b, c] = corners;
        let area = cross(a, b, c);
        (area.is_finite() && area != 0.0).then_some(Self { corners, area })
    }

    /// Returns the barycentric weights of the center of a pixel.
    pub(super) fn weights(&self, row: usize, column: usize) -> [f64; 3] {
        let [a, b, c] = self.corners;
        let p = [column as f64 + 0.5, row as f64 + 0.5];
        [cross(p, b, c), cross(a, p, c), cross(a, b, p)].map(|part| part / self.area)
    }
}

fn cross(a: [f64; 2], b: [f64; 2], c: [f64; 2]) -> f64 {
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}
