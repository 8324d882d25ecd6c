//! Frequency content of a raster.

use std::sync::Arc;

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlannerScalar};

use super::{Grid, Raster};
use crate::error::Result;

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
        let grid = raster.grid();
        let lines = |axis: usize, take: &mut dyn FnMut(&[f32])| {
            for_each_line(raster, axis, take);
            Ok(())
        };
        // Lines of a raster are read without an error.
        Self::of_lines(grid, lines).unwrap_or_default()
    }

    /// Returns the spectrum of a signal on a grid from some of its lines, as many as tell its frequencies; `None` if the lines vary along no axis.
    ///
    /// `for_each_line` is asked for each axis, and passes lines along it: all values of one channel from one side of the grid to the other.
    ///
    /// # Errors
    /// Those of `for_each_line`.
    pub fn of_lines(
        grid: &Grid,
        mut for_each_line: impl FnMut(usize, &mut dyn FnMut(&[f32])) -> Result<()>,
    ) -> Result<Option<Self>> {
        let mut found = Vec::new();
        for axis in 0..grid.sides().len() {
            if grid.sides()[axis] < 2 {
                continue;
            }
            let mut density = Density::new(grid.sides()[axis]);
            for_each_line(axis, &mut |line| density.add(line))?;
            found.extend(density.spectrum(grid.spacing(axis)));
        }
        let mean = |of: fn(&Self) -> f64| found.iter().map(of).sum::<f64>() / found.len() as f64;
        Ok((!found.is_empty()).then(|| Self {
            centroid: mean(|s| s.centroid),
            nyquist: mean(|s| s.nyquist),
        }))
    }
}

/// Passes all lines along an axis of a raster.
fn for_each_line(raster: &Raster, axis: usize, take: &mut dyn FnMut(&[f32])) {
    let (sides, channels) = (raster.grid().sides(), raster.channels());
    let side = sides[axis];
    let stride = sides[axis + 1..].iter().product::<usize>() * channels;
    let mut line = vec![0.0; side];
    for block in raster.values().chunks_exact(side * stride) {
        for first in 0..stride {
            for (i, value) in line.iter_mut().enumerate() {
                *value = block[first + i * stride];
            }
            take(&line);
        }
    }
}

/// Sum of the power spectral densities `P` of lines at the frequencies `k · 2π / (side · spacing)`, k = 1 … side/2.
struct Density {
    fft: Arc<dyn Fft<f64>>,
    window: Vec<f64>,
    line: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
    sum: Vec<f64>,
    lines: usize,
}

impl Density {
    fn new(side: usize) -> Self {
        let fft = FftPlannerScalar::<f64>::new().plan_fft_forward(side);
        let window = |i: usize| {
            let phase = std::f64::consts::TAU * (i + 1) as f64 / (side + 1) as f64;
            0.5 - 0.5 * phase.cos()
        };
        Self {
            window: (0..side).map(window).collect(),
            line: vec![Complex::default(); side],
            scratch: vec![Complex::default(); fft.get_inplace_scratch_len()],
            sum: vec![0.0; side / 2],
            lines: 0,
            fft,
        }
    }

    /// Adds a line of `side` values.
    fn add(&mut self, values: &[f32]) {
        let side = self.line.len();
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / side as f64;
        let weighted = values.iter().zip(&self.window);
        for (x, (&value, w)) in self.line.iter_mut().zip(weighted) {
            *x = Complex::new((f64::from(value) - mean) * w, 0.0);
        }
        self.fft
            .process_with_scratch(&mut self.line, &mut self.scratch);
        for (power, x) in self.sum.iter_mut().zip(&self.line[1..]) {
            *power += x.norm_sqr();
        }
        self.lines += 1;
    }

    /// Returns the spectrum along the axis; `None` if the lines do not vary.
    fn spectrum(&self, spacing: f64) -> Option<Spectrum> {
        let side = self.line.len() as f64;
        let count = (self.lines * self.line.len()) as f64;
        let step = std::f64::consts::TAU / (side * spacing);
        let density = self.sum.iter().map(|power| power / (count * side));
        let amplitudes = density.map(f64::sqrt);
        let moment: f64 = (1..)
            .zip(amplitudes.clone())
            .map(|(k, a)| f64::from(k) * step * a)
            .sum();
        let sum: f64 = amplitudes.sum();
        // Rounding gives a constant line a power slightly above 0.
        (sum > 1e-10).then(|| Spectrum {
            centroid: moment / sum,
            nyquist: std::f64::consts::PI / spacing,
        })
    }
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
