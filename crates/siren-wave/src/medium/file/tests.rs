use std::path::PathBuf;

use siren_core::file::{ArrayElement, ArrayHeader};
use siren_picture::Picture;

use super::*;
use crate::mat::write::{header, matrix, subelement};
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
    let several = [&only[..], &other].concat();
    let named = open("a.mat", &several, |c| c.variable = Some("vp".into()));
    assert_is_model(&named.unwrap());
    // A variable that is not read, such as text, may be the model that is meant.
    let text = subelement(
        14,
        &subelement(6, &[4_u32, 0].map(u32::to_le_bytes).concat()),
    );
    let hidden = [&only[..], &text].concat();
    let message = open("a.mat", &hidden, |_| ()).unwrap_err().to_string();
    assert!(message.contains("set `variable`"), "{message}");
    let named = open("a.mat", &hidden, |c| c.variable = Some("vp".into()));
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
        values: vec![0.0, 0.2, 1.0].into(),
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
fn arrays_and_matlab_files_that_do_not_fit_are_refused_with_what_to_do() {
    let six = VELOCITIES.map(f64::to_le_bytes).concat();
    let float64 = |shape: &[usize], stored: &[u8]| npy("<f8", false, shape, stored);
    let square = |name| matrix(name, [2, 2], &[1.0; 4], &[]);
    let complex = matrix("a", [2, 2], &[1.0; 4], &[1.0; 4]);
    for (name, bytes, expected) in [
        (
            "a.npy",
            float64(&[2, 3], &six[8..]),
            "has 40 bytes of elements, expected 48",
        ),
        (
            "a.npy",
            float64(&[6], &six),
            "has the shape [6], expected two axes",
        ),
        ("a.npy", float64(&[usize::MAX, 3], &six), "expected 1 to"),
        ("a.npy", float64(&[0, 3], &[]), "0 x 3 samples"),
        (
            "a.npy",
            b"nothing".to_vec(),
            "header of the NumPy array is damaged",
        ),
        (
            "a.mat",
            [header(), square("a"), square("b")].concat(),
            "several matrices, `a` (2 x 2), `b` (2 x 2): set `variable`",
        ),
        ("a.mat", [header(), complex].concat(), "`a` is complex"),
        ("a.mat", header(), "holds no numeric matrix"),
        ("a.vtk", six.clone(), "unknown format"),
    ] {
        let message = open(name, &bytes, |_| ()).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_raw_file_of_another_size_names_the_shapes_that_fit() {
    for (shape, bytes, expected) in [
        (
            [20, 31],
            2400,
            "has 2400 bytes, expected 2480, 20 x 31 float32 of `shape`; 600 values fit the shapes [24, 25], [25, 24]",
        ),
        ([2, 4], 64, "it seems to hold float64"),
        ([2, 4], 33, "no multiple of 4"),
        (
            [2, 4],
            4 * 101,
            "no shape of ten or more rows and columns fits 101 values",
        ),
    ] {
        let opened = open("a.raw", &vec![0; bytes], |config| {
            config.shape = Some(shape);
        });
        let message = opened.unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn settings_of_another_format_and_missing_ones_are_refused_with_their_key() {
    let missing = |name| open(name, &[0; 24], |_| ()).unwrap_err().to_string();
    let shape = missing("a.bin");
    assert!(
        shape.contains("`signal.medium.file.shape` is missing, expected [rows, columns]"),
        "{shape}"
    );
    let range = missing("a.png");
    assert!(
        range.contains("`signal.medium.file.range` is missing"),
        "{range}"
    );
    let foreign = open("a.npy", &[0; 24], |config| config.shape = Some([2, 3]));
    let message = foreign.unwrap_err().to_string();
    let expected = "`signal.medium.file.shape` is given, expected none: it is for a raw file";
    assert!(message.contains(expected), "{message}");
}

#[cfg(not(feature = "segy"))]
#[test]
fn a_seismic_file_names_the_feature_that_reads_it() {
    let message = open("a.sgy", &[0; 4000], |_| ()).unwrap_err().to_string();
    assert!(message.contains("`--features segy`"), "{message}");
}
