//! The Helmholtz equation in a known medium, for one source.

use std::f64::consts::PI;
#[cfg(feature = "cli")]
use std::path::Path;
use std::sync::{Arc, OnceLock};

use candle_core::{DType, Device};
use num_complex::Complex64;
use rayon::prelude::*;
use siren_core::field::{FieldShape, Siren};
use siren_core::metrics::{Metric, Metrics};
use siren_core::objective::Constraint;
use siren_core::signal::Sample;
use siren_core::train::TrainConfig;
use siren_core::{Error, Result};

use crate::Point;
#[cfg(feature = "cli")]
use crate::artifacts;
use crate::checks;
use crate::config::{HelmholtzConfig, MediumConfig, Smoothing};
use crate::contrast::{Contrast, smoothed};
use crate::field::WaveMetadata;
use crate::medium::Medium;
use crate::objective::{Helmholtz, MEDIUM, Region};
use crate::offset::{Formulation, Offset};
use crate::pml::Pml;
use crate::receivers::Role;
use crate::reference::cylinder::{Cylinder, CylinderField};
use crate::reference::frequency::FrequencyGrid;
use crate::reference::hankel::HankelField;
use crate::reference::sampler::PointSampler;
use crate::sampler::{DrawnStep, PointConstraints, disk, frame, square, within};
use crate::scores::{RELATIVE_ERROR_PERCENT, grid, relative_percent};
use crate::shots::{POINTS_PER_TASK, ShotFacts, ShotFields};
use crate::signal::{INPUT_SIDE, Placement, Regions, Setup, WaveProblem, only_source, training};
use crate::source::PointSource;

/// Error of the absolute value of the field, relative to the reference, as [`RELATIVE_ERROR_PERCENT`]: without the phase.
pub const AMPLITUDE_ERROR_PERCENT: Metric = Metric::lower("amplitude_error_percent", "%");

/// Variance of the paper's source.
pub(crate) const DEFAULT_VARIANCE: f64 = 1e-4;
/// Half the side of the square in which fields are compared, or less in front of a wide layer.
const COMPARED_HALF: f64 = 0.5;
/// Points along each side of that square.
const COMPARED_SIDE: usize = 129;
/// Points along each side of the grid of finite differences of a reference.
const REFERENCE_SIDE: usize = 257;

/// The Helmholtz equation `Δu + m k² u = f` with an absorbing layer, in a known medium.
pub(crate) struct HelmholtzProblem {
    medium: Medium,
    wavenumber: f64,
    pml: Pml,
    source: PointSource,
    receivers: Vec<Point>,
    fields: ShotFields,
    points: Points,
    norm: crate::objective::ResidualNorm,
    source_weight: f64,
    smoothing: Smoothing,
    contrast: Contrast,
    /// The cylinder, if the medium is one.
    cylinder: Option<Cylinder>,
    reference: OnceLock<Reference>,
    /// The field on a grid of finite differences, where there is no closed form.
    on_grid: OnceLock<Vec<Complex64>>,
}

/// Numbers of points, and when they are drawn.
#[derive(Clone, Copy, Debug)]
struct Points {
    domain: usize,
    source: usize,
    seed: u64,
    hold: u64,
}

/// The field that the network is compared with.
pub(crate) struct Reference {
    /// Points at which fields are compared.
    pub(crate) points: Vec<Point>,
    /// Its values there.
    pub(crate) values: Vec<Complex64>,
    /// Offsets of the network there.
    offsets: Vec<Complex64>,
}

impl HelmholtzProblem {
    /// Makes the problem of a config.
    ///
    /// # Errors
    /// Those of the medium; [`Error::InvalidValue`] for values that do not go together.
    pub(crate) fn new(
        setup: Setup<'_>,
        config: &HelmholtzConfig,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        let Setup {
            signal,
            objective,
            seed,
        } = setup;
        let units = signal.units.resolve("signal.units")?;
        let wavenumber = units.wavenumber;
        let medium = Medium::from_config(
            &signal.medium,
            "signal.medium",
            units.reference_velocity,
            notes,
        )?;
        checks::check_pml("objective.equation.helmholtz.pml", &config.pml, wavenumber)?;
        let sources = signal.sources.points("signal.sources", Role::Source)?;
        checks::check_positions("signal.sources", &sources, Some(&config.pml))?;
        let source = PointSource {
            variance: signal.source_variance.unwrap_or(DEFAULT_VARIANCE),
            ..PointSource::at(only_source(&sources)?)
        };
        let receivers = match &signal.receivers {
            Some(receivers) => receivers.points("signal.receivers", Role::Receiver)?,
            None => Vec::new(),
        };
        checks::check_positions("signal.receivers", &receivers, Some(&config.pml))?;
        notes.extend(checks::source_in_layer_note(&source, &config.pml));
        if config.formulation == Formulation::Scattered {
            check_background_in_layer(&medium, &config.pml)?;
        }
        let inner = config.pml.inner();
        let contrast = Contrast::of(&medium, inner);
        let facts = ShotFacts {
            wavenumber,
            source_variance: source.variance,
            sources: vec![source.position],
            formulation: config.formulation,
            pml: config.pml,
            medium: None,
        };
        Ok(Self {
            fields: ShotFields::new(facts)?,
            medium,
            wavenumber,
            pml: config.pml,
            source,
            receivers,
            points: Points {
                domain: objective.points,
                source: objective.source_points,
                seed,
                hold: objective.hold_points,
            },
            norm: objective.norm,
            source_weight: objective.source_weight,
            smoothing: config.smoothing,
            contrast,
            cylinder: cylinder(&signal.medium, &source, &config.pml),
            reference: OnceLock::new(),
            on_grid: OnceLock::new(),
        })
    }

    /// Returns the fields of the network.
    #[cfg(feature = "cli")]
    pub(crate) fn fields(&self) -> &ShotFields {
        &self.fields
    }

    /// Returns the receivers at which traces are drawn.
    #[cfg(feature = "cli")]
    pub(crate) fn receivers(&self) -> &[Point] {
        &self.receivers
    }

    /// Returns the medium.
    #[cfg(feature = "cli")]
    pub(crate) fn medium(&self) -> &Medium {
        &self.medium
    }

    /// Returns whether fields are compared at a point: outside the layer and the source.
    #[cfg(feature = "cli")]
    pub(crate) fn is_compared(&self, point: Point) -> bool {
        !self.pml.contains(point) && self.source.distance(point) > self.source.radius()
    }

    /// Returns the offset of the source.
    fn offset(&self) -> &Offset {
        &self.fields.offsets()[0]
    }

    /// Returns the sample at points outside the absorbing layer.
    fn interior(&self, points: &[Point], drawn: &DrawnStep<'_>) -> Result<Sample> {
        let deviation = self.smoothing.at(drawn.step) * 2.0 * PI / self.wavenumber;
        let medium: Vec<[f64; 1]> = points
            .par_iter()
            .with_min_len(POINTS_PER_TASK)
            .map(|&point| [smoothed(&self.medium, point, deviation)])
            .collect();
        self.fields
            .interior(points, drawn.place)?
            .with_column(MEDIUM, drawn.place.tensor(&medium)?)
    }

    /// Returns the sample at points of the absorbing layer.
    fn layer(&self, points: &[Point], place: &Placement) -> Result<Sample> {
        let medium: Vec<[f64; 1]> = points
            .iter()
            .map(|&point| [self.medium.squared_slowness(point)])
            .collect();
        self.fields
            .layer(points, place)?
            .with_column(MEDIUM, place.tensor(&medium)?)
    }

    /// Returns the field that networks are compared with, which is computed once: the closed form of a uniform medium or of a cylinder, or
    /// finite differences.
    pub(crate) fn reference(&self) -> Result<&Reference> {
        if let Some(reference) = self.reference.get() {
            return Ok(reference);
        }
        let mut points = grid(COMPARED_SIDE, COMPARED_HALF.min(self.pml.inner()));
        points.retain(|&point| self.source.distance(point) > self.source.radius());
        let values = self.reference_at(&points)?;
        let offsets = self.fields.offset_values(&points);
        Ok(self.reference.get_or_init(|| Reference {
            points,
            values,
            offsets,
        }))
    }

    /// Returns the reference field at points.
    pub(crate) fn reference_at(&self, points: &[Point]) -> Result<Vec<Complex64>> {
        let background = || HankelField::new(self.source, self.wavenumber);
        if self.medium.is_uniform() {
            let background = background()?;
            return Ok(points
                .par_iter()
                .map(|&point| background.value(point))
                .collect());
        }
        if let Some(cylinder) = self.cylinder {
            let field = CylinderField::new(background()?, cylinder)?;
            return Ok(points.par_iter().map(|&point| field.value(point)).collect());
        }
        PointSampler::new(REFERENCE_SIDE, points)?.sample(self.on_grid()?)
    }

    /// Returns the field by finite differences, which is computed once.
    fn on_grid(&self) -> Result<&[Complex64]> {
        if let Some(field) = self.on_grid.get() {
            return Ok(field);
        }
        let grid = FrequencyGrid::new(REFERENCE_SIDE, self.wavenumber, self.pml)?;
        let solver = grid.factorize(&self.medium.on_grid(REFERENCE_SIDE))?;
        let field = solver.fields(&[self.source])?.concat();
        Ok(self.on_grid.get_or_init(|| field))
    }
}

/// Checks that the medium is the background in the absorbing layer, where scattered fields have no known part.
fn check_background_in_layer(medium: &Medium, pml: &Pml) -> Result<()> {
    let mut in_layer = grid(INPUT_SIDE, 1.0)
        .into_iter()
        .filter(|&point| pml.contains(point));
    let differs = |point: &Point| (medium.squared_slowness(*point) - 1.0).abs() > 1e-9;
    let Some([x, y]) = in_layer.find(differs) else {
        return Ok(());
    };
    let expected = format!(
        "`near_field`: the medium differs from the background in the absorbing layer, at [{x:.3}, {y:.3}]; or a medium with m = 1 there"
    );
    let key = "objective.equation.helmholtz.formulation";
    Err(Error::invalid(key, "scattered", &expected))
}

/// Returns the cylinder that a medium is, if the source lies outside of it and it does not reach into the layer: the case of the closed form.
fn cylinder(medium: &MediumConfig, source: &PointSource, pml: &Pml) -> Option<Cylinder> {
    let MediumConfig::Circle(circle) = medium else {
        return None;
    };
    let [x, y] = circle.center.map(f64::abs);
    let is_inside = x.max(y) + circle.radius <= pml.inner();
    let is_apart = source.distance(circle.center) >= circle.radius + source.radius();
    (is_inside && is_apart).then_some(Cylinder {
        center: circle.center,
        radius: circle.radius,
        squared_slowness: circle.squared_slowness,
    })
}

impl WaveProblem for Arc<HelmholtzProblem> {
    fn shape(&self) -> FieldShape {
        FieldShape::new(2, 2)
    }

    fn frequency_notes(&self, first_omega_0: f64) -> Vec<String> {
        let facts = self.fields.facts();
        facts.frequency_notes(self.medium.max(), first_omega_0)
    }

    fn constraints(&self, dtype: DType, device: &Device) -> Result<Vec<Constraint>> {
        let drawn = PointConstraints {
            problem: Arc::clone(self),
            place: Placement {
                dtype,
                device: device.clone(),
            },
            seed: self.points.seed,
            hold: self.points.hold,
        };
        // Residuals of the size of the field: derivatives of waves are k² times as large.
        let scale = self.wavenumber.powi(2);
        let law = |name, region| Helmholtz::new(name, region, self.wavenumber, scale, self.norm);
        let inner = self.pml.inner();
        let regions = Regions::of(self.points.domain, &self.pml);
        let at_source = self.points.source;
        let interior = law("equation", Region::Interior);
        let interior = drawn.make("wave.interior", interior, move |problem, mut drawn| {
            let points = square(regions.interior, inner, &mut drawn.rng);
            problem.interior(&points, &drawn)
        });
        let layer = law("layer", Region::Layer);
        let layer = drawn.make("wave.layer", layer, move |problem, mut drawn| {
            let points = frame(regions.layer, inner, &mut drawn.rng);
            problem.layer(&points, drawn.place)
        });
        let mut constraints = vec![
            interior.weighted(regions.share),
            layer.weighted(1.0 - regions.share),
        ];
        if !self.offset().has_no_source() {
            let source = law("source", Region::Interior);
            let source = drawn.make("wave.source", source, move |problem, mut drawn| {
                let (center, radius) = (problem.source.position, problem.offset().radius());
                let points = disk(at_source, center, radius, &mut drawn.rng);
                problem.interior(&within(points, inner), &drawn)
            });
            constraints.push(source.weighted(self.source_weight));
        }
        if !self.contrast.is_empty() {
            let contrast = law("contrast", Region::Interior);
            let contrast = drawn.make("wave.contrast", contrast, move |problem, mut drawn| {
                let points = problem.contrast.draw(at_source, &mut drawn.rng);
                problem.interior(&points, &drawn)
            });
            constraints.push(contrast.weighted(self.source_weight));
        }
        Ok(constraints)
    }

    fn inputs(&self) -> Vec<f64> {
        let positions = self
            .receivers
            .iter()
            .chain([&self.source.position])
            .flatten();
        let medium = self.medium.on_grid(INPUT_SIDE);
        medium.into_iter().chain(positions.copied()).collect()
    }

    fn training(&self) -> TrainConfig {
        training(self.norm)
    }

    fn metadata(&self) -> WaveMetadata {
        WaveMetadata::Shots(self.fields.facts().clone())
    }

    #[cfg(feature = "cli")]
    fn write_artifacts(&self, field: &Siren, folder: &Path) -> Result<Vec<siren_run::Exhibit>> {
        artifacts::write_helmholtz(self, field, folder)
    }

    fn evaluate(&self, field: &Siren) -> Result<Metrics> {
        let reference = self.reference()?;
        let found = self
            .fields
            .values_with(field, &reference.points, &reference.offsets)?;
        let pairs = || found.iter().copied().zip(reference.values.iter().copied());
        let amplitudes = pairs().map(|(a, b)| (a.norm().into(), b.norm().into()));
        Ok(vec![
            RELATIVE_ERROR_PERCENT.of(relative_percent(pairs())),
            AMPLITUDE_ERROR_PERCENT.of(relative_percent(amplitudes)),
        ])
    }
}
