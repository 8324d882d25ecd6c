//! Meshes and points with known distances.

use std::f64::consts::TAU;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::{Mesh, Vector};

/// Asserts that two values are equal but for rounding.
#[track_caller]
pub(crate) fn assert_close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
}

/// A cube around the origin; each two faces in a row form a side.
pub(crate) fn cube(side: f64) -> Mesh {
    let h = side / 2.0;
    let sign = |index: usize, bit: usize| if index >> bit & 1 == 1 { h } else { -h };
    let sides = [
        [0, 2, 3, 1],
        [4, 5, 7, 6],
        [0, 1, 5, 4],
        [2, 6, 7, 3],
        [0, 4, 6, 2],
        [1, 3, 7, 5],
    ];
    Mesh {
        vertices: (0..8)
            .map(|i| [sign(i, 0), sign(i, 1), sign(i, 2)])
            .collect(),
        faces: sides
            .iter()
            .flat_map(|&[a, b, c, d]| [[a, b, c], [a, c, d]])
            .collect(),
        normals: None,
    }
}

/// A sphere around the origin, of `rings` rings of `2 rings` sides from the south pole to the north pole.
pub(crate) fn sphere(radius: f64, rings: u32) -> Mesh {
    let sides = 2 * rings;
    let mut vertices = vec![[0.0, 0.0, -radius]];
    for ring in 1..rings {
        let (sin, cos) = (f64::from(ring) / f64::from(rings) * TAU / 2.0).sin_cos();
        for side in 0..sides {
            let (y, x) = (f64::from(side) / f64::from(sides) * TAU).sin_cos();
            vertices.push([radius * sin * x, radius * sin * y, -radius * cos]);
        }
    }
    vertices.push([0.0, 0.0, radius]);
    let at = |ring: u32, side: u32| match ring {
        0 => 0,
        ring if ring == rings => 1 + (rings - 1) * sides,
        ring => 1 + (ring - 1) * sides + side % sides,
    };
    let mut faces = Vec::new();
    for ring in 0..rings {
        for side in 0..sides {
            let [a, b] = [at(ring, side), at(ring, side + 1)];
            let [c, d] = [at(ring + 1, side + 1), at(ring + 1, side)];
            if a != b {
                faces.push([a, b, c]);
            }
            if c != d {
                faces.push([a, c, d]);
            }
        }
    }
    Mesh {
        vertices,
        faces,
        normals: None,
    }
}

/// A torus around the z axis of `sides` by `sides` quadrilaterals.
pub(crate) fn torus(major: f64, minor: f64, sides: u32) -> Mesh {
    let angle = |i: u32| (f64::from(i) / f64::from(sides) * TAU).sin_cos();
    let mut vertices = Vec::new();
    let mut faces = Vec::new();
    let at = |i: u32, j: u32| i % sides * sides + j % sides;
    for i in 0..sides {
        for j in 0..sides {
            let ((y, x), (z, r)) = (angle(i), angle(j));
            let r = major + minor * r;
            vertices.push([r * x, r * y, minor * z]);
            let [a, b, c, d] = [at(i, j), at(i + 1, j), at(i + 1, j + 1), at(i, j + 1)];
            faces.extend([[a, b, c], [a, c, d]]);
        }
    }
    Mesh {
        vertices,
        faces,
        normals: None,
    }
}

pub(crate) fn moved(mesh: &Mesh, by: Vector) -> Mesh {
    let mut mesh = mesh.clone();
    for vertex in &mut mesh.vertices {
        for (x, offset) in vertex.iter_mut().zip(by) {
            *x += offset;
        }
    }
    mesh
}

pub(crate) fn merged(one: &Mesh, other: &Mesh) -> Mesh {
    let shift = one.vertices.len() as u32;
    let mut mesh = one.clone();
    mesh.vertices.extend(&other.vertices);
    mesh.faces.extend(
        other
            .faces
            .iter()
            .map(|face| face.map(|index| index + shift)),
    );
    mesh
}

/// Uniform points in the cube [−half, half]³.
pub(crate) fn random_points(count: usize, half: f64) -> Vec<Vector> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut draw = || rng.random_range(-half..half);
    (0..count).map(|_| [draw(), draw(), draw()]).collect()
}

/// Uniform directions.
pub(crate) fn directions(count: usize) -> Vec<Vector> {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut draw = || {
        let z: f64 = rng.random_range(-1.0..1.0);
        let (sin, cos) = rng.random_range(0.0..TAU).sin_cos();
        let r = (1.0 - z * z).sqrt();
        [r * cos, r * sin, z]
    };
    (0..count).map(|_| draw()).collect()
}
