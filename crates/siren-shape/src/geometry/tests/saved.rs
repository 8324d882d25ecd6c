//! Files that are written, and read again.

use std::fs;
use std::path::PathBuf;

use super::super::{Geometry, Mesh, PointCloud, Vector};
use super::tetrahedron;

fn file(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    (folder, path)
}

/// Writes a mesh and reads it.
fn round_trip(mesh: &Mesh, name: &str) -> Mesh {
    let (_folder, path) = file(name);
    mesh.save(&path).unwrap();
    match Geometry::open(&path, &mut Vec::new()).unwrap() {
        Geometry::Mesh(mesh) => mesh,
        Geometry::Points(_) => panic!("{name} holds points"),
    }
}

/// Returns a tetrahedron with normals, of a size, at a distance from the origin.
fn solid(size: f64, distance: f64) -> Mesh {
    let mut mesh = tetrahedron();
    for coordinate in mesh.vertices.as_flattened_mut() {
        *coordinate = distance + size * (*coordinate + 0.1);
    }
    mesh.normals = Some(vec![[0.6, 0.0, -0.8]; 4]);
    mesh
}

fn largest_difference(a: &[Vector], b: &[Vector]) -> f64 {
    assert_eq!(a.len(), b.len());
    let pairs = a.as_flattened().iter().zip(b.as_flattened());
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn a_mesh_is_read_back_as_it_was_written() {
    for (size, distance) in [(1.0, 0.0), (1e-12, 0.0), (3.0, 1e6), (1e20, -1e19)] {
        let mesh = solid(size, distance);
        for (name, tolerance) in [("a.ply", 1e-7), ("a.PLY", 1e-7), ("a.obj", 0.0)] {
            let read = round_trip(&mesh, name);
            assert_eq!(read.faces, mesh.faces);
            let difference = largest_difference(&read.vertices, &mesh.vertices);
            assert!(difference <= tolerance * 1.8 * size, "{name}: {difference}");
            let (own, other) = (read.normals.unwrap(), mesh.normals.as_ref().unwrap());
            assert!(largest_difference(&own, other) < 1e-7, "{name}");
        }
    }
    let mut without_normals = solid(1.0, 0.0);
    without_normals.normals = None;
    for name in ["a.ply", "a.obj", "a.stl"] {
        let read = round_trip(&without_normals, name);
        assert_eq!(read.normals, None);
        // STL lists the corners of faces, so that the vertices are in another order.
        assert_eq!((read.vertices.len(), read.faces.len()), (4, 4));
        assert!((read.area() - without_normals.area()).abs() < 1e-6);
        let corners = |mesh: &Mesh| -> Vec<Vector> {
            let corner = |&index: &u32| mesh.vertices[index as usize];
            mesh.faces.as_flattened().iter().map(corner).collect()
        };
        assert!(largest_difference(&corners(&read), &corners(&without_normals)) < 1e-7);
    }
}

#[test]
fn a_ply_file_has_double_coordinates_only_where_float_would_change_the_shape() {
    for (distance, kind) in [(0.0, "float"), (1e6, "double")] {
        let (_folder, path) = file("a.ply");
        solid(1.0, distance).save(&path).unwrap();
        let bytes = fs::read(&path).unwrap();
        let header = String::from_utf8_lossy(&bytes);
        assert!(header.contains(&format!("property {kind} x\n")), "{header}");
        assert!(header.contains("property float nx\n"));
    }
}

#[test]
fn a_mesh_that_cannot_be_written_is_refused_and_leaves_no_file() {
    let refusal = |mesh: &Mesh, name: &str| {
        let (folder, path) = file(name);
        let message = mesh.save(&path).unwrap_err().to_string();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        message
    };
    let mesh = solid(1.0, 0.0);
    assert!(refusal(&mesh, "a.glb").contains("a name that ends in .ply, .obj or .stl"));
    assert!(refusal(&Mesh::default(), "a.ply").contains("faces of the mesh"));
    let far = solid(1.0, 1e6);
    assert!(refusal(&far, "a.stl").contains("save it as .ply or .obj"));
    let mut damaged = mesh.clone();
    damaged.faces.push([0, 1, 4]);
    assert!(refusal(&damaged, "a.obj").contains("indices below 4"));
    let mut short = mesh;
    short.normals.as_mut().unwrap().pop();
    assert!(refusal(&short, "a.ply").contains("one for each point"));
}

#[test]
fn points_are_read_back_as_they_were_written() {
    let points = vec![[0.1, -2.0, 1e-7], [1e6, 3.0, 4.0]];
    let normals = vec![[0.6, 0.8, 0.0], [0.0, 0.0, -1.0]];
    for normals in [None, Some(normals)] {
        let cloud = PointCloud {
            points: points.clone(),
            normals,
        };
        for name in ["a.ply", "a.xyz"] {
            let (_folder, path) = file(name);
            cloud.save(&path).unwrap();
            let read = Geometry::open(&path, &mut Vec::new()).unwrap();
            let Geometry::Points(read) = read else {
                panic!("{name} is a mesh")
            };
            assert!(largest_difference(&read.points, &cloud.points) < 0.05);
            assert_eq!(read.normals.is_some(), cloud.normals.is_some());
            if let (Some(own), Some(other)) = (read.normals, &cloud.normals) {
                assert!(largest_difference(&own, other) < 1e-7);
            }
        }
    }
    let (_folder, path) = file("a.obj");
    let message = |cloud: &PointCloud, path| cloud.save(path).unwrap_err().to_string();
    let none = PointCloud::default();
    assert!(message(&none, &path).contains(".ply or .xyz"));
    assert!(message(&none, &path.with_extension("ply")).contains("points of the cloud"));
}
