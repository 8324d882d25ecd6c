//! Run folders that were moved, whose source file is gone, or that an older version of the program wrote.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use safetensors::tensor::{SafeTensors, TensorView};

use super::desk_for;
use crate::support::desk::{Desk, files_under};

/// A config whose training takes a fraction of a second, its source, and ways to render its run.
struct Example {
    kind: &'static str,
    /// TOML text of the tables that differ from example to example.
    tables: &'static str,
    /// Name of the file or folder that is fitted.
    source: &'static str,
    /// Writes the source.
    make_source: fn(&Desk),
    /// Options of `render`, and the name of the file or folder that it writes.
    renders: &'static [(&'static str, &'static str)],
}

const SIZES: &[(&str, &str)] = &[
    ("", "own.png"),
    ("--checkpoint last", "last.png"),
    ("--scale 2.5 --quantity gradient", "slopes.png"),
    ("--size 7x9 --quantity laplacian", "curves.png"),
];
const CLIPS: &[(&str, &str)] = &[
    ("", "frames"),
    ("--fps 40 --size 6x8", "fast"),
    ("", "clip.gif"),
];
const PICTURES: &[(&str, &str)] = &[
    ("--picture given.png", "seen.png"),
    ("--picture given.png --context 20 --scale 2", "part.png"),
    ("--picture given.png --to other.png --frames 3", "strip.png"),
];

const EXAMPLES: &[Example] = &[
    Example {
        kind: "image",
        tables: "[signal]\npath = 'source.png'\ncoordinates = 'aspect'\nobserved = { fraction = 0.5 }",
        source: "source.png",
        make_source: |desk| desk.write_picture("source.png", 12, 16),
        renders: SIZES,
    },
    Example {
        kind: "poisson",
        tables: "[signal]\npath = 'source.png'",
        source: "source.png",
        make_source: |desk| desk.write_picture("source.png", 12, 16),
        renders: SIZES,
    },
    Example {
        kind: "shape",
        tables: "[signal]\npath = 'source.ply'\nsamples = 300\nsurface_points = 50\nvolume_points = 50\nresolution = 16",
        source: "source.ply",
        make_source: |desk| desk.write_shape("source.ply"),
        renders: &[
            ("--resolution 16", "own.ply"),
            ("--resolution 20 --level 0.1 --largest", "shell.stl"),
            ("--resolution 8 --box -1,1,-1,1,-1,1", "distances.npy"),
            ("--resolution 64", "views.png"),
        ],
    },
    Example {
        kind: "audio",
        tables: "[signal]\npath = 'source.wav'\nchannels = 'each'\nstart = 0.01",
        source: "source.wav",
        make_source: |desk| desk.write_sound("source.wav", 400),
        renders: &[("", "own.wav"), ("--rate 11025", "other.wav")],
    },
    Example {
        kind: "video",
        tables: "[signal]\npath = 'source'\nrate = 12.5\nresize = 8\nsampling = { subset = { points = 64 } }",
        source: "source",
        make_source: |desk| desk.write_clip("source", 4, 10),
        renders: CLIPS,
    },
    Example {
        kind: "video",
        tables: "[signal]\npath = 'source.npy'\nsampling = { subset = { points = 64 } }",
        source: "source.npy",
        make_source: write_clip_array,
        renders: CLIPS,
    },
    Example {
        kind: "hyper",
        tables: "[signal]\npath = 'source'\nsize = 8\nbatch = 2\ncontext = [3, 20]\n[model]\nencoder_features = 8\nlatent_features = 6\nhyper_features = 8",
        source: "source",
        make_source: |desk| desk.write_clip("source", 6, 16),
        renders: PICTURES,
    },
    Example {
        kind: "hyper",
        tables: "[signal]\npath = 'source'\nsize = 8\nbatch = 2\ncontext = [3, 20]\n[model]\nencoder = 'auto_decoder'\nlatent_features = 6\nhyper_features = 8\nfit_steps = 3",
        source: "source",
        make_source: |desk| desk.write_clip("source", 6, 16),
        renders: PICTURES,
    },
];

/// Writes five frames of 6 × 8 pixels as a `.npy` file.
fn write_clip_array(desk: &Desk) {
    let text = "{'descr': '|u1', 'fortran_order': False, 'shape': (5, 6, 8, 3), }";
    let text = format!("{text}{}\n", " ".repeat(117 - text.len()));
    let len = u16::try_from(text.len()).unwrap().to_le_bytes();
    let values: Vec<u8> = (0..5 * 6 * 8 * 3).map(|i| (i % 251) as u8).collect();
    let bytes = [
        b"\x93NUMPY\x01\x00".as_slice(),
        &len,
        text.as_bytes(),
        &values,
    ];
    desk.write("source.npy", bytes.concat());
}

impl Example {
    /// Creates a folder with the source and a finished run `run`.
    fn desk(&self) -> Desk {
        let good = format!(
            "kind = '{}'\n{}\n[field]\nhidden_features = 8\nhidden_layers = 1\n[train]\nsteps = 3\n[run]\nevaluate_every = 2\n",
            self.kind, self.tables
        );
        let desk = desk_for(self.kind, &good);
        (self.make_source)(&desk);
        desk.write_picture("given.png", 9, 9);
        desk.write_picture("other.png", 12, 12);
        desk.run("run good.toml --out run").assert_success();
        desk
    }

    fn remove_source(&self, desk: &Desk) {
        let source = desk.path(self.source);
        if source.is_dir() {
            fs::remove_dir_all(source).unwrap();
        } else {
            fs::remove_file(source).unwrap();
        }
    }

    /// Renders and exports a run, and returns the names and contents of the files.
    fn render_and_export(&self, desk: &Desk, run: &str) -> Vec<(String, Vec<u8>)> {
        fs::create_dir(desk.path("out")).unwrap();
        for (options, name) in self.renders {
            let line = format!("render {run} {options} -o out/{name}");
            desk.run(&line.replace("  ", " ")).assert_success();
        }
        desk.run(&format!("export {run} -o out/weights.safetensors"))
            .assert_success();
        for name in ["field.html", "field.glsl", "field.onnx", "field.h"] {
            let line = format!("export {run} -o out/{name}");
            let ended = desk.run(&line);
            if self.kind == "hyper" {
                ended.assert_refused(&line, &["hyper", "render", "`image`", ".safetensors"]);
            } else {
                ended.assert_success();
            }
        }
        let files = desk.files("out").into_iter().collect();
        desk.remove("out");
        files
    }
}

fn copy_folder(from: &Path, to: &Path) {
    for file in files_under(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::copy(&file, target).unwrap();
    }
}

/// Returns the headline metric of the last evaluation of a run: the PSNR in dB, or of a shape the Chamfer distance in percent.
fn last_headline(desk: &Desk, run: &str) -> f64 {
    let scores = desk.scores(run, &["psnr_db", "chamfer_percent"]);
    *scores.last().unwrap()
}

#[test]
fn a_moved_run_folder_without_its_source_renders_and_exports_the_same_files() {
    for example in EXAMPLES {
        let desk = example.desk();
        let before = example.render_and_export(&desk, "run");
        copy_folder(&desk.path("run"), &desk.path("else/where"));
        desk.remove("run");
        example.remove_source(&desk);
        let after = example.render_and_export(&desk, "else/where");
        assert!(after.len() > example.renders.len());
        assert!(after == before, "{}: {}", example.kind, example.source);
        // A run that was stopped before its end has no summary, and old artifacts or none.
        fs::remove_file(desk.path("else/where/summary.toml")).unwrap();
        desk.remove("else/where/artifacts");
        assert!(
            example.render_and_export(&desk, "else/where") == before,
            "{}",
            example.kind
        );
        let resume = "resume else/where";
        desk.run(resume).assert_refused(resume, &[example.source]);
    }
}

#[test]
fn a_run_can_start_from_a_moved_run_folder_or_checkpoint() {
    for example in EXAMPLES
        .iter()
        .filter(|example| example.source != "source.npy")
    {
        let desk = example.desk();
        copy_folder(&desk.path("run"), &desk.path("else/where"));
        desk.remove("run");
        // The last checkpoint holds the parameters of the last evaluation. The best checkpoint may hold others.
        let last = "else/where/checkpoints/last.safetensors";
        let reached = last_headline(&desk, "else/where");
        for start in [last, "else/where"] {
            if start != last {
                fs::copy(
                    desk.path(last),
                    desk.path("else/where/checkpoints/best.safetensors"),
                )
                .unwrap();
            }
            desk.run(&format!(
                "run good.toml --out again --set run.start_from={start} --set train.steps=1 --set train.learning_rate=1e-12"
            ))
            .assert_success();
            let started = last_headline(&desk, "again");
            assert!(
                (reached - started).abs() < 1e-3,
                "{}: {reached}, then {started}",
                example.kind
            );
            desk.remove("again");
        }
        // The config of the other run is known, so a network that differs from it is refused.
        let line = "run good.toml --out again --set run.start_from=else/where --set field.hidden_omega_0=7";
        desk.run(line)
            .assert_refused(line, &["field.hidden_omega_0", "7", "another network"]);
    }
}

#[test]
fn a_run_cannot_start_from_a_run_folder_without_a_checkpoint() {
    let example = &EXAMPLES[0];
    let desk = example.desk();
    desk.remove("run/checkpoints");
    for folder in ["run", "."] {
        let line = format!("run good.toml --out again --set run.start_from={folder}");
        let words = if folder == "run" {
            "has no checkpoint yet"
        } else {
            "not a run folder"
        };
        desk.run(&line).assert_refused(&line, &[words]);
    }
}

/// Returns a checkpoint in the format of older versions, which stored no metadata of the signal.
fn without_metadata(bytes: &[u8]) -> Vec<u8> {
    let (_, header) = SafeTensors::read_metadata(bytes).unwrap();
    let state = header.metadata().as_ref().unwrap()["siren"].clone();
    let (before, metadata) = state.split_once("\n[metadata]\n").unwrap();
    let others = metadata.matches("\n[").count() - metadata.matches("\n[metadata.").count();
    assert_eq!(others, 0, "another table follows the metadata: {state}");
    let old = format!("{}\n", before.trim_end());
    // Older versions had Sobel's stencil only, and no key for it.
    let old = old.replace("stencil = \"sobel\"\n", "");
    let checksum = old
        .lines()
        .find(|line| line.starts_with("checksum = "))
        .unwrap();
    let unsigned = old.replacen(checksum, "checksum = 0", 1);
    let tensors = SafeTensors::deserialize(bytes).unwrap();
    let mut named: Vec<_> = tensors.tensors();
    named.sort_by(|a, b| a.0.cmp(&b.0));
    let start = crc32c::crc32c(unsigned.as_bytes());
    let crc = named.iter().fold(start, |crc, (name, tensor)| {
        let crc = crc32c::crc32c_append(crc, name.as_bytes());
        crc32c::crc32c_append(crc, tensor.data())
    });
    let state = unsigned.replacen("checksum = 0", &format!("checksum = {crc}"), 1);
    let views: Vec<(String, TensorView)> = tensors.tensors();
    let metadata = HashMap::from([("siren".to_owned(), state)]);
    safetensors::serialize(views, Some(metadata)).unwrap()
}

/// Returns the tensors of a safetensors file without its metadata.
fn tensor_bytes(bytes: &[u8]) -> Vec<u8> {
    let tensors = SafeTensors::deserialize(bytes).unwrap();
    let mut named = tensors.tensors();
    named.sort_by(|a, b| a.0.cmp(&b.0));
    let all = named
        .iter()
        .flat_map(|(name, view)| [name.as_bytes(), view.data()]);
    all.flatten().copied().collect()
}

/// Rewrites the files of `run` as an older version would have written them.
fn downgrade(desk: &Desk) {
    for name in ["best", "last"] {
        let name = format!("run/checkpoints/{name}.safetensors");
        desk.write(&name, without_metadata(&desk.read(&name)));
    }
    let config = String::from_utf8(desk.read("run/config.toml")).unwrap();
    desk.write(
        "run/config.toml",
        config.replace("stencil = \"sobel\"\n", ""),
    );
}

#[test]
fn a_run_folder_of_an_older_version_renders_and_resumes_if_its_source_exists() {
    for example in EXAMPLES {
        let desk = example.desk();
        if example.kind == "poisson" {
            desk.remove("run");
            desk.run("run good.toml --out run --set signal.stencil=sobel")
                .assert_success();
        }
        let before = example.render_and_export(&desk, "run");
        let finished = desk.files("run/artifacts");
        downgrade(&desk);
        let after = example.render_and_export(&desk, "run");
        // An export of such a run lacks the facts of the signal, which only newer checkpoints hold.
        let parameters = |files: Vec<(String, Vec<u8>)>| {
            let file = files.into_iter().map(|(name, bytes)| match name.as_str() {
                "weights.safetensors" => (name, tensor_bytes(&bytes)),
                _ => (name, bytes),
            });
            file.collect::<Vec<_>>()
        };
        assert!(parameters(after) == parameters(before), "{}", example.kind);
        fs::remove_file(desk.path("run/summary.toml")).unwrap();
        desk.remove("run/artifacts");
        fs::create_dir(desk.path("run/artifacts")).unwrap();
        desk.run("resume run").assert_success();
        assert!(desk.files("run/artifacts") == finished, "{}", example.kind);
        example.remove_source(&desk);
        // A hypernetwork renders pictures from the model alone.
        if example.kind != "hyper" {
            let line = format!("render run -o {}", example.renders[0].1);
            let words = ["another version", "needs the signal", example.source];
            desk.run(&line).assert_refused(&line, &words);
        }
        desk.run("export run -o weights.safetensors")
            .assert_success();
    }
}
