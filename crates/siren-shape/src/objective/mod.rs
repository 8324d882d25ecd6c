//! The losses of a signed distance function.
//!
//! A fit has two constraints: one on points of the surface, and one on points of the volume around it. Terms that both have in common, such
//! as `eikonal`, are told apart by the names of the constraints.

mod distance;
mod surface;
#[cfg(test)]
mod tests;
mod volume;

use candle_core::{D, Tensor};
use siren_core::Result;
use siren_core::field::Jet;
use siren_core::objective::Term;

pub use self::distance::DistanceError;
pub use self::surface::SurfaceLoss;
pub use self::volume::{Fading, Heat, VolumeLoss};

/// Column of a sample that holds the normals `(n, 3)`, of length 1.
pub const NORMALS: &str = "normals";
/// Column of a sample that holds the probability density `(n,)` from which its points were drawn.
pub const DENSITY: &str = "density";

/// Added to squared norms, so that the gradient of `‖∇Φ‖` is finite at 0, where it is then 0.
const EPSILON: f64 = 1e-16;

/// Returns `|Φ| (n,)`.
fn magnitude(jet: &Jet) -> Result<Tensor> {
    Ok(jet.value()?.squeeze(1)?.abs()?)
}

/// Returns `∇Φ (n, 3)`.
fn gradient(jet: &Jet) -> Result<Tensor> {
    Ok(jet.gradient()?.squeeze(1)?)
}

/// Returns `√(‖g‖² + ε) (n,)` of gradients `(n, 3)`.
fn norm(gradient: &Tensor) -> Result<Tensor> {
    Ok((gradient.sqr()?.sum(D::Minus1)? + EPSILON)?.sqrt()?)
}

/// Returns the term `|‖∇Φ‖ − 1|` of the norms `(n,)`.
fn eikonal(norm: &Tensor, weight: f64) -> Result<Term> {
    Ok(weighted("eikonal", weight, (norm - 1.0)?.abs()?))
}

fn weighted(name: &'static str, weight: f64, per_point: Tensor) -> Term {
    Term::new(name, per_point).weighted(weight)
}
