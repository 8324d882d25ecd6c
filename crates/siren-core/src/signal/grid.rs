//! Regular grids of coordinates.

use candle_core::{DType, Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Rule by which the axes of a grid with unequal sides map to coordinates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CoordinateRule {
    /// Every axis spans [−1, 1], as in the authors' `get_mgrid`. Samples of unequal axes then have unequal spacing.
    #[default]
    Stretch,
    /// The longest axis spans [−1, 1]. The others have the same spacing and are centered on 0.
    Aspect,
}

/// A regular grid in `[−1, 1]ᵈ`, end points included, row-major with the first axis slowest.
///
/// Index `i` of `N` is at `e (2 i/(N−1) − 1)` on an axis of half extent `e`. An axis of one sample is at 0 and has no extent, so it stays
/// at 0 when the grid is resampled: the signal gives no information off that line.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    sides: Vec<usize>,
    /// Half the extent of each axis, in coordinates.
    extents: Vec<f64>,
}

impl Grid {
    /// Makes a grid of `sides` samples per axis.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is no axis, or an axis without samples, or more points than memory can address.
    pub fn new(sides: &[usize], rule: CoordinateRule) -> Result<Self> {
        let points = sides
            .iter()
            .try_fold(1usize, |n, &side| n.checked_mul(side));
        if sides.is_empty() || points.is_none_or(|n| n == 0 || n > isize::MAX as usize / 64) {
            return Err(Error::Shape {
                what: "grid",
                expected: "at least one axis, at least one sample on each".to_owned(),
                got: format!("{sides:?}"),
            });
        }
        let intervals = |side: usize| (side - 1) as f64;
        let longest = sides
            .iter()
            .map(|&side| intervals(side))
            .fold(0.0, f64::max);
        let extent = |&side: &usize| match rule {
            _ if side == 1 => 0.0,
            CoordinateRule::Aspect => intervals(side) / longest,
            CoordinateRule::Stretch => 1.0,
        };
        Ok(Self {
            sides: sides.to_vec(),
            extents: sides.iter().map(extent).collect(),
        })
    }

    /// Returns a grid of the same region with other numbers of samples, for rendering at another size.
    ///
    /// # Errors
    /// As [`new`](Self::new); also if the number of axes differs.
    pub fn resampled(&self, sides: &[usize]) -> Result<Self> {
        let grid = Self::new(sides, CoordinateRule::Stretch)?;
        if sides.len() != self.sides.len() {
            return Err(Error::Shape {
                what: "grid",
                expected: format!("{} axes", self.sides.len()),
                got: format!("{sides:?}"),
            });
        }
        Ok(Self {
            sides: grid.sides,
            extents: self.extents.clone(),
        })
    }

    /// Returns the number of samples of each axis.
    #[must_use]
    pub fn sides(&self) -> &[usize] {
        &self.sides
    }

    /// Returns half the extent of `axis` in coordinates: the axis spans `[−extent, extent]`.
    #[must_use]
    pub fn extent(&self, axis: usize) -> f64 {
        self.extents[axis]
    }

    /// Returns the distance between neighbors on `axis` in coordinates; 0 for an axis of one sample.
    #[must_use]
    pub fn spacing(&self, axis: usize) -> f64 {
        match self.sides[axis] - 1 {
            0 => 0.0,
            intervals => 2.0 * self.extents[axis] / intervals as f64,
        }
    }

    /// Returns the number of points of the grid.
    #[must_use]
    pub fn points(&self) -> usize {
        self.sides.iter().product()
    }

    /// Returns the coordinate of sample `index` of `axis`.
    #[must_use]
    pub fn coord(&self, axis: usize, index: usize) -> f64 {
        let intervals = self.sides[axis] - 1;
        if intervals == 0 {
            return 0.0;
        }
        self.extents[axis] * (2.0 * (index as f64 / intervals as f64) - 1.0)
    }

    /// Returns the coordinates of all samples of `axis`, in single precision.
    #[must_use]
    pub fn axis(&self, axis: usize) -> Vec<f32> {
        let indices = 0..self.sides[axis];
        indices.map(|i| self.coord(axis, i) as f32).collect()
    }

    /// Returns the coordinates `(len, d)` of the points `start .. start + len` in row-major order, on the CPU.
    ///
    /// # Errors
    /// [`Error::Shape`] if the range ends after the last point.
    pub fn coords(&self, start: usize, len: usize, dtype: DType) -> Result<Tensor> {
        if start.checked_add(len).is_none_or(|end| end > self.points()) {
            return Err(Error::Shape {
                what: "range of grid points",
                expected: format!("within 0..{}", self.points()),
                got: format!("{start}..{}", start.saturating_add(len)),
            });
        }
        self.coords_at(start..start + len, dtype)
    }

    /// Returns the coordinates `(n, d)` of points by their row-major indices, on the CPU.
    ///
    /// # Errors
    /// [`Error::Shape`] if an index is not one of a point.
    pub fn coords_at(
        &self,
        points: impl ExactSizeIterator<Item = usize>,
        dtype: DType,
    ) -> Result<Tensor> {
        let (len, dims, all) = (points.len(), self.sides.len(), self.points());
        let mut values = Vec::with_capacity(len * dims);
        let mut index = vec![0; dims];
        for point in points {
            if point >= all {
                return Err(Error::Shape {
                    what: "grid point",
                    expected: format!("below {all}"),
                    got: point.to_string(),
                });
            }
            let mut rest = point;
            for axis in (0..dims).rev() {
                index[axis] = rest % self.sides[axis];
                rest /= self.sides[axis];
            }
            values.extend((0..dims).map(|axis| self.coord(axis, index[axis])));
        }
        Ok(Tensor::from_vec(values, (len, dims), &Device::Cpu)?.to_dtype(dtype)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretched_grid_has_both_end_points_on_every_axis_and_runs_row_major() {
        let grid = Grid::new(&[2, 3], CoordinateRule::Stretch).unwrap();
        let coords = grid.coords(0, 6, DType::F64).unwrap();
        let expected = [
            [-1., -1.],
            [-1., 0.],
            [-1., 1.],
            [1., -1.],
            [1., 0.],
            [1., 1.],
        ];
        assert_eq!(coords.to_vec2::<f64>().unwrap(), expected);
    }

    #[test]
    fn points_by_index_are_those_of_the_whole_grid() {
        let grid = Grid::new(&[3, 4, 2], CoordinateRule::Aspect).unwrap();
        let all = grid.coords(0, 24, DType::F32).unwrap();
        let all = all.to_vec2::<f32>().unwrap();
        let chosen = [23, 0, 7, 7];
        let some = grid.coords_at(chosen.into_iter(), DType::F32).unwrap();
        let expected = chosen.map(|at: usize| all[at].clone());
        assert_eq!(some.to_vec2::<f32>().unwrap(), expected);
        assert!(grid.coords_at([24].into_iter(), DType::F32).is_err());
    }

    #[test]
    fn an_aspect_preserving_grid_has_the_same_spacing_on_both_axes() {
        let grid = Grid::new(&[3, 5], CoordinateRule::Aspect).unwrap();
        assert!((grid.coord(0, 2) - 0.5).abs() < 1e-15);
        assert!((grid.coord(1, 4) - 1.0).abs() < 1e-15);
        let finer = grid.resampled(&[5, 9]).unwrap();
        assert!((finer.coord(0, 4) - 0.5).abs() < 1e-15);
    }

    #[test]
    fn an_axis_of_one_sample_stays_at_zero_at_any_other_size() {
        for rule in [CoordinateRule::Stretch, CoordinateRule::Aspect] {
            for sides in [[1, 4], [1, 1]] {
                let grid = Grid::new(&sides, rule).unwrap();
                assert!(grid.spacing(0).abs() < f64::EPSILON);
                let taller = grid.resampled(&[5, 4]).unwrap();
                for row in 0..5 {
                    assert!(taller.coord(0, row).abs() < f64::EPSILON, "{rule:?}");
                }
            }
        }
    }

    #[test]
    fn neighbors_are_one_spacing_apart() {
        let grid = Grid::new(&[3, 5], CoordinateRule::Aspect).unwrap();
        for axis in [0, 1] {
            let apart = grid.coord(axis, 1) - grid.coord(axis, 0);
            assert!((grid.spacing(axis) - apart).abs() < 1e-15);
        }
    }

    #[test]
    fn a_single_row_is_at_zero_and_an_empty_axis_is_an_error() {
        let grid = Grid::new(&[1, 4], CoordinateRule::Stretch).unwrap();
        assert!(grid.coord(0, 0).abs() < f64::EPSILON);
        assert!(Grid::new(&[0, 4], CoordinateRule::Stretch).is_err());
        assert!(Grid::new(&[usize::MAX, usize::MAX], CoordinateRule::Stretch).is_err());
    }
}
