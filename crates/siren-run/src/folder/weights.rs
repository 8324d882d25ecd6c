//! Weights files: parameters are read from safetensors files and from PyTorch state dicts of the authors' code, and exported as safetensors.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor};

use siren_core::field::{Omega, SirenConfig};
use siren_core::file::write_atomically;
use siren_core::saved::{check_extension, describe, field_config, to_safetensors};
use siren_core::signal::KeptMetadata;
use siren_core::train::Model;
use siren_core::{Error, Result};

use super::RunFolder;
use super::checkpoint::{self, Checkpoint};
use super::pth;
use super::upgrade::upgrade_config;

/// Tensors of a weights file by name. A run with `run.start_from` starts from them.
#[derive(Clone, Debug)]
pub struct Weights {
    tensors: HashMap<String, Tensor>,
    /// The `[field]` table of a checkpoint or an exported file; `None` for a state dict.
    field: Option<SirenConfig>,
}

impl Weights {
    /// Reads the best checkpoint of a run folder, a `.safetensors` file (exported, or a checkpoint), or a `.pth`/`.pt` state dict (bare, or
    /// under the key `model` or `state_dict`). Pickles are parsed without executing them: no function that they name is called.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if the file is damaged or of another format, [`Error::Io`] if it cannot be read, [`Error::RunFolder`] if a run
    /// has no checkpoint.
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
            Some("pth" | "pt") => pth::read(path).map_err(fail)?,
            _ => {
                let expected = "expected a run folder, or a .safetensors, .pth or .pt file";
                return Err(fail(expected.to_owned()));
            }
        };
        Ok(Self { tensors, field })
    }

    /// Reads a checkpoint with the `[field]` table of its run.
    fn of_checkpoint(path: &Path) -> Result<Self> {
        let checkpoint = Checkpoint::load(path)?;
        let fail = |detail: &str| Error::Checkpoint {
            path: path.to_path_buf(),
            message: format!("has a config whose `[field]` table cannot be read ({detail})"),
        };
        let config = checkpoint.state.config.parse::<toml::Table>();
        let mut config = config.map_err(|error| fail(error.message()))?;
        upgrade_config(&mut config);
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

    /// Checks that the network of the file at `path` and the network of the config `wanted` compute the same from the same parameters: the
    /// same activation, ω₀ and encoding. Sizes are checked when the tensors are loaded. A state dict has no config, so it always passes.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] with the keys that differ and both values.
    pub fn check_config(&self, wanted: &SirenConfig, path: &Path) -> Result<()> {
        let Some(field) = &self.field else {
            return Ok(());
        };
        let use_omega = [field, wanted].map(|f| f.activation.has_omega()) == [true; 2];
        let kind = |field: &SirenConfig| std::mem::discriminant(&field.encoding);
        let comparisons = [
            ("activation", field.activation != wanted.activation),
            (
                "first_omega_0",
                use_omega && field.first_omega_0 != wanted.first_omega_0,
            ),
            (
                "hidden_omega_0",
                use_omega && field.hidden_omega_0.to_bits() != wanted.hidden_omega_0.to_bits(),
            ),
            ("learn_omega", field.learn_omega != wanted.learn_omega),
            ("encoding", kind(field) != kind(wanted)),
        ];
        let tables = [field, wanted].map(|f| toml::Table::try_from(f).unwrap_or_default());
        let show = |table: &toml::Table, key| table.get(key).map(ToString::to_string);
        let differences: Vec<_> = comparisons
            .into_iter()
            .filter(|(_, differs)| *differs)
            .map(|(key, _)| {
                let [found, expected] = tables.each_ref().map(|t| show(t, key).unwrap_or_default());
                format!("`field.{key}` is {found} in the file, {expected} in the config")
            })
            .collect();
        if differences.is_empty() {
            return Ok(());
        }
        Err(Error::Checkpoint {
            path: path.to_path_buf(),
            message: format!(
                "is of another network than the config's `[field]`: {}",
                differences.join(", ")
            ),
        })
    }

    /// Returns ω₀ of the first layer of the file's network. A state dict of the authors' code does not contain it; theirs is 30.
    #[must_use]
    pub fn first_omega_0(&self) -> Omega {
        let field = self.field.as_ref();
        field.map_or(SirenConfig::default().first_omega_0, |field| {
            field.first_omega_0
        })
    }

    /// Returns a tensor by its name in the authors' checkpoints. The file may have the name with a prefix `module.`, or the
    /// name of the authors' notebook (`net.0.linear.weight` for `net.net.0.0.weight`, `net.4.weight` for a linear last layer).
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Tensor> {
        let get = |name: &str| self.tensors.get(name).cloned();
        let get_notebook_name = || {
            let (index, kind) = name.strip_prefix("net.net.")?.split_once(".0.")?;
            get(&format!("net.{index}.linear.{kind}"))
                .or_else(|| get(&format!("net.{index}.{kind}")))
        };
        get(name)
            .or_else(|| get(&format!("module.{name}")))
            .or_else(get_notebook_name)
    }
}

/// Writes the tensors of a model under the names of the authors' checkpoints to a `.safetensors` file, completely or not at all. The file's
/// metadata contains config and shape of the network, and the facts of the signal if they are given, so [`Siren::open`](siren_core::field::Siren::open) reads the file of a field.
///
/// # Errors
/// [`Error::Checkpoint`] if the file is not named `.safetensors`; [`Error::Io`] if it cannot be written.
pub fn export<M: Model>(model: &M, signal: Option<KeptMetadata>, path: &Path) -> Result<()> {
    check_extension(path)?;
    let metadata = describe(model.network(), signal, path)?;
    write_atomically(
        path,
        &to_safetensors(&model.named_tensors()?, metadata, path)?,
    )
}
