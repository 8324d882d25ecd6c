//! Starting, resuming and reopening runs.

use std::path::{Path, PathBuf};

use candle_core::{DType, Device};

use super::checkpoint::{Checkpoint, State};
use super::folder::{RunFolder, Which};
use super::machine::Machine;
use super::session::Session;
use super::summary;
use super::weights::Weights;
use super::{Config, ConfigOf, Domain, console, disk, interrupt};
use crate::config::{Source, Table as _};
use crate::error::{Error, Result};
use crate::field::{FieldShape, Omega};
use crate::signal::step_rng;
use crate::train::{Blueprint, Model, Trainer};

/// [`step_rng`] purpose of the initial parameters.
const INIT: u8 = 0;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All steps taken; the text is for the user.
    Finished {
        /// Metrics beside what the config expects.
        summary: String,
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
) -> Result<(RunFolder, Outcome)> {
    let overrides = &at_home(overrides);
    let (mut config, source) = read_config::<D>(config, overrides)?;
    let blame = |error| source.attribute(error, overrides);
    let out = out.map_or_else(|| Path::new("runs").join(&config.name), Path::to_path_buf);
    RunFolder::must_not_exist(&out)?;
    interrupt::install();
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
        };
        let outcome = session.run(&constraints);
        let kept = [Which::Best, Which::Last].map(|which| folder.checkpoint(which).exists());
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

/// Continues a run from its last checkpoint; one that was killed before its first starts over.
///
/// # Errors
/// As [`start`]; also if the run's config was changed, or its checkpoint is damaged or foreign.
pub fn resume<D: Domain>(run: &Path, machine: &Machine) -> Result<(RunFolder, Outcome)> {
    let folder = RunFolder::open(run)?;
    let path = folder.checkpoint(Which::Last);
    let (config, text) = own_config::<D>(&folder)?;
    let _lock = folder.lock()?;
    interrupt::install();
    machine.install(|| {
        let domain = D::open(&config, &machine.device)?;
        let constraints = domain.constraints()?;
        let mut state = State::new(text.clone(), &domain);
        let trainer = if path.exists() {
            let checkpoint = Checkpoint::load(&path)?;
            same_config(&folder, &checkpoint.state.config, &text)?;
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
        };
        let outcome = session.run(&constraints)?;
        Ok((folder.clone(), outcome))
    })
}

/// A run as it was left, for rendering.
pub struct Restored<D: Domain> {
    /// The run's resolved config.
    pub config: ConfigOf<D>,
    /// Its signal.
    pub domain: D,
    /// Its model at the chosen checkpoint.
    pub model: D::Model,
}

/// Reopens a run at a checkpoint; by default the best there is.
///
/// # Errors
/// If the run has no such checkpoint, or its signal can no longer be read or is another one by now.
pub fn restore<D: Domain>(
    run: &Path,
    which: Option<Which>,
    device: &Device,
) -> Result<Restored<D>> {
    let folder = RunFolder::open(run)?;
    let (config, model, state) = reopen::<D>(&folder, which, device)?;
    let domain = D::open(&config, device).map_err(|error| Error::RunFolder {
        path: folder.path().to_path_buf(),
        message: format!("this needs the signal that was fitted, which cannot be opened ({error})"),
    })?;
    same_signal(&folder, &state, domain.checksum())?;
    Ok(Restored {
        config,
        domain,
        model,
    })
}

/// A run's config and its model at a checkpoint, by default the best there is; the signal may be gone.
///
/// # Errors
/// If the run has no such checkpoint.
pub fn restore_model<D: Domain>(
    run: &Path,
    which: Option<Which>,
    device: &Device,
) -> Result<(ConfigOf<D>, D::Model)> {
    let (config, model, _) = reopen::<D>(&RunFolder::open(run)?, which, device)?;
    Ok((config, model))
}

fn reopen<D: Domain>(
    folder: &RunFolder,
    which: Option<Which>,
    device: &Device,
) -> Result<(ConfigOf<D>, D::Model, State)> {
    let best = folder.checkpoint(Which::Best);
    let path = match which {
        Some(which) => folder.checkpoint(which),
        None if best.exists() => best,
        None => folder.checkpoint(Which::Last),
    };
    if !path.exists() {
        return Err(Error::RunFolder {
            path: folder.path().to_path_buf(),
            message: format!(
                "has no checkpoint yet: continue it with `cargo xtask resume {}`",
                console::quoted(folder.path())
            ),
        });
    }
    let checkpoint = Checkpoint::load(&path)?;
    let (config, text) = own_config::<D>(folder)?;
    same_config(folder, &checkpoint.state.config, &text)?;
    let model = checkpointed_model::<D>(&config, &checkpoint, &path, device)?;
    Ok((config, model, checkpoint.state))
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
        text: disk::read_text(path)?,
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

/// The resolved config of an existing run, and its text.
fn own_config<D: Domain>(folder: &RunFolder) -> Result<(ConfigOf<D>, String)> {
    let path: PathBuf = folder.config();
    let source = Source {
        origin: path.display().to_string(),
        text: disk::read_text(&path)?,
    };
    let config = Config::parse(&source, D::KIND, &[])?;
    Ok((config, source.text))
}

/// Puts numbers from the signal's spectrum in the place of every `"auto"`; ω₀ of parameters that come from a file is theirs.
fn resolve<D: Domain>(config: &mut ConfigOf<D>, domain: &D) -> Result<()> {
    domain.resolve(config)?;
    let field = &mut config.field;
    if let (Omega::Auto, Some(path)) = (field.first_omega_0, &config.run.start_from) {
        field.first_omega_0 = Weights::read(path)?.first_omega_0();
    }
    let Some(key) = field.asks_for_spectrum() else {
        return Ok(());
    };
    let Some(spectrum) = domain.spectrum()? else {
        let expected = "numbers: the signal does not vary, so it has no spectrum to take them from";
        return Err(Error::invalid(key, "auto", expected));
    };
    let moments = (spectrum.centroid, spectrum.nyquist);
    field.resolve(moments, domain.shape(), config.train.learning_rate);
    Ok(())
}

fn initial_model<D: Domain>(
    config: &ConfigOf<D>,
    shape: FieldShape,
    device: &Device,
) -> Result<D::Model> {
    let blueprint = blueprint::<D>(config, shape);
    let Some(path) = &config.run.start_from else {
        let mut rng = step_rng(config.seed, INIT, 0);
        return D::Model::init(blueprint, &mut rng, DType::F32, device);
    };
    let weights = Weights::read(path)?;
    weights.must_suit(&config.field, path)?;
    let model = D::Model::load(blueprint, |name| weights.find(name), DType::F32, device);
    model.map_err(|error| other_network(path, &error))
}

fn checkpointed_model<D: Domain>(
    config: &ConfigOf<D>,
    checkpoint: &Checkpoint,
    path: &Path,
    device: &Device,
) -> Result<D::Model> {
    let blueprint = blueprint::<D>(config, checkpoint.state.shape.into());
    let model = D::Model::load(blueprint, |name| checkpoint.find(name), DType::F32, device);
    model.map_err(|error| other_network(path, &error))
}

fn blueprint<D: Domain>(
    config: &ConfigOf<D>,
    shape: FieldShape,
) -> Blueprint<'_, <D::Model as Model>::Config> {
    Blueprint {
        field: &config.field,
        model: &config.model,
        shape,
    }
}

fn other_network(path: &Path, error: &Error) -> Error {
    Error::Checkpoint {
        path: path.to_path_buf(),
        message: format!("is of another network than the config's `[field]` ({error})"),
    }
}

/// A run goes on with the signal it was started with, or not at all.
fn same_signal(folder: &RunFolder, started: &State, now: u32) -> Result<()> {
    if started.signal_checksum == now {
        return Ok(());
    }
    Err(Error::RunFolder {
        path: folder.path().to_path_buf(),
        message: "the signal is no longer the one that the run started with: put the old file back, or start a \
                  new run with the new one"
            .to_owned(),
    })
}

/// A run goes on with the config it was started with, or not at all.
fn same_config(folder: &RunFolder, started: &str, now: &str) -> Result<()> {
    let table = |text: &str| text.parse::<toml::Table>().unwrap_or_default();
    let mut changed = Vec::new();
    differences("", &table(started), &table(now), &mut changed);
    if changed.is_empty() {
        return Ok(());
    }
    Err(Error::RunFolder {
        path: folder.config(),
        message: format!(
            "was changed since the run started ({}): undo that, or start a new run from the changed config",
            changed.join(", ")
        ),
    })
}

fn differences(prefix: &str, a: &toml::Table, b: &toml::Table, changed: &mut Vec<String>) {
    let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
    for key in keys {
        let name = format!("{prefix}{key}");
        match (a.get(key), b.get(key)) {
            (Some(toml::Value::Table(a)), Some(toml::Value::Table(b))) => {
                differences(&format!("{name}."), a, b, changed);
            }
            (a, b) if a == b => {}
            (a, b) => {
                let show = |value: Option<&toml::Value>| {
                    value.map_or("absent".to_owned(), ToString::to_string)
                };
                changed.push(format!("`{name}` was {}, is {}", show(a), show(b)));
            }
        }
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
