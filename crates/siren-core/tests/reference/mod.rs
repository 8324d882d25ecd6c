//! Reads the golden tensors.

#![expect(clippy::disallowed_methods, reason = "reads the golden files")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor, safetensors};
use siren_core::field::{
    Activation, Encoding, FieldShape, NerfEncoding, RbfEncoding, Siren, SirenConfig,
};

/// The tensors of one golden file, by key.
pub struct Reference {
    pub name: String,
    tensors: HashMap<String, Tensor>,
}

impl Reference {
    /// Reads every `field_*.safetensors`, in the order of the names.
    pub fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
        let entries = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let mut paths: Vec<PathBuf> = entries
            .filter(|path| {
                path.file_stem()
                    .is_some_and(|name| name.to_string_lossy().starts_with("field_"))
            })
            .collect();
        paths.sort();
        let read = |path: PathBuf| Self {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            tensors: safetensors::load(&path, &Device::Cpu).unwrap(),
        };
        paths.into_iter().map(read).collect()
    }

    pub fn has(&self, key: &str) -> bool {
        self.tensors.contains_key(key)
    }

    pub fn find(&self, key: &str) -> Option<Tensor> {
        self.tensors.get(key).cloned()
    }

    pub fn tensor(&self, key: &str) -> Tensor {
        self.find(key)
            .unwrap_or_else(|| panic!("{}: no `{key}`", self.name))
    }

    pub fn scalar(&self, key: &str) -> f64 {
        self.tensor(key).to_vec1::<f64>().unwrap()[0]
    }

    /// Builds the network of the file with its initial parameters.
    pub fn field(&self, dtype: DType) -> Siren {
        let kind = self.name.split('_').nth(1).unwrap();
        let layers = (0..100)
            .take_while(|l| self.has(&format!("init.net.net.{l}.0.bias")))
            .count();
        let config = SirenConfig {
            activation: match kind {
                "sine" => Activation::Sine,
                "tanh" => Activation::Tanh,
                "sigmoid" => Activation::Sigmoid,
                "softplus" => Activation::Softplus,
                "elu" => Activation::Elu,
                "selu" => Activation::Selu,
                "relu" | "rbf" => Activation::Relu,
                other => panic!("unknown activation {other}"),
            },
            hidden_features: self.tensor("init.net.net.0.0.bias").dims()[0].into(),
            hidden_layers: layers - 2,
            encoding: match self.name.as_str() {
                "field_relu_pe_2d" => Encoding::Nerf(NerfEncoding::default()),
                "field_rbf_relu_2d" => Encoding::Rbf(RbfEncoding {
                    centers: self.tensor("init.rbf_layer.sigmas").dims()[0],
                    ..RbfEncoding::default()
                }),
                _ => Encoding::Identity,
            },
            ..SirenConfig::default()
        };
        let shape = FieldShape {
            in_features: self.tensor("coords").dims()[1],
            out_features: self.tensor("value").dims()[1],
            samples_per_side: Some(64),
        };
        let find = |name: &str| self.find(&format!("init.{name}"));
        config.load(shape, find, dtype, &Device::Cpu).unwrap()
    }
}
