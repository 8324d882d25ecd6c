//! A small set of drawn faces, and a small model of them.

use siren_core::train::FitConfig;
use siren_hyper::config::{
    Encoder, HyperModelConfig, HyperObjectiveConfig, HyperSignalConfig, SplitConfig,
};
use siren_hyper::{Dataset, Hyper, Split, scene};

/// Number of pixels per side of the pictures.
pub const SIDE: usize = 8;

/// Returns the task of twelve faces, in batches of `batch` pictures.
pub fn task(batch: usize) -> Hyper {
    let faces: Vec<_> = (0..12).map(|index| scene::face(index, SIDE)).collect();
    let split = Split::random(faces.len(), &SplitConfig::default()).unwrap();
    let signal = HyperSignalConfig {
        batch,
        context: [3, 20],
        ..HyperSignalConfig::default()
    };
    let objective = HyperObjectiveConfig::default();
    Hyper::new(Dataset::new(&faces, split).unwrap(), &signal, &objective, 0).unwrap()
}

/// Returns the config of a model with few features.
pub fn config(encoder: Encoder) -> FitConfig<HyperModelConfig> {
    let mut config = FitConfig::<HyperModelConfig>::default();
    config.field.hidden_features = 8.into();
    config.field.hidden_layers = 1;
    config.model.encoder = encoder;
    config.model.encoder_features = 8;
    config.model.latent_features = 6;
    config.model.hyper_features = 8;
    config
}
