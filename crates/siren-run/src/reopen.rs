//! Runs that were left: their configs and models, and whether they may go on.

use std::path::{Path, PathBuf};

use candle_core::{DType, Device};

use siren_core::config::Source;
use siren_core::file::read_text;
use siren_core::signal::KeptMetadata;
use siren_core::train::{Model, Task};
use siren_core::{Error, Result};

use crate::checkpoint::{Checkpoint, State};
use crate::config::Config;
use crate::domain::{ConfigOf, Domain, Recorded};
use crate::folder::{CheckpointChoice, RunFolder};
use crate::launch::{blueprint, other_network};
use crate::upgrade;

/// A key that older run folders lack, and the text by which runs were trained then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormerDefault {
    /// The table of the config.
    pub table: &'static str,
    /// The key in it.
    pub key: &'static str,
    /// Its value.
    pub value: &'static str,
}

/// A run as it was left, for rendering.
pub struct Restored<D: Domain> {
    /// The run's resolved config.
    pub config: ConfigOf<D>,
    /// What rendering needs of its signal.
    pub metadata: <D as Recorded>::Metadata,
    /// Its model at the chosen checkpoint.
    pub model: <D as Task>::Model,
}

/// Reopens a run at a checkpoint; by default the best there is. The signal is opened only where an older program wrote the checkpoint.
///
/// # Errors
/// If the run has no such checkpoint; of an older checkpoint also if the signal can no longer be read or is another one by now.
pub fn restore<D: Domain>(
    run: &Path,
    which: Option<CheckpointChoice>,
    device: &Device,
) -> Result<Restored<D>> {
    let folder = RunFolder::open(run)?;
    let (config, model, state) = reopen::<D>(&folder, which, device)?;
    let kept = state.metadata.as_ref().and_then(KeptMetadata::read);
    let metadata = match kept {
        Some(metadata) => metadata,
        None => metadata_of_signal::<D>(&folder, &config, &model, &state)?,
    };
    Ok(Restored {
        config,
        metadata,
        model,
    })
}

/// Metadata from the signal itself, for checkpoints without.
fn metadata_of_signal<D: Domain>(
    folder: &RunFolder,
    config: &ConfigOf<D>,
    model: &D::Model,
    started: &State,
) -> Result<D::Metadata> {
    let device = model.parameters().device();
    let domain = D::open(config, device).map_err(|error| Error::RunFolder {
        path: folder.path().to_path_buf(),
        message: format!(
            "another version of this program wrote the checkpoint and did not keep size and scale of the signal in it, so rendering \
             needs the signal that was fitted, which cannot be opened ({error}): put the file back, or render with that version"
        ),
    })?;
    same_signal(folder, started, domain.checksum())?;
    domain.metadata(model)
}

/// A run's config and its model at a checkpoint, by default the best there is; the signal may be gone.
///
/// # Errors
/// If the run has no such checkpoint.
pub fn restore_model<D: Domain>(
    run: &Path,
    which: Option<CheckpointChoice>,
    device: &Device,
) -> Result<(ConfigOf<D>, D::Model)> {
    let (config, model, _) = reopen::<D>(&RunFolder::open(run)?, which, device)?;
    Ok((config, model))
}

fn reopen<D: Domain>(
    folder: &RunFolder,
    which: Option<CheckpointChoice>,
    device: &Device,
) -> Result<(ConfigOf<D>, D::Model, State)> {
    let path = folder.chosen_checkpoint(which)?;
    let checkpoint = Checkpoint::load(&path)?;
    let (config, text) = own_config::<D>(folder)?;
    same_config(folder, &checkpoint.state.config, &text)?;
    let model = checkpointed_model::<D>(&config, &checkpoint, &path, device)?;
    Ok((config, model, checkpoint.state))
}

/// The resolved config of an existing run, and its text.
pub(super) fn own_config<D: Domain>(folder: &RunFolder) -> Result<(ConfigOf<D>, String)> {
    let path: PathBuf = folder.config();
    let text = read_text(&path)?;
    let source = Source {
        origin: path.display().to_string(),
        text: completed(&text, D::FORMER_DEFAULTS),
    };
    let config = Config::parse(&source, D::KIND, &[])?;
    Ok((config, text))
}

/// The text with former defaults in place of the keys that it lacks; a text that lacks none, or does not parse, stays as it is.
fn completed(text: &str, former: &[FormerDefault]) -> String {
    let Ok(mut config) = text.parse::<toml::Table>() else {
        return text.to_owned();
    };
    let mut is_complete = !upgrade::config(&mut config);
    for one in former {
        let table = config.entry(one.table);
        let table = table.or_insert_with(|| toml::Table::new().into());
        if let toml::Value::Table(table) = table
            && !table.contains_key(one.key)
        {
            table.insert(one.key.to_owned(), one.value.into());
            is_complete = false;
        }
    }
    match toml::to_string(&config) {
        Ok(longer) if !is_complete => longer,
        _ => text.to_owned(),
    }
}

pub(super) fn checkpointed_model<D: Domain>(
    config: &ConfigOf<D>,
    checkpoint: &Checkpoint,
    path: &Path,
    device: &Device,
) -> Result<D::Model> {
    let blueprint = blueprint::<D>(config, checkpoint.state.shape.into());
    let model = D::Model::load(blueprint, |name| checkpoint.find(name), DType::F32, device);
    model.map_err(|error| other_network(path, &error))
}

/// A run goes on with the signal it was started with, or not at all.
pub(super) fn same_signal(folder: &RunFolder, started: &State, now: u32) -> Result<()> {
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
pub(super) fn same_config(folder: &RunFolder, started: &str, now: &str) -> Result<()> {
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
    fn a_key_that_an_older_run_lacks_gets_its_former_default() {
        let former = [FormerDefault {
            table: "signal",
            key: "stencil",
            value: "sobel",
        }];
        let read = |text: &str| completed(text, &former).parse::<toml::Table>().unwrap();
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
            completed("[signal]\nsize = 16\n", &[]),
            "[signal]\nsize = 16\n"
        );
        assert_eq!(completed("[signal\n", &former), "[signal\n");
    }
}
