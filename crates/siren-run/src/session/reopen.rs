//! Reads the config and the model of an existing run, and checks that config and signal are those with which it started.

use std::collections::BTreeSet;
use std::path::Path;

use candle_core::Device;

use siren_core::config::Source;
use siren_core::field::FieldEngine;
use siren_core::file::{has_extension, read_text};
use siren_core::signal::KeptMetadata;
use siren_core::train::{Model, Task};
use siren_core::{Error, Result};
use siren_export::{Format, WeightPrecision};

use super::launch::{blueprint, network_mismatch};
use crate::config::Config;
use crate::domain::{ConfigOf, Domain, FormerDefault, Recorded};
use crate::folder::{Checkpoint, CheckpointChoice, RunFolder, State, export, upgrade_config};

/// Config, metadata and model of a run, for rendering.
pub struct Restored<D: Domain> {
    /// The resolved config.
    pub config: ConfigOf<D>,
    /// Facts of the signal.
    pub metadata: <D as Recorded>::Metadata,
    /// The model at the chosen checkpoint.
    pub model: <D as Task>::Model,
}

/// Reads a run at a checkpoint, by default the best one, or the last one in a run without evaluations. The signal is opened only if an older
/// program wrote the checkpoint. The engine computes the model: any run on the CPU, one in single precision on a CUDA device.
///
/// # Errors
/// [`Error::RunFolder`] if the run has no such checkpoint or its config was changed; [`Error::Checkpoint`] if the checkpoint is damaged or
/// of another network; [`Error::InvalidValue`] if the engine does not compute in the precision of the run. For an older checkpoint, also if
/// the signal cannot be read or was changed.
pub fn restore<D: Domain>(
    run: &Path,
    choice: Option<CheckpointChoice>,
    engine: &FieldEngine,
) -> Result<Restored<D>> {
    let folder = RunFolder::open(run)?;
    let (config, model, state) = reopen::<D>(&folder, choice, engine)?;
    let saved = state.metadata.as_ref().and_then(KeptMetadata::read);
    let metadata = match saved {
        Some(metadata) => metadata,
        None => metadata_of_signal::<D>(&folder, &config, &model, &state)?,
    };
    Ok(Restored {
        config,
        metadata,
        model,
    })
}

/// Computes the metadata from the signal, for checkpoints that do not contain it.
fn metadata_of_signal<D: Domain>(
    folder: &RunFolder,
    config: &ConfigOf<D>,
    model: &D::Model,
    state: &State,
) -> Result<D::Metadata> {
    let domain = D::open(config).map_err(|error| Error::RunFolder {
        path: folder.path().to_path_buf(),
        message: format!(
            "another version of this program wrote the checkpoint, without size and scale of the signal, so rendering needs the \
             signal that was fitted, which cannot be opened ({error}): put the file back, or render with that version"
        ),
    })?;
    check_signal_unchanged(folder, state, domain.checksum()?)?;
    domain.metadata(model)
}

/// Exports the model of a run at a checkpoint, by default the best one. A file named `.safetensors` holds its tensors with the facts of its signal;
/// other extensions select a format of [`siren_export`]. `precision` is that of the weights of a page. Returns what the values of the file lack of
/// the signal, in sentences.
///
/// # Errors
/// As [`restore`], [`export`], [`Recorded::portable`] and [`siren_export::write`].
pub fn export_run<D: Domain>(
    run: &Path,
    choice: Option<CheckpointChoice>,
    precision: WeightPrecision,
    path: &Path,
) -> Result<Vec<String>> {
    if Format::of(path).is_some() {
        let restored = restore::<D>(run, choice, &FieldEngine::Cpu)?;
        let portable = D::portable(&restored.metadata, &restored.model)?;
        siren_export::write(&portable, precision, path)?;
        return Ok(portable.look.notes);
    }
    if !has_extension(path, &["safetensors"]) {
        let others = Format::EXTENSIONS.map(|extension| format!(".{extension}"));
        let others = others.join(", ");
        return Err(Error::Checkpoint {
            path: path.to_path_buf(),
            message: format!(
                "cannot be written: expected a name that ends in .safetensors, {others}"
            ),
        });
    }
    let (_, model, state) = reopen::<D>(&RunFolder::open(run)?, choice, &FieldEngine::Cpu)?;
    export(&model, state.metadata, path)?;
    // Its metadata has all that `render` adds to the network.
    Ok(Vec::new())
}

/// Reads the config of a run and its model at a checkpoint, as [`restore`] does. The signal is not opened.
///
/// # Errors
/// [`Error::RunFolder`] if the run has no such checkpoint or its config was changed; [`Error::Checkpoint`] if the checkpoint is damaged or
/// of another network; [`Error::InvalidValue`] if the engine does not compute in the precision of the run.
pub fn restore_model<D: Domain>(
    run: &Path,
    choice: Option<CheckpointChoice>,
    engine: &FieldEngine,
) -> Result<(ConfigOf<D>, D::Model)> {
    let (config, model, _) = reopen::<D>(&RunFolder::open(run)?, choice, engine)?;
    Ok((config, model))
}

fn reopen<D: Domain>(
    folder: &RunFolder,
    choice: Option<CheckpointChoice>,
    engine: &FieldEngine,
) -> Result<(ConfigOf<D>, D::Model, State)> {
    let path = folder.chosen_checkpoint(choice)?;
    let checkpoint = Checkpoint::load(&path)?;
    let (config, text) = read_run_config::<D>(folder)?;
    check_config_unchanged(folder, &checkpoint.state.config, &text)?;
    let engine = match engine {
        // The CPU evaluates a run of any precision, those that it does not train included.
        FieldEngine::Cpu => FieldEngine::Cpu,
        device => config.train.precision.engine(device)?,
    };
    let model = checkpointed_model::<D>(&config, &checkpoint, &path, &engine)?;
    Ok((config, model, checkpoint.state))
}

/// Reads the resolved config of a run, and returns it with its text.
pub(super) fn read_run_config<D: Domain>(folder: &RunFolder) -> Result<(ConfigOf<D>, String)> {
    let path = folder.config();
    let text = read_text(&path)?;
    let source = Source {
        origin: path.display().to_string(),
        text: with_former_defaults(&text, D::FORMER_DEFAULTS),
    };
    let config = Config::parse(&source, D::KIND, &[])?;
    Ok((config, text))
}

/// Upgrades the text of an older config and adds former defaults for the keys that it lacks. A text that needs no change, or is not TOML, is
/// returned as it is.
fn with_former_defaults(text: &str, former: &[FormerDefault]) -> String {
    let Ok(mut config) = text.parse::<toml::Table>() else {
        return text.to_owned();
    };
    let mut is_changed = upgrade_config(&mut config);
    for default in former {
        let table = config.entry(default.table);
        let table = table.or_insert_with(|| toml::Table::new().into());
        if let toml::Value::Table(table) = table
            && !table.contains_key(default.key)
        {
            table.insert(default.key.to_owned(), default.value.into());
            is_changed = true;
        }
    }
    match toml::to_string(&config) {
        Ok(changed) if is_changed => changed,
        _ => text.to_owned(),
    }
}

/// Makes the model of a checkpoint at `path`.
pub(super) fn checkpointed_model<D: Domain>(
    config: &ConfigOf<D>,
    checkpoint: &Checkpoint,
    path: &Path,
    engine: &FieldEngine,
) -> Result<D::Model> {
    let blueprint = blueprint::<D>(config, checkpoint.state.shape);
    let model = D::Model::load(
        blueprint,
        |name| checkpoint.find(name),
        config.train.precision.dtype(),
        &Device::Cpu,
    );
    let model = model.map_err(|error| network_mismatch(path, &error))?;
    model.on(engine)
}

/// Checks that the signal is the one with which the run started, by its checksum.
pub(super) fn check_signal_unchanged(
    folder: &RunFolder,
    state: &State,
    checksum: u32,
) -> Result<()> {
    if state.signal_checksum == checksum {
        return Ok(());
    }
    Err(Error::RunFolder {
        path: folder.path().to_path_buf(),
        message: "the signal is no longer the one that the run started with: put the old file back, or start a \
                  new run with the new one"
            .to_owned(),
    })
}

/// Checks that `text`, the present config, has the same values as `original`, the config with which the run started.
pub(super) fn check_config_unchanged(folder: &RunFolder, original: &str, text: &str) -> Result<()> {
    let table = |text: &str| text.parse::<toml::Table>().unwrap_or_default();
    let mut changes = Vec::new();
    list_changes("", &table(original), &table(text), &mut changes);
    if changes.is_empty() {
        return Ok(());
    }
    Err(Error::RunFolder {
        path: folder.config(),
        message: format!(
            "was changed since the run started ({}): undo the change, or start a new run from the changed config",
            changes.join(", ")
        ),
    })
}

/// Appends one text per key whose values differ. `prefix` is the dotted key of both tables.
fn list_changes(
    prefix: &str,
    original: &toml::Table,
    present: &toml::Table,
    changes: &mut Vec<String>,
) {
    let keys: BTreeSet<_> = original.keys().chain(present.keys()).collect();
    for key in keys {
        let name = format!("{prefix}{key}");
        match (original.get(key), present.get(key)) {
            (Some(toml::Value::Table(original)), Some(toml::Value::Table(present))) => {
                list_changes(&format!("{name}."), original, present, changes);
            }
            (original, present) if original == present => {}
            (original, present) => {
                let show = |value: Option<&toml::Value>| {
                    value.map_or("absent".to_owned(), ToString::to_string)
                };
                changes.push(format!(
                    "`{name}` was {}, is {}",
                    show(original),
                    show(present)
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_an_older_run_lacks_gets_its_former_default() {
        let former = [FormerDefault {
            table: "signal",
            key: "stencil",
            value: "sobel",
        }];
        let read = |text: &str| {
            with_former_defaults(text, &former)
                .parse::<toml::Table>()
                .unwrap()
        };
        for (text, stencil) in [
            ("seed = 3\n", "sobel"),
            ("[signal]\nsize = 16\n", "sobel"),
            ("[signal]\nstencil = 'central'\n", "central"),
        ] {
            let config = read(text);
            assert_eq!(
                config["signal"]["stencil"].as_str(),
                Some(stencil),
                "{text}"
            );
        }
        assert_eq!(
            with_former_defaults("[signal]\nsize = 16\n", &[]),
            "[signal]\nsize = 16\n"
        );
        assert_eq!(with_former_defaults("[signal\n", &former), "[signal\n");
    }
}
