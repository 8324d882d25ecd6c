//! An equation of waves as a fitting problem: its constraints and scores.

#[cfg(feature = "cli")]
use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use siren_core::field::{FieldShape, Siren, SirenConfig};
use siren_core::metrics::Metrics;
use siren_core::objective::{Constraint, Weight};
use siren_core::optimizer::{GaussNewtonConfig, MuonConfig, OptimizerConfig};
use siren_core::signal::{Spectrum, checksum};
use siren_core::train::{FitConfig, ScheduleKind, Task, TrainConfig};
use siren_core::{Error, Result};

use crate::Point;
use crate::config::{Equation, InverseSolver, WaveObjectiveConfig, WaveSignalConfig};
use crate::field::{WaveField, WaveMetadata};
use crate::helmholtz::HelmholtzProblem;
use crate::inverse::{AdjointInversion, NetworkInversion, Survey};
use crate::objective::ResidualNorm;
use crate::pml::Pml;
use crate::wave::WaveEquationProblem;

/// An equation of waves, to whose solution a field is fitted.
///
/// A [`Fit`](siren_core::train::Fit) trains a field on it.
pub struct Waves {
    pub(crate) problem: Box<dyn WaveProblem>,
    notes: Vec<String>,
    checksum: u32,
    seed: u64,
}

/// One of the equations, with all that is known of its solution.
pub(crate) trait WaveProblem: Send + Sync {
    /// Returns the numbers of coordinates and channels of the field.
    fn shape(&self) -> FieldShape;

    /// Returns the parts of the loss.
    fn constraints(&self, dtype: DType, device: &Device) -> Result<Vec<Constraint>>;

    /// Returns remarks for the user on what is hard to learn for a first layer of sines of frequency ω₀.
    fn frequency_notes(&self, _first_omega_0: f64) -> Vec<String> {
        Vec::new()
    }

    /// Scores a field.
    fn evaluate(&self, field: &Siren) -> Result<Metrics>;

    /// Returns the values that files may give, for a checksum: the medium, positions and data.
    fn inputs(&self) -> Vec<f64>;

    /// Returns the steps and the optimizer of a fit that takes about a minute.
    fn training(&self) -> TrainConfig;

    /// Returns the facts from which a fitted field is evaluated.
    fn metadata(&self) -> WaveMetadata;

    /// Writes pictures of a fitted field into a folder, and returns how a page shows them.
    #[cfg(feature = "cli")]
    fn write_artifacts(&self, field: &Siren, folder: &Path) -> Result<Vec<siren_run::Exhibit>>;
}

impl Waves {
    /// Makes the fitting problem that a config names.
    ///
    /// # Errors
    /// Those of the files; [`Error::InvalidValue`] for values that do not go together.
    pub fn from_config(
        signal: &WaveSignalConfig,
        objective: &WaveObjectiveConfig,
        seed: u64,
    ) -> Result<Self> {
        signal.check_used_by(&objective.equation)?;
        objective.check_used()?;
        let mut notes = Vec::new();
        let setup = Setup {
            signal,
            objective,
            seed,
        };
        let problem: Box<dyn WaveProblem> = match &objective.equation {
            Equation::Helmholtz(config) => {
                Box::new(Arc::new(HelmholtzProblem::new(setup, config, &mut notes)?))
            }
            Equation::Wave(config) => Box::new(Arc::new(WaveEquationProblem::new(
                setup, config, &mut notes,
            )?)),
            Equation::Inverse(config) => {
                let survey = Survey::new(setup, config, &mut notes)?;
                match &config.solver {
                    InverseSolver::Network(solver) => {
                        Box::new(Arc::new(NetworkInversion::new(survey, solver, setup)?))
                    }
                    InverseSolver::Adjoint(solver) => {
                        Box::new(AdjointInversion::new(survey, solver)?)
                    }
                }
            }
        };
        let checksum = checksum(problem.inputs().into_iter().map(|x| x as f32));
        Ok(Self {
            problem,
            notes: notes.iter().map(|note| format!("note: {note}")).collect(),
            checksum,
            seed,
        })
    }

    /// Returns settings of a fit that takes about a minute: a small network, and an optimizer that suits the problem and the norm.
    #[must_use]
    pub fn recipe(&self) -> FitConfig {
        FitConfig {
            seed: self.seed,
            field: SirenConfig {
                hidden_features: 64.into(),
                hidden_layers: 2,
                first_omega_0: 15.0.into(),
                hidden_omega_0: 10.0,
                ..SirenConfig::default()
            },
            train: self.problem.training(),
            ..FitConfig::default()
        }
    }

    /// Adds remarks on what is hard to learn for a first layer of sines of frequency ω₀ to the [`notes`](Self::notes).
    pub fn note_frequencies(&mut self, first_omega_0: f64) {
        let notes = self.problem.frequency_notes(first_omega_0);
        let warnings = notes.iter().map(|note| format!("warning: {note}"));
        self.notes.extend(warnings);
    }

    /// Returns remarks on the signal for the user.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns the facts from which a fitted field is evaluated.
    #[must_use]
    pub fn metadata(&self) -> WaveMetadata {
        self.problem.metadata()
    }

    /// Puts a fitted field and the facts of the problem together.
    ///
    /// # Errors
    /// As [`WaveField::new`].
    pub fn field(&self, siren: Siren) -> Result<WaveField> {
        WaveField::new(siren, self.metadata())
    }

    /// Returns a checksum of the data.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        self.checksum
    }
}

impl Task for Waves {
    type Model = Siren;

    fn shape(&self) -> FieldShape {
        self.problem.shape()
    }

    fn spectrum(&self) -> Result<Option<Spectrum>> {
        // Nothing is known of the solution on a grid.
        Ok(None)
    }

    fn constraints(&self, dtype: DType, device: &Device) -> Result<Vec<Constraint>> {
        self.problem.constraints(dtype, device)
    }

    fn evaluate(&self, field: &Siren) -> Result<Metrics> {
        self.problem.evaluate(field)
    }
}

/// Returns the steps and the optimizer that suit residuals of a norm.
pub(crate) fn training(norm: ResidualNorm) -> TrainConfig {
    match norm {
        ResidualNorm::Mse => TrainConfig {
            steps: 40,
            optimizer: OptimizerConfig::GaussNewton(GaussNewtonConfig::default()),
            ..TrainConfig::default()
        },
        ResidualNorm::L1 => TrainConfig {
            steps: 8000,
            learning_rate: 1e-3,
            schedule: ScheduleKind::Cosine,
            optimizer: OptimizerConfig::Muon(MuonConfig::default()),
            ..TrainConfig::default()
        },
    }
}

/// Numbers of points in the two parts of a domain with an absorbing layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Regions {
    /// Points outside the layer.
    pub(crate) interior: usize,
    /// Points in the layer.
    pub(crate) layer: usize,
    /// Share of the domain that lies outside the layer.
    pub(crate) share: f64,
}

impl Regions {
    /// Divides points in proportion to the areas, at least one for each part.
    pub(crate) fn of(points: usize, pml: &Pml) -> Self {
        let share = pml.inner().powi(2);
        let interior = ((share * points as f64).round() as usize).clamp(1, points.max(2) - 1);
        Self {
            interior,
            layer: points.saturating_sub(interior).max(1),
            share,
        }
    }
}

/// Returns a weight that is 0 before a step.
pub(crate) fn weight_from(step: u64, weight: f64) -> Weight {
    match step.checked_sub(1) {
        None => Weight::Constant(weight),
        Some(before) => Weight::Piecewise(vec![(before, 0.0), (step, weight)]),
    }
}

/// Points along each side of the grid on which a medium counts for a checksum.
pub(crate) const INPUT_SIDE: usize = 129;

/// What every problem is made from.
#[derive(Clone, Copy)]
pub(crate) struct Setup<'a> {
    pub(crate) signal: &'a WaveSignalConfig,
    pub(crate) objective: &'a WaveObjectiveConfig,
    pub(crate) seed: u64,
}

/// Returns the only one of some positions.
pub(crate) fn only_source(points: &[Point]) -> Result<Point> {
    match points {
        [point] => Ok(*point),
        points => {
            let found = format!("{} points", points.len());
            let expected = "one: several sources belong to the equation `inverse`";
            Err(Error::invalid("signal.sources", found, expected))
        }
    }
}

/// Type and device of samples.
#[derive(Clone, Debug)]
pub(crate) struct Placement {
    pub(crate) dtype: DType,
    pub(crate) device: Device,
}

impl Placement {
    /// Makes a tensor `(n, width)` of rows one after another.
    pub(crate) fn rows(&self, values: &[f64], width: usize) -> Result<Tensor> {
        let tensor = Tensor::from_slice(values, (values.len() / width, width), &Device::Cpu)?;
        Ok(tensor.to_dtype(self.dtype)?.to_device(&self.device)?)
    }

    /// Makes a tensor of rows of equal length.
    pub(crate) fn tensor<const N: usize>(&self, rows: &[[f64; N]]) -> Result<Tensor> {
        let tensor = Tensor::from_slice(rows.as_flattened(), (rows.len(), N), &Device::Cpu)?;
        Ok(tensor.to_dtype(self.dtype)?.to_device(&self.device)?)
    }
}
