//! The tiles of a mosaic: which of them a point lies in, with what weight, and at which coordinates of theirs.

use siren_kernel::network::{Order, Trace};

use super::config::MosaicConfig;
use crate::error::Result;

/// Largest number of axes of a mosaic.
pub(super) const MAX_AXES: usize = 3;

/// Tiles of equal size on a grid, row-major with the first axis slowest.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::field) struct Tiling {
    axes: Vec<TileAxis>,
}

/// The tiles of a mosaic along one coordinate: intervals of equal length. The first and the last one have no end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TileAxis {
    /// Number of intervals.
    pub count: usize,
    /// Coordinate at which the first begins.
    pub start: f64,
    /// Length of an interval in coordinates.
    pub length: f64,
    /// `1 / length`.
    per_length: f64,
    /// Width, in coordinates, of the zone around each inner border in which neighbors are blended.
    pub overlap: f64,
    /// Factor from coordinates to those of a tile, whose origin is its [`center`](Self::center).
    pub scale: f64,
}

/// Weight of one interval at a coordinate, with two derivatives.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct AxisWeight {
    index: usize,
    jet: [f64; 3],
}

/// Weight `W` of one tile at a point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::field) struct Weight {
    pub(in crate::field) tile: usize,
    /// Weights on the axes with their first two derivatives.
    axes: [[f64; 3]; MAX_AXES],
    dims: usize,
}

impl TileAxis {
    fn new(config: &MosaicConfig, axis: usize) -> Self {
        let (side, extent) = (config.sides[axis], config.extents[axis]);
        let spacing = if side > 1 {
            2.0 * extent / (side - 1) as f64
        } else {
            0.0
        };
        // A sample fills a cell, so that borders lie between samples.
        let half = if spacing > 0.0 {
            extent + 0.5 * spacing
        } else {
            1.0
        };
        let count = side.div_ceil(config.tile_side(axis));
        let length = 2.0 * half / count as f64;
        // Tiles of a side that is divided evenly may be narrower than the config says.
        let overlap = (config.overlap * spacing).min(length);
        let support = if count > 1 { length + overlap } else { length };
        Self {
            count,
            start: -half,
            length,
            per_length: 1.0 / length,
            overlap,
            scale: 2.0 / support,
        }
    }

    /// Returns the coordinate of the center of an interval.
    #[must_use]
    pub fn center(&self, index: usize) -> f64 {
        self.start + (index as f64 + 0.5) * self.length
    }

    /// Returns the interval in which a coordinate lies; the first and the last one have no end.
    fn home(&self, x: f64) -> usize {
        // A conversion of negative numbers and NaN gives 0.
        let index = ((x - self.start) * self.per_length) as usize;
        index.min(self.count - 1)
    }

    /// Returns the interval in which a coordinate lies, if no neighbor is blended with it there.
    fn only(&self, x: f64) -> Option<usize> {
        let home = self.home(x);
        let within = x - self.start - home as f64 * self.length;
        let margin = 0.5 * self.overlap;
        let after = home == 0 || within >= margin;
        let before = home + 1 == self.count || self.length - within >= margin;
        (after && before).then_some(home)
    }

    /// Returns the weights of one or two intervals at a coordinate; their sum is 1.
    fn weights(&self, x: f64) -> ([AxisWeight; 2], usize) {
        let home = self.home(x);
        let whole = AxisWeight {
            index: home,
            jet: [1.0, 0.0, 0.0],
        };
        let within = x - self.start - home as f64 * self.length;
        // The lower of the two neighbors, and how far the coordinate is from the middle of their overlap.
        let (lower, from_border) = if 2.0 * within < self.length {
            (home.checked_sub(1), within)
        } else {
            (
                Some(home).filter(|home| home + 1 < self.count),
                within - self.length,
            )
        };
        let u = from_border / self.overlap + 0.5;
        let Some(lower) = lower.filter(|_| u > 0.0 && u < 1.0) else {
            return ([whole, AxisWeight::default()], 1);
        };
        let rise = u * u * u * (u * (6.0 * u - 15.0) + 10.0);
        let slope = 30.0 * u * u * (1.0 - u) * (1.0 - u) / self.overlap;
        let curvature = 60.0 * u * (1.0 - u) * (1.0 - 2.0 * u) / (self.overlap * self.overlap);
        let lower = AxisWeight {
            index: lower,
            jet: [1.0 - rise, -slope, -curvature],
        };
        let upper = AxisWeight {
            index: lower.index + 1,
            jet: [rise, slope, curvature],
        };
        ([lower, upper], 2)
    }
}

impl Tiling {
    /// Makes the tiles of a signal of `dims` coordinates.
    ///
    /// # Errors
    /// [`Error::InvalidValue`](crate::Error::InvalidValue) if the mosaic does not fit the signal.
    pub(in crate::field) fn new(config: &MosaicConfig, dims: usize) -> Result<Self> {
        config.validate()?;
        config.validate_for(dims)?;
        let axes = (0..dims).map(|axis| TileAxis::new(config, axis));
        Ok(Self {
            axes: axes.collect(),
        })
    }

    /// Returns the tiles along each coordinate.
    pub(in crate::field) fn axes(&self) -> &[TileAxis] {
        &self.axes
    }

    /// Returns the number of tiles.
    pub(in crate::field) fn count(&self) -> usize {
        self.axes.iter().map(|axis| axis.count).product()
    }

    /// Returns the number of coordinates.
    pub(in crate::field) fn dims(&self) -> usize {
        self.axes.len()
    }

    /// Returns the tile within whose borders a point lies.
    pub(in crate::field) fn home(&self, point: impl Iterator<Item = f64>) -> usize {
        let axes = self.axes.iter().zip(point);
        axes.fold(0, |tile, (axis, x)| tile * axis.count + axis.home(x))
    }

    /// Returns the tile within whose borders a point lies, if no neighbor is blended with it there.
    pub(in crate::field) fn only(&self, point: &[f64]) -> Option<usize> {
        let mut axes = self.axes.iter().zip(point);
        axes.try_fold(0, |tile, (axis, &x)| {
            Some(tile * axis.count + axis.only(x)?)
        })
    }

    /// Calls `add` with each tile that has a weight at a point, at most 2ᵈ.
    pub(in crate::field) fn for_each_weight(&self, point: &[f64], mut add: impl FnMut(Weight)) {
        let dims = self.dims();
        let mut found = [([AxisWeight::default(); 2], 1); MAX_AXES];
        for ((found, axis), &x) in found.iter_mut().zip(&self.axes).zip(point) {
            *found = axis.weights(x);
        }
        if found[..dims].iter().all(|(_, count)| *count == 1) {
            let axes = self.axes.iter().zip(&found);
            let tile = axes.fold(0, |tile, (axis, (of_axis, _))| {
                tile * axis.count + of_axis[0].index
            });
            return add(Weight {
                tile,
                axes: [[1.0, 0.0, 0.0]; MAX_AXES],
                dims,
            });
        }
        for choice in 0..1_usize << dims {
            let picked = |axis: usize| choice >> axis & 1;
            if (0..dims).any(|axis| picked(axis) >= found[axis].1) {
                continue;
            }
            let mut weight = Weight {
                tile: 0,
                axes: [[1.0, 0.0, 0.0]; MAX_AXES],
                dims,
            };
            for (axis, place) in self.axes.iter().enumerate() {
                let one = found[axis].0[picked(axis)];
                weight.tile = weight.tile * place.count + one.index;
                weight.axes[axis] = one.jet;
            }
            add(weight);
        }
    }

    /// Returns the center of a tile, the origin of its own coordinates.
    pub(in crate::field) fn center(&self, tile: usize) -> Vec<f64> {
        let mut center = vec![0.0; self.dims()];
        let mut rest = tile;
        for (center, axis) in center.iter_mut().zip(&self.axes).rev() {
            *center = axis.center(rest % axis.count);
            rest /= axis.count;
        }
        center
    }

    /// Returns the factor from derivatives in a tile's own coordinates to derivatives.
    pub(in crate::field) fn scale(&self, axis: usize) -> f64 {
        self.axes[axis].scale
    }

    /// Returns the order in a tile's own coordinates whose traces are those of `order`: `A ↦ S A S`.
    pub(in crate::field) fn local_order(&self, order: &Order) -> Order {
        let Order::Traces(traces) = order else {
            return order.clone();
        };
        let dims = self.dims();
        let scaled = traces.iter().map(|trace| {
            let mut matrix = vec![0.0; dims * dims];
            for entry in trace.entries() {
                let share = if entry.i == entry.j { 1.0 } else { 0.5 };
                let scaled = share * entry.coefficient * self.scale(entry.i) * self.scale(entry.j);
                matrix[entry.i * dims + entry.j] = scaled;
                matrix[entry.j * dims + entry.i] = scaled;
            }
            Trace::new(dims, &matrix).unwrap_or_else(|_| trace.clone())
        });
        Order::Traces(scaled.collect())
    }
}

impl Weight {
    /// Returns `W`.
    pub(in crate::field) fn value(&self) -> f64 {
        self.derivative([MAX_AXES, MAX_AXES])
    }

    /// Returns `∂W/∂xᵢ`.
    pub(in crate::field) fn slope(&self, i: usize) -> f64 {
        self.derivative([i, MAX_AXES])
    }

    /// Returns `∂²W/∂xᵢ∂xⱼ`.
    pub(in crate::field) fn curvature(&self, i: usize, j: usize) -> f64 {
        self.derivative([i, j])
    }

    /// Returns the derivative with respect to the given axes; one that is none of the axes stands for no derivative.
    fn derivative(&self, by: [usize; 2]) -> f64 {
        let axes = self.axes[..self.dims].iter().enumerate();
        axes.map(|(axis, jet)| jet[by.iter().filter(|&&one| one == axis).count()])
            .product()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiling(sides: &[usize]) -> Tiling {
        let config = MosaicConfig {
            tile: vec![7],
            parameters: None,
            overlap: 3.0,
            sides: sides.to_vec(),
            extents: [1.0, 0.6, 0.8][..sides.len()].to_vec(),
        };
        Tiling::new(&config, sides.len()).unwrap()
    }

    /// Returns many points in and a little beyond the domain.
    fn points(dims: usize) -> Vec<Vec<f64>> {
        let point = |i: usize| (0..dims).map(move |a| 1.1 * ((i * (a + 2)) as f64 * 0.37).sin());
        (0..500).map(|i| point(i).collect()).collect()
    }

    #[test]
    fn weights_are_a_partition_of_unity_with_derivatives_that_cancel() {
        for sides in [&[40][..], &[20, 33], &[9, 20, 30]] {
            let tiling = tiling(sides);
            let dims = sides.len();
            for point in points(dims) {
                let mut sums = vec![0.0; 1 + dims + dims * dims];
                tiling.for_each_weight(&point, |weight| {
                    sums[0] += weight.value();
                    for i in 0..dims {
                        sums[1 + i] += weight.slope(i);
                        for j in 0..dims {
                            sums[1 + dims + i * dims + j] += weight.curvature(i, j);
                        }
                    }
                });
                assert!((sums[0] - 1.0).abs() < 1e-12, "{point:?}: {sums:?}");
                assert!(sums[1..].iter().all(|sum| sum.abs() < 1e-9), "{sums:?}");
            }
        }
    }

    #[test]
    fn tiles_with_weight_contain_the_point_in_their_own_coordinates() {
        let tiling = tiling(&[20, 33]);
        assert_eq!(tiling.count(), 3 * 5);
        for point in points(2) {
            let inside = point[0].abs() <= 1.0 && point[1].abs() <= 0.6;
            let mut home_is_there = false;
            tiling.for_each_weight(&point, |weight| {
                home_is_there |= weight.tile == tiling.home(point.iter().copied());
                for (axis, &x) in point.iter().enumerate() {
                    let local = (x - tiling.center(weight.tile)[axis]) * tiling.scale(axis);
                    assert!(!inside || local.abs() <= 1.0 + 1e-12, "{point:?}: {local}");
                }
            });
            assert!(home_is_there, "{point:?}");
        }
    }

    #[test]
    fn a_tile_is_the_only_one_at_a_point_where_its_weight_is_one() {
        for sides in [&[40][..], &[20, 33], &[9, 20, 30]] {
            let tiling = tiling(sides);
            let mut alone = 0;
            for point in points(sides.len()) {
                let mut found = Vec::new();
                tiling.for_each_weight(&point, |weight| found.push(weight.tile));
                let expected = Some(found[0]).filter(|_| found.len() == 1);
                assert_eq!(tiling.only(&point), expected, "{point:?}");
                alone += usize::from(expected.is_some());
            }
            assert!((20..500).contains(&alone), "{alone}");
        }
    }

    #[test]
    fn derivatives_of_weights_are_those_of_finite_differences() {
        let tiling = tiling(&[20, 33]);
        let of_tile = |tile: usize, point: &[f64]| {
            let mut found = None;
            tiling.for_each_weight(point, |weight| {
                if weight.tile == tile {
                    found = Some(weight);
                }
            });
            found.map_or(0.0, |weight| weight.value())
        };
        let h = 1e-4;
        for point in points(2) {
            tiling.for_each_weight(&point, |weight| {
                for axis in 0..2 {
                    let at = |by: f64| {
                        let mut moved = point.clone();
                        moved[axis] += by;
                        of_tile(weight.tile, &moved)
                    };
                    let slope = (at(h) - at(-h)) / (2.0 * h);
                    let curvature = (at(h) - 2.0 * at(0.0) + at(-h)) / (h * h);
                    assert!((weight.slope(axis) - slope).abs() < 1e-3, "{point:?}");
                    let error = (weight.curvature(axis, axis) - curvature).abs();
                    assert!(error < 1.0, "{point:?}: {error}");
                }
            });
        }
    }
}
