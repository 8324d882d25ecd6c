//! Metrics of a fitted clip.

use siren_core::Result;
use siren_core::field::Siren;
use siren_core::metrics::{Metric, Metrics, PSNR_DB, psnr_db};

use crate::Video;
use crate::render::Playback;
use crate::voxels::value_from_level;

/// Computes the PSNR of single frames on values mapped from [−1, 1] to [0, 1] and clipped, peak 1: `psnr_db` is the mean over the evaluated
/// frames and `psnr_std_db` their standard deviation, as in the paper's table (the authors' code pools four frames).
pub(crate) fn metrics(video: &Video, field: &Siren) -> Result<Metrics> {
    let playback = Playback::of_clip(video);
    let score = |index: usize| {
        let values = playback.values(field, index)?;
        Ok(psnr(video.clip().frame(index), &values))
    };
    let scores = video.evaluated().into_iter().map(score);
    let scores = scores.collect::<Result<Vec<f64>>>()?;
    let n = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / n;
    let variance = scores.iter().map(|db| (db - mean).powi(2)).sum::<f64>() / n;
    let deviation = Metric::lower("psnr_std_db", "dB");
    Ok(vec![PSNR_DB.of(mean), deviation.of(variance.sqrt())])
}

/// Returns the PSNR in dB of the values of one frame, given its levels.
pub(crate) fn psnr(levels: &[u8], values: &[f64]) -> f64 {
    let pairs = levels.iter().zip(values);
    let squares = pairs.map(|(&level, value)| {
        let error = value.clamp(-1.0, 1.0) - f64::from(value_from_level(level));
        (0.5 * error).powi(2)
    });
    psnr_db(squares.sum::<f64>() / levels.len() as f64, 1.0)
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};
    use siren_core::field::SirenConfig;
    use siren_core::train::Task as _;

    use super::*;
    use crate::{Clip, VideoSignalConfig};

    #[test]
    fn metrics_of_a_constant_field_equal_those_computed_by_hand() {
        let signal = VideoSignalConfig {
            size: Some(4),
            evaluated_frames: 2,
            ..VideoSignalConfig::default()
        };
        let video = Video::new(Clip::from_config(&signal).unwrap(), &signal, 0).unwrap();
        let config = SirenConfig {
            hidden_layers: 0,
            ..SirenConfig::default()
        };
        let find = |name: &str| {
            let shape: &[usize] = match name {
                "net.net.0.0.weight" => &[256, 3],
                "net.net.0.0.bias" => &[256],
                "net.net.1.0.weight" => &[3, 256],
                _ => &[3],
            };
            Some(Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap())
        };
        let field = config
            .load(video.shape(), find, DType::F32, &Device::Cpu)
            .unwrap();
        let expected = [0, 31].map(|index| {
            let frame = video.clip().frame(index);
            let squares = frame.iter().map(|&b| (f64::from(b) / 255.0 - 0.5).powi(2));
            -10.0 * (squares.sum::<f64>() / frame.len() as f64).log10()
        });
        let metrics = metrics(&video, &field).unwrap();
        assert!((metrics[0].value - f64::midpoint(expected[0], expected[1])).abs() < 1e-5);
        assert!((metrics[1].value - 0.5 * (expected[0] - expected[1]).abs()).abs() < 1e-5);
    }
}
