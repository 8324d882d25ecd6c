//! Metrics of a fitted sound.

use siren_core::Result;
use siren_core::field::Siren;
use siren_core::metrics::{MSE, Metrics, PSNR_DB, psnr_db};

use crate::Audio;

/// Computes the metrics over all channels, on amplitudes divided by the largest one: `psnr_db`, whose peak is that amplitude; `snr_db`,
/// relative to the power of the sound itself; `mse`, which the paper reports.
pub(crate) fn metrics(audio: &Audio, field: &Siren) -> Result<Metrics> {
    let mut targets = audio.targets();
    let (mut error, mut power) = (0.0, 0.0);
    audio.fitted_timeline()?.for_each_chunk(field, |values| {
        for (value, target) in values.iter().zip(targets.by_ref()) {
            error += (value - f64::from(target)).powi(2);
            power += f64::from(target).powi(2);
        }
        Ok(())
    })?;
    let count = audio.sound().samples().len() as f64;
    let mse = error / count;
    let snr = psnr_db(mse, (power / count).sqrt());
    Ok(vec![
        PSNR_DB.of(psnr_db(mse, 1.0)),
        PSNR_DB.named("snr_db").of(snr),
        MSE.of(mse),
    ])
}

#[cfg(test)]
mod tests {
    use candle_core::Device;
    use siren_core::field::SirenConfig;
    use siren_core::train::Task as _;

    use super::*;
    use crate::{AudioSignalConfig, Sound};

    #[test]
    fn metrics_of_a_constant_field_equal_those_computed_by_hand() {
        let sound = Sound::new(4, 2, vec![0.5, 0.0, 0.0, -0.25]).unwrap();
        let audio = Audio::new(sound, &AudioSignalConfig::default(), 0).unwrap();
        let config = SirenConfig {
            hidden_layers: 0,
            ..SirenConfig::default()
        };
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
