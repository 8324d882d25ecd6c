//! Full waveform inversion: the medium from recorded waves of one frequency.

mod adjoint;
pub mod config;
mod network;

use num_complex::Complex64;
use siren_core::metrics::{Metric, Metrics};
use siren_core::{Error, Result};

pub(crate) use self::adjoint::AdjointInversion;
pub(crate) use self::network::NetworkInversion;
use crate::Point;
use crate::checks;
use crate::config::InverseConfig;
#[cfg(feature = "cli")]
use crate::draw::Landmarks;
use crate::helmholtz::DEFAULT_VARIANCE;
use crate::medium::Medium;
use crate::pml::Pml;
use crate::receivers::{Role, check_count};
use crate::recording::Recording;
use crate::reference::adjoint::Misfit;
use crate::reference::frequency::FrequencyGrid;
use crate::reference::sampler::PointSampler;
use crate::scores::{RELATIVE_ERROR_PERCENT, grid, relative_percent};
use crate::signal::Setup;
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

/// Points along each side of the grid of finite differences on which the found medium is scored.
const SCORED_SIDE: usize = 97;
/// Points along each side of a grid that computes the data of a known medium: finer than that of the inversion.
const RECORDED_SIDE: usize = 257;
/// Half the side of the square in which media are compared.
const COMPARED_HALF: f64 = 0.33;
/// Points along each side of that square.
const COMPARED_SIDE: usize = 67;

/// The data, and what is known of the medium.
pub(crate) struct Survey {
    pub(crate) wavenumber: f64,
    pub(crate) recording: Recording,
    pub(crate) sources: Vec<PointSource>,
    /// The true medium, if it is known.
    pub(crate) truth: Option<Medium>,
    /// Half the side of the square in which the medium is unknown.
    pub(crate) half_width: f64,
    pub(crate) pml: Pml,
    pub(crate) source_variance: f64,
}

impl Survey {
    /// Reads or computes the data that a config names.
    ///
    /// # Errors
    /// Those of the files; [`Error::InvalidValue`] for values that do not go together.
    pub(crate) fn new(
        setup: Setup<'_>,
        config: &InverseConfig,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        let signal = setup.signal;
        let units = signal.units.resolve("signal.units")?;
        let wavenumber = units.wavenumber;
        checks::check_pml("objective.equation.inverse.pml", &config.pml, wavenumber)?;
        let velocity = units.reference_velocity;
        let medium = Medium::from_config(&signal.medium, "signal.medium", velocity, notes)?;
        let variance = signal.source_variance.unwrap_or(DEFAULT_VARIANCE);
        let source_at = |&position: &Point| PointSource {
            variance,
            ..PointSource::at(position)
        };
        let pml = Some(&config.pml);
        let table = match &signal.recording {
            Some(_) => "signal.recording",
            None => "signal",
        };
        let check = |name, points: &[Point]| {
            let key = format!("{table}.{name}");
            check_count(&key, points.len())?;
            checks::check_positions(&key, points, pml)
        };
        let (mut recording, truth) = if let Some(path) = &signal.recording {
            notes.extend(signal.ignored_positions_note());
            let truth = (!medium.is_uniform()).then_some(medium);
            let recording = Recording::open(path)?;
            check("sources", recording.sources())?;
            check("receivers", recording.receivers())?;
            (recording, truth)
        } else {
            let sources = signal.sources.points("signal.sources", Role::Source)?;
            let receivers = signal.receivers.as_ref().ok_or_else(|| {
                let expected = "positions, or a `signal.recording`: the inverse problem needs data";
                Error::invalid("signal.receivers", "missing", expected)
            })?;
            let receivers = receivers.points("signal.receivers", Role::Receiver)?;
            check("sources", &sources)?;
            check("receivers", &receivers)?;
            if medium.is_uniform() {
                let expected = "another medium, whose waves are the data; or a `signal.recording`";
                return Err(Error::invalid("signal.medium", "uniform", expected));
            }
            let sources: Vec<PointSource> = sources.iter().map(source_at).collect();
            let grid = FrequencyGrid::new(RECORDED_SIDE, wavenumber, config.pml)?;
            let recording = recorded(&medium, &grid, &sources, receivers)?;
            (recording, Some(medium))
        };
        recording.add_noise("signal.noise", signal.noise, setup.seed)?;
        Ok(Self {
            wavenumber,
            sources: recording.sources().iter().map(source_at).collect(),
            recording,
            truth,
            half_width: config.half_width,
            pml: config.pml,
            source_variance: variance,
        })
    }

    /// Returns the values that files may give: data, positions and the true medium.
    pub(crate) fn inputs(&self) -> Vec<f64> {
        let data = self.recording.values().iter();
        let data = data.flat_map(|value| [value.re, value.im]);
        let sources = self.recording.sources().iter().flatten().copied();
        let receivers = self.recording.receivers().iter().flatten().copied();
        let truth = self
            .truth
            .iter()
            .flat_map(|truth| truth.on_grid(SCORED_SIDE));
        data.chain(sources).chain(receivers).chain(truth).collect()
    }

    /// Returns what is marked in pictures.
    #[cfg(feature = "cli")]
    pub(crate) fn landmarks(&self) -> Landmarks<'_> {
        Landmarks {
            inner: Some(self.pml.inner()),
            sources: self.recording.sources(),
            receivers: self.recording.receivers(),
        }
    }

    /// Returns whether the medium is unknown at a point.
    pub(crate) fn is_unknown(&self, [x, y]: Point) -> bool {
        x.abs().max(y.abs()) <= self.half_width
    }

    /// Returns the misfit of the data on a grid of finite differences.
    ///
    /// # Errors
    /// As [`FrequencyGrid::new`].
    pub(crate) fn misfit(&self, side: usize) -> Result<Misfit> {
        let grid = FrequencyGrid::new(side, self.wavenumber, self.pml)?;
        let values = self.recording.values().to_vec();
        Misfit::new(grid, &self.sources, self.recording.receivers(), values)
    }

    /// Scores a medium, given by a function of points outside the absorbing layer.
    ///
    /// # Errors
    /// Those of the function.
    pub(crate) fn scores(
        &self,
        misfit: &Misfit,
        medium: impl Fn(&[Point]) -> Result<Vec<f64>>,
    ) -> Result<Metrics> {
        let points = grid(COMPARED_SIDE, COMPARED_HALF);
        let found = medium(&points)?;
        let grid = misfit.grid();
        let nodes: Vec<Point> = (0..grid.points()).map(|index| grid.point(index)).collect();
        let simulated = 100.0 * misfit.residual_ratio(&medium(&nodes)?)?;
        let mut metrics = Vec::new();
        if let Some(truth) = &self.truth {
            let truth: Vec<f64> = points.iter().map(|&p| truth.squared_slowness(p)).collect();
            let contrasts = found
                .iter()
                .zip(&truth)
                .map(|(m, t)| ((m - 1.0).into(), (t - 1.0).into()));
            metrics.push(RELATIVE_ERROR_PERCENT.of(relative_percent(contrasts)));
            let [a, b] = [centroid(&points, &found), centroid(&points, &truth)];
            metrics.push(CENTROID_ERROR.of((a[0] - b[0]).hypot(a[1] - b[1])));
        } else {
            metrics.push(RELATIVE_ERROR_PERCENT.of(simulated));
        }
        let least = found.iter().copied().fold(f64::INFINITY, f64::min);
        metrics.push(LEAST_MEDIUM.of(least));
        metrics.push(SIMULATED_ERROR_PERCENT.of(simulated));
        Ok(metrics)
    }
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

/// Returns the centroid of `1 − m`; not a number without contrast.
fn centroid(points: &[Point], medium: &[f64]) -> Point {
    let contrast = || medium.iter().map(|m| 1.0 - m);
    let sum: f64 = contrast().sum();
    [0, 1].map(|axis| {
        let moments = points.iter().zip(contrast()).map(|(p, c)| p[axis] * c);
        moments.sum::<f64>() / sum
    })
}
