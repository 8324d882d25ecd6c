//! Fields in files: one safetensors file says all that is needed to compute the field again.
//!
//! The tensors have the names of the authors' checkpoints. The file's metadata holds the `[field]` table (`siren.field`: activation, ω₀,
//! encoding, sizes), the shape (`siren.shape`) and, of a fitted signal, the facts from which it is rendered (`siren.signal`: size,
//! coordinate rule, value scale), so a field cannot be loaded with other settings than its own.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use safetensors::tensor::{SafeTensors, TensorView};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::field::{FieldShape, Network, Siren, SirenConfig};
use crate::file::write_atomically;
use crate::signal::{KeptMetadata, NoMetadata, SignalMetadata};

/// Key of the `[field]` table in a file's metadata.
const FIELD: &str = "siren.field";
/// Key of the shape.
const SHAPE: &str = "siren.shape";
/// Key of the facts of the signal.
const SIGNAL: &str = "siren.signal";
/// Bytes of the header's length at the beginning of a safetensors file, and the alignment of the header.
const LENGTH_BYTES: usize = 8;
/// In front of the names of unknown coefficients.
const COEFFICIENT: &str = "coefficient.";

/// A [`FieldShape`] in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct SavedShape {
    in_features: usize,
    out_features: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    samples_per_side: Option<usize>,
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
        let mut metadata = describe(self.network(), path)?;
        let kept = to_toml(&KeptMetadata::new(signal)?, path)?;
        metadata.insert(SIGNAL.to_owned(), kept);
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
        let missing = || unreadable(path, "it does not say which signal the field was fitted to");
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
        let config: SirenConfig = table(&metadata, FIELD, path)?;
        let shape: SavedShape = table(&metadata, SHAPE, path)?;
        let signal = match metadata.contains_key(SIGNAL) {
            true => Some(table(&metadata, SIGNAL, path)?),
            false => None,
        };
        let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)
            .map_err(|error| fail(error.to_string()))?;
        let dtype = match tensors.values().next().map(Tensor::dtype) {
            Some(DType::F64) => DType::F64,
            _ => DType::F32,
        };
        let shape = FieldShape {
            in_features: shape.in_features,
            out_features: shape.out_features,
            samples_per_side: shape.samples_per_side,
        };
        let find = |name: &str| tensors.get(name).cloned();
        let field = config.load(shape, find, dtype, &Device::Cpu)?;
        let mut coefficients = Vec::new();
        for (name, tensor) in &tensors {
            if let Some(name) = name.strip_prefix(COEFFICIENT) {
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

/// Returns the metadata of a file with parameters of `network`: its config and its shape.
///
/// # Errors
/// [`Error::Checkpoint`] if the config cannot be written.
pub fn describe(network: &Network, path: &Path) -> Result<HashMap<String, String>> {
    let FieldShape {
        in_features,
        out_features,
        samples_per_side,
    } = network.shape();
    let shape = SavedShape {
        in_features,
        out_features,
        samples_per_side,
    };
    Ok(HashMap::from([
        (FIELD.to_owned(), to_toml(network.config(), path)?),
        (SHAPE.to_owned(), to_toml(&shape, path)?),
    ]))
}

/// Returns the `[field]` table in the metadata of a safetensors file, if there is one.
///
/// # Errors
/// A sentence that says what is wrong with the file.
pub fn field_config(bytes: &[u8]) -> std::result::Result<Option<SirenConfig>, String> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let text = header.metadata().as_ref().and_then(|m| m.get(FIELD));
    let config = text.map(|text| toml::from_str(text));
    config.transpose().map_err(|error| error.to_string())
}

/// Checks that a file to be written is named `.safetensors`.
///
/// # Errors
/// [`Error::Checkpoint`] if it is not.
pub fn check_extension(path: &Path) -> Result<()> {
    let extension = path.extension().unwrap_or_default();
    if extension.eq_ignore_ascii_case("safetensors") {
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
    let mut file = safetensors::serialize(views, None)
        .map_err(|error| unwritable(path, &error.to_string()))?;
    insert_metadata(&mut file, metadata);
    Ok(file)
}

/// Inserts metadata, sorted by key, into the header of a safetensors file. The `safetensors` crate writes a hash map, so that the same field
/// would give different bytes each time.
fn insert_metadata(file: &mut Vec<u8>, metadata: HashMap<String, String>) {
    let mut entries: Vec<String> = metadata
        .into_iter()
        .map(|(key, text)| format!("{}:{}", json_string(&key), json_string(&text)))
        .collect();
    entries.sort();
    let mut length = [0; LENGTH_BYTES];
    length.copy_from_slice(&file[..LENGTH_BYTES]);
    let end = LENGTH_BYTES + u64::from_le_bytes(length) as usize;
    // The header is a JSON object of the tensors, padded with spaces to a multiple of 8 bytes.
    let tensors = file[LENGTH_BYTES + 1..end].trim_ascii_end();
    let mut header = format!("{{\"__metadata__\":{{{}}}", entries.join(",")).into_bytes();
    if tensors != b"}" {
        header.push(b',');
    }
    header.extend_from_slice(tensors);
    header.resize(header.len().next_multiple_of(LENGTH_BYTES), b' ');
    let length = (header.len() as u64).to_le_bytes();
    file.reserve_exact(header.len());
    file.splice(..end, length.into_iter().chain(header));
}

/// Returns a text as a JSON string.
fn json_string(text: &str) -> String {
    let mut json = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            control if control < ' ' => json.extend(["\\u", &format!("{:04x}", control as u32)]),
            letter => json.push(letter),
        }
    }
    json.push('"');
    json
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

fn table<T: DeserializeOwned>(
    metadata: &HashMap<String, String>,
    key: &str,
    path: &Path,
) -> Result<T> {
    let Some(text) = metadata.get(key) else {
        return Err(unreadable(path, &format!("its metadata has no `{key}`")));
    };
    toml::from_str(text).map_err(|error| unreadable(path, &format!("`{key}`: {}", error.message())))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_comes_back_unchanged_and_the_same_file_has_the_same_bytes() {
        let tensor = Tensor::new(&[1f32, 2.0], &Device::Cpu).unwrap();
        let texts = ["a \"quoted\" \\ text\n", "tab\tbell\u{7}", "ω₀ = 30", ""];
        let write = |tensors: &[(String, Tensor)]| {
            let keys = ["siren.field", "siren.shape", "ω", "empty"];
            let pairs = keys.into_iter().zip(texts);
            let metadata = pairs.map(|(key, text)| (key.to_owned(), text.to_owned()));
            to_safetensors(tensors, metadata.collect(), Path::new("x")).unwrap()
        };
        for tensors in [vec![("x".to_owned(), tensor)], Vec::new()] {
            let file = write(&tensors);
            assert!((0..20).all(|_| write(&tensors) == file));
            let (_, header) = SafeTensors::read_metadata(&file).unwrap();
            let metadata = header.metadata().clone().unwrap();
            assert_eq!(metadata.len(), 4);
            assert_eq!(metadata["siren.field"], texts[0]);
            assert_eq!(metadata["siren.shape"], texts[1]);
            assert_eq!(metadata["ω"], texts[2]);
            let read = candle_core::safetensors::load_buffer(&file, &Device::Cpu).unwrap();
            assert_eq!(read.len(), tensors.len());
            for (name, tensor) in &tensors {
                let values = read[name].to_vec1::<f32>().unwrap();
                assert_eq!(values, tensor.to_vec1::<f32>().unwrap());
            }
        }
    }
}
