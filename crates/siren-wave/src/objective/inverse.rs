//! The Helmholtz equation in an unknown medium, and the recorded data.

use candle_core::{Device, Tensor};
use siren_core::Result;
use siren_core::field::Order;
use siren_core::objective::{Context, Objective, Term};

use super::helmholtz::{OFFSET, REMAINDER, STRETCH, stretched_derivatives, stretched_waves};
use super::{LEAST_SQUARED_SLOWNESS, ResidualNorm};
use crate::config::{ShotChoice, UnknownMedium};

/// Column that is 1 where the medium is unknown and 0 where m = 1, `(n, 1)`. A sample without it has m = 1 at all points.
pub const UNKNOWN: &str = "unknown";
/// Column of the weights of the shots at a point, `(n, S)`. A sample without it has weights of 1.
pub const SHOTS: &str = "shots";
/// Column of recorded values minus offsets, `(n, 2 S)`.
pub const RECORDED: &str = "recorded";

/// Residual of the Helmholtz equation for every shot, as [`Helmholtz`](super::Helmholtz), in a medium that is unknown.
pub struct InverseHelmholtz {
    /// Name of the term.
    pub name: &'static str,
    /// Derivatives that it needs: of the interior, or of the layer.
    pub order: Order,
    /// Wavenumber k.
    pub wavenumber: f64,
    /// Divisor of the residuals.
    pub scale: f64,
    /// Norm of the residuals.
    pub norm: ResidualNorm,
    /// Where the medium comes from.
    pub unknown: UnknownMedium,
    /// Whether the weights of a point select one shot: the residuals are then summed over shots.
    pub shots: ShotChoice,
    /// Steps in which m = 1.
    pub forward_steps: u64,
}

impl Objective for InverseHelmholtz {
    fn order(&self) -> &Order {
        &self.order
    }

    fn terms(&self, context: &Context<'_>) -> Result<Vec<Term>> {
        let sample = context.sample;
        let offset = sample.column(OFFSET)?;
        let width = offset.dim(1)?;
        let fields = context.jet.value()?.narrow(1, 0, width)?;
        let waves = ((fields + offset)? * self.wavenumber.powi(2))?;
        let (derivatives, waves) = if let Ok(stretch) = sample.column(STRETCH) {
            let derivatives = stretched_derivatives(context, stretch, width)?;
            (derivatives, stretched_waves(stretch, &waves)?)
        } else {
            let laplacian = context.jet.traces()?.squeeze(2)?;
            (laplacian.narrow(1, 0, width)?, waves)
        };
        let rest = (derivatives + sample.column(REMAINDER)?)?;
        let residual = match self.medium(context, &rest, &waves)? {
            Some(medium) => (rest + waves.broadcast_mul(&medium)?)?,
            None => (rest + waves)?,
        };
        let residual = (self.chosen(context, &residual)? / self.scale)?;
        Ok(vec![self.norm.term(self.name, residual)?])
    }
}

impl InverseHelmholtz {
    /// Returns m `(n, 1)`, given the factor `waves` of m in the residual and its `rest`, both `(n, 2 S)`: outside the layer `k² (Φ + w)` and
    /// `ΔΦ + g`. `None` if m = 1 at all points.
    fn medium(
        &self,
        context: &Context<'_>,
        rest: &Tensor,
        waves: &Tensor,
    ) -> Result<Option<Tensor>> {
        let Ok(unknown) = context.sample.column(UNKNOWN) else {
            return Ok(None);
        };
        if context.step < self.forward_steps {
            return Ok(None);
        }
        let value = match self.unknown {
            UnknownMedium::Channel => {
                let last = waves.dim(1)?;
                context.jet.value()?.narrow(1, last, 1)?
            }
            UnknownMedium::ClosedForm => {
                let squares = (waves.sqr()?.sum_keepdim(1)? + f64::EPSILON)?;
                let product = (rest * waves)?.sum_keepdim(1)?;
                ((product / squares)?.neg()? - 1.0)?
            }
        };
        Ok(Some((clamped(&value)? * unknown)?.affine(1.0, 1.0)?))
    }

    /// Applies the weights of the shots.
    fn chosen(&self, context: &Context<'_>, residual: &Tensor) -> Result<Tensor> {
        let Ok(shots) = context.sample.column(SHOTS) else {
            return Ok(residual.clone());
        };
        let (points, width) = residual.dims2()?;
        let weighted = residual
            .reshape((points, width / 2, 2))?
            .broadcast_mul(&shots.unsqueeze(2)?)?;
        Ok(match self.shots {
            ShotChoice::One => weighted.sum(1)?,
            ShotChoice::All => weighted.reshape((points, width))?,
        })
    }
}

/// Returns `max(v, −0.999)` of the medium's channel, so that m = 1 + v is at least [`LEAST_SQUARED_SLOWNESS`].
fn clamped(value: &Tensor) -> Result<Tensor> {
    let least = Tensor::new(LEAST_SQUARED_SLOWNESS - 1.0, &Device::Cpu)?
        .to_dtype(value.dtype())?
        .to_device(value.device())?;
    Ok(value.broadcast_maximum(&least)?)
}

/// Difference from recorded data, `Φ − (d − w)` for every shot, divided by a constant.
pub struct RecordedError {
    /// Divisor of the differences.
    pub scale: f64,
    /// Norm of the differences.
    pub norm: ResidualNorm,
}

impl Objective for RecordedError {
    fn order(&self) -> &Order {
        &Order::Value
    }

    fn terms(&self, context: &Context<'_>) -> Result<Vec<Term>> {
        let recorded = context.sample.column(RECORDED)?;
        let fields = context.jet.value()?.narrow(1, 0, recorded.dim(1)?)?;
        let error = ((fields - recorded)? / self.scale)?;
        Ok(vec![self.norm.term("data", error)?])
    }
}
