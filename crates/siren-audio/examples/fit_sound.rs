//! Fits a quarter of a second of music, then asks the field for values, slopes, and a sound at another rate.

use siren_audio::{Audio, AudioSignalConfig, Sound, tune};
use siren_core::train::Fit;

pub(crate) fn main() -> siren_core::Result<()> {
    // `Sound::open("music.flac")` reads a file.
    let music = tune();
    let samples = music.samples()[..5512].to_vec();
    let sound = Sound::new(music.rate(), music.channels(), samples)?;

    let audio = Audio::new(sound, &AudioSignalConfig::default(), 0)?;
    let mut config = audio.recipe();
    config.field.hidden_features = 64.into();
    config.train.steps = 300;
    config.train.learning_rate = 2e-3;
    let mut fit = Fit::new(&audio, &config)?;
    fit.run()?;
    for score in fit.evaluate()? {
        println!("{} {:.6}", score.metric.name, score.value);
    }

    let field = audio.field(fit.into_model())?;
    let coords = [0.05, 0.1].map(|seconds| field.coord_from_seconds(seconds));
    println!("values {:?}", field.values(&coords)?);
    println!("slopes {:?}", field.gradients(&coords)?);

    let folder = std::env::temp_dir();
    field.render(48_000)?.save(folder.join("fit_sound.wav"))?;
    field.save(folder.join("fit_sound.safetensors"))
}
