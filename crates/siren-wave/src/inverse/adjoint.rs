//! Inversion by a field that is the medium of a finite-difference solver, with gradients by adjoint states.

#[cfg(feature = "cli")]
use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device};
#[cfg(feature = "cli")]
use num_complex::Complex64;
use siren_core::Result;
use siren_core::field::{FieldShape, Siren};
use siren_core::metrics::Metrics;
use siren_core::objective::Constraint;
use siren_core::optimizer::{LbfgsConfig, OptimizerConfig};
use siren_core::train::TrainConfig;

use super::Survey;
use crate::Point;
#[cfg(feature = "cli")]
use crate::artifacts;
use crate::config::AdjointSolverConfig;
use crate::field::{SlownessFacts, WaveMetadata};
use crate::objective::MediumMisfit;
use crate::signal::WaveProblem;

/// The inverse problem with a field as the medium.
pub(crate) struct AdjointInversion {
    survey: Survey,
    misfit: Arc<MediumMisfit>,
    facts: SlownessFacts,
}

impl AdjointInversion {
    /// Makes the problem of a config.
    ///
    /// # Errors
    /// Those of the grid.
    pub(crate) fn new(survey: Survey, config: &AdjointSolverConfig) -> Result<Self> {
        let misfit = survey.misfit(config.side)?;
        let misfit = MediumMisfit::new(misfit, survey.half_width, config.map)?;
        let facts = SlownessFacts {
            half_width: survey.half_width,
            map: config.map,
        };
        Ok(Self {
            survey,
            facts,
            misfit: Arc::new(misfit),
        })
    }

    /// Returns the data, and what is known of the medium.
    #[cfg(feature = "cli")]
    pub(crate) fn survey(&self) -> &Survey {
        &self.survey
    }

    /// Returns the facts from which a field becomes a medium.
    #[cfg(feature = "cli")]
    pub(crate) fn facts(&self) -> &SlownessFacts {
        &self.facts
    }

    /// Returns the fields of the found medium at the receivers, index `shot · receivers + receiver`.
    #[cfg(feature = "cli")]
    pub(crate) fn predicted(&self, field: &Siren) -> Result<Vec<Complex64>> {
        let medium = self.misfit.squared_slowness(field)?;
        self.misfit.misfit().predict(&medium)
    }
}

impl WaveProblem for AdjointInversion {
    fn shape(&self) -> FieldShape {
        FieldShape::new(2, 1)
    }

    fn constraints(&self, dtype: DType, device: &Device) -> Result<Vec<Constraint>> {
        Ok(vec![self.misfit.constraint(dtype, device)?])
    }

    fn inputs(&self) -> Vec<f64> {
        self.survey.inputs()
    }

    fn training(&self) -> TrainConfig {
        TrainConfig {
            steps: 100,
            optimizer: OptimizerConfig::Lbfgs(LbfgsConfig::default()),
            ..TrainConfig::default()
        }
    }

    fn metadata(&self) -> WaveMetadata {
        WaveMetadata::Medium(self.facts)
    }

    #[cfg(feature = "cli")]
    fn write_artifacts(&self, field: &Siren, folder: &Path) -> Result<Vec<siren_run::Exhibit>> {
        artifacts::write_adjoint(self, field, folder)
    }

    fn evaluate(&self, field: &Siren) -> Result<Metrics> {
        let medium = |points: &[Point]| self.facts.medium(field, points);
        self.survey.scores(self.misfit.misfit(), medium)
    }
}
