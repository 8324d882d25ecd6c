//! From a config to samples: pictures, their derivatives, and the pixels whose values are shown as well.

use std::sync::OnceLock;

use candle_core::{DType, Device, Tensor};
use rand::Rng;
use siren_core::config::Table as _;
use siren_core::field::{FieldShape, Siren};
use siren_core::metrics::Metrics;
use siren_core::objective::{Constraint, Derivatives, Share, ValueMse};
use siren_core::signal::{
    CoordinateRule, Grid, Raster, Sample, Sampling, Spectrum, Stream, checksum,
};
use siren_core::train::Task;
use siren_core::{Error, Result};
use siren_picture::Picture;
use siren_picture::stencil::PixelShape;

use crate::between::{derivatives_between, lattices, sampler, spread};
use crate::config::{AnchorConfig, AnchorPixels, PoissonObjectiveConfig, PoissonSignalConfig, Scaling, Stencil};
use crate::evaluate;
use crate::solver::{Targets, solve};
use crate::targets::{AUTHORS, derivatives, mix, must_vary, pixels, second, units, weights};

/// Random numbers of randomly chosen anchors.
const ANCHORS: Stream = Stream::named("poisson.anchors");

/// A picture that is known by its derivatives.
pub struct Poisson {
    /// What the field should show: the picture itself; of a blend, what a solver makes of the blended derivatives.
    pub(crate) truth: Picture,
    pub(crate) grid: Grid,
    /// In the units of the stencils.
    pub(crate) targets: Targets,
    /// The same at twice as many points a side, where they are known between pixels.
    between: Option<Targets>,
    /// What turns them into derivatives of the field: `[down, right]` of the first, `[down, right]` of the second.
    pub(crate) units: [[f64; 2]; 2],
    pub(crate) objective: PoissonObjectiveConfig,
    /// Whether two pictures are blended.
    pub(crate) is_blend: bool,
    /// Checksum of the pictures and their weights.
    pub(crate) sources: u32,
    scaling: Scaling,
    pub(crate) coordinates: CoordinateRule,
    sampling: Sampling,
    /// Pixels whose values are shown as well.
    anchors: Option<Vec<u32>>,
    reference: OnceLock<Vec<f64>>,
    seed: u64,
    /// Remarks on the files for the user.
    pub(crate) notes: Vec<String>,
    dtype: DType,
    device: Device,
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

    fn constraints(&self) -> Result<Vec<Constraint>> {
        let points = self.grid.points();
        let channels = self.truth.channels;
        let coords = self.grid.coords(0, points, self.dtype)?;
        let coords = coords.to_device(&self.device)?;
        let numbers = self.field_targets();
        let [gradient, laplacian] = self.shares(&numbers);
        let sampler = if let Some(between) = &self.between {
            let numbers = self.in_field_units(between);
            let lattices = lattices(&self.grid, channels, &numbers, self.dtype, &self.device)?;
            sampler(lattices, &self.sampling, self.seed)?
        } else {
            let numbers: Vec<f32> = numbers.iter().map(|&x| x as f32).collect();
            let targets = Tensor::from_vec(numbers, (points, channels, 3), &self.device)?;
            let sample = Sample::with_targets(coords.clone(), targets.to_dtype(self.dtype)?)?;
            self.sampling.sampler(sample, self.seed)
        };
        let objective = Box::new(Derivatives::new(2, gradient, laplacian));
        let mut constraints = vec![Constraint::boxed("derivatives", sampler, objective)];
        if let (Some(indices), Some(anchor)) = (&self.anchors, &self.objective.anchor) {
            let values: Vec<f32> = self.truth.values.iter().map(|y| 2.0 * y - 1.0).collect();
            let values = Tensor::from_vec(values, (points, channels), &self.device)?;
            let indices = Tensor::new(indices.as_slice(), &self.device)?;
            let sample =
                Sample::with_targets(coords, values.to_dtype(self.dtype)?)?.select(&indices)?;
            let sampler = Sampling::Whole.sampler(sample, self.seed);
            let anchors = Constraint::boxed("anchors", sampler, Box::new(ValueMse));
            constraints.push(anchors.weighted(anchor.weight));
        }
        Ok(constraints)
    }

    fn evaluate(&self, field: &Siren) -> Result<Metrics> {
        evaluate::metrics(self, field)
    }
}

impl Poisson {
    /// Makes a signal of a picture in memory, which the field sees through its derivatives alone. `signal` says how they are taken and
    /// blended with those of a second picture; the keys that name, crop or resize the first file are not used.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if a value is out of range, or the picture is constant; the errors of reading the second picture or a mask.
    pub fn new(
        first: Picture,
        signal: &PoissonSignalConfig,
        objective: &PoissonObjectiveConfig,
        seed: u64,
    ) -> Result<Self> {
        signal.validate()?;
        objective.validate()?;
        let grid = Grid::new(&[first.height, first.width], signal.coordinates)?;
        let mut targets = derivatives(&first, signal.stencil);
        let is_known_between = signal.stencil == Stencil::Spectral;
        let mut between = is_known_between.then(|| derivatives_between(&first));
        let mut notes = Vec::new();
        let mut sources: Vec<f32> = numbers_of(&first).collect();
        if let Some(blend) = &signal.blend {
            let second = second(signal, blend, &first, &mut notes)?;
            let weights = weights(signal, blend, &first)?;
            mix(
                &mut targets,
                &derivatives(&second, signal.stencil),
                &weights,
            );
            if let Some(between) = &mut between {
                let weights = spread(pixels(&first), &weights);
                mix(between, &derivatives_between(&second), &weights);
            }
            sources.extend(numbers_of(&second));
            sources.extend(weights.iter().map(|&w| w as f32));
        }
        must_vary(signal, &targets)?;
        let anchors = anchors(signal, objective, seed, &first)?;
        let mut poisson = Self {
            units: units(&grid, signal.scaling, signal.stencil),
            truth: first,
            grid,
            targets,
            between,
            objective: objective.clone(),
            is_blend: signal.blend.is_some(),
            sources: checksum(sources),
            scaling: signal.scaling,
            coordinates: signal.coordinates,
            sampling: signal.sampling.clone(),
            anchors,
            reference: OnceLock::new(),
            seed,
            notes,
            dtype: DType::F32,
            device: Device::Cpu,
        };
        if poisson.is_blend {
            poisson.truth = poisson.blended();
        }
        Ok(poisson)
    }

    /// Returns the same signal with samples of another type or on another device.
    #[must_use]
    pub fn on(self, dtype: DType, device: &Device) -> Self {
        Self {
            dtype,
            device: device.clone(),
            ..self
        }
    }

    /// Derivatives of the field that are asked for, `(n, c, 3)`: down, right, Laplacian.
    pub(crate) fn field_targets(&self) -> Vec<f64> {
        self.in_field_units(&self.targets)
    }

    fn in_field_units(&self, Targets { first, second, .. }: &Targets) -> Vec<f64> {
        let [[down, right], [rows, columns]] = self.units;
        let gradient = first[0].iter().zip(&first[1]);
        let laplacian = second[0].iter().zip(&second[1]);
        let numbers = gradient.zip(laplacian);
        numbers
            .flat_map(|((d, r), (a, b))| [d * down, r * right, a * rows + b * columns])
            .collect()
    }

    /// What gradient and Laplacian of a perfect field are, as shares of the targets: 1 each, but in the authors' units, which ask for
    /// another contrast of the field by the gradient than by the Laplacian.
    pub(crate) fn own_scale(&self) -> [f64; 2] {
        if self.scaling == Scaling::Coordinate {
            return [1.0, 1.0];
        }
        let intervals = (0..2).map(|axis| 2.0 / self.grid.spacing(axis));
        let n = intervals.filter(|n| n.is_finite()).fold(1.0, f64::max);
        let contrasts = [AUTHORS[0] * 2.0 / n, AUTHORS[1] * 4.0 / (n * n)];
        let fitted = usize::from(self.objective.gradient <= 0.0);
        contrasts.map(|own| contrasts[fitted] / own)
    }

    fn shares(&self, targets: &[f64]) -> [Share; 2] {
        let square = |which: &dyn Fn(usize) -> bool| {
            let chosen = targets.iter().enumerate().filter(|(at, _)| which(at % 3));
            let sum: f64 = chosen.map(|(_, x)| x * x).sum();
            sum / (targets.len() as f64 / (3.0 * self.truth.channels as f64))
        };
        let divisors = match self.scaling {
            Scaling::Authors => [1.0, 1.0],
            Scaling::Coordinate => [square(&|k| k < 2), square(&|k| k == 2)],
        };
        let share = |weight: f64, divisor: f64| Share {
            weight,
            divisor: if divisor > 0.0 { divisor } else { 1.0 },
        };
        [
            share(self.objective.gradient, divisors[0]),
            share(self.objective.laplacian, divisors[1]),
        ]
    }

    pub(crate) fn pixels(&self) -> PixelShape {
        pixels(&self.truth)
    }

    /// What a solver makes of the targets, of mean zero.
    pub(crate) fn reference(&self) -> &[f64] {
        self.reference.get_or_init(|| {
            let square = |x: &[Vec<f64>]| {
                let sum: f64 = x.iter().flatten().map(|x| x * x).sum();
                sum.max(f64::MIN_POSITIVE)
            };
            let weights = [
                self.objective.gradient / square(&self.targets.first),
                self.objective.laplacian / square(&self.targets.second),
            ];
            solve(self.pixels(), &self.targets, weights)
        })
    }

    /// The reference as a picture: its darkest value black and its brightest white if it does not fit between as it is.
    fn blended(&self) -> Picture {
        let u = self.reference();
        let (low, high) = u
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &x| {
                (a.min(x), b.max(x))
            });
        let middle = 0.5 * (low + high);
        let gain = (2.0 / (high - low)).min(1.0);
        let shown = u.iter().map(|x| (0.5 + 0.5 * gain * (x - middle)) as f32);
        Picture {
            values: shown.collect(),
            ..self.truth.clone()
        }
    }
}

/// Sides and values of a picture, for its checksum.
fn numbers_of(picture: &Picture) -> impl Iterator<Item = f32> {
    let sides = [picture.height, picture.width, picture.channels];
    let sides = sides.map(|side| side as f32).into_iter();
    sides.chain(picture.values.iter().copied())
}

/// Indices of the pixels whose values are shown.
fn anchors(
    signal: &PoissonSignalConfig,
    objective: &PoissonObjectiveConfig,
    seed: u64,
    picture: &Picture,
) -> Result<Option<Vec<u32>>> {
    let Some(AnchorConfig { pixels, .. }) = &objective.anchor else {
        return Ok(None);
    };
    let (height, width) = (picture.height, picture.width);
    let all = 0..(height * width) as u32;
    let chosen: Vec<u32> = match pixels {
        AnchorPixels::Border => {
            let at_edge = |at: &u32| {
                let (row, column) = (*at as usize / width, *at as usize % width);
                row == 0 || column == 0 || row + 1 == height || column + 1 == width
            };
            all.filter(at_edge).collect()
        }
        AnchorPixels::Fraction(fraction) => {
            let mut rng = ANCHORS.rng(seed, 0);
            all.filter(|_| rng.random::<f64>() < *fraction).collect()
        }
        AnchorPixels::Mask(path) => {
            let mask = signal.source().open_mask(path, picture)?;
            all.filter(|&at| mask.values[at as usize] > 0.5).collect()
        }
    };
    if chosen.is_empty() {
        let expected = "at least one pixel (a higher fraction, or a mask with white in it)";
        return Err(Error::invalid("objective.anchor.pixels", "none", expected));
    }
    Ok(Some(chosen))
}

#[cfg(all(test, feature = "cli"))]
mod tests;
