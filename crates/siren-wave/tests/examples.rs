//! The example runs, and leaves the file that it names.

use siren_wave::WaveField;
use siren_wave::reference::cylinder::{Cylinder, CylinderField};
use siren_wave::reference::hankel::HankelField;
use siren_wave::source::PointSource;

#[path = "../examples/point_source.rs"]
mod point_source;

#[test]
fn point_source_saves_a_field_whose_error_is_below_40_percent() {
    point_source::main().unwrap();
    let path = std::env::temp_dir().join("point_source.safetensors");
    let field = WaveField::open(path).unwrap();
    let source = PointSource::at([-0.4, 0.0]);
    let cylinder = Cylinder {
        center: [0.0, 0.0],
        radius: 0.15,
        squared_slowness: 2.0,
    };
    let background = HankelField::new(source, 20.0).unwrap();
    let exact = CylinderField::new(background, cylinder).unwrap();
    let points: Vec<[f64; 2]> = (0..7).map(|i| [-0.6 + 0.2 * f64::from(i), 0.3]).collect();
    let found = field.waves(0, &points).unwrap();
    let [mut difference, mut norm] = [0.0; 2];
    for (&point, u) in points.iter().zip(found) {
        difference += (u - exact.value(point)).norm_sqr();
        norm += exact.value(point).norm_sqr();
    }
    let error = (difference / norm).sqrt();
    assert!(error < 0.4, "{error}");
}
