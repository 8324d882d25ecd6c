//! Waves as a domain of `siren-run`: how a config is opened, and what a run folder keeps.

use std::path::Path;

use siren_core::field::{Activation, Encoding, Siren};
use siren_core::metrics::Metric;
use siren_core::optimizer::OptimizerConfig;
use siren_core::{Error, Result};
use siren_run::portable::Portable;
use siren_run::{Artifacts, ConfigOf, Domain, Recorded};

use crate::config::{Equation, InverseSolver, ResidualNorm, WaveObjectiveConfig, WaveSignalConfig};
use crate::look::look;
use crate::{RELATIVE_ERROR_PERCENT, WaveMetadata, Waves};

impl Recorded for Waves {
    type Metadata = WaveMetadata;

    fn checksum(&self) -> Result<u32> {
        Ok(self.checksum())
    }

    fn metadata(&self, _field: &Siren) -> Result<WaveMetadata> {
        Ok(self.metadata())
    }

    fn write_artifacts(&self, field: &Siren, folder: &Path) -> Result<Artifacts> {
        Ok(Artifacts::shown(
            self.problem.write_artifacts(field, folder)?,
        ))
    }

    fn portable<'a>(metadata: &WaveMetadata, field: &'a Siren) -> Result<Portable<'a>> {
        Ok(Portable {
            field,
            look: look(metadata, field),
        })
    }

    fn notes(&self) -> &[String] {
        self.notes()
    }
}

impl Domain for Waves {
    const KIND: &'static str = "wave";
    const HEADLINE: Metric = RELATIVE_ERROR_PERCENT;
    type Signal = WaveSignalConfig;
    type Objective = WaveObjectiveConfig;

    fn open(config: &ConfigOf<Self>) -> Result<Self> {
        check_optimizer(config)?;
        let mut waves = Self::from_config(&config.signal, &config.objective, config.seed)?;
        let field = &config.field;
        let is_sine = matches!(
            field.activation,
            Activation::Sine | Activation::Finer | Activation::HSiren
        );
        // Waves have no spectrum on a grid: a frequency of "auto" is refused later.
        if let Some(first_omega_0) = field.first_omega_0.given()
            && is_sine
            && field.encoding == Encoding::Identity
        {
            waves.note_frequencies(first_omega_0);
        }
        Ok(waves)
    }
}

/// Checks that Gauss–Newton can minimize the loss.
///
/// # Errors
/// [`Error::InvalidValue`] with the key to change.
fn check_optimizer(config: &ConfigOf<Waves>) -> Result<()> {
    if !matches!(config.train.optimizer, OptimizerConfig::GaussNewton(_)) {
        return Ok(());
    }
    if let Equation::Inverse(inverse) = &config.objective.equation
        && matches!(inverse.solver, InverseSolver::Adjoint(_))
    {
        let expected = "another optimizer, such as \"lbfgs\", with `solver = \"adjoint\"`: gradients of adjoint states have no residuals";
        return Err(Error::invalid("train.optimizer", "gauss_newton", expected));
    }
    if config.objective.norm == ResidualNorm::L1 {
        let expected = "\"mse\" with `train.optimizer = \"gauss_newton\"`, which minimizes squares; or another optimizer, such as \"adam\"";
        return Err(Error::invalid("objective.norm", "l1", expected));
    }
    Ok(())
}
