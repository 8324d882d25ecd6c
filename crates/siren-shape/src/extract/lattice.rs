//! Grids of points and cells, dense and sparse.

use siren_core::Result;

use super::cases;
use crate::geometry::{Bounds, Vector};

/// A grid of n × n × n cells in a box, (n + 1)³ points.
#[derive(Debug)]
pub(super) struct Lattice {
    bounds: Bounds,
    /// Coordinates of the points along each axis, n + 1 of them.
    axes: [Vec<f64>; 3],
    /// Sides of a cell. The last cell along an axis may be smaller.
    sides: Vector,
    /// Sides of a cell, in cells of the finest lattice.
    stride: usize,
    /// Cells of the finest lattice along each axis.
    resolution: usize,
}

impl Lattice {
    /// Makes the lattice of every `stride`-th point of `resolution` cells along each axis, and of the last point.
    pub(super) fn new(bounds: &Bounds, resolution: usize, stride: usize) -> Self {
        let axis = |axis: usize| {
            let [low, high] = [bounds.low[axis], bounds.high[axis]];
            (0..=resolution.div_ceil(stride))
                .map(|index| (index * stride).min(resolution) as f64 / resolution as f64)
                // Exact at both ends.
                .map(|t| low * (1.0 - t) + high * t)
                .collect()
        };
        Self {
            bounds: *bounds,
            axes: std::array::from_fn(axis),
            sides: bounds
                .extents()
                .map(|side| side * stride as f64 / resolution as f64),
            stride,
            resolution,
        }
    }

    /// Returns the number of cells along each axis.
    pub(super) fn cells(&self) -> usize {
        self.axes[0].len() - 1
    }

    /// Returns the number of points along each axis.
    pub(super) fn points(&self) -> usize {
        self.axes[0].len()
    }

    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    pub(super) fn sides(&self) -> Vector {
        self.sides
    }

    pub(super) fn position(&self, index: [usize; 3]) -> Vector {
        std::array::from_fn(|axis| self.axes[axis][index[axis]])
    }

    pub(super) fn is_border(&self, index: [usize; 3]) -> bool {
        index.iter().any(|&i| i == 0 || i == self.cells())
    }

    /// Makes the lattice of half the stride in the same box.
    fn halved(&self) -> Self {
        Self::new(&self.bounds, self.resolution, self.stride / 2)
    }
}

/// Cells of one slab, between the points `i` and `i + 1` along x: `j n + k` for cell (i, j, k), ascending.
pub(super) type SlabCells = Vec<u32>;

/// Points of the corners of cells, at one index along x.
#[derive(Debug, Default)]
pub(super) struct PointPlane {
    /// `j (n + 1) + k` for point (i, j, k), ascending.
    pub(super) keys: Vec<u32>,
    /// Value of the function minus the level, at the border at least 0. NaN before it is computed.
    pub(super) values: Vec<f64>,
}

impl PointPlane {
    fn unknown(keys: Vec<u32>) -> Self {
        let values = vec![f64::NAN; keys.len()];
        Self { keys, values }
    }

    /// Copies values of another plane. `source_key` maps a key of this plane to one of the other, and does not decrease.
    fn copy_values(&mut self, source: &Self, source_key: impl Fn(u32) -> Option<u32>) {
        let mut at = 0;
        for (&key, value) in self.keys.iter().zip(&mut self.values) {
            let Some(wanted) = source_key(key) else {
                continue;
            };
            while source.keys.get(at).is_some_and(|&other| other < wanted) {
                at += 1;
            }
            if source.keys.get(at) == Some(&wanted) {
                *value = source.values[at];
            }
        }
    }
}

/// Some cells of a lattice with the values at their corners. It takes 12 bytes a corner and 4 bytes a cell.
#[derive(Debug)]
pub(super) struct SparseLattice {
    pub(super) lattice: Lattice,
    /// Cells by their index along x.
    pub(super) slabs: Vec<SlabCells>,
    /// Corners of the cells by their index along x.
    pub(super) planes: Vec<PointPlane>,
}

/// A cell with the values at its corners, which [`cases`] numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cube {
    /// Index of the cell, which is that of its corner 0.
    pub(super) index: [usize; 3],
    pub(super) values: [f64; 8],
}

impl Cube {
    /// Returns the case: bit `c` says that the value of corner `c` is below 0.
    pub(super) fn case(&self) -> u8 {
        let bits = self.values.iter().enumerate();
        bits.fold(0, |case, (corner, &value)| {
            case | u8::from(value < 0.0) << corner
        })
    }

    /// Returns the index of the point at a corner.
    pub(super) fn corner(&self, corner: u8) -> [usize; 3] {
        std::array::from_fn(|axis| self.index[axis] + usize::from(corner >> axis & 1))
    }

    /// Returns the index of the cell behind face `2a + s` of [`cases::FACES`], if there is one among `cells` along each axis.
    fn neighbor(&self, face: usize, cells: usize) -> Option<[usize; 3]> {
        let mut index = self.index;
        let along = &mut index[face / 2];
        *along = if face.is_multiple_of(2) {
            along.checked_sub(1)?
        } else {
            *along + 1
        };
        (*along < cells).then_some(index)
    }
}

impl SparseLattice {
    /// Makes the lattice with all cells, and without values.
    pub(super) fn all(lattice: Lattice) -> Self {
        let cells = lattice.cells();
        let slab: SlabCells = (0..(cells * cells) as u32).collect();
        Self::with_cells(lattice, vec![slab; cells])
    }

    fn with_cells(lattice: Lattice, slabs: Vec<SlabCells>) -> Self {
        let mut sparse = Self {
            planes: Vec::with_capacity(lattice.points()),
            slabs,
            lattice,
        };
        let mut marks = Marks::new(sparse.lattice.points());
        for index in 0..sparse.lattice.points() {
            let keys = sparse.corner_keys(index, &mut marks);
            sparse.planes.push(PointPlane::unknown(keys));
        }
        sparse
    }

    /// Returns the keys of the corners at an index along x.
    fn corner_keys(&self, index: usize, marks: &mut Marks) -> Vec<u32> {
        let cells = self.lattice.cells();
        let width = self.lattice.points();
        for slab in self
            .slabs
            .iter()
            .take(index + 1)
            .skip(index.saturating_sub(1))
        {
            for &key in slab {
                let first = key as usize / cells * width + key as usize % cells;
                for corner in [first, first + 1, first + width, first + width + 1] {
                    marks.set(corner);
                }
            }
        }
        marks.drain()
    }

    /// Calls `visit` for some cells, slab by slab, in ascending order. All of them must be cells of this lattice.
    pub(super) fn visit(
        &self,
        slabs: &[SlabCells],
        mut visit: impl FnMut(&Cube) -> Result<()>,
    ) -> Result<()> {
        let [cells, width] = [self.lattice.cells(), self.lattice.points()];
        // Values of two planes by key, for access without a search. Entries of other planes stay behind, and no cell looks at them.
        let mut low = vec![f64::NAN; width * width];
        let mut high = low.clone();
        let load = |values: &mut [f64], plane: usize| {
            let plane = &self.planes[plane];
            for (&key, &value) in plane.keys.iter().zip(&plane.values) {
                values[key as usize] = value;
            }
        };
        let mut loaded = usize::MAX;
        for (i, slab) in slabs
            .iter()
            .enumerate()
            .filter(|(_, slab)| !slab.is_empty())
        {
            if loaded == i {
                std::mem::swap(&mut low, &mut high);
            } else {
                load(&mut low, i);
            }
            load(&mut high, i + 1);
            loaded = i + 1;
            for &key in slab {
                let [j, k] = [key as usize / cells, key as usize % cells];
                let first = j * width + k;
                let square = [first, first + width, first + 1, first + width + 1];
                let values = std::array::from_fn(|corner| {
                    let plane = if corner % 2 == 0 { &low } else { &high };
                    plane[square[corner / 2]]
                });
                visit(&Cube {
                    index: [i, j, k],
                    values,
                })?;
            }
        }
        Ok(())
    }

    /// Returns the cells that this lattice lacks although the surface leaves one of `slabs` through a face to them.
    pub(super) fn missing_neighbors(&self, slabs: &[SlabCells]) -> Result<Vec<SlabCells>> {
        let cells = self.lattice.cells();
        let mut missing = vec![SlabCells::new(); cells];
        self.visit(slabs, |cube| {
            let case = cube.case();
            let crossed = (0..cases::FACES.len()).filter(|&face| cases::crosses_face(case, face));
            for [i, j, k] in crossed.filter_map(|face| cube.neighbor(face, cells)) {
                let key = (j * cells + k) as u32;
                if self.slabs[i].binary_search(&key).is_err() {
                    missing[i].push(key);
                }
            }
            Ok(())
        })?;
        for slab in &mut missing {
            slab.sort_unstable();
            slab.dedup();
        }
        Ok(missing)
    }

    /// Adds cells that this lattice lacks. Their corners have no values yet, except common ones.
    pub(super) fn insert(&mut self, added: &[SlabCells]) {
        for (slab, added) in self.slabs.iter_mut().zip(added) {
            slab.extend(added);
            slab.sort_unstable();
        }
        let mut marks = Marks::new(self.lattice.points());
        for index in 0..self.lattice.points() {
            let mut neighbors = added.iter().take(index + 1).skip(index.saturating_sub(1));
            if neighbors.all(Vec::is_empty) {
                continue;
            }
            let mut plane = PointPlane::unknown(self.corner_keys(index, &mut marks));
            plane.copy_values(&self.planes[index], Some);
            self.planes[index] = plane;
        }
    }

    /// Halves the cells that `keep` selects along each axis. The corners have values where this lattice has them.
    pub(super) fn refined(&self, keep: impl Fn(&Cube) -> bool) -> Result<Self> {
        let lattice = self.lattice.halved();
        let [coarse, fine] = [self.lattice.cells(), lattice.cells()];
        let mut slabs = vec![SlabCells::new(); fine];
        self.visit(&self.slabs, |cube| {
            if keep(cube) {
                for half in 0..8 {
                    let [i, j, k] = cube.index.map(|index| 2 * index);
                    let [i, j, k] = [i + (half & 1), j + (half >> 1 & 1), k + (half >> 2)];
                    // The last cell along an axis may be too small to be halved.
                    if i.max(j).max(k) < fine {
                        slabs[i].push((j * fine + k) as u32);
                    }
                }
            }
            Ok(())
        })?;
        for slab in &mut slabs {
            slab.sort_unstable();
        }
        let mut refined = Self::with_cells(lattice, slabs);
        // The last point of both is that of the border.
        let halve = |index: usize| match index {
            last if last == fine => Some(coarse),
            even if even % 2 == 0 => Some(even / 2),
            _ => None,
        };
        let source_key = |key: u32| {
            let [j, k] = [key as usize / (fine + 1), key as usize % (fine + 1)];
            Some((halve(j)? * (coarse + 1) + halve(k)?) as u32)
        };
        for (index, plane) in refined.planes.iter_mut().enumerate() {
            if let Some(source) = halve(index) {
                plane.copy_values(&self.planes[source], source_key);
            }
        }
        Ok(refined)
    }
}

/// A set of keys of a plane.
struct Marks {
    words: Vec<u64>,
}

impl Marks {
    fn new(width: usize) -> Self {
        Self {
            words: vec![0; (width * width).div_ceil(64)],
        }
    }

    fn set(&mut self, key: usize) {
        self.words[key / 64] |= 1 << (key % 64);
    }

    /// Returns the keys in ascending order, and empties the set.
    fn drain(&mut self) -> Vec<u32> {
        let count = self
            .words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum();
        let mut keys = Vec::with_capacity(count);
        for (index, word) in self.words.iter_mut().enumerate() {
            while *word != 0 {
                keys.push(64 * index as u32 + word.trailing_zeros());
                *word &= *word - 1;
            }
        }
        keys
    }
}
