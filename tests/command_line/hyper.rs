//! Sets of pictures: folders and splits that are refused, how pictures are split, and reconstruction with a trained model.

use std::fs;

use image::{GrayImage, Luma};
use siren_hyper::dataset::Dataset;
use siren_hyper::signal::Hyper;
use siren_run::ConfigOf;

use super::{Case, assert_refused_cleanly, desk_for};
use crate::support::desk::Desk;

/// A valid config of a set of pictures whose training takes a fraction of a second.
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

/// Creates a folder for runs of the kind `hyper` that holds `good.toml`.
fn desk() -> Desk {
    desk_for("hyper", GOOD_SPACE)
}

#[test]
fn a_folder_that_is_not_a_set_of_pictures_is_refused_by_name() {
    let desk = desk();
    fs::create_dir(desk.path("empty")).unwrap();
    desk.write_clip("one", 1, 16);
    desk.write_clip("six", 6, 16);
    desk.write_clip("broken", 4, 16);
    desk.write("broken/2.png", "This is not a picture.\n");
    desk.write_clip("tall", 3, 16);
    fs::create_dir(desk.path("people")).unwrap();
    desk.write_clip("people/anna", 4, 16);
    desk.write_clip("people/bert", 4, 16);
    desk.write_clip("both", 3, 16);
    desk.write_clip("both/more", 3, 16);
    desk.write_picture("tall/3.png", 3, 16);
    let cases: &[Case] = &[
        ("path=absent", &["absent", "No such file"]),
        ("path=empty", &["empty", "has no pictures", "PNG"]),
        ("path=one", &["one", "at least 3 pictures", "there are 1"]),
        ("path=broken", &["broken/2.png", "not a picture"]),
        (
            "path=six --set signal.split.together=3",
            &["six", "at least 3 pictures", "`signal.split.together = 3`"],
        ),
        (
            "path=people",
            &["people", "at least 3 folders of pictures", "there are 2"],
        ),
        (
            "path=people --set signal.split.together=3",
            &["signal.split.together", "absent", "each folder in"],
        ),
        ("path=both", &["both", "has pictures (3)", "`more`"]),
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
        assert_refused_cleanly(
            &desk,
            &format!("run good.toml --out run --set signal.{set}"),
            words,
        );
    }
    // Each picture is cropped to the square at its center, so sizes may differ.
    desk.run("run good.toml --out run --set signal.path=tall")
        .assert_success();
}

#[test]
fn a_split_file_that_does_not_match_the_folder_is_refused_by_its_line() {
    let desk = desk();
    desk.write_clip("six", 6, 16);
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
        assert_refused_cleanly(&desk, line, words);
    }
    desk.write("split.txt", good);
    desk.run("run good.toml --out run --set signal.path=six --set signal.split.file=split.txt")
        .assert_success();
}

/// Splits a set of pictures of one shade each, and returns the shades of training, validation and test.
///
/// `sets` holds overrides of the config, separated by spaces.
fn split_shades(desk: &Desk, sets: &str) -> [Vec<usize>; 3] {
    let config = String::from_utf8(desk.read("good.toml")).unwrap();
    let overrides: Vec<String> = sets.split_whitespace().map(str::to_owned).collect();
    let source = siren_core::config::Source {
        origin: "good.toml".to_owned(),
        text: config,
    };
    let mut config = ConfigOf::<Hyper>::parse(&source, "hyper", &overrides).unwrap();
    config.signal.path = config
        .signal
        .path
        .map(|path| desk.path(path.to_str().unwrap()));
    config.signal.split.file = config
        .signal
        .split
        .file
        .map(|path| desk.path(path.to_str().unwrap()));
    let set = Dataset::open(&config.signal).unwrap();
    let shade = |at: &usize| usize::from(set.bytes(*at)[0]);
    set.split()
        .parts()
        .map(|part| part.iter().map(shade).collect())
}

/// Writes pictures of one gray shade each: the first of shade 0, the next of shade 1, and so on.
fn write_flat_pictures(desk: &Desk, names: impl Iterator<Item = String>) {
    for (shade, name) in names.enumerate() {
        let path = desk.path(&name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        GrayImage::from_pixel(9, 8, Luma([shade as u8]))
            .save(path)
            .unwrap();
    }
}

#[test]
fn neighbors_in_natural_order_stay_in_one_part_of_the_split() {
    let desk = desk();
    for (folder, name) in [
        ("plain", (|at| format!("{at}.png")) as fn(usize) -> String),
        ("padded", |at| format!("{at:04}.png")),
        ("named", |at| format!("face {at} of 30.png")),
        ("long", |at| format!("2026112607{at}.png")),
        ("double", |at| format!("p{}-{}.png", at / 10, at % 10)),
    ] {
        write_flat_pictures(&desk, (0..30).map(|at| format!("{folder}/{}", name(at))));
        desk.write(&format!("{folder}/._{}", name(3)), "no picture");
        let parts = split_shades(
            &desk,
            &format!("signal.path={folder} signal.split.together=10"),
        );
        assert_eq!(parts.each_ref().map(Vec::len), [10, 10, 10], "{folder}");
        for part in &parts {
            let person = part[0] / 10;
            assert!(
                part.iter().copied().eq(person * 10..person * 10 + 10),
                "{folder}: {part:?}"
            );
        }
    }
}

#[test]
fn the_pictures_of_a_subfolder_stay_in_one_part_of_the_split() {
    let desk = desk();
    // Six people with 1, 2, … 6 pictures. Shade 10 p + k is picture k of person p.
    let names = |set: &str| {
        let all = (0..60).map(|at| (at / 10, at % 10));
        let set = set.to_owned();
        all.map(move |(p, k)| format!("{set}/s{}/{k}.pgm", p + 6))
    };
    write_flat_pictures(&desk, names("people"));
    for (person, pictures) in (6..12).zip(1..) {
        for k in pictures..10 {
            fs::remove_file(desk.path(&format!("people/s{person}/{k}.pgm"))).unwrap();
        }
    }
    desk.write("people/.DS_Store", "");
    desk.write("people/README", "");
    fs::create_dir(desk.path("people/empty")).unwrap();
    let parts = split_shades(&desk, "signal.path=people");
    let mut people: Vec<Vec<usize>> = Vec::new();
    for part in &parts {
        let mut own: Vec<usize> = part.iter().map(|shade| shade / 10).collect();
        own.dedup();
        for person in &own {
            let expected = 10 * person..10 * person + person + 1;
            let found = part.iter().copied().filter(|shade| shade / 10 == *person);
            assert!(found.eq(expected), "{part:?}");
        }
        people.push(own);
    }
    assert_eq!(people.iter().map(Vec::len).collect::<Vec<_>>(), [4, 1, 1]);
    let mut all = people.concat();
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3, 4, 5]);
    // A split file names such pictures `folder/name`.
    desk.write(
        "split.csv",
        "\u{feff}image,part\r\ns6/0.pgm,0\r\n\"s7/1.pgm\",1\r\ns11/5.pgm,2\r\n",
    );
    let parts = split_shades(&desk, "signal.path=people signal.split.file=split.csv");
    assert_eq!(parts, [vec![0], vec![11], vec![55]]);
    desk.run("run good.toml --out run --set signal.path=people")
        .assert_success();
}

#[test]
fn a_transparent_mask_selects_the_same_pixels_as_an_opaque_one() {
    let desk = desk();
    desk.run("run good.toml --out run").assert_success();
    desk.write_picture("a.png", 8, 8);
    let opaque = |x, y| Luma([if x < 3 && y < 5 { 255_u8 } else { 0 }]);
    GrayImage::from_fn(8, 8, opaque)
        .save(desk.path("opaque.png"))
        .unwrap();
    let painted = |x, y| image::LumaA([255, opaque(x, y).0[0]]);
    image::ImageBuffer::from_fn(8, 8, painted)
        .save(desk.path("painted.png"))
        .unwrap();
    for mask in ["opaque", "painted"] {
        let line = format!(
            "render run --picture a.png --mask {mask}.png --seen {mask}-seen.png -o {mask}-out.png"
        );
        desk.run(&line).assert_success();
    }
    assert_eq!(desk.read("painted-seen.png"), desk.read("opaque-seen.png"));
    assert_eq!(desk.read("painted-out.png"), desk.read("opaque-out.png"));
}

#[test]
fn an_invalid_model_is_refused_by_its_key() {
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
            &["first_omega_0", "set of pictures", "no spectrum"],
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
        assert_refused_cleanly(
            &desk,
            &format!("run good.toml --out run --set {set}"),
            words,
        );
    }
}

#[test]
fn every_model_is_trained_on_pictures_of_mixed_sizes_and_colors() {
    let desk = desk();
    desk.write_clip("mixed", 4, 16);
    desk.write_picture("mixed/wide.png", 10, 30);
    let gray = GrayImage::from_fn(20, 12, |x, y| Luma([(x * 7 + y) as u8]));
    gray.save(desk.path("mixed/gray.png")).unwrap();
    desk.write("mixed/notes.txt", "This is not a picture.\n");
    for encoder in ["set", "conv", "partial_conv", "auto_decoder"] {
        for hypernetwork in ["full", "low_rank", "shift"] {
            let sets =
                format!("--set model.encoder={encoder} --set model.hypernetwork={hypernetwork}");
            desk.run(&format!(
                "run good.toml --out run --set signal.path=mixed {sets}"
            ))
            .assert_success();
            desk.run("render run --picture mixed/gray.png --context 20 --scale 3 --seen seen.png -o a.png")
                .assert_success();
            let [drawn, seen] =
                ["a.png", "seen.png"].map(|name| image::open(desk.path(name)).unwrap());
            assert_eq!((drawn.width(), seen.width()), (24, 8), "{sets}");
            let hidden = seen
                .to_luma8()
                .pixels()
                .filter(|pixel| pixel.0[0] == 128)
                .count();
            assert!(
                (44..=48).contains(&hidden),
                "{sets}: {hidden} pixels are hidden, expected 44 to 48"
            );
            desk.remove("run");
        }
    }
}

#[test]
fn render_options_of_a_trained_model_are_applied_or_refused() {
    let desk = desk();
    desk.run("run good.toml --out run").assert_success();
    desk.write_picture("a.png", 20, 30);
    desk.write_picture("b.png", 9, 9);
    let black = GrayImage::new(8, 8);
    black.save(desk.path("black.png")).unwrap();
    for (options, width, height) in [
        ("", 8, 8),
        ("--to b.png --frames 3", 3 * 9 - 1, 8),
        ("--extent 5 --scale 4", 32, 32),
        ("--mask b.png --fit 2", 8, 8),
    ] {
        desk.run(format!("render run --picture a.png -o out.png {options}").trim_end())
            .assert_success();
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
        ("--mask black.png", &["black.png", "marks no pixel"]),
        ("--mask absent.png", &["absent.png", "No such file"]),
        ("--scale 0", &["--scale", "at least 1"]),
        ("--scale 1000", &["--scale", "4096"]),
        ("--extent 0", &["--extent", "above 0"]),
        ("--to b.png --frames 1", &["--frames", "2 to 1000"]),
        ("--to black.toml", &["black.toml", "No such file"]),
    ];
    for (options, words) in cases {
        let line = format!("render run --picture a.png -o new.png {options}");
        desk.run(&line).assert_refused(&line, words);
        assert!(!desk.path("new.png").exists());
    }
}
