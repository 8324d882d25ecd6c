//! Fields in files: one safetensors file says all that is needed to compute the field again.
//!
//! The tensors have the names of the authors' checkpoints. The file's metadata holds one TOML text under the key `siren.saved`: the `[field]`
//! table (activation, ω₀, encoding, sizes), the `[shape]` and, of a fitted signal, the facts from which it is rendered, `[signal]` (size,
//! coordinate rule, value scale). So a field cannot be opened with other settings than its own.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use safetensors::tensor::{SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::field::{COEFFICIENT_PREFIX, FieldShape, Network, Siren, SirenConfig};
use crate::file::{has_extension, write_atomically};
use crate::signal::{KeptMetadata, NoMetadata, SignalMetadata};

/// Key of the TOML text in a file's metadata. One key, because the order of several is not fixed, and the same field gives the same bytes.
const SAVED: &str = "siren.saved";
/// Key under which older exports hold the `[field]` table alone.
const FIELD: &str = "siren.field";

/// What a file says of its field besides the parameters.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Description {
    field: SirenConfig,
    shape: FieldShape,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<KeptMetadata>,
}

impl Siren {
    /// Writes the field to a `.safetensors` file, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if the file is not named `.safetensors`; [`Error::Io`] if it cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.save_with(&NoMetadata {}, path)
    }

    /// Writes the field with facts of the signal that it was fitted to.
    ///
    /// # Errors
    /// As [`save`](Self::save).
    pub fn save_with<M: SignalMetadata>(&self, signal: &M, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        check_extension(path)?;
        let metadata = describe(self.network(), Some(KeptMetadata::new(signal)?), path)?;
        let bytes = to_safetensors(&self.named_tensors()?, metadata, path)?;
        write_atomically(path, &bytes)
    }

    /// Reads a field that [`save`](Self::save) or an export of a run wrote, in the precision of the file, to the CPU.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if the file is damaged or says too little; [`Error::Io`] if it cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Ok(FieldFile::read(path.as_ref())?.field)
    }

    /// Reads a field with the facts of its signal.
    ///
    /// # Errors
    /// As [`open`](Self::open); also if the file holds no such facts.
    pub fn open_with<M: SignalMetadata>(path: impl AsRef<Path>) -> Result<(Self, M)> {
        let path = path.as_ref();
        let file = FieldFile::read(path)?;
        let signal = file.signal.as_ref().and_then(KeptMetadata::read);
        let missing = || {
            unreadable(
                path,
                "the signal that the field was fitted to is unknown or of another kind",
            )
        };
        Ok((file.field, signal.ok_or_else(missing)?))
    }
}

/// A file that holds one field.
struct FieldFile {
    field: Siren,
    signal: Option<KeptMetadata>,
}

impl FieldFile {
    fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
        let fail = |detail: String| unreadable(path, &detail);
        let (_, header) =
            SafeTensors::read_metadata(&bytes).map_err(|error| fail(error.to_string()))?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let Some(text) = metadata.get(SAVED) else {
            return Err(fail(format!("its metadata has no `{SAVED}`")));
        };
        let description: Result<Description, toml::de::Error> = toml::from_str(text);
        let Description {
            field: config,
            shape,
            signal,
        } = description.map_err(|error| fail(format!("`{SAVED}`: {}", error.message())))?;
        let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)
            .map_err(|error| fail(error.to_string()))?;
        // A fixed tensor, such as the matrix of a Fourier encoding, may have another type than the parameters.
        let dtype = match tensors.get("net.net.0.0.weight").map(Tensor::dtype) {
            Some(DType::F64) => DType::F64,
            _ => DType::F32,
        };
        let find = |name: &str| tensors.get(name).cloned();
        let field = config.load(shape, find, dtype, &Device::Cpu)?;
        let mut coefficients = Vec::new();
        for (name, tensor) in &tensors {
            if let Some(name) = name.strip_prefix(COEFFICIENT_PREFIX) {
                let value = tensor.to_dtype(DType::F64)?.to_vec1::<f64>()?;
                coefficients.push((name, value.first().copied().unwrap_or_default()));
            }
        }
        coefficients.sort_by_key(|(name, _)| *name);
        let field = if coefficients.is_empty() {
            field
        } else {
            field.with_coefficients(&coefficients)?
        };
        Ok(Self { field, signal })
    }
}

/// Returns the metadata of a file with parameters of `network`: its config, its shape, and facts of the signal.
///
/// # Errors
/// [`Error::Checkpoint`] if the config cannot be written.
pub fn describe(
    network: &Network,
    signal: Option<KeptMetadata>,
    path: &Path,
) -> Result<HashMap<String, String>> {
    let description = Description {
        field: network.config().clone(),
        shape: network.shape(),
        signal,
    };
    Ok(HashMap::from([(
        SAVED.to_owned(),
        to_toml(&description, path)?,
    )]))
}

/// Returns the `[field]` table in the metadata of a safetensors file, if there is one.
///
/// # Errors
/// A sentence that says what is wrong with the file.
pub fn field_config(bytes: &[u8]) -> std::result::Result<Option<SirenConfig>, String> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let metadata = header.metadata().clone().unwrap_or_default();
    let message = |error: toml::de::Error| error.message().to_owned();
    if let Some(text) = metadata.get(SAVED) {
        let description: Description = toml::from_str(text).map_err(message)?;
        return Ok(Some(description.field));
    }
    let config = metadata.get(FIELD).map(|text| toml::from_str(text));
    config.transpose().map_err(message)
}

/// Checks that a file to be written is named `.safetensors`.
///
/// # Errors
/// [`Error::Checkpoint`] if it is not.
pub fn check_extension(path: &Path) -> Result<()> {
    if has_extension(path, &["safetensors"]) {
        return Ok(());
    }
    Err(Error::Checkpoint {
        path: path.to_path_buf(),
        message:
            "cannot be written: expected a name that ends in .safetensors, the format of the file"
                .to_owned(),
    })
}

/// Returns the bytes of a safetensors file.
///
/// # Errors
/// [`Error::Checkpoint`] if tensors cannot be written in that format.
#[expect(
    clippy::implicit_hasher,
    reason = "the `safetensors` crate takes this map"
)]
pub fn to_safetensors(
    tensors: &[(String, Tensor)],
    metadata: HashMap<String, String>,
    path: &Path,
) -> Result<Vec<u8>> {
    let data = tensors.iter().map(|(_, tensor)| little_endian(tensor));
    let data = data.collect::<Result<Vec<_>>>()?;
    let mut views = Vec::new();
    for ((name, tensor), bytes) in tensors.iter().zip(&data) {
        let dtype = match tensor.dtype() {
            DType::F64 => safetensors::Dtype::F64,
            _ => safetensors::Dtype::F32,
        };
        let view = TensorView::new(dtype, tensor.dims().to_vec(), bytes);
        let view = view.map_err(|error| unwritable(path, &error.to_string()))?;
        views.push((name.as_str(), view));
    }
    safetensors::serialize(views, Some(metadata))
        .map_err(|error| unwritable(path, &error.to_string()))
}

/// Returns the elements of a tensor as little-endian bytes.
///
/// # Errors
/// Only from candle.
pub fn little_endian(tensor: &Tensor) -> Result<Vec<u8>> {
    let flat = tensor.flatten_all()?;
    Ok(match tensor.dtype() {
        DType::F64 => flat
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

fn to_toml(value: &impl Serialize, path: &Path) -> Result<String> {
    toml::to_string(value).map_err(|error| unwritable(path, &error.to_string()))
}

fn unreadable(path: &Path, detail: &str) -> Error {
    Error::Checkpoint {
        path: path.to_path_buf(),
        message: format!("cannot be read as a field ({detail})"),
    }
}

fn unwritable(path: &Path, detail: &str) -> Error {
    Error::Checkpoint {
        path: path.to_path_buf(),
        message: format!("cannot be written ({detail})"),
    }
}
