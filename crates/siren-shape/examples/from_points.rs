//! Fits a signed distance function to points of a torus in memory, and extracts its surface as a closed mesh.

use std::f64::consts::TAU;

use siren_core::train::Fit;
use siren_shape::{Extraction, PointCloud, Shape};

pub(crate) fn main() -> siren_core::Result<()> {
    // In millimeters: a ring of radius 30 around the z axis, in a tube of radius 12. `Geometry::open` reads points from a file.
    let (mut points, mut normals) = (Vec::new(), Vec::new());
    for index in 0..3000 {
        let (sin, cos) = (TAU * f64::from(index) / 3000.0).sin_cos();
        let (up, out) = (2.4 * f64::from(index)).sin_cos();
        normals.push([out * cos, out * sin, up]);
        points.push([
            (30.0 + 12.0 * out) * cos,
            (30.0 + 12.0 * out) * sin,
            12.0 * up,
        ]);
    }
    let normals = Some(normals);
    let shape = Shape::from_points(PointCloud { points, normals })?;

    let mut config = shape.recipe();
    config.field.hidden_features = 64.into();
    config.field.hidden_layers = 2;
    config.field.first_omega_0 = 5.0.into(); // low: a torus has no fine detail
    config.field.hidden_omega_0 = 5.0;
    config.train.steps = 400;
    config.train.warmup_steps = 20;
    config.train.learning_rate = 2e-3;
    let mut fit = Fit::new(&shape, &config)?;
    fit.run()?;

    let field = shape.field(fit.into_model())?;
    let positions = [8.0, 12.0, 16.0].map(|z| [30.0, 0.0, z]);
    println!("distances {:.1?}", field.signed_distances(&positions)?); // of the torus: -4, 0, 4
    println!("gradients {:.2?}", field.gradients(&positions)?); // of the torus: [0, 0, 1] three times

    let mesh = field.mesh(&Extraction::of_resolution(64))?;
    let topology = mesh.topology();
    assert!(topology.is_closed() && topology.euler_characteristic == 0); // one surface, with a hole
    let folder = std::env::temp_dir();
    mesh.save(&folder.join("from_points.ply"))?;
    field.save(folder.join("from_points.safetensors"))
}
