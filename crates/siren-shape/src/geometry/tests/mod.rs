//! Tests of reading and writing files, through the functions that users call.

mod array;
mod binary_mesh;
mod saved;
mod text_mesh;
mod text_points;

use std::fs;

use tempfile::TempDir;

use super::{Geometry, Mesh, PointCloud};

/// A folder with one file to open.
struct Opened {
    folder: TempDir,
    name: String,
    notes: Vec<String>,
}

impl Opened {
    fn new(name: &str, bytes: impl AsRef<[u8]>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(name), bytes).unwrap();
        Self {
            folder,
            name: name.to_owned(),
            notes: Vec::new(),
        }
    }

    fn open(&mut self) -> siren_core::Result<Geometry> {
        Geometry::open(&self.folder.path().join(&self.name), &mut self.notes)
    }

    /// Returns the notes without the names of folders.
    fn notes(&self) -> Vec<String> {
        let folder = format!("{}/", self.folder.path().display());
        let without = |note: &String| note.replace(&folder, "");
        self.notes.iter().map(without).collect()
    }
}

/// Returns the points of a file and the notes about it.
fn points(name: &str, bytes: impl AsRef<[u8]>) -> (PointCloud, Vec<String>) {
    let mut opened = Opened::new(name, bytes);
    match opened.open().unwrap() {
        Geometry::Points(cloud) => (cloud, opened.notes()),
        Geometry::Mesh(_) => panic!("{name} is a mesh"),
    }
}

/// Returns the mesh of a file and the notes about it.
fn mesh(name: &str, bytes: impl AsRef<[u8]>) -> (Mesh, Vec<String>) {
    let mut opened = Opened::new(name, bytes);
    match opened.open().unwrap() {
        Geometry::Mesh(mesh) => (mesh, opened.notes()),
        Geometry::Points(_) => panic!("{name} holds points"),
    }
}

/// Returns the message about a file that is refused, without the name of its folder. Checks that it starts with the file's name.
fn refusal(name: &str, bytes: impl AsRef<[u8]>) -> String {
    let mut opened = Opened::new(name, bytes);
    let message = opened.open().unwrap_err().to_string();
    let folder = format!("{}/", opened.folder.path().display());
    let message = message.strip_prefix(&folder).unwrap_or(&message);
    assert!(message.starts_with(&format!("{name}: ")), "{message}");
    message.to_owned()
}

/// Returns a tetrahedron with outward faces.
fn tetrahedron() -> Mesh {
    Mesh {
        vertices: vec![
            [0.0, 0.0, 0.0],
            [1.0, 0.0, 0.0],
            [0.0, 1.0, 0.0],
            [0.0, 0.0, 1.0],
        ],
        faces: vec![[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]],
        normals: None,
    }
}

#[test]
fn a_file_that_is_empty_a_folder_or_of_an_unknown_format_is_refused_with_the_reason() {
    for name in [
        "a.xyz", "a.csv", "a.npy", "a.ply", "a.obj", "a.stl", "a.glb", "a.laz",
    ] {
        assert!(refusal(name, "").contains("is empty"));
    }
    assert!(refusal("a.fbx", "x").contains(".ply, .obj, .stl or .glb"));
    assert!(refusal("a", "x").contains("unknown extension"));
    assert!(refusal("a.gltf", "{}").contains("single .glb"));
    let folder = tempfile::tempdir().unwrap();
    let message = |path| {
        Geometry::open(path, &mut Vec::new())
            .unwrap_err()
            .to_string()
    };
    assert!(message(folder.path()).contains("is a folder"));
    let missing = folder.path().join("none.ply");
    assert!(message(&missing).contains("none.ply"));
}

#[cfg(not(feature = "las"))]
#[test]
fn a_las_file_names_the_feature_that_reads_it() {
    for name in ["a.las", "a.LAZ"] {
        assert!(refusal(name, "LASF").contains("--features las"));
    }
}
