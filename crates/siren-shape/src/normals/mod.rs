//! Normals of points that have none.

use std::num::NonZero;

use kiddo::{ImmutableKdTree, SquaredEuclidean};
use nalgebra::{Matrix3, SymmetricEigen, Vector3};
use rayon::prelude::*;

use crate::disjoint_sets::DisjointSets;
use crate::geometry::vector::{difference, dot, scaled, sum};
use crate::geometry::{Bounds, Vector};

/// Number of nearest points that a plane is fitted to, unless the caller has a reason for another.
pub const NEIGHBORS: usize = 16;

/// Points that are counted for the share of mixed signs, at least.
const COUNTED_POINTS: usize = 100_000;

/// Smallest |z| of a normal that says which side is up.
const UPRIGHT: f64 = 1e-3;

/// Normals that were estimated from positions alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EstimatedNormals {
    /// Normals of length 1, one for each point.
    pub normals: Vec<Vector>,
    /// Share of the pairs of neighbors whose normals point to opposite sides, in [0, 1]. Near 0 for a densely sampled smooth surface; the
    /// signs are not to be trusted above a few hundredths.
    pub disagreeing: f64,
    /// Number of connected components of the graph of neighbors. The sides of different components are chosen one by one.
    pub components: usize,
}

/// Estimates the normals of a surface from points on it (Hoppe et al. 1992, §3.2 and §3.3).
///
/// The normal at a point is that of the plane through its `neighbors` nearest points: the eigenvector of the smallest eigenvalue of their
/// covariance. Signs are propagated along a minimum spanning tree of the graph of neighbors with the weights `1 − |n · m|`, so that they
/// cross sharp edges last. It starts, in the largest component, at the point with the largest z, whose normal points up. In each other
/// component, and if that normal is horizontal, the side is the one for which `Σ n · (p − c)` is positive, with the center `c` of all
/// points' bounding box: away from the center for a part of a surface, and outward for a closed surface anywhere, since the sum is then in
/// proportion to the volume.
///
/// The points must be finite. They may be equal, on a line, or fewer than `neighbors`; their normals are then arbitrary where no plane is
/// defined. The result is the same for any number of threads. Memory: about 20 bytes for each pair of neighbors.
#[must_use]
pub fn estimate_normals(points: &[Vector], neighbors: usize) -> EstimatedNormals {
    let Some(bounds) = Bounds::of(points) else {
        return EstimatedNormals::default();
    };
    let graph = NeighborGraph::of(points, neighbors);
    let mut normals: Vec<Vector> = (0..points.len())
        .into_par_iter()
        .map(|index| plane_normal(points, index, graph.of_point(index)))
        .collect();
    let edges = graph.edges();
    let tree = spanning_tree(&edges, &normals);
    let components = propagate(&tree, &mut normals);
    let largest = (0..components.len())
        .rev()
        .max_by_key(|&index| components[index].len());
    for (index, component) in components.iter().enumerate() {
        let is_largest = Some(index) == largest;
        let is_inward = (is_largest.then(|| top_is_down(component, points, &normals)))
            .flatten()
            .unwrap_or_else(|| is_inward(component, points, &normals, bounds.center()));
        if is_inward {
            for &point in component {
                normals[point as usize] = scaled(normals[point as usize], -1.0);
            }
        }
    }
    let opposite = edges.iter().filter(|edge| edge.cosine(&normals) < 0.0);
    EstimatedNormals {
        disagreeing: share(opposite.count(), edges.len()),
        normals,
        components: components.len(),
    }
}

/// Returns the share of points, in [0, 1], whose normal is opposed to the normals of more than half of its `neighbors` nearest points. It is
/// near 0 for a surface with consistent normals, and near ½ for normals of random sign.
///
/// Of more than 200,000 points, every second or third and so on is counted, at least 100,000 in all. `normals` has one normal for each point;
/// points without one are left out.
#[must_use]
pub fn mixed_signs(points: &[Vector], normals: &[Vector], neighbors: usize) -> f64 {
    let points = &points[..points.len().min(normals.len())];
    let Some(search) = NeighborSearch::of(points, neighbors) else {
        return 0.0;
    };
    let counted: Vec<usize> = (0..points.len())
        .step_by((points.len() / COUNTED_POINTS).max(1))
        .collect();
    let is_opposed = |&&index: &&usize| {
        let others = search.others(index);
        let opposed = others
            .iter()
            .filter(|&&other| dot(normals[index], normals[other as usize]) < 0.0)
            .count();
        2 * opposed > others.len()
    };
    share(counted.par_iter().filter(is_opposed).count(), counted.len())
}

/// Returns `part / whole`, or 0 if the whole is 0.
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}

/// Finds the nearest other points of points.
struct NeighborSearch<'a> {
    points: &'a [Vector],
    // The mutable tree cannot hold more equal coordinates than a leaf; this one can.
    tree: ImmutableKdTree<f64, 3>,
    per_point: usize,
    /// One more, as the point itself is found too.
    wanted: NonZero<usize>,
}

impl<'a> NeighborSearch<'a> {
    /// Prepares the search of `neighbors` other points, all others if there are fewer; `None` if there are none.
    fn of(points: &'a [Vector], neighbors: usize) -> Option<Self> {
        let per_point = neighbors.min(points.len().saturating_sub(1));
        if per_point == 0 {
            return None;
        }
        Some(Self {
            points,
            tree: ImmutableKdTree::new_from_slice(points).ok()?,
            per_point,
            wanted: NonZero::new(per_point + 1)?,
        })
    }

    /// Returns the nearest other points of a point.
    fn others(&self, index: usize) -> Vec<u32> {
        let found = self
            .tree
            .query(&self.points[index])
            .nearest_n::<SquaredEuclidean<f64>>(self.wanted)
            .execute();
        let others = found.iter().map(|item| item.item);
        // Among many equal points the point itself may not be found: the last one is dropped then.
        let others = others.filter(|&other| other as usize != index);
        others.take(self.per_point).collect()
    }
}

/// For each point its nearest other points.
struct NeighborGraph {
    /// Indices of the neighbors of all points, `per_point` for each.
    indices: Vec<u32>,
    per_point: usize,
}

impl NeighborGraph {
    /// Finds the nearest `neighbors` other points of each point, all others if there are fewer.
    fn of(points: &[Vector], neighbors: usize) -> Self {
        let Some(search) = NeighborSearch::of(points, neighbors) else {
            return Self {
                indices: Vec::new(),
                per_point: 0,
            };
        };
        let per_point = search.per_point;
        let mut indices = vec![0; per_point * points.len()];
        let rows = indices.par_chunks_exact_mut(per_point).enumerate();
        rows.for_each(|(index, row)| {
            for (slot, other) in row.iter_mut().zip(search.others(index)) {
                *slot = other;
            }
        });
        Self { indices, per_point }
    }

    fn of_point(&self, index: usize) -> &[u32] {
        let start = index * self.per_point;
        &self.indices[start..start + self.per_point]
    }

    /// Returns each pair of neighbors once.
    fn edges(&self) -> Vec<Edge> {
        if self.per_point == 0 {
            return Vec::new();
        }
        let mut edges = Vec::with_capacity(self.indices.len());
        for (row, from) in self.indices.chunks_exact(self.per_point).zip(0..) {
            for &to in row {
                // A pair of mutual neighbors is kept at its smaller index.
                if from < to || !self.of_point(to as usize).contains(&from) {
                    edges.push(Edge { from, to });
                }
            }
        }
        edges
    }
}

/// A pair of neighbors.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Edge {
    from: u32,
    to: u32,
}

impl Edge {
    /// Returns the cosine of the angle between the normals.
    fn cosine(self, normals: &[Vector]) -> f64 {
        dot(normals[self.from as usize], normals[self.to as usize])
    }
}

/// Returns the unit normal, of either sign, of the plane through a point and its neighbors.
fn plane_normal(points: &[Vector], index: usize, neighbors: &[u32]) -> Vector {
    let point = points[index];
    let offsets = || {
        neighbors
            .iter()
            .map(|&other| difference(points[other as usize], point))
    };
    let mean = offsets().fold([0.0; 3], sum);
    let mean = scaled(mean, 1.0 / (neighbors.len() + 1) as f64);
    let largest = offsets()
        .flatten()
        .fold(0.0, |most: f64, c| most.max(c.abs()));
    if largest == 0.0 {
        return [0.0, 0.0, 1.0];
    }
    let mut covariance = Matrix3::zeros();
    for offset in offsets().chain(std::iter::once([0.0; 3])) {
        // Scaled: squares of short offsets are zero.
        let offset = Vector3::from(difference(offset, mean)) / largest;
        covariance += offset * offset.transpose();
    }
    let eigen = SymmetricEigen::new(covariance);
    let normal = eigen
        .eigenvectors
        .column(eigen.eigenvalues.imin())
        .normalize();
    [normal.x, normal.y, normal.z]
}

/// Returns the edges of a minimum spanning forest (Kruskal 1956) for the weights `1 − |n · m|`.
fn spanning_tree(edges: &[Edge], normals: &[Vector]) -> Vec<Edge> {
    let mut order: Vec<(f32, u32)> = edges
        .par_iter()
        .zip(0..edges.len() as u32)
        .map(|(edge, index)| (1.0 - edge.cosine(normals).abs() as f32, index))
        .collect();
    order.par_sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut sets = DisjointSets::new(normals.len());
    let mut tree = Vec::with_capacity(normals.len());
    for (_, index) in order {
        let edge = edges[index as usize];
        if sets.unite(edge.from as usize, edge.to as usize) {
            tree.push(edge);
        }
    }
    tree
}

/// Gives the normals of each tree of a forest the side of its first point, and returns the points of each tree.
fn propagate(tree: &[Edge], normals: &mut [Vector]) -> Vec<Vec<u32>> {
    let count = normals.len();
    // Both directions of each edge, by the point that they start at.
    let mut ends = vec![0_usize; count + 1];
    for edge in tree {
        ends[edge.from as usize + 1] += 1;
        ends[edge.to as usize + 1] += 1;
    }
    for index in 0..count {
        ends[index + 1] += ends[index];
    }
    let mut slots = ends.clone();
    let mut adjacent = vec![0; 2 * tree.len()];
    for edge in tree {
        for (from, to) in [(edge.from, edge.to), (edge.to, edge.from)] {
            adjacent[slots[from as usize]] = to;
            slots[from as usize] += 1;
        }
    }
    let mut is_reached = vec![false; count];
    let mut components = Vec::new();
    for start in 0..count {
        if is_reached[start] {
            continue;
        }
        is_reached[start] = true;
        let mut component = vec![start as u32];
        let mut next = 0;
        while next < component.len() {
            let from = component[next] as usize;
            next += 1;
            for &to in &adjacent[ends[from]..ends[from + 1]] {
                let to = to as usize;
                if is_reached[to] {
                    continue;
                }
                is_reached[to] = true;
                if dot(normals[from], normals[to]) < 0.0 {
                    normals[to] = scaled(normals[to], -1.0);
                }
                component.push(to as u32);
            }
        }
        components.push(component);
    }
    components
}

/// Returns whether the normal at the highest point points down, or `None` if it is horizontal.
fn top_is_down(component: &[u32], points: &[Vector], normals: &[Vector]) -> Option<bool> {
    let height = |point: u32| points[point as usize][2];
    // The smaller index of two points at the same height.
    let order = |&&a: &&u32, &&b: &&u32| height(a).total_cmp(&height(b)).then(b.cmp(&a));
    let &top = component.iter().max_by(order)?;
    let upward = normals[top as usize][2];
    (upward.abs() > UPRIGHT).then_some(upward < 0.0)
}

/// Returns whether the normals of a component point to the center rather than away from it.
fn is_inward(component: &[u32], points: &[Vector], normals: &[Vector], center: Vector) -> bool {
    let outward = component.iter().map(|&point| point as usize).map(|point| {
        let from_center = difference(points[point], center);
        dot(normals[point], from_center)
    });
    outward.sum::<f64>() < 0.0
}

#[cfg(test)]
mod tests;
