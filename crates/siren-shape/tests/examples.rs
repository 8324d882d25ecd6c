//! The example runs, and leaves the files that it names.

use siren_shape::{Geometry, ShapeField};

#[path = "../examples/from_points.rs"]
mod from_points;

#[test]
fn from_points_saves_a_torus_of_the_right_size_and_its_field() {
    from_points::main().unwrap();
    let folder = std::env::temp_dir();
    let opened = Geometry::open(&folder.join("from_points.ply"), &mut Vec::new()).unwrap();
    let Geometry::Mesh(mesh) = opened else {
        panic!("no triangles");
    };
    assert!(mesh.topology().is_closed());
    for (extent, expected) in mesh.bounds().extents().into_iter().zip([84.0, 84.0, 24.0]) {
        assert!(
            (extent - expected).abs() < 1.0,
            "{extent} mm, not {expected}"
        );
    }
    let field = ShapeField::open(folder.join("from_points.safetensors")).unwrap();
    let distances = field
        .signed_distances(&[[30.0, 0.0, 8.0], [30.0, 0.0, 16.0]])
        .unwrap();
    for (distance, expected) in distances.into_iter().zip([-4.0, 4.0]) {
        assert!(
            (distance - expected).abs() < 1.5,
            "{distance} mm, not {expected}"
        );
    }
}
