//! Inversion by one network that has the fields of all shots and the medium.

use std::f64::consts::PI;
#[cfg(feature = "cli")]
use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use siren_core::Result;
use siren_core::field::{FieldShape, Siren};
use siren_core::metrics::Metrics;
use siren_core::objective::Constraint;
use siren_core::signal::Sample;
use siren_core::train::TrainConfig;

use super::{DATA_ERROR_PERCENT, SCORED_SIDE, Survey};
use crate::Point;
#[cfg(feature = "cli")]
use crate::artifacts;
use crate::config::{NetworkSolverConfig, ShotChoice, WaveObjectiveConfig};
use crate::field::WaveMetadata;
use crate::objective::{InverseHelmholtz, RECORDED, RecordedError, Region, SHOTS, UNKNOWN};
use crate::reference::adjoint::Misfit;
use crate::sampler::{PointConstraints, disk, frame, square, within};
use crate::scores::relative_percent;
use crate::shots::{MediumFacts, ShotFacts, ShotFields};
use crate::signal::{Placement, Regions, Setup, WaveProblem, training, weight_from};

/// Largest distance from a source at which its points are drawn, in wavelengths.
const SOURCE_REACH: f64 = 0.5;

/// The inverse problem with fields of all shots and the medium as channels of one network.
pub(crate) struct NetworkInversion {
    survey: Survey,
    config: NetworkSolverConfig,
    fields: ShotFields,
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
        let facts = ShotFacts {
            wavenumber: survey.wavenumber,
            source_variance: survey.source_variance,
            sources: survey.recording.sources().to_vec(),
            formulation: config.formulation,
            pml: survey.pml,
            medium: Some(MediumFacts {
                half_width: survey.half_width,
                unknown: config.unknown,
            }),
        };
        Ok(Self {
            fields: ShotFields::new(facts)?,
            misfit: survey.misfit(SCORED_SIDE)?,
            survey,
            config: config.clone(),
            objective: setup.objective.clone(),
            seed: setup.seed,
        })
    }

    /// Returns the data, and what is known of the medium.
    #[cfg(feature = "cli")]
    pub(crate) fn survey(&self) -> &Survey {
        &self.survey
    }

    /// Returns the fields of the network.
    #[cfg(feature = "cli")]
    pub(crate) fn fields(&self) -> &ShotFields {
        &self.fields
    }

    /// Returns the number of shots, S.
    fn shots(&self) -> usize {
        self.fields.offsets().len()
    }

    /// Returns the sample at points outside the absorbing layer; the shots of a point begin with `first_shot`.
    fn interior(&self, points: &[Point], first_shot: usize, place: &Placement) -> Result<Sample> {
        let unknown: Vec<f64> = points
            .iter()
            .map(|&point| f64::from(u8::from(self.survey.is_unknown(point))))
            .collect();
        let sample = self
            .fields
            .interior(points, place)?
            .with_column(UNKNOWN, place.rows(&unknown, 1)?)?;
        self.with_shots(sample, first_shot, place)
    }

    /// Returns the sample at points of the absorbing layer.
    fn layer(&self, points: &[Point], first_shot: usize, place: &Placement) -> Result<Sample> {
        let sample = self.fields.layer(points, place)?;
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
            for (offset, values) in self
                .fields
                .offsets()
                .iter()
                .zip(self.survey.recording.shots())
            {
                let own = values[index] - offset.at(receiver).value;
                recorded.extend([own.re, own.im]);
            }
        }
        Sample::new(place.tensor(receivers)?)?.with_column(RECORDED, place.rows(&recorded, width)?)
    }
}

impl WaveProblem for Arc<NetworkInversion> {
    fn shape(&self) -> FieldShape {
        FieldShape::new(2, self.fields.channels())
    }

    fn frequency_notes(&self, first_omega_0: f64) -> Vec<String> {
        // Of the medium, the background alone is known.
        self.fields.facts().frequency_notes(1.0, first_omega_0)
    }

    fn constraints(&self, dtype: DType, device: &Device) -> Result<Vec<Constraint>> {
        let drawn = PointConstraints {
            problem: Arc::clone(self),
            place: Placement {
                dtype,
                device: device.clone(),
            },
            seed: self.seed,
            hold: self.objective.hold_points,
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
        let (inner, half) = (self.survey.pml.inner(), self.survey.half_width);
        let shots = self.shots();
        let regions = Regions::of(self.objective.points, &self.survey.pml);
        let more = self.objective.source_points;
        let interior = law("equation", Region::Interior);
        let interior = drawn.make("wave.interior", interior, move |problem, mut drawn| {
            let points = square(regions.interior, inner, &mut drawn.rng);
            problem.interior(&points, drawn.rng.random_range(0..shots), drawn.place)
        });
        let layer = law("layer", Region::Layer);
        let layer = drawn.make("wave.layer", layer, move |problem, mut drawn| {
            let points = frame(regions.layer, inner, &mut drawn.rng);
            problem.layer(&points, drawn.rng.random_range(0..shots), drawn.place)
        });
        let contrast = law("contrast", Region::Interior);
        let contrast = drawn.make("wave.contrast", contrast, move |problem, mut drawn| {
            let points = square(more, half, &mut drawn.rng);
            problem.interior(&points, drawn.rng.random_range(0..shots), drawn.place)
        });
        let mut constraints = vec![
            interior.weighted(regions.share),
            layer.weighted(1.0 - regions.share),
            contrast.weighted(self.objective.source_weight),
        ];
        let offsets = self.fields.offsets();
        if offsets.iter().any(|offset| !offset.has_no_source()) {
            let sources = law("source", Region::Interior);
            let sources = drawn.make("wave.source", sources, move |problem, mut drawn| {
                let points = problem.around_sources(more, &mut drawn.rng);
                problem.interior(&points, 0, drawn.place)
            });
            constraints.push(sources.weighted(self.objective.source_weight));
        }
        constraints.push(self.data_constraint(&drawn.place)?);
        Ok(constraints)
    }

    fn inputs(&self) -> Vec<f64> {
        self.survey.inputs()
    }

    fn training(&self) -> TrainConfig {
        training(self.objective.norm)
    }

    fn metadata(&self) -> WaveMetadata {
        WaveMetadata::Shots(self.fields.facts().clone())
    }

    #[cfg(feature = "cli")]
    fn write_artifacts(&self, field: &Siren, folder: &Path) -> Result<Vec<siren_run::Exhibit>> {
        artifacts::write_network(self, field, folder)
    }

    fn evaluate(&self, field: &Siren) -> Result<Metrics> {
        let medium = |points: &[Point]| self.fields.medium(field, points);
        let mut metrics = self.survey.scores(&self.misfit, medium)?;
        let fields = self
            .fields
            .values(field, self.survey.recording.receivers())?;
        let recorded = self.survey.recording.values().iter().copied();
        let pairs = fields.into_iter().zip(recorded);
        metrics.push(DATA_ERROR_PERCENT.of(relative_percent(pairs)));
        Ok(metrics)
    }
}

impl NetworkInversion {
    /// Returns points around all sources.
    fn around_sources(&self, count: usize, rng: &mut ChaCha8Rng) -> Vec<Point> {
        let reach = SOURCE_REACH * 2.0 * PI / self.survey.wavenumber;
        let each = count.div_ceil(self.shots());
        let mut points = Vec::new();
        for offset in self.fields.offsets() {
            points.extend(disk(
                each,
                offset.position(),
                offset.radius().min(reach),
                rng,
            ));
        }
        within(points, self.survey.pml.inner())
    }

    /// Returns the constraint of the recorded data.
    fn data_constraint(&self, place: &Placement) -> Result<Constraint> {
        let data = self.data(place)?;
        let error = RecordedError {
            scale: self.survey.recording.rms(),
            norm: self.objective.norm,
        };
        let weight = self.config.data_weight;
        let weight = weight_from(self.config.forward_steps, weight);
        Ok(Constraint::new("data", move |_step| Ok(data.clone()), error).weighted(weight))
    }
}
