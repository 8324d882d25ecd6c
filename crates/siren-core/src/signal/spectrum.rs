//! Frequency content of a raster.

use rustfft::FftPlannerScalar;
use rustfft::num_complex::Complex;

use super::Raster;

/// Centroid and highest frequency of a signal's spectrum, in radians per unit of the coordinates.
///
/// Along each axis the power spectral density `P(ω)`, 0 < ω ≤ π / spacing, is the mean over all lines and channels of
/// `|FFT(w · (line − mean))|²`. The Hann window `w` suppresses the jump from the end of a line to its beginning. Both fields are means over
/// the axes along which the signal varies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spectrum {
    /// `Σ ω √P / Σ √P`, the spectral centroid of music analysis. Weighting by amplitude gives faint high frequencies more weight than
    /// weighting by power.
    pub centroid: f64,
    /// The Nyquist frequency, `π / spacing`.
    pub nyquist: f64,
}

impl Spectrum {
    /// Returns the spectrum of a raster; `None` if its values vary along no axis.
    #[must_use]
    pub fn of(raster: &Raster) -> Option<Self> {
        let axes = 0..raster.grid().sides().len();
        let found: Vec<Self> = axes.filter_map(|axis| along(raster, axis)).collect();
        let mean = |of: fn(&Self) -> f64| found.iter().map(of).sum::<f64>() / found.len() as f64;
        (!found.is_empty()).then(|| Self {
            centroid: mean(|s| s.centroid),
            nyquist: mean(|s| s.nyquist),
        })
    }
}

/// Returns the spectrum along one axis; `None` if the axis has one sample only or the values do not vary along it.
fn along(raster: &Raster, axis: usize) -> Option<Spectrum> {
    let grid = raster.grid();
    let side = grid.sides()[axis];
    if side < 2 {
        return None;
    }
    let density = density(raster, axis);
    let step = std::f64::consts::TAU / (side as f64 * grid.spacing(axis));
    let amplitudes = || density.iter().map(|power| power.sqrt());
    let moment: f64 = (1..)
        .zip(amplitudes())
        .map(|(k, a)| f64::from(k) * step * a)
        .sum();
    let sum: f64 = amplitudes().sum();
    // Rounding gives a constant line a power slightly above 0.
    (sum > 1e-10).then(|| Spectrum {
        centroid: moment / sum,
        nyquist: std::f64::consts::PI / grid.spacing(axis),
    })
}

/// Returns `P` of an axis at the frequencies `k · 2π / (side · spacing)`, k = 1 … side/2, up to a common factor.
fn density(raster: &Raster, axis: usize) -> Vec<f64> {
    let (sides, channels) = (raster.grid().sides(), raster.channels());
    let side = sides[axis];
    let stride = sides[axis + 1..].iter().product::<usize>() * channels;
    let fft = FftPlannerScalar::<f64>::new().plan_fft_forward(side);
    let mut scratch = vec![Complex::default(); fft.get_inplace_scratch_len()];
    let mut line = vec![Complex::default(); side];
    let mut density = vec![0.0; side / 2];
    let window = |i: usize| {
        let phase = std::f64::consts::TAU * (i + 1) as f64 / (side + 1) as f64;
        0.5 - 0.5 * phase.cos()
    };
    let window: Vec<f64> = (0..side).map(window).collect();
    let values = raster.values();
    for block in values.chunks_exact(side * stride) {
        for first in 0..stride {
            let at = |i: usize| f64::from(block[first + i * stride]);
            let mean = (0..side).map(at).sum::<f64>() / side as f64;
            for (i, (x, w)) in line.iter_mut().zip(&window).enumerate() {
                *x = Complex::new((at(i) - mean) * w, 0.0);
            }
            fft.process_with_scratch(&mut line, &mut scratch);
            for (power, x) in density.iter_mut().zip(&line[1..]) {
                *power += x.norm_sqr();
            }
        }
    }
    let count = values.len() as f64;
    density
        .iter()
        .map(|power| power / (count * side as f64))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::{CoordinateRule, Grid, Stream};
    use rand::Rng;

    fn raster(sides: &[usize], value: impl Fn(&[f64]) -> f64) -> Raster {
        let grid = Grid::new(sides, CoordinateRule::Stretch).unwrap();
        let coords = grid
            .coords(0, grid.points(), candle_core::DType::F64)
            .unwrap();
        let coords = coords.to_vec2::<f64>().unwrap();
        let values = coords.iter().map(|x| value(x) as f32).collect();
        Raster::new(grid, 1, values).unwrap()
    }

    #[test]
    fn the_centroid_of_a_sine_wave_is_its_frequency() {
        for omega in [20.0, 55.0] {
            let sound = Spectrum::of(&raster(&[400], |x| (omega * x[0]).sin())).unwrap();
            assert!((sound.centroid / omega - 1.0).abs() < 0.05, "{sound:?}");
            let wave = |x: &[f64]| (omega * (x[0] + 0.5 * x[1])).sin();
            let picture = Spectrum::of(&raster(&[200, 300], wave)).unwrap();
            let mean = 0.75 * omega;
            assert!((picture.centroid / mean - 1.0).abs() < 0.05, "{picture:?}");
        }
    }

    #[test]
    fn white_noise_has_its_centroid_at_half_the_nyquist_frequency() {
        let rng = std::cell::RefCell::new(Stream::PARAMETERS.rng(1, 0));
        let noise = raster(&[20_000], |_| rng.borrow_mut().random());
        let spectrum = Spectrum::of(&noise).unwrap();
        let middle = spectrum.nyquist / 2.0;
        assert!((spectrum.nyquist - std::f64::consts::PI * 19_999.0 / 2.0).abs() < 1e-6);
        assert!(
            (spectrum.centroid / middle - 1.0).abs() < 0.05,
            "{spectrum:?}"
        );
    }

    #[test]
    fn a_constant_signal_has_no_spectrum() {
        assert!(Spectrum::of(&raster(&[50, 40], |_| 0.7)).is_none());
        assert!(Spectrum::of(&raster(&[1, 1], |_| 0.7)).is_none());
        // A single row varies along one axis only.
        assert!(Spectrum::of(&raster(&[1, 40], |x| x[1])).is_some());
    }

    #[test]
    fn two_samples_have_the_nyquist_frequency_alone() {
        use std::f64::consts::PI;
        let checkers = |x: &[f64]| x.iter().product::<f64>();
        for (sides, value) in [
            (&[2][..], (|x: &[f64]| x[0]) as fn(&[f64]) -> f64),
            (&[2, 2], |x| x[0]),
            (&[2, 2], checkers),
            (&[1, 2], |x| x[1]),
            (&[2, 3], |x| x[0]),
        ] {
            // The two samples are two units apart.
            let spectrum = Spectrum::of(&raster(sides, value)).unwrap();
            assert!((spectrum.centroid - PI / 2.0).abs() < 1e-12, "{spectrum:?}");
            assert!((spectrum.nyquist - PI / 2.0).abs() < 1e-12, "{spectrum:?}");
        }
    }
}
