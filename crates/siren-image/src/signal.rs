//! A picture as a fitting problem: its grid, the pixels that are trained on, the constraints, and the scores.

use std::sync::{Arc, OnceLock};

use candle_core::{DType, Device, Tensor};
use rand::Rng;
use siren_core::config::Table as _;
use siren_core::field::{FieldShape, Siren};
use siren_core::metrics::Metrics;
use siren_core::objective::{Constraint, HessianPrior, Objective, TotalVariation, ValueMse};
use siren_core::signal::{
    CoordinateRule, Grid, Points, Sample, Sampling, Spectrum, Stream, UniformSampler,
};
use siren_core::train::Task;
use siren_core::{Error, Result};
use siren_picture::{Canvas, Picture, PictureField, PictureMetadata};

use crate::config::{ImageObjectiveConfig, ImageSignalConfig, Observed, Prior};
use crate::{evaluate, spectrum};

/// Stream of the random mask.
const MASK: Stream = Stream::named("image.mask");

/// A picture to which a field is fitted.
///
/// [`from_picture`](Self::from_picture) has all defaults: every pixel in every step, no prior. [`new`](Self::new) takes the tables
/// `[signal]` and `[objective]` of a config. A [`Fit`](siren_core::train::Fit) trains a field on it; [`field`](Self::field) makes the
/// result a [`PictureField`].
pub struct Image {
    pub(crate) picture: Arc<Picture>,
    pub(crate) grid: Grid,
    /// For each pixel, whether it is trained on; `None` if all are.
    pub(crate) observed: Option<Vec<bool>>,
    /// Whether pixels of odd row and odd column are scored separately.
    pub(crate) scores_odd_pixels: bool,
    pub(crate) score_derivatives: bool,
    coordinates: CoordinateRule,
    sampling: Sampling,
    objective: ImageObjectiveConfig,
    seed: u64,
    notes: Vec<String>,
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
            let expected = "`all` while a key of `[field]` is `auto`, because the spectrum is computed from all pixels, the \
                            held-out ones included; give that key a number";
            return Err(Error::invalid("signal.observed", "a part", expected));
        }
        spectrum::of(&self.picture, &self.grid)
    }

    fn grid(&self) -> Option<Grid> {
        Some(self.grid.clone())
    }

    fn points_per_step(&self) -> Option<usize> {
        self.sampling.points_per_step(self.grid.points())
    }

    fn points(&self, dtype: DType, device: &Device) -> Result<Option<Box<dyn Points>>> {
        Ok(Some(Box::new(self.pixels(dtype, device)?)))
    }

    fn constraints(&self, dtype: DType, device: &Device) -> Result<Vec<Constraint>> {
        let all = self.grid.points();
        let pixels = self.pixels(dtype, device)?;
        // The authors average over all pixels with zero error where nothing is observed, which is the same as this weight.
        let weight = pixels.count() as f64 / all as f64;
        let sampler = self.sampling.sampler_of(pixels, self.seed)?;
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
                dtype,
                device: device.clone(),
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
    /// Makes the signal of a picture with all defaults: every pixel is trained on in every step, without a prior.
    ///
    /// # Errors
    /// As [`Picture::validate`], which finds nothing in pictures of its constructors.
    pub fn from_picture(picture: Picture) -> Result<Self> {
        let signal = ImageSignalConfig::default();
        Self::new(picture, &signal, &ImageObjectiveConfig::default(), 0)
    }

    /// Makes the signal of the picture that the keys `path`, `size`, `color`, `crop`, `crop_box` and `resize` of a config select.
    ///
    /// # Errors
    /// As [`Picture::open_large`] and [`new`](Self::new).
    pub fn from_config(
        signal: &ImageSignalConfig,
        objective: &ImageObjectiveConfig,
        seed: u64,
    ) -> Result<Self> {
        let mut notes = Vec::new();
        let picture = signal.source().open_large(&mut notes)?;
        let image = Self::new(picture, signal, objective, seed)?;
        Ok(Self { notes, ..image })
    }

    /// Makes the signal of a picture in memory. `signal` says which pixels are trained on, and how rows and columns map to coordinates; its
    /// keys that name, crop or resize a file are not used. `seed` is that of the random mask and of the random points.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if a value is out of range, or no pixel is trained on; as [`Picture::validate`]; the errors of reading a mask.
    pub fn new(
        picture: Picture,
        signal: &ImageSignalConfig,
        objective: &ImageObjectiveConfig,
        seed: u64,
    ) -> Result<Self> {
        picture.validate()?;
        signal.validate()?;
        objective.validate()?;
        let mask = observed_pixels(&picture, signal, seed)?;
        let image = Self {
            grid: Grid::new(&[picture.height, picture.width], signal.coordinates)?,
            picture: Arc::new(picture),
            observed: None,
            scores_odd_pixels: false,
            score_derivatives: signal.score_derivatives,
            coordinates: signal.coordinates,
            sampling: signal.sampling.clone(),
            objective: objective.clone(),
            seed,
            notes: Vec::new(),
        };
        let Some(mask) = mask else {
            return Ok(image);
        };
        Ok(Self {
            scores_odd_pixels: signal.observed == Observed::Even,
            ..image.with_mask(mask)?
        })
    }

    /// Returns the same signal trained on the pixels whose element of `mask (height · width)`, row-major, is `true`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the mask has another number of elements than the picture has pixels; [`Error::InvalidValue`] if none is `true`.
    pub fn with_mask(self, mask: Vec<bool>) -> Result<Self> {
        if mask.len() != self.grid.points() {
            return Err(Error::Shape {
                what: "mask of the observed pixels",
                expected: format!("{} elements, one per pixel", self.grid.points()),
                got: format!("{}", mask.len()),
            });
        }
        if !mask.contains(&true) {
            let value = "a mask of no pixel at all";
            let expected = "at least one pixel to train on (a higher fraction, or a mask with white in it that is not transparent)";
            return Err(Error::invalid("signal.observed", value, expected));
        }
        Ok(Self {
            observed: mask.contains(&false).then_some(mask),
            scores_odd_pixels: false,
            ..self
        })
    }

    /// Returns the picture.
    #[must_use]
    pub fn picture(&self) -> &Picture {
        &self.picture
    }

    /// Returns remarks for the user on the file that was read, such as that only its first picture was.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
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

    /// Joins a fitted field and the facts of the picture.
    ///
    /// # Errors
    /// [`Error::Shape`] if the field has other numbers of coordinates and channels than a picture.
    pub fn field(&self, fitted: Siren) -> Result<PictureField> {
        PictureField::new(fitted, self.metadata())
    }

    /// Computes the PSNR of a field over all pixels, in dB: values clipped to the range of the picture, which is the peak.
    ///
    /// # Errors
    /// [`Error::Shape`] if the field has other numbers of coordinates and channels than the picture.
    pub fn psnr_db(&self, field: &Siren) -> Result<f64> {
        evaluate::psnr_db(self, field)
    }

    /// Returns the pixels that are trained on.
    fn pixels(&self, dtype: DType, device: &Device) -> Result<Pixels> {
        Ok(Pixels {
            picture: Arc::clone(&self.picture),
            grid: self.grid.clone(),
            observed: self.observed.as_deref().map(indices_of).transpose()?,
            dtype,
            device: device.clone(),
            kept: OnceLock::new(),
        })
    }

    /// Returns the grid on which a field is rendered at the size of the picture.
    pub(crate) fn canvas(&self) -> Canvas {
        Canvas::new(&self.grid)
    }
}

/// The pixels that are trained on, as points with their values as targets in [−1, 1], computed in the type of the samples.
///
/// Coordinates and targets are made of the pixels that are drawn; the picture stays as it was read.
struct Pixels {
    picture: Arc<Picture>,
    grid: Grid,
    /// Indices of the pixels; `None` if they are all.
    observed: Option<Vec<u32>>,
    dtype: DType,
    device: Device,
    /// All points, once they were asked for.
    kept: OnceLock<Sample>,
}

impl Pixels {
    /// Returns the points of some pixels.
    fn sample(&self, pixels: impl ExactSizeIterator<Item = usize> + Clone) -> Result<Sample> {
        let (values, channels) = (&self.picture.values, self.picture.channels);
        let shape = (pixels.len(), channels);
        let coords = self.grid.coords_at(pixels.clone(), self.dtype)?;
        let values = values.gather(pixels, channels)?;
        let values = Tensor::from_vec(values, shape, &Device::Cpu)?;
        let targets = values.to_dtype(self.dtype)?.affine(2.0, -1.0)?;
        let device = &self.device;
        Sample::with_targets(coords.to_device(device)?, targets.to_device(device)?)
    }
}

impl Points for Pixels {
    fn count(&self) -> usize {
        let observed = self.observed.as_ref().map(Vec::len);
        observed.unwrap_or_else(|| self.grid.points())
    }

    fn at(&self, indices: &[u32]) -> Result<Sample> {
        let indices = indices.iter().map(|&index| index as usize);
        match &self.observed {
            None => self.sample(indices),
            Some(observed) => self.sample(indices.map(|index| observed[index] as usize)),
        }
    }

    fn all(&self) -> Result<&Sample> {
        if let Some(sample) = self.kept.get() {
            return Ok(sample);
        }
        let sample = match &self.observed {
            None => self.sample(0..self.grid.points()),
            Some(observed) => self.sample(observed.iter().map(|&pixel| pixel as usize)),
        }?;
        Ok(self.kept.get_or_init(|| sample))
    }
}

/// Returns for each pixel whether it is trained on, or `None` if all are.
fn observed_pixels(
    picture: &Picture,
    signal: &ImageSignalConfig,
    seed: u64,
) -> Result<Option<Vec<bool>>> {
    let pixels = picture.height * picture.width;
    Ok(match &signal.observed {
        Observed::All => None,
        Observed::Even => {
            let is_even = |at: usize| {
                (at / picture.width).is_multiple_of(2) && (at % picture.width).is_multiple_of(2)
            };
            Some((0..pixels).map(is_even).collect())
        }
        Observed::Fraction(fraction) => {
            let mut rng = MASK.rng(seed, 0);
            let draws = (0..pixels).map(|_| rng.random::<f64>() < *fraction);
            Some(draws.collect())
        }
        Observed::Mask(path) => {
            let mask = signal.source().open_mask(path, picture)?;
            Some(mask.values.iter().map(|value| value > 0.5).collect())
        }
    })
}

/// Returns the indices of the elements that are `true`.
fn indices_of(mask: &[bool]) -> Result<Vec<u32>> {
    let indices = mask.iter().enumerate().filter(|(_, on)| **on);
    let indices: std::result::Result<Vec<u32>, _> =
        indices.map(|(index, _)| index.try_into()).collect();
    indices.map_err(|_| Error::Shape {
        what: "mask of the observed pixels",
        expected: format!("at most {} pixels", u32::MAX),
        got: format!("{}", mask.len()),
    })
}
