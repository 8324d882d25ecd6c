//! Parameters in and out: safetensors, and the PyTorch state dicts of the authors' code.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor, pickle};
use safetensors::SafeTensors;
use serde::Deserialize;

use super::checkpoint::{self, Checkpoint};
use super::{RunFolder, disk};
use crate::error::{Error, Result};
use crate::field::{Omega, SirenConfig};
use crate::train::Model;

/// Key of the metadata in which an exported file keeps the `[field]` table.
const FIELD_KEY: &str = "siren.field";

/// Tensors of a weights file by name.
#[derive(Clone, Debug)]
pub struct Weights {
    tensors: HashMap<String, Tensor>,
    /// Of a run or an exported file.
    field: Option<SirenConfig>,
}

impl Weights {
    /// Reads the best checkpoint of a run folder, a `.safetensors` file (exported, or a checkpoint), or a `.pth`/`.pt` state dict (bare, or
    /// under the key `model` or `state_dict`). Nothing in a pickle is executed.
    ///
    /// # Errors
    /// If the file is missing, damaged, or of none of these kinds; if the run has no checkpoint.
    pub fn read(path: &Path) -> Result<Self> {
        let fail = |detail: String| Error::Checkpoint {
            path: path.to_path_buf(),
            message: format!("cannot be read as weights ({detail})"),
        };
        let mut field = None;
        if std::fs::metadata(path)
            .map_err(Error::io("read", path))?
            .is_dir()
        {
            return Self::of_checkpoint(&RunFolder::open(path)?.chosen_checkpoint(None)?);
        }
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        let tensors = match extension.to_str() {
            Some("safetensors") => {
                let bytes = std::fs::read(path).map_err(Error::io("read", path))?;
                if checkpoint::is_checkpoint(&bytes) {
                    return Self::of_checkpoint(path);
                }
                field = field_in(&bytes).map_err(fail)?;
                candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)
                    .map_err(|error| fail(error.to_string()))?
            }
            Some("pth" | "pt") => [None, Some("model"), Some("state_dict")]
                .into_iter()
                .filter_map(|key| pickle::read_all_with_key(path, key).ok())
                .find(|tensors| !tensors.is_empty())
                .ok_or_else(|| fail("no PyTorch state dict found in it".to_owned()))?
                .into_iter()
                .collect(),
            _ => {
                let expected = "expected a run folder, or a .safetensors, .pth or .pt file";
                return Err(fail(expected.to_owned()));
            }
        };
        Ok(Self { tensors, field })
    }

    /// With the `[field]` table of the run that left the checkpoint.
    fn of_checkpoint(path: &Path) -> Result<Self> {
        #[derive(Deserialize)]
        struct Fitted {
            field: SirenConfig,
        }
        let checkpoint = Checkpoint::load(path)?;
        let fitted: Fitted =
            toml::from_str(&checkpoint.state.config).map_err(|error| Error::Checkpoint {
                path: path.to_path_buf(),
                message: format!(
                    "is of a run with another sort of config ({})",
                    error.message()
                ),
            })?;
        Ok(Self {
            tensors: checkpoint.into_tensors(),
            field: Some(fitted.field),
        })
    }

    /// Says so if the file tells of a network that computes something else from the same parameters: another
    /// activation, ω₀ or encoding. Sizes are seen in the tensors.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] with what differs.
    pub fn must_suit(&self, wanted: &SirenConfig, path: &Path) -> Result<()> {
        let Some(field) = &self.field else {
            return Ok(());
        };
        let waves = [field, wanted].map(|f| f.activation.has_omega()) == [true; 2];
        let bits = |scale: Option<f64>| scale.map(f64::to_bits);
        let kind = |field: &SirenConfig| std::mem::discriminant(&field.encoding);
        let pairs = [
            ("activation", field.activation != wanted.activation),
            (
                "first_omega_0",
                waves && field.first_omega_0 != wanted.first_omega_0,
            ),
            (
                "hidden_omega_0",
                waves && field.hidden_omega_0.to_bits() != wanted.hidden_omega_0.to_bits(),
            ),
            ("learn_omega", field.learn_omega != wanted.learn_omega),
            ("scale_0", bits(field.scale_0) != bits(wanted.scale_0)),
            ("encoding", kind(field) != kind(wanted)),
        ];
        let tables = [field, wanted].map(|f| toml::Table::try_from(f).unwrap_or_default());
        let show = |table: &toml::Table, key| table.get(key).map(ToString::to_string);
        let differ: Vec<_> = pairs
            .into_iter()
            .filter(|(_, differs)| *differs)
            .map(|(key, _)| {
                let [was, is] = tables.each_ref().map(|t| show(t, key).unwrap_or_default());
                format!("`field.{key}` is {was} there, {is} here")
            })
            .collect();
        if differ.is_empty() {
            return Ok(());
        }
        Err(Error::Checkpoint {
            path: path.to_path_buf(),
            message: format!(
                "is of another network than the config's `[field]` ({})",
                differ.join(", ")
            ),
        })
    }

    /// ω₀ of the first layer of the network that the parameters are of; the authors' is 30, and not in their files.
    #[must_use]
    pub fn first_omega_0(&self) -> Omega {
        let field = self.field.as_ref();
        field.map_or(SirenConfig::default().first_omega_0, |field| {
            field.first_omega_0
        })
    }

    /// A tensor by the name it has in the authors' checkpoints; also found under a `module.` prefix, and under the
    /// names of their notebook (`net.0.linear.weight` for `net.net.0.0.weight`, `net.4.weight` for a linear last layer).
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Tensor> {
        let get = |name: &str| self.tensors.get(name).cloned();
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

/// The `[field]` table in the metadata of an exported file.
fn field_in(bytes: &[u8]) -> Result<Option<SirenConfig>, String> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
    let text = header.metadata().as_ref().and_then(|m| m.get(FIELD_KEY));
    let field = text.map(|text| toml::from_str(text));
    field.transpose().map_err(|error| error.to_string())
}

/// Writes a model's tensors under the authors' names, atomically, with the `[field]` table that it was made from.
///
/// # Errors
/// If the file is not named `.safetensors`, or cannot be written.
pub fn export<M: Model>(model: &M, config: &SirenConfig, path: &Path) -> Result<()> {
    let fail = |message: String| Error::Checkpoint {
        path: path.to_path_buf(),
        message,
    };
    let extension = path.extension().unwrap_or_default();
    if !extension.eq_ignore_ascii_case("safetensors") {
        return Err(fail(
            "cannot be written: expected a name that ends in .safetensors, the format of the file"
                .to_owned(),
        ));
    }
    let text = toml::to_string(config).map_err(|error| fail(error.to_string()))?;
    let bytes = checkpoint::to_bytes(&model.named_tensors()?, Some((FIELD_KEY, text)), path)?;
    disk::write_atomically(path, &bytes)
}
