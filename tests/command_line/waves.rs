//! Equations of waves with sources, layers, media, recordings and optimizers that do not go together.

use std::fmt::Write as _;

use siren_core::file::{ArrayElement, ArrayHeader};

use super::{Case, assert_refused_cleanly, desk_for};
use crate::support::desk::Desk;

/// A valid config of waves whose training takes a fraction of a second.
const GOOD_WAVE: &str = "
kind = 'wave'
[field]
hidden_features = 8
hidden_layers = 1
[objective]
points = 20
source_points = 10
[train]
steps = 2
[run]
evaluate_every = 2
";

/// What makes the config one of the inverse problem, with data that finite differences do not have to compute.
const INVERSE: &str = "objective.equation=inverse --set signal.recording=shots.csv";

fn desk() -> Desk {
    desk_for("wave", GOOD_WAVE)
}

/// Asserts that `check` refuses overrides with `words`, and writes no file.
#[track_caller]
fn assert_check_refused(desk: &Desk, set: &str, words: &[&str]) {
    let line = format!("check good.toml --set {set}");
    let before = desk.files("");
    desk.run(&line).assert_refused(&line, words);
    assert!(desk.files("") == before, "{line} left files behind");
}

/// Returns the remarks of `check` with overrides.
#[track_caller]
fn notes(desk: &Desk, set: &str) -> String {
    let ended = desk.run(&format!("check good.toml --set {set}"));
    ended.assert_success().stderr
}

/// Writes a NumPy array of float64.
fn write_array(desk: &Desk, name: &str, shape: &[usize], value: impl Fn(usize) -> f64) {
    let mut bytes = Vec::new();
    let header = ArrayHeader::c_order(shape, ArrayElement::parse("<f8").unwrap());
    header.write(&mut bytes).unwrap();
    let count: usize = shape.iter().product();
    bytes.extend((0..count).flat_map(|i| value(i).to_le_bytes()));
    desk.write(name, bytes);
}

/// Writes a recording of two sources and three receivers.
fn write_recording(desk: &Desk, name: &str, receiver_y: f64) {
    let mut text = "source_x,source_y,receiver_x,receiver_y,re,im\n".to_owned();
    for source in [-0.3, 0.3] {
        for receiver in [-0.4, 0.0, 0.4] {
            let value = source * receiver + 0.01;
            writeln!(text, "{source},-0.4,{receiver},{receiver_y},{value},0.02").unwrap();
        }
    }
    desk.write(name, text);
}

/// Settings of a domain that do not fit it, with words of the message.
const MISPLACED: &[Case] = &[
    (
        "signal.sources=[[0.8,0.0]]",
        &[
            "signal.sources",
            "[0.8, 0]",
            "|x|, |y| <= 0.75",
            "absorbing layer",
        ],
    ),
    (
        "signal.sources=[[120.0,0.0]]",
        &["signal.sources", "[120, 0]", "not in meters or pixels"],
    ),
    (
        "signal.sources=[[0.1,0.0],[-0.1,0.0]]",
        &["signal.sources", "2 points", "`inverse`"],
    ),
    ("signal.sources=[]", &["signal.sources", "0 points"]),
    (
        "signal.receivers=[[0.0,0.5],[0.0,-1.5]]",
        &[
            "signal.receivers",
            "[0, -1.5]",
            "outside of the domain",
            "1 of 2 points",
        ],
    ),
    (
        "objective.equation.helmholtz.pml.width=0.1",
        &[
            "objective.equation.helmholtz.pml.width",
            "0.1",
            "half a wavelength, 0.157 at k = 20",
            "widen",
        ],
    ),
    (
        "objective.equation.helmholtz.pml.width=1.5",
        &[
            "objective.equation.helmholtz.pml.width",
            "1.5",
            "at most 0.9",
        ],
    ),
    (
        "signal.units.wavenumber=-3",
        &["signal.units.wavenumber", "-3"],
    ),
    (
        "signal.units.frequency_hz=10",
        &["signal.units.extent_m", "missing"],
    ),
    (
        "signal.source_variance=0",
        &["signal.source_variance", "above 0"],
    ),
    (
        "objective.points=100000000",
        &["objective.points", "1 to 16777216 points"],
    ),
    (
        "objective.equation=heat",
        &["objective.equation", "heat", "helmholtz"],
    ),
];

#[test]
fn sources_receivers_and_layers_that_do_not_fit_the_domain_are_refused_with_their_place() {
    let desk = desk();
    for (set, words) in MISPLACED {
        assert_check_refused(&desk, set, words);
    }
    assert_refused_cleanly(
        &desk,
        &format!("run good.toml --out run --set {}", MISPLACED[0].0),
        MISPLACED[0].1,
    );
}

#[test]
fn models_that_are_no_velocities_of_a_plane_are_refused_with_the_element_and_a_remedy() {
    let desk = desk();
    write_array(&desk, "zero.npy", &[4, 4], |i| {
        if i == 6 { 0.0 } else { 1500.0 }
    });
    write_array(&desk, "nan.npy", &[4, 4], |i| {
        if i == 9 { f64::NAN } else { 1500.0 }
    });
    write_array(&desk, "km.npy", &[4, 4], |_| 1.5);
    write_array(&desk, "meters.npy", &[4, 4], |i| 1500.0 + i as f64);
    write_array(&desk, "cube.npy", &[2, 4, 4], |_| 1500.0);
    write_array(&desk, "cut.npy", &[4, 4], |_| 1500.0);
    let bytes = desk.read("cut.npy");
    desk.write("cut.npy", &bytes[..bytes.len() - 8]);
    desk.write("text.npy", "1500 1500\n");
    desk.write("text.mat", "not a MATLAB file");
    desk.write("new.mat", b"\x89HDF\r\n\x1a\n");
    desk.write("model.sgy", "");
    desk.write("model.foo", "1");
    desk.write("model.bin", [0_u8; 12]);
    let cases: &[Case] = &[
        (
            "zero.npy",
            &["zero.npy", "velocity is 0 in row 1, column 2", "above 0"],
        ),
        ("nan.npy", &["nan.npy", "NaN in row 2, column 1"]),
        (
            "km.npy",
            &["km.npy", "km/s", "multiply the velocities by 1000"],
        ),
        (
            "cube.npy",
            &["cube.npy", "[2, 4, 4]", "two axes", "model[0]"],
        ),
        ("cut.npy", &["cut.npy", "120 bytes", "128", "copy it again"]),
        ("text.npy", &["text.npy", "header"]),
        (
            "text.mat",
            &["text.mat", "no MATLAB file of format 5", "savemat"],
        ),
        ("new.mat", &["new.mat", "version 7.3", "-v7"]),
        ("model.sgy", &["model.sgy", "--features segy", ".npy"]),
        ("model.foo", &["model.foo", "unknown format", ".npy, .mat"]),
        (
            "model.bin",
            &["signal.medium.file.shape", "missing", "[rows, columns]"],
        ),
        ("absent.npy", &["absent.npy", "No such file"]),
    ];
    for (name, words) in cases {
        let set =
            format!("signal.medium.file.path={name} --set signal.units.reference_velocity=1500");
        assert_check_refused(&desk, &set, words);
    }
    let meters = "signal.medium.file.path=meters.npy";
    let words: &[&str] = &[
        "signal.units.reference_velocity",
        "missing",
        "squared_slowness",
    ];
    assert_check_refused(&desk, meters, words);
    let kilometers = format!("{meters} --set signal.units.reference_velocity=1.5");
    assert_check_refused(
        &desk,
        &kilometers,
        &["meters.npy", "m/s", "give the reference in m/s"],
    );
    let right = format!("{meters} --set signal.units.reference_velocity=1500");
    desk.run(&format!("check good.toml --set {right}"))
        .assert_success();
}

/// Recordings that lack something, with words of the message.
const INCOMPLETE: &[Case] = &[
    ("absent.mat", &["absent.mat", "No such file"]),
    (
        "text.mat",
        &["text.mat", "no MATLAB file of format 5", "savemat"],
    ),
    (
        "only.mat",
        &[
            "only.mat",
            "`rec_val`",
            "`source` (2 x 2), `receivers` (3 x 2)",
        ],
    ),
    (
        "rows.mat",
        &[
            "rows.mat",
            "`rec_val` is 5 x 2",
            "expected 3 x 2",
            "positions of 2 are missing in `receivers`",
        ],
    ),
    (
        "turned.mat",
        &["turned.mat", "`rec_val` is 2 x 3", "transpose"],
    ),
    ("real.mat", &["real.mat", "`rec_val` is real", "complex"]),
    (
        "pair.csv",
        &[
            "pair.csv",
            "no value for the source [0.3, -0.4] and the receiver [0.4, 0.4]",
        ],
    ),
    ("words.csv", &["words.csv", "has 2 columns"]),
    ("nan.csv", &["nan.csv: line 2", "im is `nan`"]),
    (
        "layer.csv",
        &[
            "signal.recording",
            "layer.csv",
            "[-0.4, 0.9]",
            "absorbing layer",
        ],
    ),
];

#[test]
fn recordings_that_lack_data_or_positions_are_refused_with_what_is_missing() {
    let desk = desk();
    write_recording(&desk, "shots.csv", 0.4);
    write_recording(&desk, "layer.csv", 0.9);
    let text = String::from_utf8(desk.read("shots.csv")).unwrap();
    let (rest, _) = text.trim_end().rsplit_once('\n').unwrap();
    desk.write("pair.csv", rest);
    desk.write("words.csv", "source_x,source_y\n0,0\n");
    desk.write("nan.csv", text.replace(",0.02", ",nan"));
    desk.write("text.mat", "not a MATLAB file");
    let mat = |variables: &[(&str, usize, usize, bool)]| {
        let mut file = mat_header();
        for &(name, rows, columns, is_complex) in variables {
            file.extend(mat_matrix(name, rows, columns, is_complex));
        }
        file
    };
    let positions = [("source", 2, 2, false), ("receivers", 3, 2, false)];
    desk.write("only.mat", mat(&positions));
    desk.write(
        "rows.mat",
        mat(&[positions[0], positions[1], ("rec_val", 5, 2, true)]),
    );
    desk.write(
        "turned.mat",
        mat(&[positions[0], positions[1], ("rec_val", 2, 3, true)]),
    );
    desk.write(
        "real.mat",
        mat(&[positions[0], positions[1], ("rec_val", 3, 2, false)]),
    );
    for (name, words) in INCOMPLETE {
        let set = format!("objective.equation=inverse --set signal.recording={name}");
        assert_check_refused(&desk, &set, words);
    }
    let words: &[&str] = &["signal.receivers", "missing", "signal.recording"];
    assert_check_refused(&desk, "objective.equation=inverse", words);
    desk.run(&format!("check good.toml --set {INVERSE}"))
        .assert_success();
}

/// Returns the header of a MATLAB file of format 5.
fn mat_header() -> Vec<u8> {
    let mut bytes = vec![b' '; 124];
    bytes[..10].copy_from_slice(b"MATLAB 5.0");
    bytes.extend(b"\x00\x01IM");
    bytes
}

/// Returns an element of a MATLAB file: a type, a length, and bytes that are padded to eight.
fn mat_element(kind: u32, bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len() as u32;
    let mut element = [kind.to_le_bytes(), length.to_le_bytes()].concat();
    element.extend(bytes);
    element.resize(element.len().next_multiple_of(8), 0);
    element
}

/// Returns a matrix of small numbers of a MATLAB file.
fn mat_matrix(name: &str, rows: usize, columns: usize, is_complex: bool) -> Vec<u8> {
    let doubles = |scale: f64| -> Vec<u8> {
        let values = (0..rows * columns).map(|i| scale * (i as f64 + 1.0));
        values.flat_map(f64::to_le_bytes).collect()
    };
    let class = 6_u32 | if is_complex { 0x800 } else { 0 };
    let axes = [rows as i32, columns as i32].map(i32::to_le_bytes).concat();
    let mut parts = mat_element(6, &[class.to_le_bytes(), [0; 4]].concat());
    parts.extend(mat_element(5, &axes));
    parts.extend(mat_element(1, name.as_bytes()));
    parts.extend(mat_element(9, &doubles(0.05)));
    if is_complex {
        parts.extend(mat_element(9, &doubles(0.02)));
    }
    mat_element(14, &parts)
}

#[test]
fn losses_that_gauss_newton_cannot_minimize_are_refused_before_the_training() {
    let desk = desk();
    write_recording(&desk, "shots.csv", 0.4);
    let gauss_newton = "--set train.optimizer=gauss_newton";
    let norm = format!("objective.norm=l1 {gauss_newton}");
    let words: &[&str] = &["objective.norm", "l1", "\"mse\"", "another optimizer"];
    assert_check_refused(&desk, &norm, words);
    let adjoint =
        format!("{INVERSE} --set objective.equation.inverse.solver=adjoint {gauss_newton}");
    let words: &[&str] = &["train.optimizer", "gauss_newton", "\"lbfgs\"", "adjoint"];
    let adjoint = adjoint.replacen("objective.equation=inverse --set ", "", 1);
    assert_check_refused(&desk, &adjoint, words);
    // Its matrices have the size of the sample.
    let many = format!("run good.toml --out run --set objective.points=200000 {gauss_newton}");
    let words: &[&str] = &["train.optimizer", "gauss_newton", "fewer points", "GiB"];
    assert_refused_cleanly(&desk, &many, words);
    desk.run(&format!("run good.toml --out run {}", &gauss_newton))
        .assert_success();
}

#[test]
fn waves_and_sources_that_are_finer_than_the_first_layer_are_noted_with_their_numbers() {
    let desk = desk();
    assert_eq!(notes(&desk, "seed=1"), "");
    let fine = notes(&desk, "signal.units.wavenumber=65");
    for word in [
        "warning: ",
        "wavenumber is 65.0",
        "omega_0 = 30",
        "field.first_omega_0",
    ] {
        assert!(fine.contains(word), "{fine}");
    }
    let slow = "signal.medium.circle.squared_slowness=16.0";
    assert!(notes(&desk, slow).contains("wavenumber is 80.0"));
    let total = "objective.equation.helmholtz.formulation=total --set signal.source_variance=1e-5";
    let sharp = notes(&desk, total);
    for word in [
        "warning: ",
        "316.2",
        "4 omega_0 = 120.0",
        "field.first_omega_0",
    ] {
        assert!(sharp.contains(word), "{sharp}");
    }
    // A network without the source, and one without frequencies.
    assert_eq!(notes(&desk, "signal.source_variance=1e-5"), "");
    assert_eq!(
        notes(
            &desk,
            "signal.units.wavenumber=65 --set field.activation=tanh"
        ),
        ""
    );
}

#[test]
fn an_export_states_on_the_screen_and_in_the_file_what_its_values_lack() {
    let desk = desk();
    desk.run("run good.toml --out near").assert_success();
    let ended = desk.run("export near -o near.h").assert_success();
    assert!(ended.stdout.contains("wrote near.h"), "{}", ended.stdout);
    let header = String::from_utf8(desk.read("near.h")).unwrap();
    let stated = "They lack the near field of the source s, which `render` adds";
    for text in [&ended.stderr, &header] {
        assert!(text.contains(stated), "{text}");
    }
    // This file holds what `render` adds.
    let ended = desk.run("export near -o near.safetensors");
    assert_eq!(ended.assert_success().stderr, "");
    desk.run("run good.toml --out total --set objective.equation.helmholtz.formulation=total")
        .assert_success();
    let ended = desk.run("export total -o total.h");
    assert_eq!(ended.assert_success().stderr, "");
    let header = String::from_utf8(desk.read("total.h")).unwrap();
    assert!(!header.contains("NOTE"), "{header}");
}
