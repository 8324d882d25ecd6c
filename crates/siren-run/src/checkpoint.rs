//! Checkpoints: safetensors files that hold all that a run needs to go on as if it had never stopped.
//!
//! Tensors: the parameters under the authors' names, and the optimizer's state behind `optimizer.`.
//! Metadata: one TOML text under the key `siren`. The same training gives the same bytes.

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

use crate::domain::Domain;
use crate::upgrade;

const METADATA_KEY: &str = "siren";
const FORMAT: u32 = 2;
/// In front of the names of the optimizer's tensors.
const OPTIMIZER: &str = "optimizer.";

/// What a checkpoint says besides its tensors.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    format: u32,
    /// CRC-32C of all tensors in file order: a flipped bit must not train on.
    checksum: u32,
    /// Optimizer steps taken.
    pub(super) step: u64,
    optimizer_step: u64,
    /// The headline metric's best value so far, and its step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) best: Option<Best>,
    /// Of the signal, see `Domain::checksum`.
    pub(super) signal_checksum: u32,
    /// What the network was made to fit, so that it can be had without the signal.
    pub(super) shape: Shape,
    /// What rendering needs of the signal; checkpoints of older programs have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<KeptMetadata>,
    /// The resolved config of the run.
    pub(super) config: String,
    /// The most recent evaluation, in order.
    pub(super) metrics: Vec<(String, f64)>,
}

impl State {
    /// Keeps the metrics of the most recent evaluation.
    pub(super) fn set_metrics(&mut self, metrics: &Metrics) {
        let named = metrics.iter();
        let named = named.map(|one| (one.metric.name.clone().into_owned(), one.value));
        self.metrics = named.collect();
    }

    /// Before the first step of a run with this resolved config and signal.
    pub(super) fn new<D: Domain>(config: String, domain: &D) -> Self {
        let FieldShape {
            in_features,
            out_features,
            samples_per_side,
        } = domain.shape();
        Self {
            signal_checksum: domain.checksum(),
            shape: Shape {
                in_features,
                out_features,
                samples_per_side,
            },
            config,
            ..Self::default()
        }
    }
}

/// A [`FieldShape`] on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shape {
    in_features: usize,
    out_features: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    samples_per_side: Option<usize>,
}

impl From<Shape> for FieldShape {
    fn from(shape: Shape) -> Self {
        Self {
            in_features: shape.in_features,
            out_features: shape.out_features,
            samples_per_side: shape.samples_per_side,
        }
    }
}

/// A best evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Best {
    pub(super) step: u64,
    pub(super) value: f64,
}

/// A checkpoint in memory.
pub(super) struct Checkpoint {
    pub(super) state: State,
    tensors: HashMap<String, Tensor>,
}

/// Writes the trainer's parameters and moments with `state`, atomically.
pub(super) fn save<M: Model>(path: &Path, trainer: &Trainer<M>, state: &State) -> Result<()> {
    let optimizer = trainer.optimizer_state()?;
    let mut tensors = trainer.model().named_tensors()?;
    let own = optimizer.tensors.into_iter();
    tensors.extend(own.map(|(name, tensor)| (format!("{OPTIMIZER}{name}"), tensor)));
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

/// Checked before all else: another format may have other fields.
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
            "has format {}, this program reads format {FORMAT}: use the version that wrote it",
            found.format
        ),
    })
}

/// The text of the training state in a safetensors file; `None` if the file is no checkpoint, but weights alone.
fn state_in(bytes: &[u8]) -> Result<Option<String>, safetensors::SafeTensorError> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let metadata = header.metadata().as_ref();
    Ok(metadata.and_then(|map| map.get(METADATA_KEY)).cloned())
}

/// Whether the bytes of a safetensors file are a checkpoint's.
pub(super) fn is_checkpoint(bytes: &[u8]) -> bool {
    state_in(bytes).is_ok_and(|state| state.is_some())
}

impl Checkpoint {
    /// Reads and verifies a checkpoint.
    pub(super) fn load(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let text = state_in(&bytes).map_err(|error| damaged(path, &error.to_string()))?;
        let text = text.ok_or_else(|| damaged(path, "it holds tensors, but no training state"))?;
        check_format(&text, path)?;
        let state: State = toml::from_str(&text).map_err(|error| damaged(path, error.message()))?;
        let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu);
        let tensors = tensors.map_err(|error| damaged(path, &error.to_string()))?;
        let named: Vec<_> = tensors
            .iter()
            .map(|(n, t)| (n.clone(), t.clone()))
            .collect();
        if checksum(&named, &state, path)? != state.checksum {
            return Err(damaged(path, "its checksum does not match its contents"));
        }
        Ok(Self { state, tensors })
    }

    /// All tensors by name: the parameters and the optimizer's moments.
    pub(super) fn into_tensors(self) -> HashMap<String, Tensor> {
        self.tensors
    }

    /// A tensor by its name.
    pub(super) fn find(&self, name: &str) -> Option<Tensor> {
        self.tensors.get(name).cloned()
    }

    /// Puts the optimizer where it was; the trainer's model must be made from this checkpoint's tensors.
    pub(super) fn restore<M: Model>(&self, trainer: &mut Trainer<M>, path: &Path) -> Result<()> {
        let own = self.tensors.iter().filter_map(|(name, tensor)| {
            let name = name.strip_prefix(OPTIMIZER)?;
            Some((name.to_owned(), tensor.clone()))
        });
        let state = OptimizerState {
            step: self.state.optimizer_step,
            tensors: own.collect(),
        };
        let wanted = trainer.optimizer_state()?;
        let state = upgrade::optimizer_state(state, &wanted, trainer.model().parameters())?;
        let restored = trainer.restore(self.state.step, &state);
        restored.map_err(|error| damaged(path, &error.to_string()))
    }
}
