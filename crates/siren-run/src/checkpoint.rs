//! Checkpoints: safetensors files that hold all that a run needs to go on as if it had never stopped.
//!
//! Tensors: the parameters under the authors' names, `optimizer.first_moment` and `optimizer.second_moment` `(P,)`.
//! Metadata: one TOML text under the key `siren`. The same training gives the same bytes.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use safetensors::tensor::{SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::metadata::KeptMetadata;
use super::{Domain, disk};
use crate::error::{Error, Result};
use crate::field::FieldShape;
use crate::train::{Model, Moments, Trainer};

const METADATA_KEY: &str = "siren";
const FORMAT: u32 = 2;
const FIRST_MOMENT: &str = "optimizer.first_moment";
const SECOND_MOMENT: &str = "optimizer.second_moment";

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
    let moments = trainer.moments();
    let mut tensors = trainer.model().named_tensors()?;
    tensors.push((FIRST_MOMENT.to_owned(), moments.first.clone()));
    tensors.push((SECOND_MOMENT.to_owned(), moments.second.clone()));
    let mut state = State {
        format: FORMAT,
        checksum: 0,
        step: trainer.step_count(),
        optimizer_step: moments.step,
        ..state.clone()
    };
    state.checksum = checksum(&tensors, &state, path)?;
    let text = toml::to_string(&state).map_err(|error| unwritable(path, &error.to_string()))?;
    disk::write_atomically(path, &to_bytes(&tensors, Some((METADATA_KEY, text)), path)?)
}

/// Tensors as a safetensors file.
pub(super) fn to_bytes(
    tensors: &[(String, Tensor)],
    metadata: Option<(&str, String)>,
    path: &Path,
) -> Result<Vec<u8>> {
    let data = tensors.iter().map(|(_, tensor)| little_endian(tensor));
    let data = data.collect::<Result<Vec<_>>>()?;
    let mut views = Vec::new();
    for ((name, tensor), bytes) in tensors.iter().zip(&data) {
        let dtype = match tensor.dtype() {
            candle_core::DType::F64 => safetensors::Dtype::F64,
            _ => safetensors::Dtype::F32,
        };
        let view = TensorView::new(dtype, tensor.dims().to_vec(), bytes);
        views.push((
            name.as_str(),
            view.map_err(|e| unwritable(path, &e.to_string()))?,
        ));
    }
    let metadata = metadata.map(|(key, text)| HashMap::from([(key.to_owned(), text)]));
    safetensors::serialize(views, metadata).map_err(|error| unwritable(path, &error.to_string()))
}

fn little_endian(tensor: &Tensor) -> Result<Vec<u8>> {
    let flat = tensor.flatten_all()?;
    Ok(match tensor.dtype() {
        candle_core::DType::F64 => flat
            .to_vec1::<f64>()?
            .into_iter()
            .flat_map(f64::to_le_bytes)
            .collect(),
        _ => flat
            .to_vec1::<f32>()?
            .into_iter()
            .flat_map(f32::to_le_bytes)
            .collect(),
    })
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
        let device = trainer.model().parameters().device().clone();
        let moment = |name: &str| {
            let tensor = self.find(name);
            let tensor = tensor.ok_or_else(|| damaged(path, &format!("no `{name}`")))?;
            Ok::<_, Error>(tensor.to_device(&device)?)
        };
        let moments = Moments {
            step: self.state.optimizer_step,
            first: moment(FIRST_MOMENT)?,
            second: moment(SECOND_MOMENT)?,
        };
        trainer.restore(self.state.step, &moments)
    }
}
