//! Trials of mutated input files: pictures, clips, sounds, shapes, media, weights and the text of configs.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::mutate::mutated;
use crate::outcome::{Allowed, Verdict, check_nothing_else, judge};
use crate::process::{Limits, Line, Place};
use crate::random::Choices;
use crate::trial::Bench;

/// Inputs of one kind.
struct InputKind {
    /// Folder of the corpus, or of the workspace for configs.
    folder: &'static str,
    /// Kinds of runs that read them.
    kinds: &'static [&'static str],
    /// Key of the config that names the file.
    key: &'static str,
    /// Further overrides.
    sets: &'static [&'static str],
}

const INPUTS: [InputKind; 6] = [
    InputKind {
        folder: "pictures",
        kinds: &["image", "image", "poisson"],
        key: "signal.path",
        sets: &[],
    },
    InputKind {
        folder: "clips",
        kinds: &["video"],
        key: "signal.path",
        sets: &["signal.sampling.subset.points=20"],
    },
    InputKind {
        folder: "sounds",
        kinds: &["audio"],
        key: "signal.path",
        sets: &[],
    },
    InputKind {
        folder: "shapes",
        kinds: &["shape"],
        key: "signal.path",
        sets: &[
            "signal.samples=100",
            "signal.surface_points=20",
            "signal.volume_points=20",
            "signal.resolution=8",
            "objective.start.sphere.steps=5",
        ],
    },
    InputKind {
        folder: "media",
        kinds: &["wave"],
        key: "signal.medium.file.path",
        sets: &[
            "objective.equation=helmholtz",
            "objective.points=20",
            "objective.source_points=10",
        ],
    },
    InputKind {
        folder: "weights",
        kinds: &["image"],
        key: "run.start_from",
        sets: &["signal.size=12"],
    },
];
/// Overrides of all kinds.
const SHORT: [&str; 3] = [
    "train.steps=2",
    "field.hidden_features=8",
    "train.warmup_steps=0",
];
/// Words of configs.
const WORDS: [&[u8]; 12] = [
    b"[signal]\n",
    b"[train]\n",
    b"steps = 1\n",
    b"name = '../x'\n",
    b"path = '/dev/zero'\n",
    b"size = 100000\n",
    b"hidden_features = 65536\n",
    b"\"auto\"",
    b"true",
    b"{}",
    b"[[",
    b"'''",
];

impl Bench<'_> {
    /// Starts a run from a mutated input, in an empty folder.
    ///
    /// # Errors
    /// What was found.
    pub fn try_input(&self, choices: &mut Choices, folder: &Path) -> Result<&'static str> {
        let place = Place {
            programs: self.programs.to_path_buf(),
            folder: folder.to_path_buf(),
        };
        if choices.one_in(5) {
            self.try_config(choices, &place)?;
            return Ok("mutated config");
        }
        let inputs = choices.of(&INPUTS);
        let files = files_in(&self.inputs.corpus.join(inputs.folder))?;
        let path = choices.of(&files).clone();
        let others = read_all(&files)?;
        let bytes = fs::read(&path)?;
        let name = path.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        fs::write(folder.join(&name), mutated(&bytes, &others, &[], choices))?;
        let kind = *choices.of(inputs.kinds);
        let config = self
            .inputs
            .root
            .join("configs")
            .join(format!("{kind}.toml"));
        let mut line = Line::new(kind, &["run", &config.display().to_string()]);
        let named = format!("{}={name}", inputs.key);
        for set in SHORT
            .iter()
            .chain(inputs.sets)
            .copied()
            .chain([named.as_str()])
        {
            line.args.extend(["--set".to_owned(), set.to_owned()]);
        }
        line.args
            .extend(["--threads", "2", "--out", "out/run"].map(str::to_owned));
        expect_end_or_refusal(&line, &place)
            .with_context(|| format!("siren-{kind} with a mutated {name}"))?;
        Ok(inputs.folder)
    }

    /// Checks a mutated config, which is not run: it may ask for any number of steps.
    fn try_config(&self, choices: &mut Choices, place: &Place) -> Result<()> {
        let mut files = files_in(&self.inputs.root.join("configs"))?;
        files.retain(|path| path.extension().is_some_and(|last| last == "toml"));
        let path = choices.of(&files).clone();
        let others = read_all(&files)?;
        let text = mutated(&fs::read(&path)?, &others, &WORDS, choices);
        fs::write(place.folder.join("mutated.toml"), text)?;
        let kind = fs::read_to_string(&path)?.parse::<toml::Table>()?;
        let kind = kind.get("kind").and_then(toml::Value::as_str);
        let kind = kind.unwrap_or("image").to_owned();
        let line = Line::new(&kind, &["check", "mutated.toml"]);
        expect_end_or_refusal(&line, place)
            .with_context(|| format!("siren-{kind} check with a mutated {}", path.display()))
    }
}

fn expect_end_or_refusal(line: &Line, place: &Place) -> Result<()> {
    let out = place.folder.join("out");
    fs::create_dir_all(&out)?;
    let ended = line.run(place, Limits::default())?;
    let refusal = Allowed {
        refusal: true,
        ..Allowed::default()
    };
    let verdict = judge(&ended, refusal)?;
    let is_left = verdict == Verdict::Finished && line.args[0] == "run";
    ensure!(
        !is_left || out.join("run/summary.toml").exists(),
        "a success without a summary"
    );
    check_nothing_else(&out, if is_left { &["run"] } else { &[] })
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let paths = entries.map(|entry| Ok(entry?.path()));
    let mut files = paths.collect::<Result<Vec<_>>>()?;
    files.retain(|path| path.is_file());
    files.sort();
    ensure!(!files.is_empty(), "{} has no files", folder.display());
    Ok(files)
}

fn read_all(files: &[PathBuf]) -> Result<Vec<Vec<u8>>> {
    Ok(files.iter().map(fs::read).collect::<std::io::Result<_>>()?)
}
