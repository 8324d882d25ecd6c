//! Inversion by a field that is the medium of a finite-difference solver, with gradients by adjoint states.

use std::sync::Arc;

use candle_core::{DType, Device};
use siren_core::Result;
use siren_core::field::{FieldShape, Siren};
use siren_core::metrics::Metrics;
use siren_core::objective::Constraint;

use super::Survey;
use crate::Point;
use crate::config::AdjointSolverConfig;
use crate::objective::MediumMisfit;
use crate::signal::WaveProblem;

/// The inverse problem with a field as the medium.
pub(crate) struct AdjointInversion {
    survey: Survey,
    misfit: Arc<MediumMisfit>,
}

impl AdjointInversion {
    /// Makes the problem of a config.
    ///
    /// # Errors
    /// Those of the grid.
    pub(crate) fn new(survey: Survey, config: &AdjointSolverConfig) -> Result<Self> {
        let misfit = survey.misfit(config.side)?;
        let misfit = MediumMisfit::new(misfit, survey.half_width, config.map)?;
        Ok(Self {
            survey,
            misfit: Arc::new(misfit),
        })
    }

    /// Returns the found medium m at points outside the absorbing layer.
    pub(crate) fn medium_at(&self, field: &Siren, points: &[Point]) -> Result<Vec<f64>> {
        let values = field.values(points.as_flattened())?;
        let at = |(&point, value): (&Point, f64)| {
            if self.survey.is_unknown(point) {
                self.misfit.map().squared_slowness(value)
            } else {
                1.0
            }
        };
        Ok(points.iter().zip(values).map(at).collect())
    }
}

impl WaveProblem for AdjointInversion {
    fn shape(&self) -> FieldShape {
        FieldShape::new(2, 1)
    }

    fn constraints(&self, dtype: DType, device: &Device) -> Result<Vec<Constraint>> {
        Ok(vec![self.misfit.constraint(dtype, device)?])
    }

    fn evaluate(&self, field: &Siren) -> Result<Metrics> {
        let medium = |points: &[Point]| self.medium_at(field, points);
        self.survey.scores(self.misfit.misfit(), medium)
    }
}
