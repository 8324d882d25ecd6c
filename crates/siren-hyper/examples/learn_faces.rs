//! Trains a hypernetwork on small pictures in memory, then draws a new face at 128 × 128 pixels from 60 of its 256 pixels.

use siren_core::train::{Fit, FitConfig};
use siren_hyper::config::{EncoderActivation, HyperModelConfig, HyperObjectiveConfig};
use siren_hyper::config::{HyperSignalConfig, SplitConfig};
use siren_hyper::{Dataset, Drawing, Hyper, ObservedPixels, Split, scene};

/// Runs the example.
pub fn main() -> siren_core::Result<()> {
    let faces: Vec<_> = (0..320).map(|index| scene::face(index, 16)).collect();
    let split = Split::random(faces.len(), &SplitConfig::default())?;
    let signal = HyperSignalConfig {
        batch: 16,
        ..HyperSignalConfig::default()
    };
    let objective = HyperObjectiveConfig::default();
    let task = Hyper::new(Dataset::new(&faces, split)?, &signal, &objective, 0)?;

    let mut config = FitConfig::<HyperModelConfig>::default();
    config.field.hidden_features = 32.into();
    config.field.hidden_layers = 1;
    config.model.encoder_activation = EncoderActivation::Relu;
    config.model.encoder_features = 64;
    config.model.latent_features = 64;
    config.model.hyper_features = 32;
    config.train.learning_rate = 2e-3;
    config.train.clip_norm = Some(1.0);
    let mut fit = Fit::new(&task, &config)?;
    fit.run()?;
    println!("PSNR of validation faces: {} dB", fit.evaluate()?[0].value);

    let model = fit.into_model();
    let observed = ObservedPixels::Random { count: 60, seed: 0 };
    let context = model.context_of(&scene::face(1000, 16), &observed)?;
    let codes = model.latents(&context, &objective)?;
    let (side, extent) = (128, 1.0);
    let pictures = model.draw(&codes, Drawing { side, extent })?;
    assert_eq!((pictures[0].height, pictures[0].width), (side, side));
    Ok(())
}
