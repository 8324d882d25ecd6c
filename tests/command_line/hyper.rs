//! Folders that are no set of pictures, splits that do not fit them, and what can be done with a learned space of pictures.

use std::fs;

use image::{GrayImage, Luma};

use super::{Case, desk_for, refused_then_right};
use crate::support::desk::Desk;

/// Learned in no time.
const GOOD_SPACE: &str = "
kind = 'hyper'
[signal]
size = 8
pictures = 8
batch = 3
context = [3, 20]
[field]
hidden_features = 8
hidden_layers = 1
[model]
encoder_features = 8
latent_features = 6
hyper_features = 8
fit_steps = 3
[train]
steps = 3
[run]
evaluate_every = 2
";

/// With `good.toml`, of a set of pictures, on it.
fn desk() -> Desk {
    desk_for("hyper", GOOD_SPACE)
}

#[test]
fn a_folder_that_is_no_set_of_pictures_is_refused_by_name() {
    let desk = desk();
    fs::create_dir(desk.path("empty")).unwrap();
    desk.film("one", 1, 16);
    desk.film("six", 6, 16);
    desk.film("broken", 4, 16);
    desk.write("broken/2.png", "This is not a picture.\n");
    desk.film("tall", 3, 16);
    desk.draw("tall/3.png", 3, 16);
    let cases: &[Case] = &[
        ("path=absent", &["absent", "No such file"]),
        ("path=empty", &["empty", "has no pictures", "PNG"]),
        ("path=one", &["one", "at least 3 pictures", "there are 1"]),
        ("path=broken", &["broken/2.png", "not a picture"]),
        (
            "path=six --set signal.split.together=3",
            &["six", "at least 3 pictures", "`signal.split.together = 3`"],
        ),
        ("path=good.toml", &["good.toml", "Not a directory"]),
        ("pictures=2", &["--set signal.pictures=2", "3 to"]),
        ("size=3", &["--set signal.size=3", "4 to 256"]),
        ("batch=0", &["--set signal.batch=0", "1 to"]),
        (
            "context=[3,65]",
            &["--set signal.context", "at most the 64 that"],
        ),
        (
            "context=[5,5]",
            &["--set signal.context", "below the second"],
        ),
        (
            "split.test=0.95",
            &["signal.split", "leaves something to train on"],
        ),
        (
            "split.file=good.toml",
            &["good.toml", "give `signal.path` too"],
        ),
    ];
    for (set, words) in cases {
        refused_then_right(
            &desk,
            &format!("run good.toml --out run --set signal.{set}"),
            words,
        );
    }
    // Whatever the sizes, each picture is its middle square.
    desk.run("run good.toml --out run --set signal.path=tall")
        .succeeded();
}

#[test]
fn a_split_file_that_does_not_fit_the_folder_is_refused_by_its_line() {
    let desk = desk();
    desk.film("six", 6, 16);
    let good = "0.png 0\n1.png 0\n2.png 1\n3.png 2\n\n";
    for (text, words) in [
        (
            "0.png 0\n7.png 1\n8.png 2\n",
            &["names 2 pictures that are not in", "`7.png`"] as &[&str],
        ),
        ("0.png 0\n1.png 3\n", &["line 2", "2 (test)", "`1.png 3`"]),
        ("0.png\n", &["line 1", "the name of a picture"]),
        ("0.png 0\n1.png 1\n", &["no picture for test (2)"]),
        (
            "0.png 0\n0.png 1\n1.png 2\n",
            &["line 2", "`0.png` has a line already"],
        ),
    ] {
        desk.write("split.txt", text);
        let line =
            "run good.toml --out run --set signal.path=six --set signal.split.file=split.txt";
        refused_then_right(&desk, line, words);
    }
    desk.write("split.txt", good);
    desk.run("run good.toml --out run --set signal.path=six --set signal.split.file=split.txt")
        .succeeded();
}

#[test]
fn a_model_that_cannot_be_is_refused_by_its_key() {
    let desk = desk();
    let cases: &[Case] = &[
        ("model.encoder=sett", &["--set model.encoder=sett", "set"]),
        ("model.rank=0", &["--set model.rank=0", "1 to"]),
        (
            "model.encoder=auto_decoder --set model.codes=3",
            &["model.codes", "6, the number of training pictures"],
        ),
        ("field.encoding=rbf", &["field.encoding", "centers"]),
        ("field.learn_omega=true", &["field.learn_omega", "false"]),
        (
            "field.first_omega_0=auto",
            &["first_omega_0", "no spectrum"],
        ),
        (
            "objective.weight_prior=-1",
            &["--set objective.weight_prior=-1", "at least 0"],
        ),
        (
            "model.hyper_features=16384 --set field.hidden_features=4096",
            &["model.hyper_features", "parameters at most"],
        ),
    ];
    for (set, words) in cases {
        refused_then_right(
            &desk,
            &format!("run good.toml --out run --set {set}"),
            words,
        );
    }
}

#[test]
fn pictures_of_mixed_sizes_and_colors_are_learned_together_by_every_model() {
    let desk = desk();
    desk.film("mixed", 4, 16);
    desk.draw("mixed/wide.png", 10, 30);
    let gray = GrayImage::from_fn(20, 12, |x, y| Luma([(x * 7 + y) as u8]));
    gray.save(desk.path("mixed/gray.png")).unwrap();
    desk.write("mixed/notes.txt", "No picture, and none is expected.\n");
    for encoder in ["set", "conv", "partial_conv", "auto_decoder"] {
        for hypernetwork in ["full", "low_rank", "shift"] {
            let sets =
                format!("--set model.encoder={encoder} --set model.hypernetwork={hypernetwork}");
            desk.run(&format!(
                "run good.toml --out run --set signal.path=mixed {sets}"
            ))
            .succeeded();
            desk.run("render run --picture mixed/gray.png --context 20 --scale 3 --seen seen.png -o a.png")
                .succeeded();
            let [drawn, seen] =
                ["a.png", "seen.png"].map(|name| image::open(desk.path(name)).unwrap());
            assert_eq!((drawn.width(), seen.width()), (24, 8), "{sets}");
            let dull = seen
                .to_luma8()
                .pixels()
                .filter(|pixel| pixel.0[0] == 128)
                .count();
            assert!(
                (44..=48).contains(&dull),
                "{sets}: {dull} pixels are not seen"
            );
            desk.remove("run");
        }
    }
}

#[test]
fn what_is_asked_of_a_learned_space_is_drawn_or_refused() {
    let desk = desk();
    desk.run("run good.toml --out run").succeeded();
    desk.draw("a.png", 20, 30);
    desk.draw("b.png", 9, 9);
    let black = GrayImage::new(8, 8);
    black.save(desk.path("black.png")).unwrap();
    for (options, width, height) in [
        ("", 8, 8),
        ("--to b.png --frames 3", 3 * 9 - 1, 8),
        ("--extent 5 --scale 4", 32, 32),
        ("--mask b.png --fit 2", 8, 8),
    ] {
        desk.run(format!("render run --picture a.png -o out.png {options}").trim_end())
            .succeeded();
        let picture = image::open(desk.path("out.png")).unwrap();
        assert_eq!(
            (picture.width(), picture.height()),
            (width, height),
            "{options}"
        );
    }
    let cases: &[Case] = &[
        (
            "--context 65",
            &["--context", "65", "1 to 64", "8 × 8 pixels"],
        ),
        ("--context 0", &["--context", "1 to 64"]),
        ("--mask black.png", &["black.png", "shows nothing"]),
        ("--mask absent.png", &["absent.png", "No such file"]),
        ("--scale 0", &["--scale", "at least 1"]),
        ("--scale 1000", &["--scale", "4096"]),
        ("--extent 0", &["--extent", "above 0"]),
        ("--to b.png --frames 1", &["--frames", "2 to 1000"]),
        ("--to black.toml", &["black.toml", "No such file"]),
    ];
    for (options, words) in cases {
        let line = format!("render run --picture a.png -o new.png {options}");
        desk.run(&line).refused(&line, words);
        assert!(!desk.path("new.png").exists());
    }
}
