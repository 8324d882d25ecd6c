//! Closed surfaces from functions: marching cubes (Lorensen and Cline 1987) on a sparse grid, then Newton steps onto the exact surface.
//!
//! | module | contents |
//! |---|---|
//! | `lattice` | grids of points and cells, dense and sparse |
//! | `evaluate` | values at the points of a grid |
//! | `refine` | which cells are halved, from the coarse grid to the fine one |
//! | `cases` | the 256 cases of marching cubes |
//! | `march` | triangles of the cells |
//! | `project` | Newton steps, normals |

mod cases;
mod evaluate;
mod lattice;
mod march;
mod project;
mod refine;
#[cfg(test)]
mod tests;

use siren_core::{Error, Result};

use self::evaluate::{BATCH_POINTS, LatticeValues, values_at};
use self::lattice::Lattice;
use self::project::Projection;
use crate::geometry::{Bounds, Mesh};

/// Most cells along an axis. The values at 4096³ points take 550 GB.
const LARGEST_RESOLUTION: usize = 4096;

/// A scalar function Φ of space.
pub trait LevelFunction: Sync {
    /// Returns Φ `(n,)` at `points` `(n · 3)`: x, y, z of each of `n` points.
    ///
    /// # Errors
    /// If the function cannot be computed.
    fn values(&self, points: &[f64]) -> Result<Vec<f64>>;

    /// Returns Φ `(n,)` and ∇Φ `(n · 3)` at `points` `(n · 3)`.
    ///
    /// # Errors
    /// If the function cannot be computed.
    fn values_and_gradients(&self, points: &[f64]) -> Result<ValuesAndGradients>;
}

/// Values and gradients of a function at `n` points.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ValuesAndGradients {
    /// Φ `(n,)`.
    pub values: Vec<f64>,
    /// ∂Φ/∂x, ∂Φ/∂y, ∂Φ/∂z of each point `(n · 3)`.
    pub gradients: Vec<f64>,
}

/// Result of an extraction in a box: a surface, or the range of the values where there is none.
pub(crate) enum Extracted {
    /// Its surface.
    Surface(Mesh),
    /// No surface.
    Nothing(ValueRange),
}

/// Range of the values of a function at the points of a grid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ValueRange {
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
}

impl ValueRange {
    /// The range of no values.
    const EMPTY: Self = Self {
        lowest: f64::INFINITY,
        highest: f64::NEG_INFINITY,
    };

    /// Extends the range to a value.
    fn include(&mut self, value: f64) {
        self.lowest = self.lowest.min(value);
        self.highest = self.highest.max(value);
    }

    /// Makes the error of a function without a surface at `level` in a box.
    pub(crate) fn no_surface(&self, level: f64, bounds: &Bounds) -> Error {
        let value = format!(
            "{} in the box x {}, y {}, z {}",
            range_text(self.lowest, self.highest),
            range_text(bounds.low[0], bounds.high[0]),
            range_text(bounds.low[1], bounds.high[1]),
            range_text(bounds.low[2], bounds.high[2]),
        );
        let expected = format!(
            "values below and above {level} inside the box, so that there is a surface; was the field trained? Train it, or give another box \
             or level"
        );
        Error::invalid("field", value, &expected)
    }
}

/// Returns the text of a range, rounded to a thousandth of its length or better.
fn range_text(low: f64, high: f64) -> String {
    let decimals = (4.0 - (high - low).abs().log10().floor()).clamp(0.0, 17.0) as usize;
    format!("{low:.decimals$} to {high:.decimals$}")
}

/// Which components of a surface are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Component {
    /// All of them.
    #[default]
    All,
    /// The one of the largest area.
    Largest,
}

/// How a surface is extracted from a function.
///
/// # Closed by construction
/// The surface is that of marching cubes between grid points with Φ < level (inside) and the others. It has one vertex for each edge of the grid
/// between the two, which its cells share, and two cells always agree on the face between them. The points on the border of the box count as
/// outside, which caps a surface that leaves the box. So each edge of the mesh has exactly two triangles, in opposite directions, and the triangles
/// around a vertex form one fan, for every function. Triangles are counterclockwise from outside. They can have area 0, for example where Φ equals the
/// level at a grid point.
///
/// # Sparse evaluation
/// The function is evaluated on a grid of at most 64 cells along each axis, whose cells are halved until the resolution is reached. With the
/// diagonal `d` of a cell, a cell is halved if its corners lie on both sides of the level, or if one of them has |Φ − level| ≤ 1.5 d L, where L is the
/// largest difference quotient along an edge of the grids so far, and at least 1. Then cells are added wherever the surface
/// leaves the cells at hand. It follows that:
///
/// * A point of the surface lies at most d/2 from a corner of its cell, so a cell with a piece of the surface is dropped only if ‖∇Φ‖ exceeds
///   3 L on the way to that corner. If ‖∇Φ‖ ≤ 3 L everywhere, the mesh is that of the dense grid, bit for bit.
/// * For any function, the mesh consists of whole components of that of the dense grid. It may lack components that no coarser grid saw.
///
/// The values take 12 bytes for each point that is evaluated. For a sphere of radius 0.9 in [−1, 1]³ with 512 cells along each axis, a tenth of the
/// points is evaluated, and 250 MB are used in all. One steep place widens the band everywhere: with an L of 10 or more, most points may be evaluated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extraction {
    /// Number of cells along each axis, 2 to 4096. In a box that is no cube, the cells are no cubes.
    pub resolution: usize,
    /// Value of the function at the surface.
    pub level: f64,
    /// Box in which the surface is sought.
    pub bounds: Bounds,
    /// Components that are kept.
    pub component: Component,
}

impl Default for Extraction {
    /// The level 0 on [−1, 1]³ with 256 cells along each axis.
    fn default() -> Self {
        Self {
            resolution: 256,
            level: 0.0,
            bounds: Bounds {
                low: [-1.0; 3],
                high: [1.0; 3],
            },
            component: Component::All,
        }
    }
}

impl Extraction {
    /// Makes the extraction of the level 0 on [−1, 1]³.
    #[must_use]
    pub fn of_resolution(resolution: usize) -> Self {
        Self {
            resolution,
            ..Self::default()
        }
    }

    /// Extracts the surface, closed, with normals ∇Φ/‖∇Φ‖.
    ///
    /// After marching cubes, each vertex takes two Newton steps x ← x − (Φ − level) ∇Φ/‖∇Φ‖², none longer than half the shortest side of a cell,
    /// and none that does not reduce |Φ − level|. Vertices of the cap stay on the border, with its normal. Where ∇Φ vanishes, the vertex stays, and
    /// its normal is that of its faces.
    ///
    /// # Errors
    /// If a setting is out of range, if the function fails, if it has a value that is not finite, or if it has no surface in the box.
    pub fn mesh(&self, function: &dyn LevelFunction) -> Result<Mesh> {
        match self.extract(function)? {
            Extracted::Surface(mesh) => Ok(mesh),
            Extracted::Nothing(range) => Err(range.no_surface(self.level, &self.bounds)),
        }
    }

    /// Extracts the surface as [`mesh`](Self::mesh) does, if there is one.
    ///
    /// # Errors
    /// As [`mesh`](Self::mesh), except that of a function without a surface.
    pub(crate) fn extract(&self, function: &dyn LevelFunction) -> Result<Extracted> {
        self.check()?;
        let mut values = LatticeValues::new(function, self.level);
        let sparse = refine::around_surface(&mut values, &self.bounds, self.resolution)?;
        if !values.has_both_sides() {
            return Ok(Extracted::Nothing(values.range()));
        }
        let mut mesh = march::triangulate(&sparse)?;
        drop(sparse);
        if mesh.faces.is_empty() {
            return Ok(Extracted::Nothing(values.range()));
        }
        if self.component == Component::Largest {
            mesh = mesh.largest_component();
        }
        let [x, y, z] = self.bounds.extents();
        let projection = Projection {
            function,
            level: self.level,
            bounds: &self.bounds,
            longest_step: 0.5 * x.min(y).min(z) / self.resolution as f64,
        };
        projection.apply(&mut mesh)?;
        Ok(Extracted::Surface(mesh))
    }

    /// Evaluates Φ at all (resolution + 1)³ grid points, and passes the values to `consume` in pieces, in the order of an array of that shape:
    /// x changes slowest and z fastest. The level is not subtracted.
    ///
    /// # Errors
    /// If a setting is out of range, if the function or `consume` fails, or if the function has a value that is not finite.
    pub fn grid_values(
        &self,
        function: &dyn LevelFunction,
        mut consume: impl FnMut(&[f64]) -> Result<()>,
    ) -> Result<()> {
        self.check()?;
        let lattice = Lattice::new(&self.bounds, self.resolution, 1);
        let width = lattice.points();
        let total = width * width * width;
        for start in (0..total).step_by(BATCH_POINTS) {
            let indices: Vec<[usize; 3]> = (start..total.min(start + BATCH_POINTS))
                .map(|index| {
                    [
                        index / (width * width),
                        index / width % width,
                        index % width,
                    ]
                })
                .collect();
            consume(&values_at(function, &lattice, &indices)?)?;
        }
        Ok(())
    }

    fn check(&self) -> Result<()> {
        if !(2..=LARGEST_RESOLUTION).contains(&self.resolution) {
            let expected = format!("2 to {LARGEST_RESOLUTION} cells along each axis");
            return Err(Error::invalid("resolution", self.resolution, &expected));
        }
        if !self.level.is_finite() {
            return Err(Error::invalid("level", self.level, "a finite number"));
        }
        let Bounds { low, high } = self.bounds;
        let is_box = low.iter().zip(&high).all(|(low, high)| low < high);
        if !is_box || self.bounds.extents().iter().any(|side| !side.is_finite()) {
            let value = format!("from {low:?} to {high:?}");
            let expected = "finite numbers, the first of each axis below the second";
            return Err(Error::invalid("bounds", value, expected));
        }
        Ok(())
    }
}
