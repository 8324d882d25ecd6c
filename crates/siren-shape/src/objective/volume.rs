//! Loss on points of the volume around the surface.

use candle_core::Tensor;
use siren_core::Result;
use siren_core::field::Order;
use siren_core::objective::{Context, Objective, Term};

use super::{DENSITY, eikonal, gradient, magnitude, norm, weighted};

/// Decay of the penalty on small values off the surface, per unit of Φ.
const SHARPNESS: f64 = 100.0;
/// Bounds of |ΔΦ|: below, it is no longer reduced; above, it has no gradient.
const DIVERGENCE_BOUNDS: [f64; 2] = [0.1, 50.0];

/// Terms on points of the volume: `off_surface`, exp(−100 |Φ|); `eikonal`, |‖∇Φ‖ − 1|; `divergence`, |ΔΦ| limited to 0.1 to 50, while its
/// weight lasts; `heat`, ½ exp(−2λ|Φ|) (‖∇Φ‖² + 1) / p, whose mean over points of density p is an integral.
///
/// Samples have the column [`DENSITY`] if `heat` is set.
#[derive(Clone, Debug, PartialEq)]
pub struct VolumeLoss {
    /// Weight of exp(−100 |Φ|); 0 for no such term.
    pub off_surface: f64,
    /// Weight of |‖∇Φ‖ − 1|.
    pub eikonal: f64,
    /// Weight of |ΔΦ|.
    pub divergence: Option<Fading>,
    /// The screened Poisson energy.
    pub heat: Option<Heat>,
    /// The order while there is a divergence.
    laplacian: Order,
}

/// Weight that changes linearly with the progress of a training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fading {
    /// Weight until `from`.
    pub first: f64,
    /// Weight after `to`.
    pub last: f64,
    /// Share of the steps after which the weight changes.
    pub from: f64,
    /// Share of the steps after which it no longer changes.
    pub to: f64,
}

/// Weight and length scale of the screened Poisson energy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heat {
    /// Weight of the integral.
    pub weight: Fading,
    /// λ.
    pub absorption: f64,
}

impl Fading {
    /// Returns the weight at a share of the steps.
    #[must_use]
    pub fn at(self, progress: f64) -> f64 {
        if progress >= self.to {
            return self.last;
        }
        if progress <= self.from {
            return self.first;
        }
        let part = (progress - self.from) / (self.to - self.from);
        self.first + part * (self.last - self.first)
    }
}

impl VolumeLoss {
    /// Makes the terms `off_surface`, unless its weight is 0, and `eikonal`.
    #[must_use]
    pub fn new(off_surface: f64, eikonal: f64) -> Self {
        Self {
            off_surface,
            eikonal,
            divergence: None,
            heat: None,
            laplacian: Order::laplacian(3),
        }
    }

    /// Returns the same with a divergence.
    #[must_use]
    pub fn with_divergence(self, weight: Fading) -> Self {
        Self {
            divergence: Some(weight),
            ..self
        }
    }

    /// Returns the same with a screened Poisson energy.
    #[must_use]
    pub fn with_heat(self, heat: Heat) -> Self {
        Self {
            heat: Some(heat),
            ..self
        }
    }

    /// Returns the weight of the divergence at a share of the steps, or `None` where there is no such term.
    fn divergence_at(&self, progress: f64) -> Option<f64> {
        let weight = self.divergence?.at(progress);
        (weight > 0.0).then_some(weight)
    }
}

impl Objective for VolumeLoss {
    fn order(&self) -> &Order {
        self.order_at(0.0)
    }

    fn order_at(&self, progress: f64) -> &Order {
        match self.divergence_at(progress) {
            Some(_) => &self.laplacian,
            None => &Order::Gradient,
        }
    }

    fn terms(&self, context: &Context<'_>) -> Result<Vec<Term>> {
        let magnitude = magnitude(context.jet)?;
        let norm = norm(&gradient(context.jet)?)?;
        let mut terms = Vec::new();
        if self.off_surface > 0.0 {
            let penalty = (&magnitude * -SHARPNESS)?.exp()?;
            terms.push(weighted("off_surface", self.off_surface, penalty));
        }
        if let Some(heat) = self.heat {
            let density = context.sample.column(DENSITY)?;
            let per_point = screened_energy(heat.absorption, &magnitude, &norm, density)?;
            terms.push(weighted(
                "heat",
                heat.weight.at(context.progress),
                per_point,
            ));
        }
        terms.push(eikonal(&norm, self.eikonal)?);
        if let Some(weight) = self.divergence_at(context.progress) {
            let divergence = context.jet.traces()?.squeeze(2)?.squeeze(1)?.abs()?;
            let [low, high] = DIVERGENCE_BOUNDS;
            terms.push(weighted("divergence", weight, divergence.clamp(low, high)?));
        }
        Ok(terms)
    }
}

/// Returns `½ exp(−2λ|Φ|) (‖∇Φ‖² + 1) / p` `(n,)`.
fn screened_energy(
    absorption: f64,
    magnitude: &Tensor,
    norm: &Tensor,
    density: &Tensor,
) -> Result<Tensor> {
    let decay = (magnitude * (-2.0 * absorption))?.exp()?;
    let energy = (norm.sqr()? + 1.0)?;
    Ok(((decay * energy)? * 0.5)?.div(density)?)
}
