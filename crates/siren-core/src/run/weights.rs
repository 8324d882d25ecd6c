//! Parameters in and out: safetensors, and the PyTorch state dicts of the authors' code.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor, pickle};

use super::checkpoint;
use super::disk;
use crate::error::{Error, Result};
use crate::field::Siren;

/// Tensors of a weights file by name.
#[derive(Clone, Debug)]
pub struct Weights(HashMap<String, Tensor>);

impl Weights {
    /// Reads `.safetensors`, or a `.pth`/`.pt` state dict (bare, or under the key `model` or `state_dict`). Nothing in
    /// a pickle is executed.
    ///
    /// # Errors
    /// If the file is missing, damaged, or of neither kind.
    pub fn read(path: &Path) -> Result<Self> {
        let fail = |detail: String| Error::Checkpoint {
            path: path.to_path_buf(),
            message: format!("cannot be read as weights ({detail})"),
        };
        std::fs::metadata(path).map_err(Error::io("read", path))?;
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        let tensors = match extension.to_str() {
            Some("safetensors") => candle_core::safetensors::load(path, &Device::Cpu)
                .map_err(|error| fail(error.to_string()))?,
            Some("pth" | "pt") => [None, Some("model"), Some("state_dict")]
                .into_iter()
                .filter_map(|key| pickle::read_all_with_key(path, key).ok())
                .find(|tensors| !tensors.is_empty())
                .ok_or_else(|| fail("no PyTorch state dict found in it".to_owned()))?
                .into_iter()
                .collect(),
            _ => return Err(fail("expected a .safetensors, .pth or .pt file".to_owned())),
        };
        Ok(Self(tensors))
    }

    /// A tensor by the name it has in the authors' checkpoints; also found under a `module.` prefix, and under the
    /// names of their notebook (`net.0.linear.weight` for `net.net.0.0.weight`, `net.4.weight` for a linear last layer).
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Tensor> {
        let get = |name: &str| self.0.get(name).cloned();
        let in_notebook = || {
            let (index, kind) = name.strip_prefix("net.net.")?.split_once(".0.")?;
            get(&format!("net.{index}.linear.{kind}"))
                .or_else(|| get(&format!("net.{index}.{kind}")))
        };
        get(name)
            .or_else(|| get(&format!("module.{name}")))
            .or_else(in_notebook)
    }
}

/// Writes a field's tensors under the authors' names, atomically.
///
/// # Errors
/// If the file cannot be written.
pub fn export(field: &Siren, path: &Path) -> Result<()> {
    let bytes = checkpoint::to_bytes(&field.named_tensors()?, None, path)?;
    disk::write_atomically(path, &bytes)
}
