//! A shape as a fitting problem: points of its surface, constraints, and scores.

use std::sync::OnceLock;

use candle_core::{DType, Device, Tensor};
use rand::seq::index;
use siren_core::field::{FieldShape, Siren};
use siren_core::metrics::Metrics;
use siren_core::objective::Constraint;
use siren_core::signal::{Sample, Spectrum, Stream, SubsetSampler, SubsetSampling, UniformSampler};
use siren_core::train::{FitConfig, ScheduleKind, Task, TrainConfig};
use siren_core::{Error, Result};

use crate::config::{ShapeObjectiveConfig, ShapeSignalConfig, Start};
use crate::evaluate::{self, Reference};
use crate::frame::Frame;
use crate::geometry::PointCloud;
use crate::loss::{DistanceLossConfig, ShapeLoss};
use crate::objective::{DistanceError, NORMALS};
use crate::pool::Pool;
use crate::sampler::MixtureSampler;
use crate::source::{Orientation, ShapeSource};
use crate::start;
use crate::truth::{CloudDistance, Truth};
use crate::{ShapeField, Vector};

/// Points of the volume per step.
const VOLUME: Stream = Stream::named("shape.volume");

/// Points of a surface, to which the signed distance function of the surface is fitted.
///
/// [`from_points`](Self::from_points) has all defaults; [`new`](Self::new) takes the tables of a config. A
/// [`Fit`](siren_core::train::Fit) trains a field on it, and [`field`](Self::field) makes the result a [`ShapeField`].
pub struct Shape {
    frame: Frame,
    /// Points that are fitted, in coordinates.
    fitted: PointCloud,
    /// Points that are kept back, in coordinates.
    held_out: PointCloud,
    /// The surface itself, in the units of the user.
    truth: Option<Truth>,
    signal: ShapeSignalConfig,
    objective: ShapeObjectiveConfig,
    seed: u64,
    notes: Vec<String>,
    reference: OnceLock<Reference>,
    /// The points that are fitted, for distances to them.
    fitted_distance: OnceLock<CloudDistance>,
}

impl Task for Shape {
    type Model = Siren;

    fn shape(&self) -> FieldShape {
        FieldShape::new(3, 1)
    }

    fn spectrum(&self) -> Result<Option<Spectrum>> {
        // A cloud of points has no values on a grid.
        Ok(None)
    }

    fn constraints(&self, dtype: DType, device: &Device) -> Result<Vec<Constraint>> {
        let surface = || self.surface_sampler(dtype, device);
        let uniform = || UniformSampler {
            size: self.signal.volume_points,
            extents: vec![self.objective.volume; 3],
            seed: self.seed,
            stream: VOLUME,
            dtype,
            device: device.clone(),
        };
        Ok(match &self.objective.loss {
            ShapeLoss::Siren(loss) => {
                let on = if self.fitted.normals.is_some() {
                    loss.on_surface()
                } else {
                    loss.on_surface_without_normals()
                };
                vec![
                    Constraint::new("surface", surface()?, on),
                    Constraint::new("volume", uniform(), loss.in_volume()),
                ]
            }
            ShapeLoss::Digs(loss) => vec![
                Constraint::new("surface", surface()?, loss.on_surface()),
                Constraint::new("volume", uniform(), loss.in_volume()),
            ],
            ShapeLoss::Heat(loss) => {
                let mixture = MixtureSampler {
                    points: self.signal.volume_points,
                    extent: self.objective.volume,
                    central: loss.central,
                    seed: self.seed,
                    stream: VOLUME,
                    dtype,
                    device: device.clone(),
                };
                vec![
                    Constraint::new("surface", surface()?, loss.on_surface()),
                    Constraint::new("volume", mixture, loss.in_volume()),
                ]
            }
            ShapeLoss::Distance(loss) => self.distance_constraints(*loss, dtype, device)?,
        })
    }

    fn pretrain(&self, model: Siren) -> Result<Siren> {
        match self.objective.start {
            Start::Random => Ok(model),
            Start::Sphere(settings) => {
                start::sphere(model, settings, self.objective.volume, self.seed)
            }
        }
    }

    fn evaluate(&self, field: &Siren) -> Result<Metrics> {
        evaluate::metrics(self, field)
    }
}

impl Shape {
    /// Makes the fitting problem of points with normals, with all defaults.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_points(points: PointCloud) -> Result<Self> {
        let signal = ShapeSignalConfig::default();
        Self::new(points, None, &signal, &ShapeObjectiveConfig::default(), 0)
    }

    /// Makes the fitting problem that a config names.
    ///
    /// # Errors
    /// Those of the files, and as [`new`](Self::new).
    pub fn from_config(
        signal: &ShapeSignalConfig,
        objective: &ShapeObjectiveConfig,
        seed: u64,
    ) -> Result<Self> {
        let mut notes = Vec::new();
        let source = ShapeSource::open(signal, seed, &mut notes)?;
        Self::of_source(source, notes, signal, objective, seed)
    }

    /// Makes the fitting problem of points in the units of the user. `truth` is the surface itself, for scores and for the loss `distance`.
    /// The keys `path`, `truth` and `samples` of `signal` are ignored.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for given normals that are missing or of mixed signs, or a loss that needs what is unknown; those of
    /// [`PointCloud::checked`].
    pub fn new(
        points: PointCloud,
        truth: Option<Truth>,
        signal: &ShapeSignalConfig,
        objective: &ShapeObjectiveConfig,
        seed: u64,
    ) -> Result<Self> {
        let source = ShapeSource {
            points,
            truth,
            origin: "the cloud".to_owned(),
            orientation: Orientation::Claimed,
        };
        Self::of_source(source, Vec::new(), signal, objective, seed)
    }

    fn of_source(
        mut source: ShapeSource,
        mut notes: Vec<String>,
        signal: &ShapeSignalConfig,
        objective: &ShapeObjectiveConfig,
        seed: u64,
    ) -> Result<Self> {
        let mut remarks = Vec::new();
        source.points = source.points.checked(&source.origin, &mut remarks)?;
        notes.extend(remarks.into_iter().map(|remark| format!("note: {remark}")));
        let source = source.with_normals(signal.normals, &mut notes)?;
        let ShapeSource { points, truth, .. } = source;
        if let ShapeLoss::Distance(_) = objective.loss
            && truth.is_none()
            && points.normals.is_none()
        {
            let expected = "`siren`, `digs` or `heat`, or `signal.normals = \"estimate\"`: the distance to points without normals has no sign";
            return Err(Error::invalid("objective.loss", "distance", expected));
        }
        let frame = Frame::of(&points.points, signal.normalization)?;
        let [fitted, held_out] = split(&frame.cloud(points), signal.held_out, seed);
        Ok(Self {
            frame,
            fitted,
            held_out,
            truth,
            signal: signal.clone(),
            objective: objective.clone(),
            seed,
            notes,
            reference: OnceLock::new(),
            fitted_distance: OnceLock::new(),
        })
    }

    /// Returns settings of a fit that takes some minutes.
    #[must_use]
    pub fn recipe(&self) -> FitConfig {
        FitConfig {
            seed: self.seed,
            train: TrainConfig {
                steps: 3000,
                // A higher rate, or a sudden start, would bring waves into the distance far from the points.
                learning_rate: 1e-4,
                warmup_steps: 300,
                schedule: ScheduleKind::Cosine,
                clip_norm: Some(1.0),
                ..TrainConfig::default()
            },
            ..FitConfig::default()
        }
    }

    /// Returns the frame from which a field is evaluated in the units of the user.
    #[must_use]
    pub fn frame(&self) -> Frame {
        self.frame
    }

    /// Returns the points that are fitted, in coordinates.
    #[must_use]
    pub fn fitted(&self) -> &PointCloud {
        &self.fitted
    }

    /// Returns the points that are kept back for scores, in coordinates.
    #[must_use]
    pub fn held_out(&self) -> &PointCloud {
        &self.held_out
    }

    /// Returns the surface itself, in the units of the user, if it is known.
    #[must_use]
    pub fn truth(&self) -> Option<&Truth> {
        self.truth.as_ref()
    }

    /// Returns remarks on the points for the user.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Puts a fitted field and the frame together.
    ///
    /// # Errors
    /// As [`ShapeField::new`].
    pub fn field(&self, siren: Siren) -> Result<ShapeField> {
        ShapeField::new(siren, self.frame)
    }

    /// Returns the number of cells along each axis of the mesh that scores are computed on.
    pub(crate) fn resolution(&self) -> usize {
        self.signal.resolution
    }

    /// Returns what the field is compared with, which is computed once.
    ///
    /// # Errors
    /// Only if the points are unusable.
    pub(crate) fn reference(&self) -> Result<&Reference> {
        computed_once(&self.reference, || Reference::of(self, self.seed))
    }

    /// Returns the signed distance at coordinates, in coordinates: to the surface itself, or to the nearest points.
    ///
    /// # Errors
    /// [`Error::Missing`] if neither the surface nor normals are known.
    pub(crate) fn signed_distances(&self, coords: &[Vector]) -> Result<Vec<f64>> {
        if let Some(truth) = &self.truth {
            let positions: Vec<Vector> = coords.iter().map(|x| self.frame.position(*x)).collect();
            let distances = truth.signed_distances(&positions);
            return Ok(distances
                .into_iter()
                .map(|d| d * self.frame.scale)
                .collect());
        }
        let fitted = || CloudDistance::of_cloud(self.fitted.clone());
        computed_once(&self.fitted_distance, fitted)?.signed_distances(coords)
    }

    fn surface_sampler(&self, dtype: DType, device: &Device) -> Result<SubsetSampler> {
        let on_device = |rows: &[Vector]| -> Result<Tensor> {
            let tensor = Tensor::from_slice(rows.as_flattened(), (rows.len(), 3), &Device::Cpu)?;
            Ok(tensor.to_dtype(dtype)?.to_device(device)?)
        };
        let mut sample = Sample::new(on_device(&self.fitted.points)?)?;
        if let Some(normals) = &self.fitted.normals {
            sample = sample.with_column(NORMALS, on_device(normals)?)?;
        }
        Ok(SubsetSampler {
            from: sample,
            subset: SubsetSampling {
                points: self.signal.surface_points,
                replacement: false,
            },
            seed: self.seed,
            stream: Stream::SUBSET,
        })
    }

    fn distance_constraints(
        &self,
        loss: DistanceLossConfig,
        dtype: DType,
        device: &Device,
    ) -> Result<Vec<Constraint>> {
        let far = Pool {
            points_stream: Stream::named("far"),
            stream: Stream::named("shape.far"),
            scale: loss.far,
            points: self.signal.volume_points,
            seed: self.seed,
        };
        let near = Pool {
            points_stream: Stream::named("near"),
            stream: Stream::named("shape.near"),
            scale: loss.near,
            points: self.signal.surface_points,
            seed: self.seed,
        };
        let constraint = |name: &'static str, pool: &Pool, weight: f64| -> Result<_> {
            let sampler = pool.sampler(self, dtype, device)?;
            Ok(Constraint::new(name, sampler, DistanceError { weight }))
        };
        Ok(vec![
            constraint("far", &far, loss.far_weight)?,
            constraint("near", &near, loss.near_weight)?,
        ])
    }
}

/// Returns what a cell holds, after its computation if it is empty. A failure leaves it empty.
fn computed_once<T>(cell: &OnceLock<T>, compute: impl FnOnce() -> Result<T>) -> Result<&T> {
    if let Some(value) = cell.get() {
        return Ok(value);
    }
    let value = compute()?;
    Ok(cell.get_or_init(|| value))
}

/// Returns the points that are fitted, and a random share of them that is kept back.
fn split(points: &PointCloud, share: f64, seed: u64) -> [PointCloud; 2] {
    let count = points.points.len();
    let kept_back = (share * count as f64) as usize;
    let mut rng = Stream::named("shape.held_out").rng(seed, 0);
    let mut is_held_out = vec![false; count];
    for index in index::sample(&mut rng, count, kept_back) {
        is_held_out[index] = true;
    }
    [false, true].map(|side| points.filtered(|index| is_held_out[index] == side))
}
