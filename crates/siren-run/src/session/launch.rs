//! Starts and resumes runs.

use std::path::Path;

use candle_core::Device;

use siren_core::config::{Source, Table as _};
use siren_core::field::{FieldEngine, FieldShape, Level, Omega};
use siren_core::file::read_text;
use siren_core::ranks::Ranks;
use siren_core::signal::Stream;
use siren_core::train::{Blueprint, Model, Trainer};
use siren_core::{Error, Result};

use super::budget::{budget, note};
use super::reopen::{
    check_config_unchanged, check_signal_unchanged, checkpointed_model, read_run_config,
};
use super::{Outcome, Session, must_have_the_same_parameters};
use crate::config::Config;
use crate::domain::{ConfigOf, Domain};
use crate::folder::{
    Checkpoint, CheckpointChoice, FinalTables, RunFolder, State, Weights, check_created_config,
    parse_summary, provenance,
};
use crate::hooks::{Hooks, RunObserver};
use crate::machine::Machine;
use crate::report::write_own_report;

/// Trains the model that the config file `config` describes, in a new run folder `out`, by default `runs/NAME` in the current folder.
///
/// `overrides` are `key=value` pairs, such as `train.steps=2000`; the last one of a key counts. Nothing is written before config, signal and
/// network are valid. The folder of a run that fails before its first checkpoint is removed.
///
/// # Errors
/// [`Error::RunFolder`] if the folder exists; the errors of the config, the signal and the disk; [`Error::Diverged`] if the loss is not
/// finite. With several ranks, [`Error::Rank`] with the error of the first rank that failed.
///
/// All ranks of `machine` must call this function with the same arguments, on the same files. Rank 0 writes the folder, evaluates the model and
/// returns the summary; the others compute their shares of the steps.
pub fn start<D: Domain>(
    config: &Path,
    overrides: &[String],
    out: Option<&Path>,
    machine: &Machine,
    hooks: Hooks<'_>,
) -> Result<(RunFolder, Outcome)> {
    let started = start_on_rank::<D>(config, overrides, out, machine, hooks);
    machine.ranks.agree(started)
}

fn start_on_rank<D: Domain>(
    config: &Path,
    overrides: &[String],
    out: Option<&Path>,
    machine: &Machine,
    hooks: Hooks<'_>,
) -> Result<(RunFolder, Outcome)> {
    let ranks = &machine.ranks;
    let overrides = &expand_home(overrides);
    let (mut config, source) = read_config::<D>(config, overrides)?;
    let attribute = |error| source.attribute(error, overrides);
    let out = out.map_or_else(|| Path::new("runs").join(&config.name), Path::to_path_buf);
    if ranks.is_first() {
        RunFolder::check_available(&out)?;
    }
    let engine = config.train.precision.engine(&machine.engine);
    let engine = &engine.map_err(attribute)?;
    machine.install(|| {
        let domain = D::open(&config).map_err(attribute)?;
        resolve(&mut config, &domain).map_err(attribute)?;
        let constraints = domain
            .constraints(config.train.precision.dtype(), &Device::Cpu)
            .map_err(attribute)?;
        let budget = budget(&config, &domain, &constraints, engine, ranks);
        let budget = budget.map_err(attribute)?;
        if let Some(budget) = budget {
            config.train = budget.resolve(&config.train).map_err(attribute)?;
            hooks.observer.note(&note(&budget));
        }
        let model = first_model(&config, &domain, engine).map_err(attribute)?;
        let trainer = Trainer::new(model, &config.train).and_then(|trainer| trainer.among(ranks));
        let trainer = trainer.map_err(attribute)?;
        trainer.must_train(&constraints).map_err(attribute)?;
        let text = config.to_toml()?;
        // Nothing is written before all ranks are ready.
        must_agree(&domain, &text, &trainer, ranks)?;
        // Whoever stopped this run may start another one with the same folder, which must not appear now.
        if ranks.any(hooks.stop.is_stopped())? {
            return Ok((RunFolder::at(&out), Outcome::NotStarted));
        }
        let (folder, _lock) = if ranks.is_first() {
            let defaults = ConfigOf::<D>::defaults(D::KIND)?;
            let provenance = provenance(machine, &text, &defaults, budget)?;
            let folder = RunFolder::create(&out, &text, &provenance)?;
            let lock = folder.lock()?;
            (folder, Some(lock))
        } else {
            (RunFolder::at(&out), None)
        };
        let session = Session {
            domain: &domain,
            config: &config,
            machine,
            folder: &folder,
            trainer,
            state: State::new(text, &domain)?,
            hooks,
        };
        let outcome = session.run(&constraints);
        if outcome.is_err() && ranks.is_first() && folder.chosen_checkpoint(None).is_err() {
            folder.remove();
        }
        Ok((folder, outcome?))
    })
}

/// A config whose run could start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The resolved config as TOML, with every default filled in. One with `train.seconds` has no `train.steps`, which only a run finds.
    pub config: String,
    /// Remarks on the signal for the user.
    pub notes: Vec<String>,
}

/// Checks config, signal and network as [`start`] does. Nothing is written.
///
/// # Errors
/// As [`start`], without those of the disk and of the training.
pub fn check<D: Domain>(config: &Path, overrides: &[String], machine: &Machine) -> Result<Checked> {
    let overrides = &expand_home(overrides);
    let (mut config, source) = read_config::<D>(config, overrides)?;
    let attribute = |error| source.attribute(error, overrides);
    let precision = config.train.precision;
    let engine = &precision.engine(&machine.engine).map_err(attribute)?;
    machine.install(|| {
        let domain = D::open(&config).map_err(attribute)?;
        resolve(&mut config, &domain).map_err(attribute)?;
        let model = initial_model::<D>(&config, domain.shape(), engine).map_err(attribute)?;
        if config.run.start_from.is_none() {
            siren_core::train::must_start(&domain, &model).map_err(attribute)?;
        }
        let constraints = domain
            .constraints(precision.dtype(), &Device::Cpu)
            .map_err(attribute)?;
        let can_train = config.train.must_train(&model, &constraints);
        can_train.map_err(attribute)?;
        Ok(Checked {
            config: config.to_toml()?,
            notes: domain.notes().to_vec(),
        })
    })
}

/// Continues the run in the folder `run` from its last checkpoint. The result is the same, bit for bit, as without the interruption; on
/// another device than before it agrees to rounding.
///
/// A run without a checkpoint starts from its first step. A finished run is not changed.
///
/// # Errors
/// As [`start`], whose remarks on ranks hold here too; also [`Error::RunFolder`] if config or signal were changed or another process runs in the folder, and
/// [`Error::Checkpoint`] if the checkpoint is damaged or of another network.
pub fn resume<D: Domain>(
    run: &Path,
    machine: &Machine,
    hooks: Hooks<'_>,
) -> Result<(RunFolder, Outcome)> {
    let resumed = resume_on_rank::<D>(run, machine, hooks);
    machine.ranks.agree(resumed)
}

fn resume_on_rank<D: Domain>(
    run: &Path,
    machine: &Machine,
    hooks: Hooks<'_>,
) -> Result<(RunFolder, Outcome)> {
    let ranks = &machine.ranks;
    let folder = RunFolder::open(run)?;
    let path = folder.checkpoint(CheckpointChoice::Last);
    let (config, text) = read_run_config::<D>(&folder)?;
    let _lock = ranks.is_first().then(|| folder.lock()).transpose()?;
    let mut checkpoint = path.exists().then(|| Checkpoint::load(&path)).transpose()?;
    let mut steps = 0;
    let mut is_complete = false;
    if let Some(Checkpoint { state, .. }) = &mut checkpoint {
        check_config_unchanged(&folder, &state.config, &text)?;
        check_best(&folder, state, hooks.observer)?;
        steps = state.step;
        // Rank 0 has written the summary, and sees it first. A training whose tiles may rest can end before its last step.
        is_complete = ranks.is_first()
            && (steps >= config.train.steps || config.train.rest_db.is_some())
            && is_finished(&folder, steps, hooks.observer)?;
    }
    if checkpoint.is_none() {
        // Before the signal is opened, which would refuse a damaged value without the name of the file.
        check_created_config(&folder, &text)?;
    }
    if ranks.any(is_complete)? {
        if is_complete && !folder.report().is_file() {
            // The last file of a run, after the summary.
            write_own_report(&folder, hooks.observer);
        }
        return Ok((folder, Outcome::AlreadyFinished { steps }));
    }
    let engine = &config.train.precision.engine(&machine.engine)?;
    machine.install(|| {
        let domain = D::open(&config)?;
        let constraints = domain.constraints(config.train.precision.dtype(), &Device::Cpu)?;
        let mut state = State::new(text.clone(), &domain)?;
        let trainer = if let Some(checkpoint) = checkpoint {
            check_signal_unchanged(&folder, &checkpoint.state, state.signal_checksum)?;
            let model = checkpointed_model::<D>(&config, &checkpoint, &path, engine)?;
            let mut trainer = Trainer::new(model, &config.train)?.among(ranks)?;
            checkpoint.restore(&mut trainer, &path)?;
            state = checkpoint.state;
            trainer
        } else {
            let model = first_model(&config, &domain, engine)?;
            Trainer::new(model, &config.train)?.among(ranks)?
        };
        must_agree(&domain, &text, &trainer, ranks)?;
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

/// Checks that all ranks are about to train the same model on the same signal.
fn must_agree<D: Domain>(
    domain: &D,
    config: &str,
    trainer: &Trainer<D::Model>,
    ranks: &Ranks,
) -> Result<()> {
    if ranks.count() == 1 {
        return Ok(());
    }
    let level = Level::best();
    let program = format!("{} {}, {level}", D::KIND, env!("CARGO_PKG_VERSION"));
    ranks.must_share("program or processor", Ok(program))?;
    ranks.must_share("config", Ok(crc32c::crc32c(config.as_bytes()).to_string()))?;
    ranks.must_share("signal", domain.checksum().map(|sum| sum.to_string()))?;
    ranks.must_share("checkpoint", Ok(trainer.step_count().to_string()))?;
    must_have_the_same_parameters(trainer, ranks)
}

/// Checks the best checkpoint of a run whose last one has this state. If it is missing, the next evaluation is the best one so far.
fn check_best(folder: &RunFolder, state: &mut State, observer: &mut dyn RunObserver) -> Result<()> {
    let path = folder.checkpoint(CheckpointChoice::Best);
    if let Some(best) = state.best
        && !Checkpoint::check_best(&path, best)?
    {
        let path = path.display();
        observer.note(&format!(
            "note: {path} is missing; the best evaluation from now on is kept"
        ));
        state.best = None;
    }
    Ok(())
}

/// Returns whether a run whose last checkpoint is of `steps` steps wrote everything else too: its summary is its last file. A damaged one is written
/// again, with the artifacts.
///
/// # Errors
/// [`Error::RunFolder`] if a table was damaged since; [`Error::Io`].
fn is_finished(folder: &RunFolder, steps: u64, observer: &mut dyn RunObserver) -> Result<bool> {
    let path = folder.summary();
    if !path.is_file() {
        return Ok(false);
    }
    let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
    let summary = std::str::from_utf8(&bytes).ok().and_then(parse_summary);
    let Some(summary) = summary else {
        let path = path.display();
        observer.note(&format!(
            "note: {path} is damaged; summary and artifacts are written again"
        ));
        return Ok(false);
    };
    let own = summary.get("steps").and_then(toml::Value::as_integer);
    if own.is_none_or(|own| own != steps as i64) {
        return Ok(false);
    }
    if let Some(tables) = summary.get("tables")
        && let Ok(tables) = tables.clone().try_into::<FinalTables>()
    {
        tables.check(folder)?;
    }
    Ok(true)
}

/// Replaces `~/` at the beginning of an override's value by the home folder; a shell does so only at the beginning of a word.
fn expand_home(overrides: &[String]) -> Vec<String> {
    let home = std::env::var("HOME").unwrap_or_default();
    let expand = |assignment: &String| match assignment.split_once("=~/") {
        Some((key, rest)) if !home.is_empty() && !key.contains('=') => {
            format!("{key}={home}/{rest}")
        }
        _ => assignment.clone(),
    };
    overrides.iter().map(expand).collect()
}

/// Reads a config file and makes its paths absolute. The source is returned too, so that later errors can name the line of a key.
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

/// Returns the name of a run from the file name of its config. Characters that a name must not contain become `-`.
fn name_from(file_stem: &str) -> String {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name: String = file_stem
        .chars()
        .map(|c| if is_allowed(c) { c } else { '-' })
        .collect();
    match name.trim_start_matches(['.', '-']) {
        "" => "run".to_owned(),
        name => name.to_owned(),
    }
}

/// Replaces every `"auto"` by a number: ω₀ of the first layer by that of the file of initial parameters, if there is one, all others from
/// the signal's spectrum.
fn resolve<D: Domain>(config: &mut ConfigOf<D>, domain: &D) -> Result<()> {
    domain.resolve(config)?;
    let field = &mut config.field;
    if let (Omega::Auto, Some(path)) = (field.first_omega_0, &config.run.start_from) {
        field.first_omega_0 = Weights::read(path)?.first_omega_0();
    }
    siren_core::train::resolve(field, domain, config.train.learning_rate)
}

/// Returns the model before the first step: drawn at random and prepared by the task, or loaded from the file `run.start_from`.
fn first_model<D: Domain>(
    config: &ConfigOf<D>,
    domain: &D,
    engine: &FieldEngine,
) -> Result<D::Model> {
    let model = initial_model::<D>(config, domain.shape(), engine)?;
    if config.run.start_from.is_some() {
        return Ok(model);
    }
    siren_core::train::prepare(domain, model, config.seed)
}

/// Returns the model before any training: drawn at random, or loaded from the file `run.start_from`.
pub(super) fn initial_model<D: Domain>(
    config: &ConfigOf<D>,
    shape: FieldShape,
    engine: &FieldEngine,
) -> Result<D::Model> {
    let blueprint = blueprint::<D>(config, shape);
    let dtype = config.train.precision.dtype();
    let Some(path) = &config.run.start_from else {
        let mut rng = Stream::PARAMETERS.rng(config.seed, 0);
        return D::Model::init(blueprint, &mut rng, dtype, &Device::Cpu)?.on(engine);
    };
    let weights = Weights::read(path)?;
    weights.check_config(&config.field, path)?;
    let model = D::Model::load(blueprint, |name| weights.find(name), dtype, &Device::Cpu);
    let model = model.map_err(|error| network_mismatch(path, &error))?;
    model.on(engine)
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

/// Returns the error of a file whose tensors do not fit the network of the config.
pub(super) fn network_mismatch(path: &Path, error: &Error) -> Error {
    Error::Checkpoint {
        path: path.to_path_buf(),
        message: format!("is of another network than the config's `[field]`: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_name_gives_a_valid_name_of_a_run() {
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
