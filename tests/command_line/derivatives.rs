//! Pictures that cannot be recovered from their derivatives, or blended, and what can be done with one that was.

use image::GrayImage;

use super::{Case, desk_for, refused_then_right};
use crate::support::desk::Desk;

/// A fit of no time.
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

/// With `good.toml`, of a picture's gradient, on it.
fn desk() -> Desk {
    desk_for("poisson", GOOD_POISSON)
}

#[test]
fn what_cannot_be_recovered_or_blended_is_refused_by_name() {
    let desk = desk();
    desk.draw("first.png", 16, 16);
    desk.draw("wide.png", 16, 17);
    desk.draw("whole.png", 64, 48);
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
        refused_then_right(&desk, &line, words);
    }
}

/// Values of the last evaluation: of the picture, and of its gradient.
fn recovered(desk: &Desk, run: &str) -> [f64; 2] {
    let summary = String::from_utf8(desk.read(&format!("{run}/summary.toml"))).unwrap();
    let summary: toml::Table = summary.parse().unwrap();
    ["psnr_db", "gradient_psnr_db"].map(|name| summary["metrics"][name].as_float().unwrap())
}

#[test]
fn the_default_stencil_recovers_a_better_picture_than_the_others() {
    let desk = desk();
    let sets = "--set signal.size=32 --set field.hidden_features=64 --set field.hidden_layers=2 --set field.first_omega_0=auto --set train={steps=200,learning_rate=1e-3,schedule='cosine',muon={learning_rate=2e-3}}";
    for stencil in ["spectral", "central", "sobel"] {
        let line = format!("run good.toml --out {stencil} {sets} --set signal.stencil={stencil}");
        desk.run(&line).succeeded();
    }
    let [picture, _] = recovered(&desk, "spectral");
    for other in ["central", "sobel"] {
        let [less, _] = recovered(&desk, other);
        assert!(
            picture > less + 2.0,
            "{other}: {less} dB, spectral: {picture} dB"
        );
    }
    desk.run(&format!("run good.toml --out default {sets}"))
        .succeeded();
    assert_eq!(
        desk.read("default/metrics.csv"),
        desk.read("spectral/metrics.csv")
    );
}

#[test]
fn a_single_row_or_column_of_pixels_is_recovered_along_itself() {
    for (height, width) in [(1, 24), (24, 1), (2, 3)] {
        let desk = desk();
        desk.draw("row.png", height, width);
        desk.run("run good.toml --out run --set signal.path=row.png --set objective.laplacian=1.0")
            .succeeded();
        let value = image::image_dimensions(desk.path("run/artifacts/value.png"));
        assert_eq!(value.unwrap(), (width, height));
    }
}

#[test]
fn a_recovered_picture_is_drawn_at_any_size_and_at_its_own_as_its_artifact() {
    let desk = desk();
    desk.draw("second.png", 16, 16);
    desk.run("run good.toml --out run --set signal.blend.path=second.png")
        .succeeded();
    desk.run("render run --checkpoint last -o own.png")
        .succeeded();
    let [own, artifact] = ["own.png", "run/artifacts/value.png"].map(|name| desk.path(name));
    assert!(image::open(own).unwrap() == image::open(artifact).unwrap());
    desk.run("render run --scale 2.5 --quantity gradient -o large.png")
        .succeeded();
    let large = image::image_dimensions(desk.path("large.png"));
    assert_eq!(large.unwrap(), (40, 40));
    desk.run("resume run").succeeded();
    desk.run("export run -o a.safetensors").succeeded();
}
