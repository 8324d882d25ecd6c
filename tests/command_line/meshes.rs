//! Runs of shapes: fields without a surface, meshes of fitted shapes, points that changed, shapes far from the origin.

use std::fs;
use std::sync::LazyLock;

use super::Case;
use super::shapes::{Row, assert_refused_unchanged, ball, desk, read_mesh, write_points};
use crate::support::desk::{Desk, Files};

/// Creates a folder with `points.xyz` and a finished run `run` of it. The run is computed once.
fn desk_with_run() -> Desk {
    static FILES: LazyLock<Files> = LazyLock::new(|| {
        let desk = desk();
        write_points(&desk, "points.xyz", &ball());
        desk.run("run good.toml --out run --set signal.path=points.xyz")
            .assert_success();
        desk.files("")
    });
    let desk = desk();
    for (name, bytes) in &*FILES {
        fs::create_dir_all(desk.path(name).parent().unwrap()).unwrap();
        desk.write(name, bytes);
    }
    desk
}

#[test]
fn a_run_whose_field_has_no_surface_ends_with_a_note_and_without_a_mesh() {
    let desk = desk();
    let ended = desk
        .run("run good.toml --out run --set train.steps=1 --set objective.start.sphere.radius=3");
    let ended = ended.assert_success();
    let note = "warning: the field has no surface";
    assert!(
        ended.stderr.contains(note) && ended.stderr.contains("slices.png"),
        "{ended:#?}"
    );
    assert!(
        ended.stdout.contains("components                0.00000"),
        "{ended:#?}"
    );
    let summary = String::from_utf8(desk.read("run/summary.toml")).unwrap();
    assert!(
        summary.contains("components = 0") && summary.contains("chamfer_percent = nan"),
        "{summary}"
    );
    let artifacts: Vec<String> = desk.files("run/artifacts").into_keys().collect();
    assert_eq!(artifacts, ["gradient_norm.png", "points.png", "slices.png"]);
    desk.write("old.ply", "a file of the user");
    for output in ["new.ply", "old.ply", "new.png"] {
        let line = format!("render run --resolution 16 -o {output}");
        assert_refused_unchanged(
            &desk,
            &line,
            &["`field` is -", "so that there is a surface", "trained"],
        );
    }
    desk.run("render run --resolution 8 -o grid.npy")
        .assert_success();
    desk.run("resume run").assert_success();
}

#[test]
fn a_bad_box_level_resolution_or_name_of_a_rendered_shape_is_refused() {
    let desk = desk_with_run();
    fs::create_dir(desk.path("folder.ply")).unwrap();
    desk.write("a.ply", "a file of the user");
    let cases: &[Case] = &[
        (
            "--box 1,0,0,1,0,1 -o a.ply",
            &["--box", "X0 below X1", "1 and 0"],
        ),
        (
            "--box 0,1,0,1,0 -o a.ply",
            &["--box", "X0,X1,Y0,Y1,Z0,Z1", "found 5"],
        ),
        (
            "--box 0,1,0,one,0,1 -o a.ply",
            &["--box", "`one` is not a finite number"],
        ),
        ("--box 0,1,0,inf,0,1 -o a.ply", &["--box", "`inf`"]),
        (
            "--box 50,60,0,1,0,1 -o a.ply",
            &["--box", "overlaps that of the fit", "1.1"],
        ),
        (
            "--box=-0.1,0.1,-0.1,0.1,-0.1,0.1 -o a.ply",
            &["x -0.1", "so that there is a surface", "another box"],
        ),
        (
            "--level 9 -o a.ply",
            &["above 9", "so that there is a surface", "or level"],
        ),
        (
            "--level=-9 -o a.png",
            &["above -9", "so that there is a surface"],
        ),
        ("--level nan -o a.ply", &["--level", "finite"]),
        ("--level far -o a.ply", &["--level", "far"]),
        ("--resolution 0 -o a.ply", &["--resolution", "8 to 2048"]),
        ("--resolution 7 -o a.npy", &["--resolution", "8 to 2048"]),
        (
            "--resolution 100000 -o a.ply",
            &["--resolution", "8 to 2048"],
        ),
        (
            "--resolution 15 -o a.png",
            &["--resolution", "16 to 4096 pixels"],
        ),
        (
            "-o .foo",
            &["--output", ".foo", ".ply, .obj or .stl", ".npy", ".png"],
        ),
        ("-o .ply", &["--output", ".ply, .obj or .stl"]),
        ("-o shape", &["--output", "shape", ".ply, .obj or .stl"]),
        ("-o absent/a.ply", &["absent/a.ply", "No such file"]),
        ("-o folder.ply", &["folder.ply", "is a folder"]),
        ("--size 4x5 -o a.ply", &["--size"]),
    ];
    for (options, words) in cases {
        assert_refused_unchanged(&desk, &format!("render run --threads 1 {options}"), words);
    }
}

#[test]
fn a_fitted_shape_is_rendered_as_a_closed_mesh_a_grid_or_a_picture() {
    let desk = desk_with_run();
    desk.write("a.ply", "a file of the user, which is replaced");
    for (line, name) in [
        ("render run --resolution 20 -o a.ply", "a.ply"),
        (
            "render run --resolution 20 --checkpoint last -o a.obj",
            "a.obj",
        ),
        (
            "render run --resolution 20 --largest --level 0.1 -o A.STL",
            "A.STL",
        ),
        (
            "render run --resolution 20 --box -2,0,-2,2,-2,2 -o half.ply",
            "half.ply",
        ),
        (
            "run good.toml --out other --set signal.path=run/artifacts/mesh.ply --set train.steps=1",
            "other/artifacts/mesh.ply",
        ),
    ] {
        desk.run(line).assert_success();
        let topology = read_mesh(&desk, name).topology();
        assert!(
            topology.is_closed() && topology.is_manifold(),
            "{line}: {topology:?}"
        );
        assert_eq!(topology.components, 1, "{line}");
    }
    let height = |name: &str| read_mesh(&desk, name).bounds().high[2];
    let thicker = height("A.STL") - height("a.ply");
    assert!((thicker - 0.1).abs() < 0.03, "{thicker}");
    assert!(read_mesh(&desk, "half.ply").bounds().high[0] < 1e-9);
    desk.run("render run --resolution 8 -o a.npy")
        .assert_success();
    let grid = desk.read("a.npy");
    assert_eq!(grid.len(), 128 + 4 * 9 * 9 * 9);
    let value = |index: usize| f32::from_le_bytes(*grid[128 + 4 * index..].first_chunk().unwrap());
    let [corner, center] = [value(0), value(4 * 81 + 4 * 9 + 4)];
    assert!(corner > 0.5 && center < -0.2, "{corner} {center}");
    desk.run("render run --resolution 64 -o a.png")
        .assert_success();
    assert_eq!(
        image::image_dimensions(desk.path("a.png")).unwrap(),
        (128, 64)
    );
}

#[test]
fn a_run_of_another_kind_or_of_changed_points_is_not_continued() {
    let desk = desk();
    write_points(&desk, "points.xyz", &ball());
    desk.run("run good.toml --out run --set signal.path=points.xyz")
        .assert_success();
    let pictures = super::desk();
    pictures.run("run good.toml --out run").assert_success();
    for (name, bytes) in pictures.files("run") {
        let path = desk.path(&format!("picture/{name}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    desk.write("picture.toml", super::GOOD);
    for (line, words) in [
        (
            "render picture -o a.ply",
            ["picture/config.toml", "`kind` is image", "shape"],
        ),
        (
            "resume picture",
            ["picture/config.toml", "`kind` is image", "shape"],
        ),
        (
            "export picture -o a.safetensors",
            ["picture/config.toml", "`kind` is image", "shape"],
        ),
        (
            "run picture.toml --out new",
            ["picture.toml:2:8", "`kind` is image", "shape"],
        ),
    ] {
        assert_refused_unchanged(&desk, line, &words);
    }
    let mut moved = ball();
    moved[17][2] += 1e-3;
    write_points(&desk, "points.xyz", &moved);
    // Rendering needs no points.
    desk.run("render run --resolution 16 -o a.ply")
        .assert_success();
    fs::remove_file(desk.path("run/summary.toml")).unwrap();
    assert_refused_unchanged(&desk, "resume run", &["run", "no longer the one"]);
    write_points(&desk, "points.xyz", &ball());
    desk.run("resume run").assert_success();
}

#[test]
fn a_shape_far_from_the_origin_is_fitted_as_one_at_the_origin() {
    let desk = desk_with_run();
    let offset = [1e6, -2e6, 5e5];
    let moved = |&[x, y, z, nx, ny, nz]: &Row| {
        let [dx, dy, dz] = offset;
        [x + dx, y + dy, z + dz, nx, ny, nz]
    };
    write_points(
        &desk,
        "far.xyz",
        &ball().iter().map(moved).collect::<Vec<Row>>(),
    );
    let ended = desk.run("run good.toml --out far --set signal.path=far.xyz");
    ended.assert_success();
    let metrics = |run: &str| -> toml::Table {
        let text = String::from_utf8(desk.read(&format!("{run}/summary.toml"))).unwrap();
        let summary: toml::Table = text.parse().unwrap();
        summary["metrics"].as_table().unwrap().clone()
    };
    let (near, far) = (metrics("run"), metrics("far"));
    assert!(near.len() == far.len() && near["chamfer_percent"].as_float() > Some(0.0));
    for (name, value) in &near {
        let [near, far] = [value, &far[name]].map(|value| value.as_float().unwrap());
        assert!(
            (near - far).abs() <= 1e-3 * near.abs().max(0.1),
            "{name}: {near} {far}"
        );
    }
    let [near, far] =
        ["run", "far"].map(|run| read_mesh(&desk, &format!("{run}/artifacts/mesh.ply")));
    assert_eq!(near.faces, far.faces);
    for (near, far) in near.vertices.iter().zip(&far.vertices) {
        for axis in 0..3 {
            let error = far[axis] - offset[axis] - near[axis];
            assert!(error.abs() < 2e-6, "{near:?} {far:?}");
        }
    }
    let extents = far.bounds().extents();
    assert!(
        extents.iter().all(|side| (0.5..3.0).contains(side)),
        "{extents:?}"
    );
    let words: &[&str] = &["a.stl", "far from the origin", ".ply or .obj"];
    assert_refused_unchanged(&desk, "render far --resolution 16 -o a.stl", words);
}
