//! Full waveform inversion: the medium from recorded waves of one frequency.

use std::f64::consts::PI;
use std::sync::Arc;

use candle_core::{DType, Device};
use num_complex::Complex64;
use rand::Rng;
use siren_core::field::{FieldShape, Order, Siren};
use siren_core::metrics::{Metric, Metrics};
use siren_core::objective::{Constraint, Weight};
use siren_core::signal::{Sample, Stream};
use siren_core::{Error, Result};

use crate::Point;
use crate::checks;
use crate::config::{InverseConfig, ShotChoice, UnknownMedium};
use crate::helmholtz::{RELATIVE_ERROR_PERCENT, stretches};
use crate::medium::Medium;
use crate::objective::{
    InverseHelmholtz, OFFSET, RECORDED, REMAINDER, RecordedError, Region, ResidualNorm, SHOTS,
    STRETCH, UNKNOWN, clamped,
};
use crate::offset::Offset;
use crate::receivers::Role;
use crate::recording::Recording;
use crate::reference::adjoint::Misfit;
use crate::reference::frequency::FrequencyGrid;
use crate::reference::sampler::PointSampler;
use crate::sampler::{Draws, disk, frame, square};
use crate::signal::{Placement, Setup, WaveProblem};
use crate::source::PointSource;

/// Least value of the medium.
pub const LEAST_MEDIUM: Metric = Metric::lower("least_m", "");
/// Distance between the centroids of `1 − m` of the found and the true medium, in coordinates.
pub const CENTROID_ERROR: Metric = Metric::lower("centroid_error", "");
/// Difference of the network's fields from the data, `100 ‖u − d‖ / ‖d‖`.
pub const DATA_ERROR_PERCENT: Metric = Metric::lower("data_error_percent", "%");
/// Difference of the fields of the found medium from the data, as [`DATA_ERROR_PERCENT`]: computed by finite differences, without the
/// network's fields.
pub const SIMULATED_ERROR_PERCENT: Metric = Metric::lower("simulated_error_percent", "%");

/// Points along each side of the grid of finite differences.
const GRID_SIDE: usize = 97;
/// Points along each side of a grid that computes the data of a known medium: finer than that of the inversion.
const RECORDED_SIDE: usize = 257;
/// Half the side of the square in which media are compared.
const COMPARED_HALF: f64 = 0.33;
/// Points along each side of that square.
const COMPARED_SIDE: usize = 67;
/// Largest distance from a source at which its points are drawn, in wavelengths.
const SOURCE_REACH: f64 = 0.5;

/// The inverse problem: fields of all shots and the medium.
pub(crate) struct InverseProblem {
    config: InverseConfig,
    wavenumber: f64,
    recording: Recording,
    offsets: Vec<Offset>,
    /// The true medium, if it is known.
    truth: Option<Medium>,
    misfit: Misfit,
    norm: ResidualNorm,
    points: usize,
    /// Points in the square of the unknown medium.
    source_points: usize,
    source_weight: f64,
    seed: u64,
    hold: u64,
}

impl InverseProblem {
    /// Makes the problem of a config.
    ///
    /// # Errors
    /// Those of the files; [`Error::InvalidValue`] for values that do not go together.
    pub(crate) fn new(
        setup: Setup<'_>,
        config: &InverseConfig,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        let Setup {
            signal,
            objective,
            seed,
        } = setup;
        let units = signal.units.resolve("signal.units")?;
        let wavenumber = units.wavenumber;
        checks::check_pml("objective.equation.inverse.pml", &config.pml, wavenumber)?;
        let velocity = units.reference_velocity;
        let medium = Medium::from_config(&signal.medium, "signal.medium", velocity, notes)?;
        let variance = signal.source_variance.unwrap_or(1e-4);
        let source_at = |position: Point| PointSource {
            variance,
            ..PointSource::at(position)
        };
        let (mut recording, truth) = if let Some(path) = &signal.recording {
            let truth = (!medium.is_uniform()).then_some(medium);
            (Recording::open(path)?, truth)
        } else {
            let sources = signal.sources.points("signal.sources", Role::Source)?;
            let receivers = signal.receivers.as_ref().ok_or_else(|| {
                let expected = "positions, or a `signal.recording`: the inverse problem needs data";
                Error::invalid("signal.receivers", "missing", expected)
            })?;
            let receivers = receivers.points("signal.receivers", Role::Receiver)?;
            let sources: Vec<PointSource> = sources.into_iter().map(source_at).collect();
            let grid = FrequencyGrid::new(RECORDED_SIDE, wavenumber, config.pml)?;
            let recording = recorded(&medium, &grid, &sources, receivers)?;
            (recording, Some(medium))
        };
        recording.add_noise("signal.noise", signal.noise, seed)?;
        let pml = Some(&config.pml);
        checks::check_positions("signal.sources", recording.sources(), pml)?;
        checks::check_positions("signal.receivers", recording.receivers(), pml)?;
        let sources: Vec<PointSource> = recording.sources().iter().map(|&p| source_at(p)).collect();
        let inner = config.pml.inner();
        let offset =
            |&source: &PointSource| Offset::new(config.formulation, source, wavenumber, inner);
        let grid = FrequencyGrid::new(GRID_SIDE, wavenumber, config.pml)?;
        let values = recording.values().to_vec();
        Ok(Self {
            offsets: sources.iter().map(offset).collect::<Result<_>>()?,
            misfit: Misfit::new(grid, &sources, recording.receivers(), values)?,
            config: config.clone(),
            wavenumber,
            recording,
            truth,
            norm: objective.norm,
            points: objective.points,
            source_points: objective.source_points,
            source_weight: objective.source_weight,
            seed,
            hold: objective.hold_points,
        })
    }

    /// Returns the number of shots, S.
    fn shots(&self) -> usize {
        self.offsets.len()
    }

    /// Returns the sample at points outside the absorbing layer; the shots of a point begin with `first_shot`.
    fn interior(&self, points: &[Point], first_shot: usize, place: &Placement) -> Result<Sample> {
        let width = 2 * self.shots();
        let mut offset = Vec::with_capacity(points.len() * width);
        let mut remainder = Vec::with_capacity(points.len() * width);
        for &point in points {
            for source in &self.offsets {
                let at = source.at(point);
                offset.extend([at.value.re, at.value.im]);
                remainder.extend([at.remainder.re, at.remainder.im]);
            }
        }
        let unknown: Vec<f64> = points
            .iter()
            .map(|&point| f64::from(u8::from(self.is_unknown(point))))
            .collect();
        let sample = Sample::new(place.tensor(points)?)?
            .with_column(OFFSET, place.rows(&offset, width)?)?
            .with_column(REMAINDER, place.rows(&remainder, width)?)?
            .with_column(UNKNOWN, place.rows(&unknown, 1)?)?;
        self.with_shots(sample, first_shot, place)
    }

    /// Returns whether the medium is unknown at a point.
    fn is_unknown(&self, [x, y]: Point) -> bool {
        x.abs().max(y.abs()) <= self.config.half_width
    }

    /// Returns the sample at points of the absorbing layer.
    fn layer(&self, points: &[Point], first_shot: usize, place: &Placement) -> Result<Sample> {
        let width = 2 * self.shots();
        let none = place.rows(&vec![0.0; points.len() * width], width)?;
        let sample = Sample::new(place.tensor(points)?)?
            .with_column(OFFSET, none.clone())?
            .with_column(REMAINDER, none)?
            .with_column(STRETCH, place.tensor(&stretches(&self.config.pml, points))?)?;
        self.with_shots(sample, first_shot, place)
    }

    /// Adds the weights that select one shot a point, in turn.
    fn with_shots(&self, sample: Sample, first_shot: usize, place: &Placement) -> Result<Sample> {
        if self.config.shots == ShotChoice::All {
            return Ok(sample);
        }
        let shots = self.shots();
        let mut weights = vec![0.0; sample.len() * shots];
        for (point, row) in weights.chunks_mut(shots).enumerate() {
            row[(point + first_shot) % shots] = 1.0;
        }
        let weights = place.rows(&weights, shots)?;
        sample.with_column(SHOTS, weights)
    }

    /// Returns the receivers with the data that the network's channels should have there.
    fn data(&self, place: &Placement) -> Result<Sample> {
        let receivers = self.recording.receivers();
        let width = 2 * self.shots();
        let mut recorded = Vec::with_capacity(receivers.len() * width);
        for (index, &receiver) in receivers.iter().enumerate() {
            for (offset, values) in self.offsets.iter().zip(self.recording.shots()) {
                let own = values[index] - offset.at(receiver).value;
                recorded.extend([own.re, own.im]);
            }
        }
        Sample::new(place.tensor(receivers)?)?.with_column(RECORDED, place.rows(&recorded, width)?)
    }

    /// Returns the found medium m at points outside the absorbing layer.
    pub(crate) fn medium_at(&self, field: &Siren, points: &[Point]) -> Result<Vec<f64>> {
        let values = match self.config.unknown {
            UnknownMedium::Channel => {
                let place = Placement {
                    dtype: field.parameters().dtype(),
                    device: field.parameters().device().clone(),
                };
                let jet = field.evaluate(&place.tensor(points)?, &Order::Value)?;
                let value = jet.value()?.narrow(1, 2 * self.shots(), 1)?;
                let m = clamped(&value)?.affine(1.0, 1.0)?;
                m.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?
            }
            UnknownMedium::ClosedForm => self.closed_form(field, points)?,
        };
        let known = |(&point, m): (&Point, f64)| if self.is_unknown(point) { m } else { 1.0 };
        Ok(points.iter().zip(values).map(known).collect())
    }

    /// Returns the medium that suits the fields of all shots best.
    fn closed_form(&self, field: &Siren, points: &[Point]) -> Result<Vec<f64>> {
        let fields = field.values(points.as_flattened())?;
        let laplacians = field.laplacians(points.as_flattened())?;
        let width = 2 * self.shots();
        let rows = fields.chunks(width).zip(laplacians.chunks(width));
        let best = |((fields, laplacians), &point): ((&[f64], &[f64]), &Point)| {
            let (mut product, mut squares) = (0.0, f64::EPSILON);
            for (shot, offset) in self.offsets.iter().enumerate() {
                let at = offset.at(point);
                let waves = self.wavenumber.powi(2) * (channel(fields, shot) + at.value);
                let rest = channel(laplacians, shot) + at.remainder;
                product += (waves.conj() * rest).re;
                squares += waves.norm_sqr();
            }
            (-product / squares).max(0.001)
        };
        Ok(rows.zip(points).map(best).collect())
    }

    /// Returns the network's fields at the receivers, index `shot · receivers + receiver`.
    pub(crate) fn fields_at_receivers(&self, field: &Siren) -> Result<Vec<Complex64>> {
        let receivers = self.recording.receivers();
        let values = field.values(receivers.as_flattened())?;
        let rows: Vec<&[f64]> = values.chunks(field.out_features()).collect();
        let shots = self.offsets.iter().enumerate();
        let fields = shots.flat_map(|(shot, offset)| {
            let at =
                move |(row, &point): (&&[f64], &Point)| channel(row, shot) + offset.at(point).value;
            rows.iter().zip(receivers).map(at)
        });
        Ok(fields.collect())
    }
}

/// Returns the value of a shot in a row of channels.
fn channel(row: &[f64], shot: usize) -> Complex64 {
    Complex64::new(row[2 * shot], row[2 * shot + 1])
}

/// Returns the fields of a medium at receivers, by finite differences.
fn recorded(
    medium: &Medium,
    grid: &FrequencyGrid,
    sources: &[PointSource],
    receivers: Vec<Point>,
) -> Result<Recording> {
    let solver = grid.factorize(&medium.on_grid(grid.side()))?;
    let sampler = PointSampler::new(grid.side(), &receivers)?;
    let fields = solver.fields(sources)?;
    let values = fields.iter().map(|field| sampler.sample(field));
    let values: Vec<Vec<Complex64>> = values.collect::<Result<_>>()?;
    let positions = sources.iter().map(|source| source.position).collect();
    Recording::new(positions, receivers, values.concat())
}

impl WaveProblem for Arc<InverseProblem> {
    fn shape(&self) -> FieldShape {
        let medium = match self.config.unknown {
            UnknownMedium::Channel => 1,
            UnknownMedium::ClosedForm => 0,
        };
        FieldShape::new(2, 2 * self.shots() + medium)
    }

    fn constraints(&self, dtype: DType, device: &Device) -> Result<Vec<Constraint>> {
        let place = Placement {
            dtype,
            device: device.clone(),
        };
        let law = |name, region: Region| InverseHelmholtz {
            name,
            order: region.order(),
            wavenumber: self.wavenumber,
            scale: self.wavenumber.powi(2),
            norm: self.norm,
            unknown: self.config.unknown,
            shots: self.config.shots,
            forward_steps: self.config.forward_steps,
        };
        let (inner, half, shots) = (
            self.config.pml.inner(),
            self.config.half_width,
            self.shots(),
        );
        let share = inner.powi(2);
        let count = (share * self.points as f64).round() as usize;
        let (in_layer, more) = (self.points - count, self.source_points);
        let mut constraints = Vec::new();
        let (problem, at, drawn) = (Arc::clone(self), place.clone(), self.draws("wave.interior"));
        let interior = move |step| {
            let mut rng = drawn.rng(step);
            let points = square(count, inner, &mut rng);
            problem.interior(&points, rng.random_range(0..shots), &at)
        };
        let interior = Constraint::new("interior", interior, law("equation", Region::Interior));
        constraints.push(interior.weighted(share));
        let (problem, at, drawn) = (Arc::clone(self), place.clone(), self.draws("wave.layer"));
        let layer = move |step| {
            let mut rng = drawn.rng(step);
            let points = frame(in_layer, inner, &mut rng);
            problem.layer(&points, rng.random_range(0..shots), &at)
        };
        let layer = Constraint::new("layer", layer, law("layer", Region::Layer));
        constraints.push(layer.weighted(1.0 - share));
        let (problem, at, drawn) = (Arc::clone(self), place.clone(), self.draws("wave.contrast"));
        let contrast = move |step| {
            let mut rng = drawn.rng(step);
            let points = square(more, half, &mut rng);
            problem.interior(&points, rng.random_range(0..shots), &at)
        };
        let contrast = Constraint::new("contrast", contrast, law("contrast", Region::Interior));
        constraints.push(contrast.weighted(self.source_weight));
        if self.offsets.iter().any(|offset| !offset.has_no_source()) {
            let (problem, at, drawn) = (Arc::clone(self), place.clone(), self.draws("wave.source"));
            let sources = move |step| {
                let points = problem.around_sources(more, &mut drawn.rng(step));
                problem.interior(&points, 0, &at)
            };
            let sources = Constraint::new("source", sources, law("source", Region::Interior));
            constraints.push(sources.weighted(self.source_weight));
        }
        constraints.push(self.data_constraint(&place)?);
        Ok(constraints)
    }

    fn evaluate(&self, field: &Siren) -> Result<Metrics> {
        let last = (COMPARED_SIDE - 1) as f64;
        let at = |index: usize| COMPARED_HALF * (2.0 * index as f64 / last - 1.0);
        let points: Vec<Point> = (0..COMPARED_SIDE * COMPARED_SIDE)
            .map(|i| [at(i % COMPARED_SIDE), at(i / COMPARED_SIDE)])
            .collect();
        let found = self.medium_at(field, &points)?;
        let grid = self.misfit.grid();
        let nodes: Vec<Point> = (0..grid.points()).map(|index| grid.point(index)).collect();
        let simulated = self.misfit.evaluate(&self.medium_at(field, &nodes)?)?;
        let simulated = 100.0 * simulated.residual_ratio;
        let mut metrics = Vec::new();
        if let Some(truth) = &self.truth {
            let truth: Vec<f64> = points.iter().map(|&p| truth.squared_slowness(p)).collect();
            let pairs = found.iter().zip(&truth);
            let difference: f64 = pairs.map(|(m, t)| (m - t).powi(2)).sum();
            let norm: f64 = truth.iter().map(|t| (1.0 - t).powi(2)).sum();
            metrics.push(RELATIVE_ERROR_PERCENT.of(100.0 * (difference / norm).sqrt()));
            let [a, b] = [centroid(&points, &found), centroid(&points, &truth)];
            metrics.push(CENTROID_ERROR.of((a[0] - b[0]).hypot(a[1] - b[1])));
        } else {
            metrics.push(RELATIVE_ERROR_PERCENT.of(simulated));
        }
        let least = found.iter().copied().fold(f64::INFINITY, f64::min);
        metrics.push(LEAST_MEDIUM.of(least));
        let fields = self.fields_at_receivers(field)?;
        let pairs = fields.iter().zip(self.recording.values());
        let difference: f64 = pairs.map(|(a, b)| (a - b).norm_sqr()).sum();
        let rms = (difference / fields.len() as f64).sqrt();
        metrics.push(DATA_ERROR_PERCENT.of(100.0 * rms / self.recording.rms()));
        metrics.push(SIMULATED_ERROR_PERCENT.of(simulated));
        Ok(metrics)
    }
}

impl InverseProblem {
    fn draws(&self, stream: &'static str) -> Draws {
        Draws {
            seed: self.seed,
            stream: Stream::named(stream),
            hold: self.hold,
        }
    }

    /// Returns points around all sources.
    fn around_sources(&self, count: usize, rng: &mut rand_chacha::ChaCha8Rng) -> Vec<Point> {
        let reach = SOURCE_REACH * 2.0 * PI / self.wavenumber;
        let each = count.div_ceil(self.shots());
        let mut points = Vec::new();
        for offset in &self.offsets {
            points.extend(disk(
                each,
                offset.position(),
                offset.radius().min(reach),
                rng,
            ));
        }
        points
    }

    /// Returns the constraint of the recorded data.
    fn data_constraint(&self, place: &Placement) -> Result<Constraint> {
        let data = self.data(place)?;
        let error = RecordedError {
            scale: self.recording.rms(),
            norm: self.norm,
        };
        let weight = self.config.data_weight;
        let weight = match self.config.forward_steps.checked_sub(1) {
            None => Weight::Constant(weight),
            Some(last) => Weight::Piecewise(vec![(last, 0.0), (last + 1, weight)]),
        };
        Ok(Constraint::new("data", move |_step| Ok(data.clone()), error).weighted(weight))
    }
}

/// Returns the centroid of `1 − m`; not a number without contrast.
fn centroid(points: &[Point], medium: &[f64]) -> Point {
    let contrast = || medium.iter().map(|m| 1.0 - m);
    let sum: f64 = contrast().sum();
    [0, 1].map(|axis| {
        let moments = points.iter().zip(contrast()).map(|(p, c)| p[axis] * c);
        moments.sum::<f64>() / sum
    })
}
