//! How well a field fits its sound.

use siren_core::Result;
use siren_core::field::Siren;
use siren_core::metrics::{MSE, Metrics, PSNR_DB, psnr_db};

use crate::Audio;
use crate::render::pieces;

/// On amplitudes divided by the largest one, over all channels: `psnr_db`, whose peak is that amplitude; `mse`, which the
/// paper reports; `snr_db`, against the power of the sound itself.
pub(crate) fn metrics(audio: &Audio, field: &Siren) -> Result<Metrics> {
    let mut targets = audio.targets();
    let (mut error, mut power) = (0.0, 0.0);
    pieces(field, &audio.own_timeline(), |values| {
        for (&value, target) in values.iter().zip(targets.by_ref()) {
            error += (f64::from(value) - f64::from(target)).powi(2);
            power += f64::from(target).powi(2);
        }
        Ok(())
    })?;
    let count = audio.sound.values.len() as f64;
    let mse = error / count;
    let snr = psnr_db(mse, (power / count).sqrt());
    Ok(vec![
        PSNR_DB.of(psnr_db(mse, 1.0)),
        PSNR_DB.named("snr_db").of(snr),
        MSE.of(mse),
    ])
}

#[cfg(all(test, feature = "cli"))]
mod tests {
    use candle_core::Device;
    use siren_core::config::Source;
    use siren_core::train::Task as _;
    use siren_run::{ConfigOf, Domain};

    use super::*;
    use crate::sound::Sound;

    #[test]
    fn a_field_of_one_value_is_off_by_what_one_can_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let sound = Sound {
            rate: 4,
            channels: 2,
            values: vec![0.5, 0.0, 0.0, -0.25],
        };
        sound.save(&path).unwrap();
        let source = Source {
            origin: "a.toml".to_owned(),
            text: format!(
                "kind = 'audio'\n[signal]\npath = '{}'\nchannels = 'each'\n[field]\nhidden_layers = 0\n",
                path.display()
            ),
        };
        let config = ConfigOf::<Audio>::parse(&source, "audio", &[]).unwrap();
        let audio = Audio::open(&config, &Device::Cpu).unwrap();
        let zeros = |name: &str| {
            let shape: &[usize] = match name {
                "net.net.0.0.weight" => &[256, 1],
                "net.net.0.0.bias" => &[256],
                "net.net.1.0.weight" => &[2, 256],
                _ => &[2],
            };
            let value = if name == "net.net.1.0.bias" { 0.5 } else { 0.0 };
            Some(candle_core::Tensor::full(value, shape, &Device::Cpu).unwrap())
        };
        let field = config
            .field
            .load(audio.shape(), zeros, candle_core::DType::F32, &Device::Cpu)
            .unwrap();
        // Targets are 1, 0, 0 and -0.5, so errors are 0.5, 0.5, 0.5 and 1.
        let metrics = metrics(&audio, &field).unwrap();
        let value = |name: &str| {
            metrics
                .iter()
                .find(|m| m.metric.name == name)
                .unwrap()
                .value
        };
        assert!((value("mse") - 1.75 / 4.0).abs() < 1e-12);
        assert!((value("psnr_db") + 10.0 * (1.75f64 / 4.0).log10()).abs() < 1e-9);
        assert!((value("snr_db") - 10.0 * (1.25f64 / 1.75).log10()).abs() < 1e-9);
    }
}
