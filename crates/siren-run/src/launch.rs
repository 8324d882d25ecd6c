//! Starting and resuming runs.

use std::path::Path;

use candle_core::{DType, Device};

use siren_core::config::{Source, Table as _};
use siren_core::field::{FieldShape, Omega};
use siren_core::file::read_text;
use siren_core::signal::Stream;
use siren_core::train::{Blueprint, Model, Trainer};
use siren_core::{Error, Result};

use crate::checkpoint::{Checkpoint, State};
use crate::config::Config;
use crate::domain::{ConfigOf, Domain};
use crate::folder::{CheckpointChoice, RunFolder};
use crate::hooks::Hooks;
use crate::machine::Machine;
use crate::reopen::{checkpointed_model, own_config, same_config, same_signal};
use crate::session::Session;
use crate::summary;
use crate::weights::Weights;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All steps taken; the text is for the user.
    Finished {
        /// Metrics beside what the config expects.
        summary: String,
    },
    /// All steps had been taken before; nothing was done.
    AlreadyFinished {
        /// Steps taken.
        steps: u64,
    },
    /// The user stopped it; it can be resumed.
    Interrupted {
        /// Steps taken, all of them kept.
        step: u64,
    },
}

/// A new run from a config file. Nothing is written before config, signal and network are known to be good, and a run
/// that fails before its first checkpoint leaves no folder behind.
///
/// # Errors
/// Any of the config, the signal, the disk, or a diverging loss.
pub fn start<D: Domain>(
    config: &Path,
    overrides: &[String],
    out: Option<&Path>,
    machine: &Machine,
    hooks: Hooks<'_>,
) -> Result<(RunFolder, Outcome)> {
    let overrides = &at_home(overrides);
    let (mut config, source) = read_config::<D>(config, overrides)?;
    let blame = |error| source.attribute(error, overrides);
    let out = out.map_or_else(|| Path::new("runs").join(&config.name), Path::to_path_buf);
    RunFolder::must_not_exist(&out)?;
    machine.install(|| {
        let domain = D::open(&config, &machine.device).map_err(blame)?;
        resolve(&mut config, &domain).map_err(blame)?;
        let model = initial_model::<D>(&config, domain.shape(), &machine.device)?;
        let constraints = domain.constraints().map_err(blame)?;
        let trainer = Trainer::new(model, &config.train)?;
        let text = config.to_toml()?;
        let folder = RunFolder::create(&out, &text, &summary::provenance(machine, &text)?)?;
        let _lock = folder.lock()?;
        let session = Session {
            domain: &domain,
            config: &config,
            machine,
            folder: &folder,
            trainer,
            state: State::new(text, &domain),
            hooks,
        };
        let outcome = session.run(&constraints);
        let kept = [CheckpointChoice::Best, CheckpointChoice::Last]
            .map(|which| folder.checkpoint(which).exists());
        if outcome.is_err() && kept == [false, false] {
            folder.remove();
        }
        Ok((folder, outcome?))
    })
}

/// The config of a run with every default filled in, once config, signal and network are known to be good; nothing is written.
///
/// # Errors
/// As [`start`].
pub fn check<D: Domain>(config: &Path, overrides: &[String], machine: &Machine) -> Result<String> {
    let overrides = &at_home(overrides);
    let (mut config, source) = read_config::<D>(config, overrides)?;
    let blame = |error| source.attribute(error, overrides);
    machine.install(|| {
        let domain = D::open(&config, &machine.device).map_err(blame)?;
        resolve(&mut config, &domain).map_err(blame)?;
        initial_model::<D>(&config, domain.shape(), &machine.device)?;
        domain.constraints().map_err(blame)?;
        config.to_toml()
    })
}

/// Continues a run from its last checkpoint; one that was killed before its first starts over, and one that is finished is left as it is.
///
/// # Errors
/// As [`start`]; also if the run's config was changed, or its checkpoint is damaged or foreign.
pub fn resume<D: Domain>(
    run: &Path,
    machine: &Machine,
    hooks: Hooks<'_>,
) -> Result<(RunFolder, Outcome)> {
    let folder = RunFolder::open(run)?;
    let path = folder.checkpoint(CheckpointChoice::Last);
    let (config, text) = own_config::<D>(&folder)?;
    let _lock = folder.lock()?;
    let checkpoint = path.exists().then(|| Checkpoint::load(&path)).transpose()?;
    if let Some(Checkpoint { state, .. }) = &checkpoint {
        same_config(&folder, &state.config, &text)?;
        // The summary is written last.
        if state.step >= config.train.steps && folder.summary().exists() {
            let steps = state.step;
            return Ok((folder, Outcome::AlreadyFinished { steps }));
        }
    }
    machine.install(|| {
        let domain = D::open(&config, &machine.device)?;
        let constraints = domain.constraints()?;
        let mut state = State::new(text.clone(), &domain);
        let trainer = if let Some(checkpoint) = checkpoint {
            same_signal(&folder, &checkpoint.state, domain.checksum())?;
            let model = checkpointed_model::<D>(&config, &checkpoint, &path, &machine.device)?;
            let mut trainer = Trainer::new(model, &config.train)?;
            checkpoint.restore(&mut trainer, &path)?;
            state = checkpoint.state;
            trainer
        } else {
            summary::started_with(&folder, &text)?;
            Trainer::new(
                initial_model::<D>(&config, domain.shape(), &machine.device)?,
                &config.train,
            )?
        };
        let session = Session {
            domain: &domain,
            config: &config,
            machine,
            folder: &folder,
            trainer,
            state,
            hooks,
        };
        let outcome = session.run(&constraints)?;
        Ok((folder.clone(), outcome))
    })
}

/// Overrides with the home folder in place of `~`, which a shell expands at the start of a word only.
fn at_home(overrides: &[String]) -> Vec<String> {
    let home = std::env::var("HOME").unwrap_or_default();
    let expanded = |one: &String| match one.split_once("=~/") {
        Some((key, rest)) if !home.is_empty() && !key.contains('=') => {
            format!("{key}={home}/{rest}")
        }
        _ => one.clone(),
    };
    overrides.iter().map(expanded).collect()
}

/// The config, and its text, which errors of what it leads to can point into.
fn read_config<D: Domain>(path: &Path, overrides: &[String]) -> Result<(ConfigOf<D>, Source)> {
    let source = Source {
        origin: path.display().to_string(),
        text: read_text(path)?,
    };
    let mut config: ConfigOf<D> = Config::parse(&source, D::KIND, overrides)?;
    if config.name.is_empty() {
        config.name = name_from(&path.file_stem().unwrap_or_default().to_string_lossy());
    }
    let base = std::env::current_dir().map_err(Error::io("find", "the current folder"))?;
    config.signal.resolve_paths(&base);
    config.model.resolve_paths(&base);
    config.objective.resolve_paths(&base);
    if let Some(file) = &mut config.run.start_from {
        *file = base.join(&file);
    }
    Ok((config, source))
}

/// A run's name from its config's file name, which may hold anything: what cannot name a run becomes `-`.
fn name_from(file_stem: &str) -> String {
    let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name: String = file_stem
        .chars()
        .map(|c| if known(c) { c } else { '-' })
        .collect();
    match name.trim_start_matches(['.', '-']) {
        "" => "run".to_owned(),
        name => name.to_owned(),
    }
}

/// Puts numbers from the signal's spectrum in the place of every `"auto"`; ω₀ of parameters that come from a file is theirs.
fn resolve<D: Domain>(config: &mut ConfigOf<D>, domain: &D) -> Result<()> {
    domain.resolve(config)?;
    let field = &mut config.field;
    if let (Omega::Auto, Some(path)) = (field.first_omega_0, &config.run.start_from) {
        field.first_omega_0 = Weights::read(path)?.first_omega_0();
    }
    siren_core::train::resolve(field, domain, config.train.learning_rate)
}

fn initial_model<D: Domain>(
    config: &ConfigOf<D>,
    shape: FieldShape,
    device: &Device,
) -> Result<D::Model> {
    let blueprint = blueprint::<D>(config, shape);
    let Some(path) = &config.run.start_from else {
        let mut rng = Stream::PARAMETERS.rng(config.seed, 0);
        return D::Model::init(blueprint, &mut rng, DType::F32, device);
    };
    let weights = Weights::read(path)?;
    weights.must_suit(&config.field, path)?;
    let model = D::Model::load(blueprint, |name| weights.find(name), DType::F32, device);
    model.map_err(|error| other_network(path, &error))
}

pub(super) fn blueprint<D: Domain>(
    config: &ConfigOf<D>,
    shape: FieldShape,
) -> Blueprint<'_, <D::Model as Model>::Config> {
    Blueprint {
        field: &config.field,
        model: &config.model,
        shape,
    }
}

pub(super) fn other_network(path: &Path, error: &Error) -> Error {
    Error::Checkpoint {
        path: path.to_path_buf(),
        message: format!("is of another network than the config's `[field]` ({error})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_file_name_gives_a_name_that_a_run_may_have() {
        for (stem, name) in [
            ("image", "image"),
            ("my picture", "my-picture"),
            ("Größe (1)", "Gr--e--1-"),
            (".hidden", "hidden"),
            ("日本", "run"),
            ("", "run"),
        ] {
            assert_eq!(name_from(stem), name);
        }
    }
}
