//! Rendering and exporting a finished run.

use std::fs;
use std::process::Stdio;

use super::{Case, desk};
use crate::support::desk::Desk;

/// Creates a folder with a finished run `run`.
fn desk_with_run() -> Desk {
    let desk = desk();
    desk.run("run good.toml --out run").assert_success();
    desk
}

/// Returns the last value of a column of `evaluation.csv`.
fn last_evaluation(desk: &Desk, run: &str, column: &str) -> f64 {
    *desk.scores(run, &[column]).last().unwrap()
}

#[test]
fn a_run_is_rendered_at_any_size_in_all_quantities() {
    let desk = desk_with_run();
    for quantity in ["value", "gradient", "laplacian"] {
        for extension in ["png", "jpg", "webp"] {
            let file = format!("{quantity}.{extension}");
            let line = format!("render run --size 20x33 --quantity {quantity} -o {file}");
            desk.run(&line).assert_success();
            let picture = image::open(desk.path(&file)).unwrap();
            assert_eq!((picture.height(), picture.width()), (20, 33), "{file}");
        }
    }
    desk.run("render run --scale 2.5 --threads 1 -o scaled.png")
        .assert_success();
    assert_eq!(
        image::image_dimensions(desk.path("scaled.png")).unwrap(),
        (40, 40)
    );
    desk.run("render run --checkpoint last -o own.png")
        .assert_success();
    let own = image::open(desk.path("own.png")).unwrap();
    let artifact = image::open(desk.path("run/artifacts/value.png")).unwrap();
    assert!(own == artifact);
}

#[test]
fn a_bad_size_file_name_or_folder_of_a_rendered_picture_is_refused() {
    let desk = desk_with_run();
    fs::create_dir(desk.path("folder")).unwrap();
    let cases: &[Case] = &[
        ("render run --size 0x5 -o a.png", &["--size", "0x5", "HxW"]),
        ("render run --size 5 -o a.png", &["--size", "HxW"]),
        ("render run --size axb -o a.png", &["--size", "axb", "HxW"]),
        (
            "render run --size 99999x99999 -o a.png",
            &["--size", "65535"],
        ),
        ("render run --size -1x5 -o a.png", &["-1"]),
        ("render run --scale 0 -o a.png", &["--scale", "positive"]),
        ("render run --scale nan -o a.png", &["--scale", "positive"]),
        ("render run --scale 1e9 -o a.png", &["--scale", "65535"]),
        (
            "render run --quantity hessian -o a.png",
            &["--quantity", "laplacian"],
        ),
        ("render run -o a.mp4", &["a.mp4", ".png"]),
        (
            "render run -o absent/a.png",
            &["absent/a.png", "No such file"],
        ),
        (
            "render run -o absent/a.jpg",
            &["absent/a.jpg", "No such file"],
        ),
        ("render run -o folder", &["folder"]),
        ("render run -o /dev/null", &["/dev/null", "device"]),
        ("render run --threads 0 -o a.png", &["--threads", "1 to"]),
        (
            "export run -o absent/a.safetensors",
            &["absent/a.safetensors", "No such file"],
        ),
        ("export run -o folder", &["folder"]),
        (
            "export run -o field.htm",
            &["field.htm", ".html", ".onnx", ".safetensors"],
        ),
        (
            "export run --half -o field.h",
            &["--half", "field.h", ".html"],
        ),
        (
            "export run -o weights.pth",
            &["weights.pth", ".safetensors"],
        ),
    ];
    let before = desk.files("");
    for (line, words) in cases {
        desk.run(line).assert_refused(line, words);
        assert!(desk.files("") == before, "{line} left files behind");
    }
}

#[test]
fn a_closed_output_pipe_does_not_end_a_run() {
    let desk = desk();
    let mut command = desk.command("run good.toml --out run --set train.steps=50");
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(desk.path("run/summary.toml").exists());
}

#[test]
fn a_run_that_starts_from_exported_weights_starts_at_their_psnr() {
    let desk = desk_with_run();
    for name in ["weights.safetensors", "weights.SAFETENSORS"] {
        desk.run(&format!("export run --checkpoint last -o {name}"))
            .assert_success();
        let again = format!(
            "run good.toml --out again --set run.start_from={name} --set train.steps=1 --set train.learning_rate=1e-12"
        );
        desk.run(&again).assert_success();
        let (ended, started) = (
            last_evaluation(&desk, "run", "psnr_db"),
            last_evaluation(&desk, "again", "psnr_db"),
        );
        assert!(
            (ended - started).abs() < 1e-3,
            "{ended} dB, then {started} dB"
        );
        desk.remove("again");
    }
}
