//! Loss on points of the surface.

use candle_core::D;
use siren_core::Result;
use siren_core::field::Order;
use siren_core::objective::{Context, Objective, Term};

use super::{NORMALS, eikonal, gradient, magnitude, norm, weighted};

/// Terms on points of the surface: `surface`, |Φ|; `normal`, 1 − cos(∇Φ, n); `eikonal`, |‖∇Φ‖ − 1| (paper §4.2).
///
/// Samples have the column [`NORMALS`] if `normal` is set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SurfaceLoss {
    /// Weight of |Φ|.
    pub surface: f64,
    /// Weight of 1 − cos(∇Φ, n), for points with normals.
    pub normal: Option<f64>,
    /// Weight of |‖∇Φ‖ − 1|.
    pub eikonal: f64,
}

impl SurfaceLoss {
    /// Makes the terms `surface` and `eikonal` with their weights, for points without normals.
    #[must_use]
    pub fn new(surface: f64, eikonal: f64) -> Self {
        Self {
            surface,
            normal: None,
            eikonal,
        }
    }

    /// Returns the same with the term `normal`.
    #[must_use]
    pub fn with_normals(self, weight: f64) -> Self {
        Self {
            normal: Some(weight),
            ..self
        }
    }
}

impl Objective for SurfaceLoss {
    fn order(&self) -> &Order {
        &Order::Gradient
    }

    fn terms(&self, context: &Context<'_>) -> Result<Vec<Term>> {
        let gradient = gradient(context.jet)?;
        let norm = norm(&gradient)?;
        let mut terms = vec![weighted("surface", self.surface, magnitude(context.jet)?)];
        if let Some(weight) = self.normal {
            let normals = context.sample.column(NORMALS)?;
            let cosine = (&gradient * normals)?.sum(D::Minus1)?.div(&norm)?;
            terms.push(weighted("normal", weight, cosine.affine(-1.0, 1.0)?));
        }
        terms.push(eikonal(&norm, self.eikonal)?);
        Ok(terms)
    }
}
