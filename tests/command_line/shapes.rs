//! Files that are no usable shape, and normals and true surfaces that do not fit the points.

use std::fs;

use siren_core::file::{ArrayElement, ArrayHeader};
use siren_shape::geometry::Geometry;
use siren_shape::{Mesh, Vector};

use super::{Case, desk_for};
use crate::support::desk::Desk;

/// A valid config of a shape whose training takes a fraction of a second: a sphere from the start.
const GOOD_SHAPE: &str = "
kind = 'shape'
[signal]
samples = 1000
surface_points = 64
volume_points = 64
resolution = 8
[objective.start.sphere]
steps = 300
points = 512
learning_rate = 2e-3
[field]
first_omega_0 = 10.0
hidden_omega_0 = 10.0
hidden_features = 8
hidden_layers = 1
[train]
steps = 3
[run]
evaluate_every = 3
";

/// What the message about unusable normals tells the user to set.
const ADVICE: &str = "\"estimate\" or \"none\"";

/// Creates a folder for shapes that holds `good.toml`.
pub fn desk() -> Desk {
    desk_for("shape", GOOD_SHAPE)
}

/// A point and its normal.
pub type Row = [f64; 6];

/// Returns 600 points on the unit sphere, spread evenly along a spiral, with their normals.
pub fn ball() -> Vec<Row> {
    let point = |index: u32| {
        let z = (2.0 * f64::from(index) + 1.0) / 600.0 - 1.0;
        let (sine, cosine) = (2.399_963_229_728_653 * f64::from(index)).sin_cos();
        let radius = (1.0 - z * z).sqrt();
        [radius * cosine, radius * sine, z]
    };
    let rows = (0..600).map(point).map(|[x, y, z]| [x, y, z, x, y, z]);
    rows.collect()
}

/// Returns the rows with the normals of some of them replaced.
fn with_normals(rows: &[Row], normal: impl Fn(usize, Vector) -> Vector) -> Vec<Row> {
    let replace = |(index, &[x, y, z, nx, ny, nz]): (usize, &Row)| {
        let [nx, ny, nz] = normal(index, [nx, ny, nz]);
        [x, y, z, nx, ny, nz]
    };
    rows.iter().enumerate().map(replace).collect()
}

/// Writes a text file with a row on each line.
pub fn write_points<R: AsRef<[f64]>>(desk: &Desk, name: &str, rows: &[R]) {
    let line = |row: &R| {
        let words: Vec<String> = row.as_ref().iter().map(f64::to_string).collect();
        words.join(" ") + "\n"
    };
    desk.write(name, rows.iter().map(line).collect::<String>());
}

/// Writes the positions alone.
fn write_positions(desk: &Desk, name: &str, rows: &[Row]) {
    let positions: Vec<&[f64]> = rows.iter().map(|row| &row[..3]).collect();
    write_points(desk, name, &positions);
}

/// Asserts that the command `line` is refused with `words` and changes no file.
#[track_caller]
pub fn assert_refused_unchanged(desk: &Desk, line: &str, words: &[&str]) {
    let has_run = || desk.path("run").exists();
    let before = (desk.files(""), has_run());
    desk.run(line).assert_refused(line, words);
    assert!(
        (desk.files(""), has_run()) == before,
        "{line} left files behind"
    );
}

/// Asserts that a run with the override `set` is refused with `words` and leaves no file behind.
#[track_caller]
fn assert_run_refused(desk: &Desk, set: &str, words: &[&str]) {
    let line = format!("run good.toml --out run --set {set}");
    assert_refused_unchanged(desk, &line, words);
}

/// Returns the remarks of `check` with the override `set`.
#[track_caller]
fn notes(desk: &Desk, set: &str) -> String {
    let ended = desk.run(&format!("check good.toml --set {set}"));
    ended.assert_success().stderr
}

/// Returns the points or the mesh of a file.
pub fn read_mesh(desk: &Desk, name: &str) -> Mesh {
    match Geometry::open(&desk.path(name), &mut Vec::new()).unwrap() {
        Geometry::Mesh(mesh) => mesh,
        Geometry::Points(_) => panic!("{name} has no triangles"),
    }
}

#[test]
fn a_file_without_points_of_a_surface_is_refused_by_name() {
    let desk = desk();
    let ball = ball();
    write_points(&desk, "one.xyz", &ball[..1]);
    write_points(&desk, "three.xyz", &ball[..3]);
    write_points(&desk, "same.xyz", &[[1.0, 2.0, 3.0]; 50]);
    let line: Vec<Vector> = (0..100)
        .map(|i| [1.0, 2.0, -3.0].map(|x| x * f64::from(i)))
        .collect();
    write_points(&desk, "line.xyz", &line);
    write_points(&desk, "four.xyz", &[[1.0; 4]; 50]);
    desk.write("empty.xyz", "");
    desk.write("text.xyz", "These are no points.\n");
    desk.write("cloud.las", "");
    desk.write("cloud.foo", "0 0 0\n");
    desk.write("scene.gltf", "{}");
    fs::create_dir(desk.path("folder.xyz")).unwrap();
    let cases: &[Case] = &[
        ("absent.xyz", &["absent.xyz", "No such file"]),
        ("empty.xyz", &["empty.xyz", "is empty"]),
        ("text.xyz", &["text.xyz"]),
        ("folder.xyz", &["folder.xyz", "is a folder"]),
        ("one.xyz", &["one.xyz", "holds one point", "at least 4"]),
        ("three.xyz", &["three.xyz", "holds 3 points", "at least 4"]),
        (
            "same.xyz",
            &["same.xyz", "50 points, all at the same position"],
        ),
        ("line.xyz", &["line.xyz", "100 points are on one line"]),
        (
            "four.xyz",
            &["four.xyz: line 1", "has 4 columns", "nx ny nz"],
        ),
        (
            "cloud.foo",
            &[
                "cloud.foo",
                ".xyz, .txt, .csv, .pts, .npy, .las, .laz, .ply, .obj, .stl or .glb",
            ],
        ),
        ("scene.gltf", &["scene.gltf", "single .glb"]),
        ("cloud.las", &["cloud.las", "empty"]),
    ];
    for (name, words) in cases {
        assert_run_refused(&desk, &format!("signal.path={name}"), words);
    }
    desk.write("cloud.las", "LASF");
    let words: &[&str] = &["cloud.las", "--features las", ".ply or .xyz"];
    assert_run_refused(&desk, "signal.path=cloud.las", words);
}

#[test]
fn a_position_that_is_not_finite_is_refused_in_every_format_with_its_place() {
    let desk = desk();
    desk.write("a.xyz", "0 0 0\n1 0 0\n0 nan 0\n0 0 1\n");
    desk.write("a.csv", "x,y,z\n0,0,0\n1,0,-inf\n");
    desk.write("a.pts", "3\n0 0 0\n1 nan 0\n1 1 1\n");
    let mut array = Vec::new();
    let header = ArrayHeader::c_order(&[4, 3], ArrayElement::FLOAT32);
    header.write(&mut array).unwrap();
    let values = (0..12_u8).map(|i| if i == 8 { f32::INFINITY } else { f32::from(i) });
    array.extend(values.flat_map(f32::to_le_bytes));
    desk.write("a.npy", array);
    let corners = "0 0 0\n1 0 0\n0 1 0\n0 0 nan\n";
    let header = "ply\nformat ascii 1.0\nelement vertex 4\nproperty float x\nproperty float y\nproperty float z\n";
    desk.write("a.ply", format!("{header}end_header\n{corners}"));
    let faces = "element face 1\nproperty list uchar int vertex_indices\nend_header\n";
    desk.write("mesh.ply", format!("{header}{faces}{corners}3 0 1 2\n"));
    desk.write("a.obj", "v 0 0 0\nv 1 0 0\nv 0 1 inf\nf 1 2 3\n");
    let facet = "facet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 1 nan 0\nvertex 0 1 0\nendloop\nendfacet\n";
    desk.write("text.stl", format!("solid a\n{facet}endsolid a\n"));
    desk.write_shape("a.stl");
    let mut triangles = desk.read("a.stl");
    let third = 84 + 2 * 50 + 12;
    triangles[third..third + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    desk.write("a.stl", triangles);
    desk.write(
        "a.glb",
        glb([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, f32::NAN]]),
    );
    let cases: &[Case] = &[
        ("a.xyz", &["a.xyz: line 3", "y is NaN"]),
        ("a.csv", &["a.csv: line 3", "z is -inf"]),
        ("a.pts", &["a.pts: line 3", "y is NaN"]),
        ("a.npy", &["a.npy: row 2", "z is inf"]),
        ("a.ply", &["a.ply: vertex 3", "z is NaN"]),
        ("mesh.ply", &["mesh.ply: vertex 3", "z is NaN"]),
        ("a.obj", &["a.obj: line 3", "z is inf"]),
        ("text.stl", &["text.stl: line 5", "y is NaN"]),
        ("a.stl", &["a.stl: triangle 2", "x is NaN"]),
        ("a.glb", &["a.glb", "vertex 2", "z is NaN"]),
    ];
    for (name, words) in cases {
        assert_run_refused(&desk, &format!("signal.path={name}"), words);
    }
}

/// Returns a glTF file of one triangle.
fn glb(corners: [[f32; 3]; 3]) -> Vec<u8> {
    let mut json = br#"{"asset":{"version":"2.0"},"scenes":[{"nodes":[0]}],"nodes":[{"mesh":0}],"meshes":[{"primitives":[{"attributes":{"POSITION":0}}]}],
"buffers":[{"byteLength":36}],"bufferViews":[{"buffer":0,"byteLength":36}],
"accessors":[{"bufferView":0,"componentType":5126,"count":3,"type":"VEC3","min":[0,0,0],"max":[1,1,1]}]}"#
        .to_vec();
    json.resize(json.len().next_multiple_of(4), b' ');
    let length = |bytes: usize| (bytes as u32).to_le_bytes();
    let numbers = corners.as_flattened().iter().flat_map(|x| x.to_le_bytes());
    [
        b"glTF\x02\x00\x00\x00".to_vec(),
        length(12 + 8 + json.len() + 8 + 36).to_vec(),
        length(json.len()).to_vec(),
        b"JSON".to_vec(),
        json,
        length(36).to_vec(),
        b"BIN\x00".to_vec(),
        numbers.collect(),
    ]
    .concat()
}

#[test]
fn normals_that_are_missing_or_of_random_sign_are_refused_with_what_else_to_set() {
    let desk = desk();
    let ball = ball();
    write_positions(&desk, "bare.xyz", &ball);
    let random = |index: usize, n: Vector| {
        if index * 7919 % 13 < 6 {
            n.map(|x| -x)
        } else {
            n
        }
    };
    write_points(&desk, "random.xyz", &with_normals(&ball, random));
    write_points(&desk, "zero.xyz", &with_normals(&ball, |_, _| [0.0; 3]));
    let color = |index: usize, _| [(index % 256) as f64, 7.0, 250.0];
    write_points(&desk, "colors.xyz", &with_normals(&ball, color));
    desk.write(
        "no_faces.obj",
        "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nv 1 1 1\n",
    );
    let cases: &[Case] = &[
        (
            "bare.xyz",
            &[
                "signal.normals",
                "bare.xyz has points without normals",
                ADVICE,
            ],
        ),
        (
            "no_faces.obj",
            &["no_faces.obj has points without normals", ADVICE],
        ),
        (
            "random.xyz",
            &[
                "signal.normals",
                " % of the normals in ",
                "random.xyz",
                ADVICE,
            ],
        ),
        (
            "zero.xyz",
            &[
                "zero.xyz",
                "all normals have length 0",
                "signal.normals",
                ADVICE,
            ],
        ),
        (
            "colors.xyz",
            &["colors.xyz", "columns 4 to 6", "colors", ADVICE],
        ),
    ];
    for (name, words) in cases {
        assert_run_refused(&desk, &format!("signal.path={name}"), words);
        for source in ["estimate", "none"] {
            desk.run(&format!(
                "check good.toml --set signal.path={name} --set signal.normals={source}"
            ))
            .assert_success();
        }
    }
}

#[test]
fn the_loss_distance_without_a_side_and_an_unknown_source_of_normals_are_refused() {
    let desk = desk();
    write_positions(&desk, "bare.xyz", &ball());
    let set = "objective.loss=distance --set signal.path=bare.xyz --set signal.normals=none";
    assert_run_refused(
        &desk,
        set,
        &[
            "--set objective.loss=distance",
            "points without normals",
            "`digs`",
        ],
    );
    assert_run_refused(
        &desk,
        "signal.normals=outward",
        &["signal.normals", "outward", "estimate"],
    );
}

#[test]
fn points_that_are_left_out_and_normals_that_are_doubtful_are_noted_with_their_share() {
    let desk = desk();
    let ball = ball();
    write_points(&desk, "good.xyz", &ball);
    write_points(&desk, "twice.xyz", &[&ball[..], &ball[..60]].concat());
    let zero = |index: usize, n: Vector| if index < 60 { [0.0; 3] } else { n };
    write_points(&desk, "zero.xyz", &with_normals(&ball, zero));
    let flipped = |index: usize, n: Vector| if index % 20 == 7 { n.map(|x| -x) } else { n };
    write_points(&desk, "flipped.xyz", &with_normals(&ball, flipped));
    let inward = |_: usize, n: Vector| n.map(|x| -x);
    write_points(&desk, "inward.xyz", &with_normals(&ball, inward));
    let flat: Vec<Row> = ball
        .iter()
        .map(|&[x, y, ..]| [x, y, 0.0, 0.0, 0.0, 1.0])
        .collect();
    write_points(&desk, "flat.xyz", &flat);
    let cases: &[Case] = &[
        (
            "twice.xyz",
            &["note: ", "twice.xyz: removed 60 of 660 points (9.09 %)"],
        ),
        (
            "zero.xyz",
            &[
                "note: ",
                "zero.xyz: dropped 60 of 600 points (10.00 %)",
                "\"estimate\"",
            ],
        ),
        (
            "flipped.xyz",
            &[
                "warning: ",
                "flipped.xyz: 5.0 % of the normals point against",
                "\"estimate\"",
            ],
        ),
        (
            "inward.xyz",
            &[
                "note: ",
                "inward.xyz: the normals point inward",
                "all are turned",
            ],
        ),
        (
            "flat.xyz",
            &["note: ", "flat.xyz: all 600 points are in one plane"],
        ),
    ];
    for (name, words) in cases {
        let notes = notes(&desk, &format!("signal.path={name}"));
        assert_eq!(notes.lines().count(), 1, "{name}: {notes}");
        for word in *words {
            assert!(notes.contains(word), "{name}: expected `{word}` in {notes}");
        }
    }
    assert_eq!(notes(&desk, "signal.path=good.xyz"), "");
    let estimated = "signal.path=zero.xyz --set signal.normals=estimate";
    assert_eq!(
        notes(&desk, estimated),
        "",
        "no point is left out for its normal"
    );
}

/// Writes the octahedron of [`Desk::write_shape`] after a change.
fn write_changed(desk: &Desk, name: &str, change: impl FnOnce(&mut Mesh)) {
    desk.write_shape("whole.ply");
    let mut mesh = read_mesh(desk, "whole.ply");
    change(&mut mesh);
    mesh.save(&desk.path(name)).unwrap();
}

#[test]
fn a_mesh_whose_sides_are_doubtful_is_fitted_with_a_note() {
    let desk = desk();
    write_changed(&desk, "inside_out.ply", |mesh| *mesh = mesh.flipped());
    write_changed(&desk, "open.ply", |mesh| mesh.faces.truncate(7));
    write_changed(&desk, "mixed.ply", |mesh| mesh.faces[3].swap(0, 1));
    write_changed(&desk, "unused.obj", |mesh| mesh.vertices.push([9.0; 3]));
    let cases: &[Case] = &[
        (
            "inside_out.ply",
            &["note: ", "inside_out.ply: the mesh is inside out", "turned"],
        ),
        (
            "open.ply",
            &["note: ", "open.ply", "3 boundary edges", "winding number"],
        ),
        (
            "mixed.ply",
            &[
                "warning: ",
                "mixed.ply",
                "of 3 edges",
                "disagree about the outside",
            ],
        ),
        ("unused.obj", &["note: ", "unused.obj: dropped 1 vertices"]),
    ];
    for (name, words) in cases {
        let notes = notes(&desk, &format!("signal.path={name}"));
        for word in *words {
            assert!(notes.contains(word), "{name}: expected `{word}` in {notes}");
        }
    }
    for normals in ["given", "estimate", "none"] {
        let set = format!("signal.path=whole.ply --set signal.normals={normals}");
        assert_eq!(notes(&desk, &set), "");
    }
}

#[test]
fn a_true_surface_that_is_not_that_of_the_points_is_refused_or_noted() {
    let desk = desk();
    write_points(&desk, "points.xyz", &ball());
    write_changed(&desk, "far.ply", |mesh| {
        mesh.vertices
            .iter_mut()
            .for_each(|vertex| vertex[1] += 50.0);
    });
    write_changed(&desk, "large.ply", |mesh| {
        mesh.vertices
            .as_flattened_mut()
            .iter_mut()
            .for_each(|x| *x *= 1000.0);
    });
    let truth = |name: &str| format!("signal.truth={name} --set signal.path=points.xyz");
    assert_eq!(notes(&desk, &truth("whole.ply")), "");
    for (name, word) in [
        ("far.ply", "does not overlap that of the points"),
        ("large.ply", "times as large as that of the points"),
    ] {
        let notes = notes(&desk, &truth(name));
        let is_named = notes.starts_with("warning: ") && notes.contains(name);
        assert!(is_named && notes.contains(word), "{notes}");
    }
    let cases: &[Case] = &[
        (
            "points.xyz",
            &["points.xyz", "expected a mesh", "`signal.truth`"],
        ),
        ("absent.ply", &["absent.ply", "No such file"]),
    ];
    for (name, words) in cases {
        assert_run_refused(&desk, &truth(name), words);
    }
    let words: &[&str] = &["--set signal.truth=whole.ply", "without `signal.path`"];
    assert_run_refused(&desk, "signal.truth=whole.ply", words);
}
