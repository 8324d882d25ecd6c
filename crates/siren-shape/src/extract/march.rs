//! Marching cubes over a sparse lattice.

use siren_core::{Error, Result};

use super::cases::{self, TRIANGLES};
use super::lattice::{Cube, Lattice, SparseLattice};
use crate::geometry::{Mesh, Vector};

/// Makes the surface between negative values (inside) and others. It has one vertex for each edge of the lattice that it crosses, where the linear
/// interpolation along the edge is 0.
pub(super) fn triangulate(sparse: &SparseLattice) -> Result<Mesh> {
    let mut mesh = Mesh::default();
    let mut vertices = EdgeVertices::new(sparse.lattice.points());
    sparse.visit(&sparse.slabs, |cube| {
        let triangles = &TRIANGLES[usize::from(cube.case())];
        if triangles.is_empty() {
            return Ok(());
        }
        vertices.enter_slab(cube.index[0], mesh.vertices.len());
        let mut of_edge = [u32::MAX; cases::EDGES];
        for &edge in triangles.iter().flatten() {
            if of_edge[usize::from(edge)] == u32::MAX {
                of_edge[usize::from(edge)] = vertices.get_or_insert(cube, edge, |position| {
                    mesh.vertices.push(position.on(&sparse.lattice));
                    mesh.vertices.len()
                })?;
            }
        }
        let corners = |triangle: &[u8; 3]| triangle.map(|edge| of_edge[usize::from(edge)]);
        mesh.faces.extend(triangles.iter().map(corners));
        Ok(())
    })?;
    Ok(mesh)
}

/// A crossing of the surface with an edge of a cell.
struct Crossing<'a> {
    cube: &'a Cube,
    edge: u8,
}

impl Crossing<'_> {
    fn on(&self, lattice: &Lattice) -> Vector {
        let [low, high] = cases::ends(self.edge);
        let [start, end] = [low, high].map(|end| lattice.position(self.cube.corner(end)));
        let [before, after] = [low, high].map(|end| self.cube.values[usize::from(end)]);
        let axis = usize::from(cases::axis(self.edge));
        let mut position = start;
        // Exact where a value is 0: a vertex of the cap lies on the border.
        position[axis] = if after == 0.0 {
            end[axis]
        } else {
            let t = before / (before - after);
            start[axis] + t * (end[axis] - start[axis])
        };
        position
    }
}

/// Vertices on the edges of the current slab of cells, plus 1. Entries up to a count of vertices belong to earlier slabs, so that nothing needs
/// to be cleared.
struct EdgeVertices {
    width: usize,
    slab: usize,
    /// Edges along x.
    across: Vec<u32>,
    /// Edges along y and along z at the lower end of the slab.
    low: [Vec<u32>; 2],
    /// Edges along y and along z at the upper end of the slab.
    high: [Vec<u32>; 2],
    /// Number of vertices before the first one that can lie in `low`.
    before_low: usize,
    /// Number of vertices before the slab.
    before_slab: usize,
}

impl EdgeVertices {
    fn new(width: usize) -> Self {
        let plane = vec![0; width * width];
        Self {
            width,
            slab: 0,
            across: plane.clone(),
            low: [plane.clone(), plane.clone()],
            high: [plane.clone(), plane],
            before_low: 0,
            before_slab: 0,
        }
    }

    /// Goes to a slab, before which there are `count` vertices.
    fn enter_slab(&mut self, slab: usize, count: usize) {
        if slab == self.slab {
            return;
        }
        self.before_low = count;
        if slab == self.slab + 1 {
            std::mem::swap(&mut self.low, &mut self.high);
            self.before_low = self.before_slab;
        }
        self.before_slab = count;
        self.slab = slab;
    }

    /// Returns the vertex on an edge of a cell. `insert` adds it if it is new, and returns the number of vertices.
    fn get_or_insert<'a>(
        &mut self,
        cube: &'a Cube,
        edge: u8,
        insert: impl FnOnce(Crossing<'a>) -> usize,
    ) -> Result<u32> {
        let low = cases::ends(edge)[0];
        let [_, j, k] = cube.corner(low);
        let axis = usize::from(cases::axis(edge));
        let is_high = axis != 0 && low & 1 == 1;
        let plane = match axis {
            0 => &mut self.across,
            _ if is_high => &mut self.high[axis - 1],
            _ => &mut self.low[axis - 1],
        };
        let before = if axis == 0 || is_high {
            self.before_slab
        } else {
            self.before_low
        };
        let entry = &mut plane[j * self.width + k];
        if *entry as usize <= before {
            let count = insert(Crossing { cube, edge });
            *entry = u32::try_from(count).map_err(|_| too_many_vertices())?;
        }
        Ok(*entry - 1)
    }
}

fn too_many_vertices() -> Error {
    Error::invalid(
        "resolution",
        "too high for this field, whose surface has more than 4,294,967,295 vertices",
        "a lower resolution",
    )
}
