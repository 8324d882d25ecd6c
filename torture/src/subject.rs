//! What is run: shipped configs, shrunken to about a second, and shipped sweeps.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::launched::Launch;
use crate::process::Line;

/// Kinds of subjects, for `--kind`.
pub const KINDS: [&str; 11] = [
    "image", "audio", "video", "poisson", "shape", "wave", "hyper", "sweep", "slurm", "mpi",
    "input",
];

/// Where configs and input files are.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// The root of the workspace, with the shipped configs.
    pub root: PathBuf,
    /// The corpus.
    pub corpus: PathBuf,
    /// Copies of files of the corpus, for the subjects.
    pub copies: PathBuf,
}

/// A config with overrides that shorten it.
#[derive(Debug)]
pub struct Subject {
    /// Its name in messages.
    pub name: &'static str,
    /// The kind of its runs.
    pub kind: &'static str,
    /// Path of the config relative to `configs`.
    config: &'static str,
    /// Overrides besides those that all have.
    sets: &'static [&'static str],
    /// Files of the corpus that it reads, and the names under which they lie in the working folder.
    files: &'static [(&'static str, &'static str)],
    /// Whether it is a sweep.
    pub is_sweep: bool,
    /// What starts its processes.
    pub launch: Launch,
}

/// Overrides of every subject.
const SHORT: [&str; 4] = [
    "field.hidden_features=16",
    "run.evaluate_every=10",
    "run.checkpoint_every=7",
    "train.warmup_steps=0",
];

const fn run(
    name: &'static str,
    kind: &'static str,
    config: &'static str,
    sets: &'static [&'static str],
    files: &'static [(&'static str, &'static str)],
) -> Subject {
    Subject {
        name,
        kind,
        config,
        sets,
        files,
        is_sweep: false,
        launch: Launch::Alone,
    }
}

const fn sweep(name: &'static str, launch: Launch) -> Subject {
    Subject {
        name,
        kind: "wave",
        config: "sweeps/helmholtz_activations.toml",
        sets: &[
            "objective.points=60",
            "objective.source_points=20",
            "train.steps=20",
        ],
        files: &[],
        is_sweep: true,
        launch,
    }
}

const SMALL_SHAPE: [&str; 6] = [
    "signal.samples=300",
    "signal.surface_points=60",
    "signal.volume_points=60",
    "signal.resolution=16",
    "objective.start.sphere.steps=60",
    "train.steps=120",
];

/// All subjects.
pub const SUBJECTS: [Subject; 18] = [
    run(
        "image",
        "image",
        "image.toml",
        &[
            "signal.size=32",
            "signal.sampling.subset.points=300",
            "train.steps=150",
        ],
        &[],
    ),
    run(
        "inpainting",
        "image",
        "image_inpainting.toml",
        &[
            "signal.size=32",
            "objective.prior_points=60",
            "train.steps=120",
        ],
        &[],
    ),
    run(
        "photo",
        "image",
        "image.toml",
        &[
            "signal.path=photo.png",
            "signal.sampling.subset.points=60",
            "train.steps=150",
        ],
        &[("pictures/rgb.png", "photo.png")],
    ),
    run(
        "audio",
        "audio",
        "audio.toml",
        &[
            "signal.length=0.1",
            "signal.sampling.subset.points=300",
            "train.steps=150",
        ],
        &[],
    ),
    run(
        "recording",
        "audio",
        "audio.toml",
        &[
            "signal.path=sound.wav",
            "signal.sampling.subset.points=100",
            "train.steps=150",
        ],
        &[("sounds/pcm16.wav", "sound.wav")],
    ),
    run(
        "video",
        "video",
        "video.toml",
        &[
            "signal.path=frames",
            "signal.sampling.subset.points=200",
            "train.steps=120",
        ],
        &[
            ("pictures/rgb.png", "frames/1.png"),
            ("pictures/rgb.bmp", "frames/2.bmp"),
            ("pictures/rgb.tiff", "frames/10.tiff"),
        ],
    ),
    run(
        "y4m",
        "video",
        "video.toml",
        &[
            "signal.path=clip.y4m",
            "signal.sampling.subset.points=200",
            "train.steps=120",
        ],
        &[("clips/clip.y4m", "clip.y4m")],
    ),
    run(
        "poisson",
        "poisson",
        "poisson.toml",
        &["signal.size=24", "train.steps=120"],
        &[],
    ),
    run("shape", "shape", "shape.toml", &SMALL_SHAPE, &[]),
    run(
        "unoriented",
        "shape",
        "shape_unoriented.toml",
        &SMALL_SHAPE,
        &[],
    ),
    run(
        "wave",
        "wave",
        "wave.toml",
        &[
            "objective.points=100",
            "objective.source_points=50",
            "train.steps=60",
        ],
        &[],
    ),
    run(
        "helmholtz",
        "wave",
        "helmholtz.toml",
        &[
            "objective.points=150",
            "objective.source_points=40",
            "train.steps=100",
        ],
        &[],
    ),
    run(
        "inverse",
        "wave",
        "helmholtz_inverse.toml",
        &[
            "objective.points=100",
            "objective.source_points=40",
            "train.steps=60",
        ],
        &[],
    ),
    run(
        "adjoint",
        "wave",
        "helmholtz_inverse_adjoint.toml",
        &[
            "train.steps=12",
            "run.checkpoint_every=3",
            "run.evaluate_every=4",
        ],
        &[],
    ),
    run(
        "hyper",
        "hyper",
        "hyper.toml",
        &[
            "signal.size=8",
            "signal.pictures=12",
            "signal.batch=5",
            "signal.context=[3,20]",
            "model.encoder_features=16",
            "model.latent_features=16",
            "model.hyper_features=16",
            "train.steps=60",
        ],
        &[],
    ),
    sweep("sweep", Launch::Alone),
    sweep("cluster", Launch::Slurm),
    Subject {
        launch: Launch::Ranks(2),
        ..run(
            "ranks",
            "image",
            "image.toml",
            &[
                "signal.size=32",
                "signal.sampling.subset.points=300",
                "train.steps=150",
            ],
            &[],
        )
    },
];

impl Subject {
    /// Returns the kind by which `--kind` selects the subject.
    #[must_use]
    pub fn selected_by(&self) -> &'static str {
        match self.launch {
            Launch::Ranks(_) => "mpi",
            Launch::Slurm => "slurm",
            Launch::Alone if self.is_sweep => "sweep",
            Launch::Alone => self.kind,
        }
    }

    /// Puts the files that the subject reads into the folder of the inputs. A run keeps their absolute paths, so all trials share them.
    ///
    /// # Errors
    /// If they cannot be copied.
    pub fn lay_out(&self, at: &Inputs) -> Result<()> {
        for (from, to) in self.files {
            copy(&at.corpus.join(from), &at.copies.join(to))?;
        }
        Ok(())
    }

    /// Returns the line that starts the subject in the folder `out`.
    #[must_use]
    pub fn start(&self, at: &Inputs, out: &str) -> Line {
        let config = at.root.join("configs").join(self.config);
        let program = if self.is_sweep { "sweep" } else { self.kind };
        let mut line = Line::new(program, &["run", &config.display().to_string()]);
        for set in SHORT.iter().chain(self.sets) {
            let set = match set.strip_prefix("signal.path=") {
                Some(path) => format!("signal.path={}", at.copies.join(path).display()),
                None => (*set).to_owned(),
            };
            line.args.extend(["--set".to_owned(), set]);
        }
        let workers: &[&str] = match self.launch {
            Launch::Slurm => &["--on", "slurm"],
            Launch::Alone if self.is_sweep => &["--jobs", "2"],
            _ => &["--threads", "2"],
        };
        line.args
            .extend(workers.iter().map(|&word| word.to_owned()));
        line.launch = self.launch;
        line.args.extend(["--out".to_owned(), out.to_owned()]);
        line
    }

    /// Returns the line that continues the subject: a sweep is started again, and so is a run whose folder does not exist.
    #[must_use]
    pub fn resume(&self, at: &Inputs, folder: &Path, out: &str) -> Line {
        if self.is_sweep || fs::symlink_metadata(folder.join(out)).is_err() {
            return self.start(at, out);
        }
        let line = Line::new(self.kind, &["resume", out, "--threads", "2"]);
        Line {
            launch: self.launch,
            ..line
        }
    }

    /// Returns the run folders of the subject in `out`.
    #[must_use]
    pub fn runs(&self, out: &Path) -> Vec<PathBuf> {
        if !self.is_sweep {
            return vec![out.to_path_buf()];
        }
        let entries = fs::read_dir(out.join("runs"))
            .into_iter()
            .flatten()
            .flatten();
        let folders = entries.map(|entry| entry.path());
        let mut runs: Vec<_> = folders
            .filter(|path| path.join("config.toml").exists() && path.is_dir())
            .collect();
        runs.sort();
        runs
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    Ok(())
}
