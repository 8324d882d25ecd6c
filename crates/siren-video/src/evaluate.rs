//! How well a field fits its clip.

use siren_core::Result;
use siren_core::field::Siren;
use siren_core::metrics::{Metric, Metrics, PSNR_DB, psnr_db};

use crate::Video;
use crate::render::Playback;
use crate::voxels::target;

/// PSNR of single frames on values mapped from [−1, 1] to [0, 1] and clipped, peak 1: `psnr_db` is the mean over the frames that are
/// evaluated and `psnr_std_db` their standard deviation, as in the paper's table (which pools four frames in its code).
pub(crate) fn metrics(video: &Video, field: &Siren) -> Result<Metrics> {
    let playback = Playback::own(video);
    let score = |at: usize| Ok(psnr(video.clip.frame(at), &playback.values(field, at)?));
    let scores = video.evaluated().into_iter().map(score);
    let scores = scores.collect::<Result<Vec<f64>>>()?;
    let n = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / n;
    let variance = scores.iter().map(|db| (db - mean).powi(2)).sum::<f64>() / n;
    let deviation = Metric::lower("psnr_std_db", "dB");
    Ok(vec![PSNR_DB.of(mean), deviation.of(variance.sqrt())])
}

/// Of the values of one frame.
pub(crate) fn psnr(truth: &[u8], values: &[f32]) -> f64 {
    let pairs = truth.iter().zip(values);
    let squares = pairs.map(|(&truth, value)| {
        let off = f64::from(value.clamp(-1.0, 1.0)) - f64::from(target(truth));
        (0.5 * off).powi(2)
    });
    psnr_db(squares.sum::<f64>() / truth.len() as f64, 1.0)
}

#[cfg(all(test, feature = "cli"))]
mod tests {
    use candle_core::{DType, Device, Tensor};
    use siren_core::config::Source;
    use siren_core::train::Task as _;
    use siren_run::{ConfigOf, Domain};

    use super::*;

    #[test]
    fn a_field_of_one_value_is_off_by_what_one_can_count() {
        let source = Source {
            origin: "a.toml".to_owned(),
            text: "kind = 'video'\n[signal]\nsize = 4\nevaluated_frames = 2\n[field]\nhidden_layers = 0\n".to_owned(),
        };
        let config = ConfigOf::<Video>::parse(&source, "video", &[]).unwrap();
        let video = Video::open(&config, &Device::Cpu).unwrap();
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
            .field
            .load(video.shape(), find, DType::F32, &Device::Cpu)
            .unwrap();
        let expected = [0, 31].map(|at| {
            let frame = video.clip.frame(at);
            let squares = frame.iter().map(|&b| (f64::from(b) / 255.0 - 0.5).powi(2));
            -10.0 * (squares.sum::<f64>() / frame.len() as f64).log10()
        });
        let metrics = metrics(&video, &field).unwrap();
        assert!((metrics[0].value - f64::midpoint(expected[0], expected[1])).abs() < 1e-5);
        assert!((metrics[1].value - 0.5 * (expected[0] - expected[1]).abs()).abs() < 1e-5);
    }
}
