//! Reads state dicts saved by PyTorch and this project's own exports.

mod compare;

use std::path::{Path, PathBuf};

use candle_core::{DType, Device, safetensors};
use compare::largest_error;
use siren_core::field::{
    Activation, Encoding, FieldShape, NerfEncoding, Order, Siren, SirenConfig,
};
use siren_run::{Weights, export};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// Returns the config of the network in `authors_state_dict.pth`: 2 → 8 → 8 → 1.
fn config() -> SirenConfig {
    SirenConfig {
        hidden_features: 8.into(),
        hidden_layers: 1,
        ..SirenConfig::default()
    }
}

fn load(path: &Path) -> siren_core::Result<Siren> {
    let config = config();
    let shape = FieldShape {
        in_features: 2,
        out_features: 1,
        samples_per_side: None,
    };
    let weights = Weights::read(path)?;
    config.load(shape, |name| weights.find(name), DType::F32, &Device::Cpu)
}

fn gives_the_values_pytorch_gave(path: &Path) {
    let values = golden("authors_state_dict_values.safetensors");
    let values = safetensors::load(values, &Device::Cpu).unwrap();
    let field = load(path).unwrap();
    let got = field
        .evaluate(&values["coords"], &Order::Value)
        .unwrap()
        .value()
        .unwrap();
    let error = largest_error(&got, &values["value"]);
    assert!(error < 1e-5, "{}: {error:e}", path.display());
}

#[test]
fn state_dicts_of_the_authors_code_and_of_their_notebook_give_the_values_of_pytorch() {
    gives_the_values_pytorch_gave(&golden("authors_state_dict.pth"));
    gives_the_values_pytorch_gave(&golden("notebook_state_dict.pth"));
}

#[test]
fn an_exported_field_is_read_back_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("field.safetensors");
    let field = load(&golden("authors_state_dict.pth")).unwrap();
    export(&field, None, &path).unwrap();
    gives_the_values_pytorch_gave(&path);
    let error = export(&field, None, &folder.path().join("field.pth")).unwrap_err();
    assert!(error.to_string().contains(".safetensors"), "{error}");
}

#[test]
fn weights_of_a_network_with_another_config_are_an_error_that_names_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("field.safetensors");
    let field = load(&golden("authors_state_dict.pth")).unwrap();
    export(&field, None, &path).unwrap();
    let weights = Weights::read(&path).unwrap();
    weights.check_config(&config(), &path).unwrap();
    let slower = SirenConfig {
        first_omega_0: 10.0.into(),
        ..config()
    };
    let tanh = SirenConfig {
        activation: Activation::Tanh,
        ..config()
    };
    let encoded = SirenConfig {
        encoding: Encoding::Nerf(NerfEncoding::default()),
        ..config()
    };
    for (other, key) in [
        (
            &slower,
            "`field.first_omega_0` is 30.0 in the file, 10.0 in the config",
        ),
        (
            &tanh,
            "`field.activation` is \"sine\" in the file, \"tanh\" in the config",
        ),
        (&encoded, "`field.encoding`"),
    ] {
        let message = weights.check_config(other, &path).unwrap_err().to_string();
        assert!(message.contains(key), "{message}");
        let foreign = golden("authors_state_dict.pth");
        let foreign_weights = Weights::read(&foreign).unwrap();
        foreign_weights.check_config(other, &foreign).unwrap();
    }
}

#[test]
fn files_that_are_not_weights_are_errors_that_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    for (name, contents) in [
        ("a.pth", "text"),
        ("a.safetensors", "text"),
        ("a.txt", "text"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, contents).unwrap();
        let error = Weights::read(&path).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
    let error = Weights::read(&folder.path().join("none.pth"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("none.pth"), "{error}");
}
