//! Inversion by one network that has the fields of all shots and the medium.

use std::f64::consts::PI;
use std::sync::Arc;

use candle_core::{DType, Device};
use num_complex::Complex64;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use siren_core::Result;
use siren_core::field::{FieldShape, Order, Siren};
use siren_core::metrics::Metrics;
use siren_core::objective::{Constraint, Weight};
use siren_core::signal::{Sample, Stream};

use super::{DATA_ERROR_PERCENT, SCORED_SIDE, Survey};
use crate::Point;
use crate::config::{NetworkSolverConfig, ShotChoice, UnknownMedium, WaveObjectiveConfig};
use crate::helmholtz::stretches;
use crate::objective::{
    InverseHelmholtz, OFFSET, RECORDED, REMAINDER, RecordedError, Region, SHOTS, STRETCH, UNKNOWN,
    clamped,
};
use crate::offset::Offset;
use crate::reference::adjoint::Misfit;
use crate::sampler::{Draws, disk, frame, square};
use crate::signal::{Placement, Setup, WaveProblem};
use crate::source::PointSource;

/// Largest distance from a source at which its points are drawn, in wavelengths.
const SOURCE_REACH: f64 = 0.5;

/// The inverse problem with fields of all shots and the medium as channels of one network.
pub(crate) struct NetworkInversion {
    survey: Survey,
    config: NetworkSolverConfig,
    offsets: Vec<Offset>,
    misfit: Misfit,
    objective: WaveObjectiveConfig,
    seed: u64,
}

impl NetworkInversion {
    /// Makes the problem of a config.
    ///
    /// # Errors
    /// As [`Offset::new`].
    pub(crate) fn new(
        survey: Survey,
        config: &NetworkSolverConfig,
        setup: Setup<'_>,
    ) -> Result<Self> {
        let (wavenumber, inner) = (survey.wavenumber, survey.pml.inner());
        let offset =
            |&source: &PointSource| Offset::new(config.formulation, source, wavenumber, inner);
        Ok(Self {
            offsets: survey.sources.iter().map(offset).collect::<Result<_>>()?,
            misfit: survey.misfit(SCORED_SIDE)?,
            survey,
            config: config.clone(),
            objective: setup.objective.clone(),
            seed: setup.seed,
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
            .map(|&point| f64::from(u8::from(self.survey.is_unknown(point))))
            .collect();
        let sample = Sample::new(place.tensor(points)?)?
            .with_column(OFFSET, place.rows(&offset, width)?)?
            .with_column(REMAINDER, place.rows(&remainder, width)?)?
            .with_column(UNKNOWN, place.rows(&unknown, 1)?)?;
        self.with_shots(sample, first_shot, place)
    }

    /// Returns the sample at points of the absorbing layer.
    fn layer(&self, points: &[Point], first_shot: usize, place: &Placement) -> Result<Sample> {
        let width = 2 * self.shots();
        let none = place.rows(&vec![0.0; points.len() * width], width)?;
        let sample = Sample::new(place.tensor(points)?)?
            .with_column(OFFSET, none.clone())?
            .with_column(REMAINDER, none)?
            .with_column(STRETCH, place.tensor(&stretches(&self.survey.pml, points))?)?;
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
        let receivers = self.survey.recording.receivers();
        let width = 2 * self.shots();
        let mut recorded = Vec::with_capacity(receivers.len() * width);
        for (index, &receiver) in receivers.iter().enumerate() {
            for (offset, values) in self.offsets.iter().zip(self.survey.recording.shots()) {
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
        let known = |(&point, m): (&Point, f64)| {
            if self.survey.is_unknown(point) {
                m
            } else {
                1.0
            }
        };
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
                let waves = self.survey.wavenumber.powi(2) * (channel(fields, shot) + at.value);
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
        let receivers = self.survey.recording.receivers();
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

impl WaveProblem for Arc<NetworkInversion> {
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
            wavenumber: self.survey.wavenumber,
            scale: self.survey.wavenumber.powi(2),
            norm: self.objective.norm,
            unknown: self.config.unknown,
            shots: self.config.shots,
            forward_steps: self.config.forward_steps,
        };
        let (inner, half, shots) = (
            self.survey.pml.inner(),
            self.survey.half_width,
            self.shots(),
        );
        let share = inner.powi(2);
        let count = (share * self.objective.points as f64).round() as usize;
        let (in_layer, more) = (self.objective.points - count, self.objective.source_points);
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
        constraints.push(contrast.weighted(self.objective.source_weight));
        if self.offsets.iter().any(|offset| !offset.has_no_source()) {
            let (problem, at, drawn) = (Arc::clone(self), place.clone(), self.draws("wave.source"));
            let sources = move |step| {
                let points = problem.around_sources(more, &mut drawn.rng(step));
                problem.interior(&points, 0, &at)
            };
            let sources = Constraint::new("source", sources, law("source", Region::Interior));
            constraints.push(sources.weighted(self.objective.source_weight));
        }
        constraints.push(self.data_constraint(&place)?);
        Ok(constraints)
    }

    fn evaluate(&self, field: &Siren) -> Result<Metrics> {
        let medium = |points: &[Point]| self.medium_at(field, points);
        let mut metrics = self.survey.scores(&self.misfit, medium)?;
        let fields = self.fields_at_receivers(field)?;
        let pairs = fields.iter().zip(self.survey.recording.values());
        let difference: f64 = pairs.map(|(a, b)| (a - b).norm_sqr()).sum();
        let rms = (difference / fields.len() as f64).sqrt();
        metrics.push(DATA_ERROR_PERCENT.of(100.0 * rms / self.survey.recording.rms()));
        Ok(metrics)
    }
}

impl NetworkInversion {
    fn draws(&self, stream: &'static str) -> Draws {
        Draws {
            seed: self.seed,
            stream: Stream::named(stream),
            hold: self.objective.hold_points,
        }
    }

    /// Returns points around all sources.
    fn around_sources(&self, count: usize, rng: &mut ChaCha8Rng) -> Vec<Point> {
        let reach = SOURCE_REACH * 2.0 * PI / self.survey.wavenumber;
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
            scale: self.survey.recording.rms(),
            norm: self.objective.norm,
        };
        let weight = self.config.data_weight;
        let weight = match self.config.forward_steps.checked_sub(1) {
            None => Weight::Constant(weight),
            Some(last) => Weight::Piecewise(vec![(last, 0.0), (last + 1, weight)]),
        };
        Ok(Constraint::new("data", move |_step| Ok(data.clone()), error).weighted(weight))
    }
}
