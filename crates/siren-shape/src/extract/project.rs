//! Vertices onto the surface by Newton's method, and normals.

use siren_core::Result;

use super::LevelFunction;
use super::evaluate::{BATCH_POINTS, check_finite, check_length};
use crate::geometry::vector::{face_normal, length, sum};
use crate::geometry::{Bounds, Mesh, Vector};

/// Newton steps of each vertex.
const STEPS: usize = 2;

/// Lowest norm of a gradient whose direction is used. Signed distance functions have norm 1.
const LOWEST_GRADIENT_NORM: f64 = 1e-6;

/// Moves the vertices of a mesh onto the level set of a function.
pub(super) struct Projection<'a> {
    pub(super) function: &'a dyn LevelFunction,
    pub(super) level: f64,
    pub(super) bounds: &'a Bounds,
    /// Length of the longest step.
    pub(super) longest_step: f64,
}

/// A vertex on its way, with Φ − level and ∇Φ where it is.
struct Iterate {
    position: Vector,
    value: f64,
    gradient: Vector,
}

impl Projection<'_> {
    /// Moves the vertices and sets the normals. Vertices on the border of the box stay, with the normal of the border.
    pub(super) fn apply(&self, mesh: &mut Mesh) -> Result<()> {
        let mut normals: Vec<Option<Vector>> = Vec::with_capacity(mesh.vertices.len());
        for vertices in mesh.vertices.chunks_mut(BATCH_POINTS) {
            let mut free = Vec::with_capacity(vertices.len());
            let first = normals.len();
            for (index, &vertex) in vertices.iter().enumerate() {
                let border = self.bounds.border_normal(vertex);
                if border.is_none() {
                    free.push(index);
                }
                normals.push(border);
            }
            let iterates = self.project(free.iter().map(|&index| vertices[index]).collect())?;
            for (&index, iterate) in free.iter().zip(iterates) {
                vertices[index] = iterate.position;
                normals[first + index] = normalized(iterate.gradient);
            }
        }
        mesh.normals = Some(complete(mesh, normals));
        Ok(())
    }

    /// Returns the positions after the Newton steps. A step that does not bring Φ closer to the level is not taken.
    fn project(&self, positions: Vec<Vector>) -> Result<Vec<Iterate>> {
        let mut iterates = self.evaluate(positions)?;
        for iterate in &iterates {
            check_finite(iterate.value, iterate.position)?;
        }
        for _ in 0..STEPS {
            let trials = iterates.iter().map(|iterate| self.step(iterate)).collect();
            for (iterate, trial) in iterates.iter_mut().zip(self.evaluate(trials)?) {
                // False for NaN.
                if trial.value.abs() < iterate.value.abs() {
                    *iterate = trial;
                }
            }
        }
        Ok(iterates)
    }

    /// Returns x − (Φ − level) ∇Φ / ‖∇Φ‖², with the length of the step limited, in the box.
    fn step(&self, iterate: &Iterate) -> Vector {
        let Some(direction) = normalized(iterate.gradient) else {
            return iterate.position;
        };
        let step =
            (iterate.value / length(iterate.gradient)).clamp(-self.longest_step, self.longest_step);
        std::array::from_fn(|axis| {
            (iterate.position[axis] - step * direction[axis])
                .clamp(self.bounds.low[axis], self.bounds.high[axis])
        })
    }

    fn evaluate(&self, positions: Vec<Vector>) -> Result<Vec<Iterate>> {
        if positions.is_empty() {
            return Ok(Vec::new());
        }
        let points: Vec<f64> = positions.iter().flatten().copied().collect();
        let found = self.function.values_and_gradients(&points)?;
        let count = positions.len();
        check_length("values of the function", found.values.len(), count)?;
        check_length(
            "gradients of the function",
            found.gradients.len(),
            3 * count,
        )?;
        let gradients = found.gradients.chunks_exact(3);
        Ok(positions
            .into_iter()
            .zip(found.values)
            .zip(gradients)
            .map(|((position, value), gradient)| Iterate {
                position,
                value: value - self.level,
                gradient: [gradient[0], gradient[1], gradient[2]],
            })
            .collect())
    }
}

/// Replaces normals that the gradient did not give by those of the faces.
fn complete(mesh: &Mesh, normals: Vec<Option<Vector>>) -> Vec<Vector> {
    let mut sums = Vec::new();
    if normals.iter().any(Option::is_none) {
        sums = vec![[0.0; 3]; mesh.vertices.len()];
        for face in &mesh.faces {
            let normal = face_normal(mesh.corners_of(*face));
            for corner in face {
                let total: &mut Vector = &mut sums[*corner as usize];
                *total = sum(*total, normal);
            }
        }
    }
    normals
        .into_iter()
        .enumerate()
        .map(|(index, normal)| {
            normal
                .or_else(|| unit(sums[index]))
                .unwrap_or([0.0, 0.0, 1.0])
        })
        .collect()
}

/// Returns the direction of a gradient, if it has one.
fn normalized(gradient: Vector) -> Option<Vector> {
    let norm = length(gradient);
    (norm.is_finite() && norm >= LOWEST_GRADIENT_NORM).then(|| gradient.map(|x| x / norm))
}

/// Returns a vector of length 1 in a direction, unless it is 0.
fn unit(vector: Vector) -> Option<Vector> {
    let norm = length(vector);
    (norm > 0.0).then(|| vector.map(|x| x / norm))
}
