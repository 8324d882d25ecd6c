//! Pictures that cannot be recovered from their derivatives or blended, and rendering of recovered pictures.

use image::GrayImage;

use super::{Case, assert_refused_cleanly, desk_for};
use crate::support::desk::Desk;

/// A valid config of a picture's gradient whose training takes a fraction of a second.
const GOOD_POISSON: &str = "
kind = 'poisson'
[signal]
size = 16
[field]
hidden_features = 8
hidden_layers = 1
[train]
steps = 3
[run]
evaluate_every = 2
";

/// Creates a folder for runs of the kind `poisson` that holds `good.toml`.
fn desk() -> Desk {
    desk_for("poisson", GOOD_POISSON)
}

#[test]
fn pictures_that_cannot_be_recovered_or_blended_are_refused_by_name() {
    let desk = desk();
    desk.write_picture("first.png", 16, 16);
    desk.write_picture("wide.png", 16, 17);
    desk.write_picture("whole.png", 64, 48);
    let whole = desk.read("whole.png");
    desk.write("cut.png", &whole[..whole.len() / 2]);
    for (name, height, gray) in [("black.png", 16, 0), ("flat.png", 9, 77)] {
        let flat = GrayImage::from_pixel(16, height, image::Luma([gray]));
        flat.save(desk.path(name)).unwrap();
    }
    let cases: &[Case] = &[
        (
            "signal={path='first.png',blend={path='wide.png'}}",
            &["wide.png", "16 × 17", "16 × 16", "signal.crop"],
        ),
        (
            "signal={path='first.png',blend={path='cut.png'}}",
            &["cut.png", "cut short"],
        ),
        (
            "signal={path='first.png',blend={path='first.png',mask='black.png'}}",
            &["black.png", "nothing of the second picture"],
        ),
        (
            "signal={path='first.png',blend={path='first.png',mask='wide.png'}}",
            &["wide.png", "the mask", "16 × 16"],
        ),
        (
            "signal={path='first.png',blend={path='first.png',weight=1.5}}",
            &["signal.blend.weight", "1.5", "0 to 1"],
        ),
        (
            "signal={path='first.png',blend={path='first.png',weight=0.5,mask='black.png'}}",
            &["signal.blend.weight", "either `weight` or `mask`"],
        ),
        (
            "signal={path='flat.png'}",
            &["flat.png", "same color everywhere"],
        ),
        ("signal.size=1", &["signal.size", "more than one pixel"]),
        (
            "signal={path='first.png',scaling='pixels'}",
            &["pixels", "coordinate"],
        ),
        (
            "objective={gradient=0.0}",
            &["objective.gradient", "positive weight"],
        ),
        (
            "objective.laplacian=nan",
            &["objective.laplacian", "at least 0"],
        ),
        (
            "objective.anchor={pixels={mask='black.png'}}",
            &["objective.anchor.pixels", "at least one pixel"],
        ),
        (
            "objective.anchor={pixels={fraction=0.0}}",
            &["objective.anchor.pixels.fraction", "above 0"],
        ),
    ];
    for (set, words) in cases {
        let line = format!("run good.toml --out run --set {set}");
        assert_refused_cleanly(&desk, &line, words);
    }
}

/// Returns the final PSNR of a run in dB: of the picture, and of its gradient.
fn final_psnr_db(desk: &Desk, run: &str) -> [f64; 2] {
    let summary = String::from_utf8(desk.read(&format!("{run}/summary.toml"))).unwrap();
    let summary: toml::Table = summary.parse().unwrap();
    ["psnr_db", "gradient_psnr_db"].map(|name| summary["metrics"][name].as_float().unwrap())
}

#[test]
fn the_default_stencil_gives_a_higher_psnr_than_the_others() {
    let desk = desk();
    let sets = "--set signal.size=32 --set field.hidden_features=64 --set field.hidden_layers=2 --set field.first_omega_0=auto --set train={steps=200,learning_rate=1e-3,schedule='cosine',optimizer={muon={learning_rate=2e-3}}}";
    for stencil in ["spectral", "central", "sobel"] {
        let line = format!("run good.toml --out {stencil} {sets} --set signal.stencil={stencil}");
        desk.run(&line).assert_success();
    }
    let [spectral, _] = final_psnr_db(&desk, "spectral");
    for other in ["central", "sobel"] {
        let [psnr_db, _] = final_psnr_db(&desk, other);
        assert!(
            spectral > psnr_db + 2.0,
            "{other}: {psnr_db} dB, spectral: {spectral} dB"
        );
    }
    desk.run(&format!("run good.toml --out default {sets}"))
        .assert_success();
    assert_eq!(
        desk.read("default/metrics.csv"),
        desk.read("spectral/metrics.csv")
    );
}

#[test]
fn a_picture_with_a_single_row_or_column_of_pixels_is_recovered() {
    for (height, width) in [(1, 24), (24, 1), (2, 3)] {
        let desk = desk();
        desk.write_picture("row.png", height, width);
        desk.run("run good.toml --out run --set signal.path=row.png --set objective.laplacian=1.0")
            .assert_success();
        let value = image::image_dimensions(desk.path("run/artifacts/value.png"));
        assert_eq!(value.unwrap(), (width, height));
    }
}

#[test]
fn a_recovered_picture_is_rendered_at_any_size_and_at_its_own_size_equals_its_artifact() {
    let desk = desk();
    desk.write_picture("second.png", 16, 16);
    desk.run("run good.toml --out run --set signal.blend.path=second.png")
        .assert_success();
    desk.run("render run --checkpoint last -o own.png")
        .assert_success();
    let [own, artifact] = ["own.png", "run/artifacts/value.png"].map(|name| desk.path(name));
    assert!(image::open(own).unwrap() == image::open(artifact).unwrap());
    desk.run("render run --scale 2.5 --quantity gradient -o large.png")
        .assert_success();
    let large = image::image_dimensions(desk.path("large.png"));
    assert_eq!(large.unwrap(), (40, 40));
    desk.run("resume run").assert_success();
    desk.run("export run -o a.safetensors").assert_success();
}
