//! Runs every shipped config and sweep to its end, with smaller networks, signals and step counts.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use siren_audio::Audio;
use siren_audio::wav::WavFile;
use siren_core::config::Source;
use siren_core::metrics::PSNR_DB;
use siren_hyper::Hyper;
use siren_image::Image;
use siren_poisson::Poisson;
use siren_run::{ConfigOf, Domain};
use siren_shape::{Geometry, Shape};
use siren_video::Video;
use siren_wave::Waves;
use support::desk::{Desk, files_under};
use support::program::{Ended, program};
use toml::Table;

/// Side in pixels of the pictures that replace a config's own.
const SIDE: u32 = 32;
/// Frames of the sounds that replace a config's own.
const FRAMES: u16 = 500;

/// A config of `configs/`.
struct Shipped {
    /// Path relative to the workspace.
    name: String,
    text: String,
    table: Table,
}

impl Shipped {
    fn all() -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let files = files_under(&root.join("configs")).into_iter();
        let configs = files.filter(|path| path.extension().is_some_and(|e| e == "toml"));
        let read = |path: std::path::PathBuf| {
            let text = fs::read_to_string(&path).unwrap();
            Self {
                name: path.strip_prefix(root).unwrap().display().to_string(),
                table: text
                    .parse()
                    .unwrap_or_else(|e| panic!("{}: {e}", path.display())),
                text,
            }
        };
        configs.map(read).collect()
    }

    fn kind(&self) -> &str {
        let kind = self.table.get("kind").and_then(toml::Value::as_str);
        kind.unwrap_or_else(|| panic!("{} has no kind", self.name))
    }

    fn is_sweep(&self) -> bool {
        self.table.contains_key("sweep")
    }

    fn signal(&self, key: &str) -> Option<&toml::Value> {
        self.table.get("signal")?.get(key)
    }

    /// Returns whether the config says that its results are not known.
    fn is_unmeasured(&self) -> bool {
        self.text.contains("not been run to the end")
    }

    /// Returns whether the config needs a file that is not in the repository: it sets `signal.path`, or every command in its header does.
    fn needs_own_file(&self) -> bool {
        let mut commands = self
            .text
            .lines()
            .filter(|line| line.starts_with('#') && line.contains("cargo xtask run"));
        self.signal("path").is_some() || commands.all(|line| line.contains("--set signal.path="))
    }

    /// Returns overrides that shorten the run to about a second. They name files that the test writes.
    fn shrinking_overrides(&self) -> Vec<String> {
        let mut sets = vec!["train.steps=3".to_owned()];
        if !self.text.contains("hidden_features = \"auto\"") {
            sets.push("field.hidden_features=16".to_owned());
        }
        let subset = self
            .signal("sampling")
            .and_then(|sampling| sampling.get("subset"));
        if subset.is_some() || self.text.contains("signal.sampling.subset") {
            sets.push("signal.sampling.subset.points=50".to_owned());
        }
        match self.kind() {
            "audio" => self.shrink_sound(&mut sets),
            "hyper" => self.shrink_pictures(&mut sets),
            "image" | "poisson" => self.shrink_picture(&mut sets),
            "shape" => self.shrink_shape(&mut sets),
            "video" => self.shrink_clip(&mut sets),
            // Adjoint states have no points.
            "wave" if self.text.contains("solver = \"adjoint\"") => {}
            "wave" => {
                let smaller = ["points=60", "source_points=20"];
                sets.extend(smaller.map(|set| format!("objective.{set}")));
            }
            other => panic!(
                "{}: no rule to shrink a config of the kind `{other}`",
                self.name
            ),
        }
        sets
    }

    fn shrink_shape(&self, sets: &mut Vec<String>) {
        for key in ["path", "truth"] {
            let is_set = self.signal(key).is_some() && !self.is_sweep();
            sets.extend(is_set.then(|| format!("signal.{key}=shape.ply")));
        }
        let smaller = [
            ("samples", 300),
            ("surface_points", 50),
            ("volume_points", 50),
            ("resolution", 16),
        ];
        sets.extend(smaller.map(|(key, value)| format!("signal.{key}={value}")));
        sets.push("train.warmup_steps=0".to_owned());
        if self.text.contains("start = \"random\"") {
            // A small random field has no surface.
            sets.extend(["train.steps=100", "train.learning_rate=2e-3"].map(str::to_owned));
        } else {
            let start = [
                ("steps", "100"),
                ("points", "200"),
                ("learning_rate", "1e-3"),
            ];
            sets.extend(start.map(|(key, value)| format!("objective.start.sphere.{key}={value}")));
        }
    }

    fn shrink_clip(&self, sets: &mut Vec<String>) {
        if self.signal("path").is_none() {
            sets.push("signal.size=12".to_owned());
        }
        for (key, smaller) in [
            ("path", "clip"),
            ("start", "0"),
            ("crop", "24"),
            ("resize", "12"),
        ] {
            let is_set = self.signal(key).is_some() && !(key == "path" && self.is_sweep());
            sets.extend(is_set.then(|| format!("signal.{key}={smaller}")));
        }
        for key in ["length", "stride"] {
            if self.signal(key).is_some() {
                sets.push(format!(
                    "signal.{key}={}",
                    if key == "length" { "0.2" } else { "1" }
                ));
            }
        }
        sets.push("signal.sampling.subset.points=50".to_owned());
    }

    fn shrink_pictures(&self, sets: &mut Vec<String>) {
        sets.push(if self.needs_own_file() {
            "signal.path=pictures".to_owned()
        } else {
            "signal.pictures=6".to_owned()
        });
        let smaller = [
            ("signal.batch", 2),
            ("signal.split.together", 1),
            ("model.encoder_features", 4),
            ("model.latent_features", 4),
            ("model.hyper_features", 4),
            ("model.fit_steps", 2),
        ];
        sets.extend(smaller.map(|(key, value)| format!("{key}={value}")));
    }

    fn shrink_sound(&self, sets: &mut Vec<String>) {
        for (key, smaller) in [("path", "sound.wav"), ("start", "0.01")] {
            let is_set = self.signal(key).is_some() && !(key == "path" && self.is_sweep());
            sets.extend(is_set.then(|| format!("signal.{key}={smaller}")));
        }
        sets.push("signal.length=0.02".to_owned());
    }

    fn shrink_picture(&self, sets: &mut Vec<String>) {
        // Only the embedded picture has the key `size`.
        if self.signal("path").is_none() {
            sets.push(format!("signal.size={SIDE}"));
        }
        for (key, smaller) in [
            ("path", "picture.png"),
            ("crop", "24"),
            ("crop_box", "[4,2,20,24]"),
            ("resize", "16"),
        ] {
            // A sweep over pictures finds the ones that the test writes.
            let is_set = self.signal(key).is_some() && !(key == "path" && self.is_sweep());
            sets.extend(is_set.then(|| format!("signal.{key}={smaller}")));
        }
        if self.signal("blend").is_some() {
            sets.push("signal.blend.path=mask.png".to_owned());
        }
        let mask = self
            .signal("observed")
            .and_then(|observed| observed.get("mask"));
        if mask.is_some() {
            sets.push("signal.observed.mask=mask.png".to_owned());
        }
    }
}

/// Returns the names of a run's artifacts, and asserts that each is a table with rows, a sound that is not silent, a closed mesh, a
/// drawing, or a picture.
fn checked_artifacts(desk: &Desk) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for artifact in files_under(&desk.path("run/artifacts")) {
        if artifact.extension().is_some_and(|e| e == "csv") {
            assert!(fs::read_to_string(&artifact).unwrap().lines().count() > 1);
        } else if artifact.extension().is_some_and(|e| e == "svg") {
            let drawing = fs::read_to_string(&artifact).unwrap();
            assert!(drawing.contains("<svg") && drawing.trim_end().ends_with("</svg>"));
        } else if artifact.extension().is_some_and(|e| e == "wav") {
            let file = WavFile::open(&artifact).unwrap();
            let frames = file.frames();
            assert!(file.read(0..frames).unwrap().peak() > 0.0);
        } else if artifact
            .extension()
            .is_some_and(|e| e == "ply" || e == "obj")
        {
            let Geometry::Mesh(mesh) = Geometry::open(&artifact, &mut Vec::new()).unwrap() else {
                panic!("{} has no triangles", artifact.display());
            };
            assert!(mesh.topology().is_closed() && !mesh.faces.is_empty());
        } else {
            let picture = image::open(&artifact).unwrap();
            assert!(picture.width() > 1 && picture.height() > 1);
        }
        names.insert(artifact.file_name().unwrap().display().to_string());
    }
    names
}

/// Returns artifacts that every run of a kind, or of an equation, writes.
fn expected_artifacts(shipped: &Shipped) -> &'static [&'static str] {
    match shipped.kind() {
        "audio" => &["target.wav", "value.wav", "error.wav"],
        "hyper" => &[
            "inpainting.png",
            "interpolation.png",
            "fine.png",
            "beyond.png",
        ],
        "image" => &["target.png", "value.png", "gradient.png", "laplacian.png"],
        "video" => &["target.png", "value.png", "comparison.gif", "frames.csv"],
        "poisson" => &[
            "target.png",
            "value.png",
            "solver.png",
            "target_laplacian.png",
        ],
        "shape" => &[
            "mesh.ply",
            "mesh.png",
            "points.png",
            "slices.png",
            "gradient_norm.png",
        ],
        "wave" if shipped.text.contains("[objective.equation.inverse") => {
            &["medium.png", "traces.svg"]
        }
        "wave" if shipped.text.contains("[objective.equation.wave") => {
            &["waves.png", "waves.gif", "center_lines.svg"]
        }
        "wave" => &["waves.png", "comparison.png"],
        other => panic!("no list of expected artifacts for the kind `{other}`"),
    }
}

#[test]
fn every_shipped_config_parses_and_states_expected_metrics() {
    let all = Shipped::all();
    assert!(!all.is_empty());
    for shipped in all {
        let source = Source {
            origin: shipped.name.clone(),
            text: shipped.text.clone(),
        };
        let expect = match shipped.kind() {
            Audio::KIND => {
                let config = ConfigOf::<Audio>::parse(&source, Audio::KIND, &[]);
                config.unwrap_or_else(|error| panic!("{error}")).expect
            }
            Hyper::KIND => {
                let config = ConfigOf::<Hyper>::parse(&source, Hyper::KIND, &[]);
                config.unwrap_or_else(|error| panic!("{error}")).expect
            }
            Image::KIND => {
                let config = ConfigOf::<Image>::parse(&source, Image::KIND, &[]);
                config.unwrap_or_else(|error| panic!("{error}")).expect
            }
            Poisson::KIND => {
                let config = ConfigOf::<Poisson>::parse(&source, Poisson::KIND, &[]);
                config.unwrap_or_else(|error| panic!("{error}")).expect
            }
            Shape::KIND => {
                let config = ConfigOf::<Shape>::parse(&source, Shape::KIND, &[]);
                config.unwrap_or_else(|error| panic!("{error}")).expect
            }
            Waves::KIND => {
                let config = ConfigOf::<Waves>::parse(&source, Waves::KIND, &[]);
                config.unwrap_or_else(|error| panic!("{error}")).expect
            }
            Video::KIND => {
                let config = ConfigOf::<Video>::parse(&source, Video::KIND, &[]);
                config.unwrap_or_else(|error| panic!("{error}")).expect
            }
            other => panic!(
                "{}: no parser for the kind `{other}` in this test",
                shipped.name
            ),
        };
        assert!(
            shipped.is_sweep()
                || shipped.needs_own_file()
                || shipped.is_unmeasured()
                || !expect.is_empty(),
            "{} has no [expect]",
            shipped.name
        );
    }
}

#[test]
fn every_shipped_config_runs_to_its_end() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for shipped in Shipped::all().iter().filter(|shipped| !shipped.is_sweep()) {
        let desk = Desk::new();
        desk.write_picture("picture.png", SIDE, SIDE);
        desk.write_picture("mask.png", SIDE, SIDE);
        desk.write_sound("sound.wav", FRAMES);
        desk.write_clip("clip", 6, SIDE);
        desk.write_clip("pictures", 6, SIDE);
        desk.write_shape("shape.ply");
        let mut command = Command::new(program(shipped.kind()));
        command.arg("run").arg(root.join(&shipped.name));
        for set in shipped.shrinking_overrides() {
            command.args(["--set", &set]);
        }
        let output = command
            .args(["--out", "run"])
            .current_dir(desk.path(""))
            .output();
        let ended = Ended::from(output.unwrap());
        assert_eq!(ended.code, Some(0), "{}: {ended:#?}", shipped.name);
        let summary = String::from_utf8(desk.read("run/summary.toml")).unwrap();
        let summary: Table = summary.parse().unwrap();
        for (metric, value) in summary["metrics"].as_table().unwrap() {
            assert!(
                value.as_float().unwrap().is_finite(),
                "{}: {metric}",
                shipped.name
            );
        }
        let headline = match shipped.kind() {
            Shape::KIND => Shape::HEADLINE,
            Waves::KIND => Waves::HEADLINE,
            _ => PSNR_DB,
        };
        assert!(
            summary["metrics"].get(&*headline.name).is_some(),
            "{}",
            shipped.name
        );
        let names = checked_artifacts(&desk);
        for &name in expected_artifacts(shipped) {
            assert!(names.contains(name), "{} has no {name}", shipped.name);
        }
    }
}

#[test]
fn every_run_of_every_shipped_sweep_has_the_metrics_of_its_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for shipped in Shipped::all().iter().filter(|shipped| shipped.is_sweep()) {
        let desk = Desk::new();
        desk.write_clip("pictures", 3, SIDE);
        std::fs::create_dir(desk.path("sounds")).unwrap();
        desk.write_sound("sounds/one.wav", 400);
        desk.write_sound("sounds/two.wav", 300);
        program(shipped.kind());
        let mut command = Command::new(program("sweep"));
        command.arg("run").arg(root.join(&shipped.name));
        for set in shipped.shrinking_overrides() {
            command.args(["--set", &set]);
        }
        let output = command.args(["--out", "sweep"]).current_dir(desk.path(""));
        let ended = Ended::from(output.output().unwrap()).assert_success();
        assert!(
            !ended.stdout.contains("–"),
            "{}: {}",
            shipped.name,
            ended.stdout
        );
    }
}

#[test]
fn every_expected_metric_is_a_metric_of_its_kind() {
    for shipped in Shipped::all() {
        let Some(expect) = shipped.table.get("expect").and_then(toml::Value::as_table) else {
            continue;
        };
        for metric in expect.keys() {
            let known: &[&str] = match shipped.kind() {
                "audio" => &["psnr_db", "snr_db", "mse"],
                "video" => &["psnr_db", "psnr_std_db"],
                "shape" => &[
                    "chamfer_percent",
                    "held_out_percent",
                    "iou",
                    "normal_consistency",
                ],
                "hyper" => &["psnr_db", "mse_10", "mse_100", "mse_1000"],
                "wave" => &[
                    "relative_error_percent",
                    "amplitude_error_percent",
                    "least_m",
                    "centroid_error",
                    "data_error_percent",
                    "simulated_error_percent",
                ],
                _ => &["psnr_db", "psnr_observed_db", "psnr_held_out_db", "ssim"],
            };
            assert!(
                known.contains(&metric.as_str()),
                "{}: {metric}",
                shipped.name
            );
        }
    }
}
