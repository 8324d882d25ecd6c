//! Checkpoints: safetensors files from which a run continues bit for bit.
//!
//! Tensors: the parameters under the names of the authors' checkpoints, and the optimizer's state under names that begin with `optimizer.`.
//! Metadata: one TOML text under the key `siren`, see [`State`]. The same training gives the same bytes.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use safetensors::tensor::SafeTensors;
use serde::{Deserialize, Serialize};

use siren_core::field::FieldShape;
use siren_core::file::write_atomically;
use siren_core::metrics::Metrics;
use siren_core::optimizer::OptimizerState;
use siren_core::saved::{little_endian, to_safetensors};
use siren_core::signal::KeptMetadata;
use siren_core::train::{Model, Trainer};
use siren_core::{Error, Result};

use super::rows::Tables;
use super::upgrade::upgrade_optimizer_state;
use crate::domain::Domain;

/// Key of the training state in the metadata of the file.
const METADATA_KEY: &str = "siren";
/// Version of the file format.
const FORMAT: u32 = 2;
/// Prefix of the names of the optimizer's tensors.
const OPTIMIZER: &str = "optimizer.";

/// Training state: the contents of a checkpoint besides its tensors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct State {
    format: u32,
    /// CRC-32C of this table with a checksum of 0, followed by names and elements of all tensors, sorted by name.
    checksum: u32,
    /// Optimizer steps taken.
    pub(crate) step: u64,
    optimizer_step: u64,
    /// Best value of the headline metric so far, and its step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) best: Option<Best>,
    /// Digests of the tables up to this step; `None` in checkpoints of older programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tables: Option<Tables>,
    /// Checksum of the signal, see [`Recorded::checksum`](crate::Recorded::checksum).
    pub(crate) signal_checksum: u32,
    /// Sizes that come from the signal, so that the network can be made without the signal.
    pub(crate) shape: FieldShape,
    /// Facts of the signal for rendering; `None` in checkpoints of older programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<KeptMetadata>,
    /// The resolved config of the run.
    pub(crate) config: String,
    /// Metrics of the most recent evaluation, in its order.
    pub(crate) metrics: Vec<(String, f64)>,
}

impl State {
    /// Replaces the metrics of the most recent evaluation.
    pub(crate) fn set_metrics(&mut self, metrics: &Metrics) {
        let named = metrics.iter();
        let named = named.map(|one| (one.metric.name.clone().into_owned(), one.value));
        self.metrics = named.collect();
    }

    /// Returns the state before the first step of a run with this resolved config and signal.
    ///
    /// # Errors
    /// As [`Recorded::checksum`](crate::Recorded::checksum).
    pub(crate) fn new<D: Domain>(config: String, domain: &D) -> Result<Self> {
        Ok(Self {
            signal_checksum: domain.checksum()?,
            shape: domain.shape(),
            config,
            ..Self::default()
        })
    }
}

/// Step and headline metric of the best evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Best {
    pub(crate) step: u64,
    pub(crate) value: f64,
}

/// A checkpoint in memory.
pub(crate) struct Checkpoint {
    pub(crate) state: State,
    tensors: HashMap<String, Tensor>,
}

/// Writes the trainer's parameters and optimizer state with `state` to a file, atomically. The step counts of `state` are those of the
/// trainer.
pub(crate) fn save_checkpoint<M: Model>(
    path: &Path,
    trainer: &Trainer<M>,
    state: &State,
) -> Result<()> {
    let optimizer = trainer.optimizer_state()?;
    let mut tensors = trainer.model().named_tensors()?;
    let moments = optimizer.tensors.into_iter();
    tensors.extend(moments.map(|(name, tensor)| (format!("{OPTIMIZER}{name}"), tensor)));
    let mut state = State {
        format: FORMAT,
        checksum: 0,
        step: trainer.step_count(),
        optimizer_step: optimizer.step,
        ..state.clone()
    };
    state.checksum = checksum(&tensors, &state, path)?;
    let text = toml::to_string(&state).map_err(|error| unwritable(path, &error.to_string()))?;
    let metadata = HashMap::from([(METADATA_KEY.to_owned(), text)]);
    write_atomically(path, &to_safetensors(&tensors, metadata, path)?)
}

/// Computes [`State::checksum`].
fn checksum(tensors: &[(String, Tensor)], state: &State, path: &Path) -> Result<u32> {
    let state = State {
        checksum: 0,
        ..state.clone()
    };
    let text = toml::to_string(&state).map_err(|error| unwritable(path, &error.to_string()))?;
    let start = crc32c::crc32c(text.as_bytes());
    let mut sorted: Vec<_> = tensors.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    sorted.into_iter().try_fold(start, |crc, (name, tensor)| {
        let crc = crc32c::crc32c_append(crc, name.as_bytes());
        Ok(crc32c::crc32c_append(crc, &little_endian(tensor)?))
    })
}

fn damaged(path: &Path, detail: &str) -> Error {
    Error::Checkpoint {
        path: path.to_path_buf(),
        message: format!(
            "is damaged or not a checkpoint of this program ({detail}); replace it by a good copy, \
             or delete it to start the run from its beginning"
        ),
    }
}

fn unwritable(path: &Path, detail: &str) -> Error {
    Error::Checkpoint {
        path: path.to_path_buf(),
        message: format!("cannot be written ({detail})"),
    }
}

/// Checks the version of the format before the other fields are parsed, which another version may not have.
fn check_format(text: &str, path: &Path) -> Result<()> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let found: Format = toml::from_str(text).map_err(|error| damaged(path, error.message()))?;
    if found.format == FORMAT {
        return Ok(());
    }
    Err(Error::Checkpoint {
        path: path.to_path_buf(),
        message: format!(
            "has format {}, this program reads format {FORMAT}: use the version of the program that wrote it",
            found.format
        ),
    })
}

/// Returns the text of the training state in the bytes of a safetensors file, or `None` if the file holds weights only.
fn state_text(bytes: &[u8]) -> Result<Option<String>, safetensors::SafeTensorError> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let metadata = header.metadata().as_ref();
    Ok(metadata.and_then(|map| map.get(METADATA_KEY)).cloned())
}

/// Returns whether the bytes of a safetensors file are those of a checkpoint.
pub(crate) fn is_checkpoint(bytes: &[u8]) -> bool {
    state_text(bytes).is_ok_and(|text| text.is_some())
}

impl Checkpoint {
    /// Reads a checkpoint and verifies its checksum.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let text = state_text(&bytes).map_err(|error| damaged(path, &error.to_string()))?;
        let text =
            text.ok_or_else(|| damaged(path, "the file holds tensors, but no training state"))?;
        check_format(&text, path)?;
        let state: State = toml::from_str(&text).map_err(|error| damaged(path, error.message()))?;
        let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu);
        let tensors = tensors.map_err(|error| damaged(path, &error.to_string()))?;
        let named: Vec<_> = tensors
            .iter()
            .map(|(n, t)| (n.clone(), t.clone()))
            .collect();
        if checksum(&named, &state, path)? != state.checksum {
            return Err(damaged(path, "the checksum does not match the contents"));
        }
        Ok(Self { state, tensors })
    }

    /// Checks that the file at `path` is the best checkpoint, from `best` on, of a run whose last checkpoint says so. Returns whether the file exists.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if it is damaged, or is another checkpoint.
    pub(crate) fn check_best(path: &Path, best: Best) -> Result<bool> {
        if !path.exists() {
            return Ok(false);
        }
        let fail = |detail: String| Error::Checkpoint {
            path: path.to_path_buf(),
            message: format!(
                "is damaged or not the best checkpoint of this run ({detail}): replace it by a good copy, or delete it, so that the best \
                 evaluation from now on is kept"
            ),
        };
        let found = Self::load(path).map_err(|error| fail(error.to_string()))?;
        let own = found.state.best.map(|own| own.step);
        // A run that was killed after a better evaluation has a later one.
        if own == Some(found.state.step) && found.state.step >= best.step {
            return Ok(true);
        }
        Err(fail(format!(
            "it is of step {}, expected step {}",
            found.state.step, best.step
        )))
    }

    /// Returns all tensors by name, those of the optimizer included.
    pub(crate) fn into_tensors(self) -> HashMap<String, Tensor> {
        self.tensors
    }

    /// Returns a tensor by its name.
    pub(crate) fn find(&self, name: &str) -> Option<Tensor> {
        self.tensors.get(name).cloned()
    }

    /// Restores step count and optimizer state of a trainer whose model was loaded from this checkpoint.
    pub(crate) fn restore<M: Model>(&self, trainer: &mut Trainer<M>, path: &Path) -> Result<()> {
        let moments = self.tensors.iter().filter_map(|(name, tensor)| {
            let name = name.strip_prefix(OPTIMIZER)?;
            Some((name.to_owned(), tensor.clone()))
        });
        let state = OptimizerState {
            step: self.state.optimizer_step,
            tensors: moments.collect(),
        };
        let current = trainer.optimizer_state()?;
        let state = upgrade_optimizer_state(state, &current, trainer.model().parameters())?;
        let restored = trainer.restore(self.state.step, &state);
        restored.map_err(|error| damaged(path, &error.to_string()))
    }
}
