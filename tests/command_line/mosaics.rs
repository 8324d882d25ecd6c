//! Runs whose field is a mosaic: what they write, and what is refused.

use super::{assert_refused_cleanly, desk_for};
use crate::support::desk::Desk;

/// Tables of a run whose tiles have four samples a side.
const TILES: &str = "
[field]
hidden_features = 8
hidden_layers = 1
mosaic = { tile = 4, overlap = 2 }
[train]
steps = 6
[run]
evaluate_every = 2
";

/// Creates a folder with a config and a picture.
fn desk_with_picture() -> Desk {
    let signal = "path = 'source.png'\nsampling = { share = 0.5 }";
    let desk = desk_for(
        "image",
        &format!("kind = 'image'\n[signal]\n{signal}\n{TILES}"),
    );
    desk.write_picture("source.png", 12, 16);
    desk
}

#[test]
fn a_mosaic_is_rendered_at_any_size_and_exported_in_every_format() {
    let desk = desk_with_picture();
    desk.run("run good.toml --out run").assert_success();
    desk.run("render run --size 30x50 --quantity laplacian -o curves.png")
        .assert_success();
    for (name, word) in [
        ("field.safetensors", "siren.saved"),
        ("field.html", "\"tiles\":[{\"count\":3,"),
        ("field.glsl", "field_tiles[2] = int[2](3, 4)"),
        ("field.onnx", "Loop"),
        ("field.h", "field_tiles[2] = { 3, 4 }"),
    ] {
        let line = format!("export run -o {name}");
        desk.run(&line).assert_success();
        let bytes = std::fs::read(desk.path(name)).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains(word), "{name}");
    }
}

#[test]
fn a_mosaic_of_more_constants_than_glsl_holds_is_refused_with_their_number() {
    let desk = desk_with_picture();
    desk.run("run good.toml --out run --set field.hidden_features=64 --set field.hidden_layers=2")
        .assert_success();
    // 12 tiles of 64 · 2 + 64 + 2 (64 · 64 + 64) + 3 · 64 + 3 parameters.
    desk.run("export run -o field.glsl").assert_refused(
        "glsl",
        &["104484", "16384", "field.mosaic.parameters", ".html"],
    );
    assert!(!desk.path("field.glsl").exists());
}

#[test]
fn a_mosaic_that_does_not_fit_its_signal_is_refused_with_the_key() {
    let desk = desk_with_picture();
    for (set, words) in [
        ("tile=13", ["field.mosaic.tile", "at most 12"]),
        ("tile=1", ["field.mosaic.tile", "at least 2"]),
        ("tile=[4,4,4]", ["field.mosaic", "2"]),
        ("tile=0.5", ["field.mosaic.tile", "a number of samples"]),
        ("overlap=4", ["field.mosaic.overlap", "below 4"]),
        ("overlap=0", ["field.mosaic.overlap", "1 to"]),
        ("overlap=nan", ["field.mosaic.overlap", "1 to"]),
        ("tiles=4", ["field.mosaic", "tile"]),
    ] {
        let line = format!("run good.toml --out run --set field.mosaic.{set}");
        assert_refused_cleanly(&desk, &line, &words);
    }
    let budget = "run good.toml --out run --set field.mosaic={parameters=20}";
    assert_refused_cleanly(&desk, budget, &["field.mosaic.parameters", "at least"]);
    let device = "run good.toml --out run --set signal.sampling={share=1.5}";
    assert_refused_cleanly(&desk, device, &["signal.sampling.share", "at most 1"]);
}

#[test]
fn a_computed_width_is_written_into_the_config_of_the_run_and_resumes() {
    let desk = desk_with_picture();
    // 12 tiles of 371 parameters at a width of 16, and of 1,251 at 32.
    desk.run("run good.toml --out run --set field.hidden_features=auto --set field.mosaic.parameters=5000")
        .assert_success();
    let written = std::fs::read_to_string(desk.path("run/config.toml")).unwrap();
    assert!(written.contains("hidden_features = 16"), "{written}");
    desk.run("resume run").assert_success();
    desk.remove("run");
    let line = "run good.toml --out run --set field={hidden_features='auto'}";
    assert_refused_cleanly(&desk, line, &["field.hidden_features", "field.mosaic"]);
}

#[test]
fn the_mean_as_last_bias_brings_the_first_evaluation_closer_to_the_picture() {
    let desk = desk_with_picture();
    let first_psnr = |last_bias: &str| {
        let line = format!("run good.toml --out {last_bias} --set field.last_bias={last_bias}");
        desk.run(&line).assert_success();
        desk.scores(last_bias, &["psnr_db"])[0]
    };
    let [drawn, mean] = ["drawn", "mean"].map(first_psnr);
    assert!(mean > drawn + 1.0, "{mean} {drawn}");
}

#[test]
fn kinds_whose_points_have_no_known_values_refuse_the_mean_as_last_bias() {
    for kind in ["hyper", "poisson", "shape", "wave"] {
        let desk = Desk::of_kind(kind);
        let text = format!("kind = '{kind}'\n[field]\nlast_bias = 'mean'\n[train]\nsteps = 2\n");
        desk.write("mean.toml", text);
        for line in ["run mean.toml --out run", "check mean.toml"] {
            desk.run(line)
                .assert_refused(kind, &["mean.toml:3", "field.last_bias", "drawn"]);
        }
        assert!(!desk.path("run").exists(), "{kind}");
    }
}

#[test]
fn sounds_and_clips_start_at_their_mean_when_asked() {
    for kind in ["audio", "video"] {
        let desk = Desk::of_kind(kind);
        let first_psnr = |last_bias: &str| {
            let text = format!(
                "kind = '{kind}'\n[field]\nhidden_features = 4\nlast_bias = '{last_bias}'\n[train]\nsteps = 1\nlearning_rate = 1e-20\n"
            );
            desk.write("start.toml", text);
            desk.run(&format!("run start.toml --out {last_bias}"))
                .assert_success();
            desk.scores(last_bias, &["psnr_db"])[0]
        };
        let [drawn, mean] = ["drawn", "mean"].map(first_psnr);
        assert!(mean > drawn, "{kind}: {mean} {drawn}");
    }
}

#[test]
fn kinds_without_a_grid_refuse_a_mosaic() {
    for kind in ["shape", "wave", "hyper"] {
        let desk = Desk::of_kind(kind);
        let text =
            format!("kind = '{kind}'\n[field]\nmosaic = {{ tile = 4 }}\n[train]\nsteps = 2\n");
        desk.write("mosaic.toml", text);
        desk.run("run mosaic.toml --out run")
            .assert_refused(kind, &["field.mosaic"]);
        assert!(!desk.path("run").exists(), "{kind}");
    }
}

#[test]
fn a_picture_of_one_pixel_is_fitted_by_one_tile() {
    let desk = desk_with_picture();
    desk.write_picture("source.png", 1, 1);
    desk.run("run good.toml --out run --set field.mosaic={overlap=2}")
        .assert_success();
}

#[test]
fn a_mosaic_with_a_time_budget_refuses_bfloat16_with_the_line_of_the_config() {
    let desk = Desk::of_kind("image");
    let text = "kind = 'image'\n[signal]\nsize = 24\n[field]\nmosaic = { tile = 8 }\n[train]\nseconds = 1\nprecision = 'bf16_emulated'\n";
    desk.write("small.toml", text);
    let words = ["small.toml:8", "train.precision", "field.mosaic"];
    desk.run("run small.toml --out run")
        .assert_refused("a budget", &words);
    assert!(!desk.path("run").exists());
}

#[test]
fn losses_whose_tiles_cannot_rest_are_refused_by_check_and_run_with_the_line() {
    for (kind, tables, words) in [
        ("image", "[signal]\nsize = 24", "without `field.mosaic`"),
        (
            "image",
            "[signal]\nsize = 24\n[objective]\nprior = { total_variation = 0.1 }\n[field.mosaic]\ntile = 8",
            "2 constraints",
        ),
        (
            "poisson",
            "[signal]\nsize = 24\n[field.mosaic]\ntile = 8",
            "needs derivatives",
        ),
        ("hyper", "", "no tiles"),
        ("shape", "", "without `field.mosaic`"),
    ] {
        let desk = Desk::of_kind(kind);
        let text = format!("kind = '{kind}'\n[train]\nrest_db = 40\nsteps = 2\n{tables}\n");
        desk.write("resting.toml", text);
        for line in ["check resting.toml", "run resting.toml --out run"] {
            let words = ["resting.toml:3", "`train.rest_db` is 40", words];
            desk.run(line).assert_refused(kind, &words);
        }
        assert!(!desk.path("run").exists(), "{kind}");
    }
}

#[test]
fn a_picture_ends_with_its_last_tile_and_says_so() {
    let desk = desk_with_picture();
    let line = "run good.toml --out run --set train.steps=500 --set train.rest_db=1";
    let run = desk.run(line).assert_success();
    assert!(run.stdout.starts_with("50 steps in "), "{run:?}");
    assert!(run.stdout.contains("all 12 tiles rest"), "{run:?}");
    let again = desk.run("resume run").assert_success();
    assert!(again.stdout.contains("is finished"), "{again:?}");
}
