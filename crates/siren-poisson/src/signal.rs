//! A picture known by its derivatives as a fitting problem: targets, anchors, constraints, and scores.

use std::sync::OnceLock;

use candle_core::{DType, Device, Tensor};
use siren_core::Result;
use siren_core::config::Table as _;
use siren_core::field::{FieldShape, Siren};
use siren_core::metrics::Metrics;
use siren_core::objective::{Constraint, Derivatives, Share, ValueMse};
use siren_core::signal::{
    CoordinateRule, Grid, Raster, Sample, Sampler, Sampling, Spectrum, checksum,
};
use siren_core::train::Task;
use siren_picture::{Picture, PictureField, PictureMetadata};

use crate::anchors::Anchors;
use crate::between::{derivatives_between, lattices, sampler, spread};
use crate::config::{PoissonObjectiveConfig, PoissonSignalConfig, Scaling, Stencil};
use crate::evaluate;
use crate::overlay::Overlay;
use crate::solver::{PerTerm, Targets, solve};
use crate::targets::{AUTHORS, Units, derivatives, mix, must_vary, pixels};

/// A picture whose derivatives a field is fitted to; the field does not see the picture itself.
///
/// [`from_picture`](Self::from_picture) has all defaults: the gradient of one picture. [`new`](Self::new) takes the tables `[signal]` and
/// `[objective]` of a config, and [`blend`](Self::blend) a second picture. A [`Fit`](siren_core::train::Fit) trains a field on it;
/// [`field`](Self::field) makes the result a [`PictureField`].
pub struct Poisson {
    /// The picture itself; for a blend, the solver's picture of the blended derivatives.
    pub(crate) truth: Picture,
    pub(crate) grid: Grid,
    /// Derivatives at the pixel centers, in the units of the stencil.
    pub(crate) targets: Targets,
    /// Derivatives on a grid with twice as many points per axis, for a stencil that is defined between pixels.
    between: Option<Targets>,
    /// Factors from the units of the stencil to derivatives of the field.
    units: Units,
    objective: PoissonObjectiveConfig,
    pub(crate) is_blend: bool,
    /// Checksum of the pictures and their weights.
    sources: u32,
    scaling: Scaling,
    coordinates: CoordinateRule,
    sampling: Sampling,
    anchors: Option<Anchors>,
    reference: OnceLock<Vec<f64>>,
    seed: u64,
    notes: Vec<String>,
}

impl Task for Poisson {
    type Model = Siren;

    fn shape(&self) -> FieldShape {
        FieldShape {
            in_features: 2,
            out_features: self.truth.channels,
            samples_per_side: Some(self.truth.height.min(self.truth.width)),
        }
    }

    fn spectrum(&self) -> Result<Option<Spectrum>> {
        let values = self.truth.values.iter().map(|y| 2.0 * y - 1.0).collect();
        let raster = Raster::new(self.grid.clone(), self.truth.channels, values)?;
        Ok(Spectrum::of(&raster))
    }

    fn grid(&self) -> Option<Grid> {
        Some(self.grid.clone())
    }

    fn points_per_step(&self) -> Option<usize> {
        self.sampling.points_per_step(self.grid.points())
    }

    fn constraints(&self, dtype: DType, device: &Device) -> Result<Vec<Constraint>> {
        let targets = self.field_targets();
        let shares = self.shares(&targets);
        let sampler = self.derivative_sampler(targets, dtype, device)?;
        let objective = Derivatives::new(2, shares.gradient, shares.laplacian);
        let derivatives = Constraint::boxed("derivatives", sampler, Box::new(objective));
        let mut constraints = vec![derivatives];
        if let Some(anchors) = &self.anchors {
            let shape = (self.grid.points(), self.truth.channels);
            let values = Tensor::from_slice(&self.truth.values.to_floats(), shape, &Device::Cpu)?;
            let values = values.to_dtype(dtype)?.affine(2.0, -1.0)?;
            let all = Sample::with_targets(self.coords(dtype, device)?, values.to_device(device)?)?;
            let sampler = Sampling::Whole.sampler(all.select(&anchors.pixels)?, self.seed);
            let values = Constraint::boxed("anchors", sampler, Box::new(ValueMse));
            constraints.push(values.weighted(anchors.weight));
        }
        Ok(constraints)
    }

    fn evaluate(&self, field: &Siren) -> Result<Metrics> {
        evaluate::metrics(self, field)
    }
}

impl Poisson {
    /// Makes the signal of the derivatives of a picture with all defaults: the gradient at every pixel in every step.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_picture(picture: Picture) -> Result<Self> {
        let signal = PoissonSignalConfig::default();
        Self::new(picture, &signal, &PoissonObjectiveConfig::default(), 0)
    }

    /// Makes the signal of the picture that the keys `path`, `size`, `color`, `crop`, `crop_box` and `resize` of a config select.
    ///
    /// # Errors
    /// As [`Picture::open`] and [`new`](Self::new).
    pub fn from_config(
        signal: &PoissonSignalConfig,
        objective: &PoissonObjectiveConfig,
        seed: u64,
    ) -> Result<Self> {
        let mut notes = Vec::new();
        let first = signal.source().open(&mut notes)?;
        let mut poisson = Self::new(first, signal, objective, seed)?;
        poisson.notes.splice(0..0, notes);
        Ok(poisson)
    }

    /// Makes the signal of the derivatives of a picture in memory. `signal` says how they are computed, and blended with those of the second
    /// picture that its `blend` names; the keys that name, crop or resize the first file are not used. `seed` is that of random anchors and
    /// points.
    ///
    /// # Errors
    /// [`Error::InvalidValue`](siren_core::Error::InvalidValue) if a value is out of range, or the picture is constant; as
    /// [`Picture::validate`]; the errors of reading the second picture or a mask.
    pub fn new(
        picture: Picture,
        signal: &PoissonSignalConfig,
        objective: &PoissonObjectiveConfig,
        seed: u64,
    ) -> Result<Self> {
        signal.validate()?;
        picture.validate()?;
        let Some(blend) = &signal.blend else {
            return Self::of_pictures(picture, None, signal, objective, seed);
        };
        let mut notes = Vec::new();
        let second = Overlay::open(signal, blend, &picture, &mut notes)?;
        let poisson = Self::of_pictures(picture, Some(&second), signal, objective, seed)?;
        Ok(Self { notes, ..poisson })
    }

    /// Makes the signal of the blended derivatives of two pictures in memory, as [`new`](Self::new) does with files; `signal.blend` is not used.
    ///
    /// # Errors
    /// As [`new`](Self::new). [`Error::Shape`](siren_core::Error::Shape) if the pictures differ in size or channels, or there is not one
    /// weight per pixel.
    pub fn blend(
        first: Picture,
        second: &Overlay,
        signal: &PoissonSignalConfig,
        objective: &PoissonObjectiveConfig,
        seed: u64,
    ) -> Result<Self> {
        signal.validate()?;
        first.validate()?;
        second.validate(&first)?;
        Self::of_pictures(first, Some(second), signal, objective, seed)
    }

    fn of_pictures(
        first: Picture,
        second: Option<&Overlay>,
        signal: &PoissonSignalConfig,
        objective: &PoissonObjectiveConfig,
        seed: u64,
    ) -> Result<Self> {
        objective.validate()?;
        let grid = Grid::new(&[first.height, first.width], signal.coordinates)?;
        let mut targets = derivatives(&first, signal.stencil);
        let is_defined_between = signal.stencil == Stencil::Spectral;
        let mut between = is_defined_between.then(|| derivatives_between(&first));
        let mut sources: Vec<f32> = sides_and_values(&first).collect();
        if let Some(Overlay { picture, weights }) = second {
            mix(&mut targets, &derivatives(picture, signal.stencil), weights);
            if let Some(between) = &mut between {
                let weights = spread(pixels(&first), weights);
                mix(between, &derivatives_between(picture), &weights);
            }
            sources.extend(sides_and_values(picture));
            sources.extend(weights.iter().map(|&w| w as f32));
        }
        must_vary(signal, &targets)?;
        let anchors = Anchors::of_config(signal, objective, seed, &first)?;
        let mut poisson = Self {
            units: Units::of(&grid, signal.scaling, signal.stencil),
            truth: first,
            grid,
            targets,
            between,
            objective: objective.clone(),
            is_blend: second.is_some(),
            sources: checksum(sources),
            scaling: signal.scaling,
            coordinates: signal.coordinates,
            sampling: signal.sampling.clone(),
            anchors,
            reference: OnceLock::new(),
            seed,
            notes: Vec::new(),
        };
        if poisson.is_blend {
            poisson.truth = poisson.reference_picture();
        }
        Ok(poisson)
    }

    /// Returns the same signal that also fits the values of the pixels whose element of `mask (height · width)`, row-major, is `true`; `weight`
    /// is that of their mean squared error in the loss.
    ///
    /// # Errors
    /// [`Error::Shape`](siren_core::Error::Shape) if the mask has another number of elements than the picture has pixels;
    /// [`Error::InvalidValue`](siren_core::Error::InvalidValue) if none is `true`, or the weight is negative or not finite.
    pub fn with_anchors(self, mask: &[bool], weight: f64) -> Result<Self> {
        let anchors = Anchors::of_mask(mask, weight, self.grid.points())?;
        Ok(Self {
            anchors: Some(anchors),
            ..self
        })
    }

    /// Returns the picture that a field is compared with: the picture whose derivatives are fitted; for a blend, the solver's picture of
    /// the blended derivatives.
    #[must_use]
    pub fn picture(&self) -> &Picture {
        &self.truth
    }

    /// Returns remarks for the user on the files that were read, such as that only the first picture of a file was.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns the checksum of the pictures, because the last bits of the spectral derivative depend on the machine. For Sobel's differences
    /// it is that of the targets, which do not depend on the machine: older run folders have it.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        if self.targets.stencil != Stencil::Sobel {
            return self.sources;
        }
        let sides = [self.truth.height, self.truth.width, self.truth.channels];
        let sides = sides.map(|count| count as f32).into_iter();
        let targets = self.targets.first.iter().chain(&self.targets.second);
        checksum(sides.chain(targets.flatten().map(|&x| x as f32)))
    }

    /// Returns the facts from which a field is rendered. Derivatives do not determine brightness and contrast, so the tone shows each channel
    /// with the gain and the offset for which it is nearest to the picture.
    ///
    /// # Errors
    /// [`Error::Shape`](siren_core::Error::Shape) if the field has other numbers of coordinates and channels than the picture.
    pub fn metadata(&self, field: &Siren) -> Result<PictureMetadata> {
        Ok(PictureMetadata {
            height: self.truth.height,
            width: self.truth.width,
            coordinates: self.coordinates,
            tone: evaluate::tone(self, field)?,
        })
    }

    /// Joins a fitted field and the facts from which it is rendered.
    ///
    /// # Errors
    /// As [`metadata`](Self::metadata).
    pub fn field(&self, fitted: Siren) -> Result<PictureField> {
        let metadata = self.metadata(&fitted)?;
        PictureField::new(fitted, metadata)
    }

    /// Computes the PSNR of a field in dB, after each channel is brought nearest to the picture by a gain and an offset.
    ///
    /// # Errors
    /// As [`metadata`](Self::metadata).
    pub fn psnr_db(&self, field: &Siren) -> Result<f64> {
        evaluate::psnr_db(self, field)
    }

    /// Returns the derivatives that the field should have, `(n, c, 3)`: downward, to the right, Laplacian.
    pub(crate) fn field_targets(&self) -> Vec<f64> {
        self.units.of_field(&self.targets)
    }

    /// Returns the coordinates of the pixels, `(n, 2)`.
    fn coords(&self, dtype: DType, device: &Device) -> Result<Tensor> {
        let coords = self.grid.coords(0, self.grid.points(), dtype)?;
        Ok(coords.to_device(device)?)
    }

    /// Makes the sampler of points with derivatives; `targets` are those at the pixel centers.
    fn derivative_sampler(
        &self,
        targets: Vec<f64>,
        dtype: DType,
        device: &Device,
    ) -> Result<Box<dyn Sampler>> {
        let channels = self.truth.channels;
        if let Some(between) = &self.between {
            let targets = self.units.of_field(between);
            let lattices = lattices(&self.grid, channels, &targets, dtype, device)?;
            return sampler(lattices, &self.sampling, self.seed);
        }
        let shape = (self.grid.points(), channels, 3);
        let targets = Tensor::from_vec(targets, shape, &Device::Cpu)?;
        let targets = targets.to_dtype(dtype)?.to_device(device)?;
        let sample = Sample::with_targets(self.coords(dtype, device)?, targets)?;
        Ok(self.sampling.sampler(sample, self.seed))
    }

    /// Returns the derivatives of a perfect field as factors of the targets. The factors are 1, except in the authors' units, where the
    /// targets of the gradient ask for another contrast of the field than those of the Laplacian.
    pub(crate) fn target_factors(&self) -> PerTerm<f64> {
        if self.scaling == Scaling::Coordinate {
            return PerTerm {
                gradient: 1.0,
                laplacian: 1.0,
            };
        }
        let intervals = (0..2).map(|axis| 2.0 / self.grid.spacing(axis));
        let n = intervals.filter(|n| n.is_finite()).fold(1.0, f64::max);
        let contrasts = PerTerm {
            gradient: AUTHORS.gradient * 2.0 / n,
            laplacian: AUTHORS.laplacian * 4.0 / (n * n),
        };
        let fitted = if self.objective.gradient > 0.0 {
            contrasts.gradient
        } else {
            contrasts.laplacian
        };
        PerTerm {
            gradient: fitted / contrasts.gradient,
            laplacian: fitted / contrasts.laplacian,
        }
    }

    /// Returns the weight of each term and the number by which its square error is divided.
    fn shares(&self, targets: &[f64]) -> PerTerm<Share> {
        let mean_square = |is_counted: &dyn Fn(usize) -> bool| {
            let chosen = targets
                .iter()
                .enumerate()
                .filter(|(at, _)| is_counted(at % 3));
            let sum: f64 = chosen.map(|(_, x)| x * x).sum();
            sum / (targets.len() as f64 / (3.0 * self.truth.channels as f64))
        };
        let share = |weight: f64, is_counted: &dyn Fn(usize) -> bool| {
            let divisor = match self.scaling {
                Scaling::Authors => 1.0,
                Scaling::Coordinate => mean_square(is_counted),
            };
            let divisor = if divisor > 0.0 { divisor } else { 1.0 };
            Share { weight, divisor }
        };
        PerTerm {
            gradient: share(self.objective.gradient, &|k| k < 2),
            laplacian: share(self.objective.laplacian, &|k| k == 2),
        }
    }

    /// Returns the solver's values for the targets, `(height, width, channels)`, each channel with mean zero.
    pub(crate) fn reference(&self) -> &[f64] {
        self.reference.get_or_init(|| {
            let sum_of_squares = |x: &[Vec<f64>]| {
                let sum: f64 = x.iter().flatten().map(|x| x * x).sum();
                sum.max(f64::MIN_POSITIVE)
            };
            let weights = PerTerm {
                gradient: self.objective.gradient / sum_of_squares(&self.targets.first),
                laplacian: self.objective.laplacian / sum_of_squares(&self.targets.second),
            };
            solve(pixels(&self.truth), &self.targets, weights)
        })
    }

    /// Returns the solver's values as a picture. If their range exceeds that of a picture, it is scaled to it.
    fn reference_picture(&self) -> Picture {
        let values = self.reference();
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let middle = 0.5 * (low + high);
        let gain = (2.0 / (high - low)).min(1.0);
        let shown = values
            .iter()
            .map(|x| (0.5 + 0.5 * gain * (x - middle)) as f32);
        Picture {
            values: shown.collect(),
            ..self.truth
        }
    }
}

/// Returns sides, channels and values of a picture, for its checksum.
fn sides_and_values(picture: &Picture) -> impl Iterator<Item = f32> {
    let sides = [picture.height, picture.width, picture.channels];
    let sides = sides.map(|side| side as f32).into_iter();
    sides.chain(picture.values.iter())
}

#[cfg(all(test, feature = "cli"))]
mod tests;
