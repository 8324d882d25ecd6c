use std::path::PathBuf;

use siren_core::file::{ArrayElement, ArrayHeader};
use siren_picture::Picture;

use super::*;
use crate::mat::write::{header, matrix};
use crate::medium::{Medium, MediumConfig, MediumQuantity};

/// Velocities of two rows and three columns, the first row at the top.
const VELOCITIES: [f64; 6] = [1500.0, 1500.0, 3000.0, 1500.0, 1500.0, 750.0];

fn open(name: &str, bytes: &[u8], change: impl FnOnce(&mut MediumFileConfig)) -> Result<Medium> {
    let folder = tempfile::tempdir().unwrap();
    let mut config = MediumFileConfig {
        path: PathBuf::from(name),
        ..MediumFileConfig::default()
    };
    change(&mut config);
    let mut config = MediumConfig::File(config);
    config.resolve_paths(folder.path());
    std::fs::write(folder.path().join(name), bytes).unwrap();
    Medium::from_config(&config, "signal.medium", Some(1500.0), &mut Vec::new())
}

/// The model spans |x| ≤ 1 and |y| ≤ ½.
fn assert_is_model(medium: &Medium) {
    for (point, expected) in [
        ([-1.0, 0.5], 1.0),
        ([1.0, 0.5], 0.25),
        ([1.0, -0.5], 4.0),
        ([1.0, 1.0], 0.25),
        ([0.5, 0.5], 0.625),
    ] {
        let m = medium.squared_slowness(point);
        assert!((m - expected).abs() < 1e-6, "{point:?}: {m}");
    }
    assert!((medium.min() - 0.25).abs() < 1e-6 && (medium.max() - 4.0).abs() < 1e-6);
}

fn npy(element: &str, is_fortran: bool, shape: &[usize], stored: &[u8]) -> Vec<u8> {
    let element = ArrayElement::parse(element).unwrap();
    let mut header = ArrayHeader::c_order(shape, element);
    header.is_fortran = is_fortran;
    let mut bytes = Vec::new();
    header.write(&mut bytes).unwrap();
    bytes.extend(stored);
    bytes
}

fn by_columns() -> Vec<f64> {
    [0, 3, 1, 4, 2, 5].map(|index| VELOCITIES[index]).to_vec()
}

#[test]
fn arrays_of_either_order_and_every_type_are_the_same_model() {
    let doubles = VELOCITIES.map(f64::to_le_bytes).concat();
    let floats = VELOCITIES.map(|c| (c as f32).to_be_bytes()).concat();
    let integers: Vec<u8> = by_columns()
        .iter()
        .flat_map(|&c| (c as i16).to_le_bytes())
        .collect();
    for bytes in [
        npy("<f8", false, &[2, 3], &doubles),
        npy(">f4", false, &[2, 3], &floats),
        npy("<i2", true, &[2, 3], &integers),
    ] {
        assert_is_model(&open("a.npy", &bytes, |_| ()).unwrap());
    }
}

#[test]
fn raw_matlab_and_squared_slowness_are_the_same_model() {
    let floats = VELOCITIES.map(|c| (c as f32).to_le_bytes()).concat();
    let raw = open("a.bin", &floats, |config| config.shape = Some([2, 3])).unwrap();
    assert_is_model(&raw);
    let other = matrix("other", [2, 2], &[1.0; 4], &[]);
    let scalar = matrix("dx", [1, 1], &[12.5], &[]);
    let model = matrix("vp", [2, 3], &by_columns(), &[]);
    let only = [header(), scalar, model].concat();
    assert_is_model(&open("a.mat", &only, |_| ()).unwrap());
    let several = [only, other].concat();
    let named = open("a.mat", &several, |c| c.variable = Some("vp".into()));
    assert_is_model(&named.unwrap());
    let squared = VELOCITIES
        .map(|c| (1500.0 / c).powi(2).to_le_bytes())
        .concat();
    let quantity = open("a.npy", &npy("<f8", false, &[2, 3], &squared), |config| {
        config.quantity = MediumQuantity::SquaredSlowness;
    });
    assert_is_model(&quantity.unwrap());
}

#[test]
fn gray_values_of_a_picture_span_the_range() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    Picture {
        height: 1,
        width: 3,
        channels: 1,
        values: vec![0.0, 0.2, 1.0],
    }
    .save(&path)
    .unwrap();
    let config = MediumFileConfig {
        path,
        range: Some([1500.0, 3000.0]),
        ..MediumFileConfig::default()
    };
    let mut notes = Vec::new();
    let config = MediumConfig::File(config);
    let medium = Medium::from_config(&config, "m", Some(1500.0), &mut notes).unwrap();
    for (x, velocity) in [(-1.0, 1500.0), (0.0, 1800.0), (1.0, 3000.0)] {
        let expected: f64 = 1500.0 / velocity;
        let m = medium.squared_slowness([x, 0.7]);
        assert!((m - expected.powi(2)).abs() < 1e-6, "{x}");
    }
    assert!(notes[0].contains("is 1 x 3 (rows x columns): it covers |x| <= 1.000, |y| <= 0.000"));
}

#[test]
fn half_the_side_shrinks_the_model_into_the_inner_square() {
    let doubles = VELOCITIES.map(f64::to_le_bytes).concat();
    let bytes = npy("<f8", false, &[2, 3], &doubles);
    let medium = open("a.npy", &bytes, |config| config.half_side = 0.5).unwrap();
    assert!((medium.squared_slowness([0.5, 0.25]) - 0.25).abs() < 1e-12);
    assert!((medium.squared_slowness([0.25, 0.25]) - 0.625).abs() < 1e-12);
}

#[test]
fn files_that_do_not_fit_are_refused_with_what_to_do() {
    let six = VELOCITIES.map(f64::to_le_bytes).concat();
    let raw = vec![0; 4 * 600];
    let two = [
        header(),
        matrix("a", [2, 2], &[1.0; 4], &[]),
        matrix("b", [2, 2], &[1.0; 4], &[]),
    ]
    .concat();
    let none = |_: &mut MediumFileConfig| ();
    let shape: fn(&mut MediumFileConfig) = |config| config.shape = Some([20, 31]);
    let cases: [(&str, Vec<u8>, fn(&mut MediumFileConfig), &str); 12] = [
        (
            "a.npy",
            npy("<f8", false, &[2, 3], &six[8..]),
            none,
            "has 40 bytes of elements, expected 48",
        ),
        (
            "a.npy",
            npy("<f8", false, &[6], &six),
            none,
            "has the shape [6], expected two axes",
        ),
        (
            "a.npy",
            npy("<f8", false, &[usize::MAX, 3], &six),
            none,
            "expected 1 to",
        ),
        (
            "a.npy",
            npy("<f8", false, &[0, 3], &[]),
            none,
            "0 x 3 samples",
        ),
        (
            "a.npy",
            b"nothing".to_vec(),
            none,
            "header of the NumPy array is damaged",
        ),
        (
            "a.bin",
            raw.clone(),
            none,
            "`signal.medium.file.shape` is missing, expected [rows, columns]",
        ),
        (
            "a.bin",
            raw.clone(),
            shape,
            "has 2400 bytes, expected 2480, 20 x 31 float32 of `shape`; 600 values fit the shapes [24, 25], [25, 24]",
        ),
        (
            "a.npy",
            raw.clone(),
            shape,
            "`signal.medium.file.shape` is given, expected none: it is for a raw file",
        ),
        (
            "a.png",
            raw.clone(),
            none,
            "`signal.medium.file.range` is missing",
        ),
        (
            "a.mat",
            two,
            none,
            "holds several matrices, `a` (2 x 2), `b` (2 x 2): set `variable`",
        ),
        ("a.mat", header(), none, "holds no matrix"),
        ("a.vtk", raw, none, "unknown format"),
    ];
    for (name, bytes, change, expected) in cases {
        let message = open(name, &bytes, change).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
    let doubled = open("a.raw", &[0; 64], |config| config.shape = Some([2, 4]));
    assert!(doubled.unwrap_err().to_string().contains("float64"));
}

#[cfg(not(feature = "segy"))]
#[test]
fn a_seismic_file_names_the_feature_that_reads_it() {
    let message = open("a.sgy", &[0; 4000], |_| ()).unwrap_err().to_string();
    assert!(message.contains("`--features segy`"), "{message}");
}
