//! Recorded fields: complex values at receivers, for a source at a time (a shot).

mod csv;
mod mat;
#[cfg(test)]
mod tests;

use std::path::Path;

use num_complex::Complex64;
use rand_distr::{Distribution, StandardNormal};
use siren_core::file::{has_extension, write_atomically};
use siren_core::signal::Stream;
use siren_core::{Error, Result};

use crate::Point;

/// Noise of recordings.
const NOISE: Stream = Stream::named("wave.recording_noise");

/// Values of the field at every receiver, for every source.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    sources: Vec<Point>,
    receivers: Vec<Point>,
    /// Index `shot · receivers + receiver`.
    values: Vec<Complex64>,
}

impl Recording {
    /// Makes a recording of values `(shots, receivers)`, row by row.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are no sources or no receivers, or another number of values; [`Error::NotFinite`].
    pub fn new(sources: Vec<Point>, receivers: Vec<Point>, values: Vec<Complex64>) -> Result<Self> {
        if values.is_empty() || values.len() != sources.len() * receivers.len() {
            return Err(Error::Shape {
                what: "values of a recording",
                expected: format!(
                    "one for each of {} sources and {} receivers, at least one",
                    sources.len(),
                    receivers.len()
                ),
                got: format!("{} values", values.len()),
            });
        }
        let not_finite = |column: &str, point| Error::NotFinite {
            column: column.to_owned(),
            point,
        };
        for (column, points) in [("sources", &sources), ("receivers", &receivers)] {
            if let Some(point) = points.iter().position(|[x, y]| !(x + y).is_finite()) {
                return Err(not_finite(column, point));
            }
        }
        if let Some(point) = values.iter().position(|value| !value.is_finite()) {
            return Err(not_finite("values", point));
        }
        Ok(Self {
            sources,
            receivers,
            values,
        })
    }

    /// Reads a recording: `.mat` (variables `source`, `receivers` and `rec_val`, see below), or text of the columns `source_x, source_y,
    /// receiver_x, receiver_y, re, im`, one line for each pair of a source and a receiver, in any order.
    ///
    /// A `.mat` file has the layout of the authors' `fwi_cylinder_5.mat`: `source` (shots, 2), `receivers` (receivers, 2) and complex `rec_val`
    /// (receivers, shots). Columns of positions are taken as (x, y): they are the two inputs of the authors' network, in order. The authors'
    /// pictures have the first input downwards, so that ours show the same experiment with its axes exchanged.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Signal`] if a variable, a column or a pair is missing, given twice, of another shape, or not finite.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if has_extension(path, &["mat"]) {
            mat::read(path)
        } else {
            csv::read(path)
        }
    }

    /// Writes the recording as text that [`open`](Self::open) reads, without loss.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Signal`] if two sources or two receivers are at the same position, by which the lines of the text are told apart.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let text = csv::text(self).map_err(|message| Error::signal(path, message))?;
        write_atomically(path, text.as_bytes())
    }

    /// Returns the positions of the sources, one a shot.
    #[must_use]
    pub fn sources(&self) -> &[Point] {
        &self.sources
    }

    /// Returns the positions of the receivers.
    #[must_use]
    pub fn receivers(&self) -> &[Point] {
        &self.receivers
    }

    /// Returns the values `(shots, receivers)`, row by row.
    #[must_use]
    pub fn values(&self) -> &[Complex64] {
        &self.values
    }

    /// Returns the values of each shot, at every receiver.
    #[must_use]
    pub fn shots(&self) -> impl ExactSizeIterator<Item = &[Complex64]> {
        self.values.chunks_exact(self.receivers.len())
    }

    /// Returns the root of the mean squared absolute value.
    #[must_use]
    pub fn rms(&self) -> f64 {
        let sum: f64 = self.values.iter().map(Complex64::norm_sqr).sum();
        (sum / self.values.len() as f64).sqrt()
    }

    /// Adds independent normal noise `n` to every value, with `E|n|² = (noise · rms)²`, half of it in the real part. The noise is a function of
    /// the seed and of the number of the value.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if `noise` is negative or not finite; `key` is its full key, such as `signal.noise`.
    pub fn add_noise(&mut self, key: &str, noise: f64, seed: u64) -> Result<()> {
        if !(noise >= 0.0 && noise.is_finite()) {
            let expected = "a standard deviation relative to the data, 0 or above";
            return Err(Error::invalid(key, noise, expected));
        }
        let scale = noise * self.rms() * std::f64::consts::FRAC_1_SQRT_2;
        let mut rng = NOISE.rng(seed, 0);
        for value in &mut self.values {
            let re: f64 = StandardNormal.sample(&mut rng);
            let im: f64 = StandardNormal.sample(&mut rng);
            *value += scale * Complex64::new(re, im);
        }
        Ok(())
    }
}
