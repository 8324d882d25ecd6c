//! Meshes for pages: OBJ files of triangles as small arrays of integers.

use std::path::Path;

use crate::embed::Reason;

/// Largest coordinate of an embedded vertex.
const LARGEST: f64 = 65_535.0;
/// Largest number of triangles of an embedded mesh.
const MAX_TRIANGLES: usize = 400_000;

/// A mesh as little-endian bytes.
pub(crate) struct EmbeddedMesh {
    /// Three `u16` per vertex: the place in a cube that encloses the mesh, whose sides are those of its bounding box's longest one.
    pub(crate) vertices: Vec<u8>,
    /// Three `u32` per triangle.
    pub(crate) triangles: Vec<u8>,
    pub(crate) triangle_count: usize,
}

/// Reads the vertices and the triangles of an OBJ file; other elements are skipped.
pub(crate) fn read_obj(text: &str, path: &Path) -> Result<EmbeddedMesh, Reason> {
    let fail = |line: usize, what: &str| format!("{}, line {line}: {what}", path.display());
    let (mut vertices, mut triangles) = (Vec::<[f64; 3]>::new(), Vec::<[u32; 3]>::new());
    for (number, line) in (1..).zip(text.lines()) {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("v") => {
                let numbers = words
                    .take(3)
                    .map(|word| word.parse().ok().filter(|x: &f64| x.is_finite()));
                let numbers: Option<Vec<f64>> = numbers.collect();
                let vertex = numbers.and_then(|numbers| numbers.try_into().ok());
                vertices
                    .push(vertex.ok_or_else(|| fail(number, "expected three finite coordinates"))?);
            }
            Some("f") => {
                // Counted from 1; texture and normal follow slashes.
                let index = |word: &str| {
                    let first = word.split('/').next().unwrap_or_default();
                    first
                        .parse()
                        .ok()
                        .and_then(|index: u32| index.checked_sub(1))
                };
                let indices: Option<Vec<u32>> = words.map(index).collect();
                let triangle = indices.and_then(|indices| indices.try_into().ok());
                triangles
                    .push(triangle.ok_or_else(|| {
                        fail(number, "expected the three vertices of a triangle")
                    })?);
            }
            _ => {}
        }
    }
    if triangles.is_empty() {
        return Err(format!("{} has no triangles", path.display()));
    }
    if triangles.len() > MAX_TRIANGLES {
        return Err(format!(
            "left out, because a page shows at most {MAX_TRIANGLES} triangles: see {}",
            path.display()
        ));
    }
    if triangles
        .iter()
        .flatten()
        .any(|&index| index as usize >= vertices.len())
    {
        return Err(format!(
            "{} has a triangle of a vertex that it lacks",
            path.display()
        ));
    }
    Ok(EmbeddedMesh {
        vertices: quantized(&vertices),
        triangle_count: triangles.len(),
        triangles: triangles
            .iter()
            .flatten()
            .flat_map(|index| index.to_le_bytes())
            .collect(),
    })
}

/// Returns the places of vertices in the cube around them, whose center is that of their bounding box.
fn quantized(vertices: &[[f64; 3]]) -> Vec<u8> {
    let end = |start: f64, choose: fn(f64, f64) -> f64| -> [f64; 3] {
        std::array::from_fn(|axis| {
            vertices
                .iter()
                .map(|vertex| vertex[axis])
                .fold(start, choose)
        })
    };
    let (low, high) = (
        end(f64::INFINITY, f64::min),
        end(f64::NEG_INFINITY, f64::max),
    );
    let side = (0..3)
        .map(|axis| high[axis] - low[axis])
        .fold(f64::MIN_POSITIVE, f64::max);
    let place = |vertex: &[f64; 3]| {
        std::array::from_fn::<u16, 3, _>(|axis| {
            let center = 0.5 * low[axis] + 0.5 * high[axis];
            (LARGEST * ((vertex[axis] - center) / side + 0.5)).round() as u16
        })
    };
    vertices
        .iter()
        .flat_map(place)
        .flat_map(u16::to_le_bytes)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRIANGLE: &str = "# a\nv 0 0 0\nv 2 0 0 1 1 1\nv 0 1 0\nvn 0 0 1\nf 1//1 2//1 3//1\n";

    fn read(text: &str) -> Result<EmbeddedMesh, Reason> {
        read_obj(text, Path::new("a.obj"))
    }

    #[test]
    fn a_mesh_fills_the_cube_along_its_longest_side() {
        let mesh = read(TRIANGLE).unwrap();
        let vertices: Vec<u16> = mesh
            .vertices
            .chunks(2)
            .map(|b| u16::from_le_bytes([b[0], b[1]]))
            .collect();
        let (middle, low, high) = (32_768, 16_384, 49_151);
        assert_eq!(
            vertices,
            [0, low, middle, 65_535, low, middle, 0, high, middle]
        );
        assert_eq!(mesh.triangles, [0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]);
        assert_eq!(mesh.triangle_count, 1);
    }

    #[test]
    fn a_damaged_mesh_is_refused_with_its_line() {
        for (text, message) in [
            (
                "v 0 0\n",
                "a.obj, line 1: expected three finite coordinates",
            ),
            (
                "v 0 0 nan\n",
                "a.obj, line 1: expected three finite coordinates",
            ),
            (
                "v 0 0 0\nf 1 1\n",
                "a.obj, line 2: expected the three vertices",
            ),
            (
                "v 0 0 0\nf 0 1 1\n",
                "a.obj, line 2: expected the three vertices",
            ),
            (
                "v 0 0 0\nf 1 1 2\n",
                "a.obj has a triangle of a vertex that it lacks",
            ),
            ("v 0 0 0\n", "a.obj has no triangles"),
        ] {
            let found = read(text).err().unwrap();
            assert!(found.starts_with(message), "{found}");
        }
    }
}
