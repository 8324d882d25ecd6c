//! From a config to samples: the picture, its grid, and the pixels that are trained on.

use candle_core::{DType, Device, Tensor};
use rand::Rng;
use siren_core::config::Table as _;
use siren_core::field::{FieldShape, Siren};
use siren_core::metrics::Metrics;
use siren_core::objective::{Constraint, HessianPrior, Objective, TotalVariation, ValueMse};
use siren_core::signal::{
    CoordinateRule, Grid, Raster, Sampling, Spectrum, Stream, UniformSampler,
};
use siren_core::train::Task;
use siren_core::{Error, Result};
use siren_picture::{Canvas, Picture, PictureMetadata};

use crate::config::{ImageObjectiveConfig, ImageSignalConfig, Observed, Prior};
use crate::evaluate;

/// Random numbers of the random mask.
const MASK: Stream = Stream::named("image.mask");

/// A picture to be fitted.
pub struct Image {
    pub(crate) picture: Picture,
    pub(crate) grid: Grid,
    /// For each pixel, whether it is trained on; `None` if all are.
    pub(crate) observed: Option<Vec<bool>>,
    /// Whether pixels of odd row and odd column are scored apart.
    pub(crate) between: bool,
    pub(crate) score_derivatives: bool,
    coordinates: CoordinateRule,
    sampling: Sampling,
    objective: ImageObjectiveConfig,
    seed: u64,
    /// Remarks on the file for the user.
    pub(crate) notes: Vec<String>,
    dtype: DType,
    device: Device,
}

impl Task for Image {
    type Model = Siren;

    fn shape(&self) -> FieldShape {
        FieldShape {
            in_features: 2,
            out_features: self.picture.channels,
            samples_per_side: Some(self.picture.height.min(self.picture.width)),
        }
    }

    fn spectrum(&self) -> Result<Option<Spectrum>> {
        if self.observed.is_some() {
            let expected =
                "`all` where something is `auto`: a spectrum would look at the hidden pixels";
            return Err(Error::invalid("signal.observed", "a part", expected));
        }
        Ok(Spectrum::of(&self.raster()?))
    }

    fn constraints(&self) -> Result<Vec<Constraint>> {
        let raster = self.raster()?;
        let mut sample = raster.sample(self.dtype, &self.device)?;
        let all = sample.len();
        if let Some(observed) = &self.observed {
            sample = sample.select(&chosen(observed, &self.device)?)?;
        }
        // The authors average over all pixels with zero error where nothing is observed: the same as this weight.
        let weight = sample.len() as f64 / all as f64;
        let sampler = self.sampling.sampler(sample, self.seed);
        let pixels = Constraint::boxed("pixels", sampler, Box::new(ValueMse));
        let mut constraints = vec![pixels.weighted(weight)];
        let prior: Option<Box<dyn Objective>> = match self.objective.prior {
            Prior::None => None,
            Prior::TotalVariation(weight) => Some(Box::new(TotalVariation { weight })),
            Prior::Hessian(weight) => Some(Box::new(HessianPrior::new(weight, 2))),
        };
        if let Some(objective) = prior {
            let sampler = Box::new(UniformSampler {
                size: self.objective.prior_points.unwrap_or((all / 2).max(1)),
                extents: vec![self.grid.extent(0), self.grid.extent(1)],
                seed: self.seed,
                stream: Stream::UNIFORM,
                dtype: self.dtype,
                device: self.device.clone(),
            });
            constraints.push(Constraint::boxed("prior", sampler, objective));
        }
        Ok(constraints)
    }

    fn evaluate(&self, field: &Siren) -> Result<Metrics> {
        evaluate::metrics(self, field)
    }
}

impl Image {
    /// Makes a signal of a picture in memory. `signal` says which pixels are trained on, and how its rows and columns map to coordinates;
    /// the keys that name, crop or resize a file are not used.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if a value is out of range, or no pixel is trained on; the errors of reading a mask.
    pub fn new(
        picture: Picture,
        signal: &ImageSignalConfig,
        objective: &ImageObjectiveConfig,
        seed: u64,
    ) -> Result<Self> {
        signal.validate()?;
        objective.validate()?;
        let observed = observed(&picture, signal, seed)?;
        Ok(Self {
            grid: Grid::new(&[picture.height, picture.width], signal.coordinates)?,
            picture,
            observed,
            between: signal.observed == Observed::Even,
            score_derivatives: signal.score_derivatives,
            coordinates: signal.coordinates,
            sampling: signal.sampling.clone(),
            objective: objective.clone(),
            seed,
            notes: Vec::new(),
            dtype: DType::F32,
            device: Device::Cpu,
        })
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

    /// Returns the facts of the picture from which a field is rendered.
    #[must_use]
    pub fn metadata(&self) -> PictureMetadata {
        PictureMetadata {
            height: self.picture.height,
            width: self.picture.width,
            coordinates: self.coordinates,
            tone: Vec::new(),
        }
    }

    /// Where a field is drawn at the picture's own size.
    pub(crate) fn canvas(&self) -> Canvas {
        Canvas::new(&self.grid)
    }

    /// The targets.
    fn raster(&self) -> Result<Raster> {
        let values = self.picture.values.iter();
        let targets = values.map(|value| 2.0 * value - 1.0).collect();
        Raster::new(self.grid.clone(), self.picture.channels, targets)
    }
}

/// The mask of the observed pixels, at least one of which must be; `None` if all are.
fn observed(picture: &Picture, signal: &ImageSignalConfig, seed: u64) -> Result<Option<Vec<bool>>> {
    let pixels = picture.height * picture.width;
    let mask: Vec<bool> = match &signal.observed {
        Observed::All => return Ok(None),
        Observed::Even => (0..pixels)
            .map(|i| (i / picture.width).is_multiple_of(2) && (i % picture.width).is_multiple_of(2))
            .collect(),
        Observed::Fraction(fraction) => {
            let mut rng = MASK.rng(seed, 0);
            (0..pixels)
                .map(|_| rng.random::<f64>() < *fraction)
                .collect()
        }
        Observed::Mask(path) => {
            let mask = signal.source().open_mask(path, picture)?;
            mask.values.iter().map(|&value| value > 0.5).collect()
        }
    };
    if !mask.contains(&false) {
        return Ok(None);
    }
    if mask.contains(&true) {
        return Ok(Some(mask));
    }
    let value = "a mask of no pixel at all";
    let expected = "at least one pixel to train on (a higher fraction, or a mask with white in it that is not transparent)";
    Err(Error::invalid("signal.observed", value, expected))
}

/// Indices of the pixels that are `true`.
fn chosen(mask: &[bool], device: &Device) -> Result<Tensor> {
    let indices = mask.iter().enumerate().filter(|(_, on)| **on);
    let indices: Result<Vec<u32>, _> = indices.map(|(index, _)| index.try_into()).collect();
    let indices = indices.map_err(|_| Error::Shape {
        what: "mask of the observed pixels",
        expected: format!("at most {} pixels", u32::MAX),
        got: format!("{}", mask.len()),
    })?;
    let count = indices.len();
    Ok(Tensor::from_vec(indices, count, device)?)
}
