//! Parameters in and out: safetensors, and the PyTorch state dicts of the authors' code.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor, pickle};

use siren_core::field::{Omega, SirenConfig};
use siren_core::file::write_atomically;
use siren_core::saved::{check_extension, describe, field_config, to_safetensors};
use siren_core::train::Model;
use siren_core::{Error, Result};

use crate::checkpoint::{self, Checkpoint};
use crate::folder::RunFolder;
use crate::upgrade;

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
                field = field_config(&bytes).map_err(fail)?;
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
        let checkpoint = Checkpoint::load(path)?;
        let fail = |detail: &str| Error::Checkpoint {
            path: path.to_path_buf(),
            message: format!("is of a run with another sort of config ({detail})"),
        };
        let config = checkpoint.state.config.parse::<toml::Table>();
        let mut config = config.map_err(|error| fail(error.message()))?;
        upgrade::config(&mut config);
        let field = config
            .remove("field")
            .unwrap_or_else(|| toml::Table::new().into());
        let field = field.try_into();
        let field = field.map_err(|error: toml::de::Error| fail(error.message()))?;
        Ok(Self {
            tensors: checkpoint.into_tensors(),
            field: Some(field),
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

/// Writes a model's tensors under the authors' names, whole or not at all, with the config of its network.
///
/// # Errors
/// [`Error::Checkpoint`] if the file is not named `.safetensors`; [`Error::Io`] if it cannot be written.
pub fn export<M: Model>(model: &M, path: &Path) -> Result<()> {
    check_extension(path)?;
    let metadata = describe(model.network(), None, path)?;
    write_atomically(
        path,
        &to_safetensors(&model.named_tensors()?, metadata, path)?,
    )
}
