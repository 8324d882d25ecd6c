//! The Helmholtz equation for one or more sources, in a known or an unknown medium.

use candle_core::Tensor;
use siren_core::Result;
use siren_core::field::{Order, Trace};
use siren_core::objective::{Context, Objective, Term};

use super::ResidualNorm;

/// Column of the squared slowness `m (n, 1)`.
pub const MEDIUM: &str = "medium";
/// Column of the offsets `w (n, 2 S)`: real and imaginary part of each of the `S` sources.
pub const OFFSET: &str = "offset";
/// Column of the remainders `g (n, 2 S)`.
pub const REMAINDER: &str = "remainder";
/// Column of the coefficients of the stretched equation `(n, 10)`: real and imaginary parts of the factors of `u_xx`, `u_yy`, `u_x`, `u_y`, and
/// of `m k² u`, as [`Stretched`](crate::pml::Stretched) has them. A sample without it lies outside the absorbing layers.
pub const STRETCH: &str = "stretch";

/// Residual of the Helmholtz equation, divided by a constant:
///
/// `a Φ_xx + a_x Φ_x + b Φ_yy + b_y Φ_y + c m k² (Φ + w) + g`
///
/// for every source, with the offset `w` and its remainder `g` of [`Offset`](crate::offset::Offset). The field has two channels for each
/// source, the real and the imaginary part. Outside the absorbing layers the equation is `ΔΦ + m k² (Φ + w) + g`.
pub struct Helmholtz {
    name: &'static str,
    order: Order,
    wavenumber: f64,
    scale: f64,
    norm: ResidualNorm,
}

/// Where the equation holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region {
    /// Outside the absorbing layers.
    Interior,
    /// In the absorbing layers, or anywhere.
    Layer,
}

impl Region {
    /// Returns the derivatives that the equation has there.
    #[must_use]
    pub fn order(self) -> Order {
        match self {
            Self::Interior => Order::laplacian(2),
            Self::Layer => {
                Order::Traces([Trace::hessian_entry(2, 0, 0), Trace::hessian_entry(2, 1, 1)].into())
            }
        }
    }
}

impl Helmholtz {
    /// Makes the equation at the wavenumber `k`. The residual is divided by `scale`; `name` is that of its term.
    #[must_use]
    pub fn new(
        name: &'static str,
        region: Region,
        wavenumber: f64,
        scale: f64,
        norm: ResidualNorm,
    ) -> Self {
        Self {
            name,
            order: region.order(),
            wavenumber,
            scale,
            norm,
        }
    }
}

impl Objective for Helmholtz {
    fn order(&self) -> &Order {
        &self.order
    }

    fn terms(&self, context: &Context<'_>) -> Result<Vec<Term>> {
        let sample = context.sample;
        let medium = sample.column(MEDIUM)?;
        let value = (context.jet.value()? + sample.column(OFFSET)?)?;
        let waves = (value.broadcast_mul(medium)? * self.wavenumber.powi(2))?;
        let residual = match sample.column(STRETCH) {
            Err(_) => (context.jet.traces()?.squeeze(2)? + waves)?,
            Ok(stretch) => {
                let derivatives = stretched_derivatives(context, stretch, waves.dim(1)?)?;
                (derivatives + stretched_waves(stretch, &waves)?)?
            }
        };
        let residual = ((residual + sample.column(REMAINDER)?)? / self.scale)?;
        Ok(vec![self.norm.term(self.name, residual)?])
    }
}

/// Returns `a Φ_xx + b Φ_yy + a_x Φ_x + b_y Φ_y` of the first `width = 2 S` channels, `(n, 2 S)`.
pub(super) fn stretched_derivatives(
    context: &Context<'_>,
    stretch: &Tensor,
    width: usize,
) -> Result<Tensor> {
    let traces = context.jet.traces()?.narrow(1, 0, width)?;
    let gradient = context.jet.gradient()?.narrow(1, 0, width)?;
    let product = |quantity: usize, of: &Tensor, axis: usize| {
        let values = of.narrow(2, axis, 1)?.squeeze(2)?;
        complex_product(&stretch.narrow(1, 2 * quantity, 2)?, &values)
    };
    let second = (product(0, &traces, 0)? + product(1, &traces, 1)?)?;
    let first = (product(2, &gradient, 0)? + product(3, &gradient, 1)?)?;
    Ok((second + first)?)
}

/// Returns `c · waves`, `(n, 2 S)`.
pub(super) fn stretched_waves(stretch: &Tensor, waves: &Tensor) -> Result<Tensor> {
    complex_product(&stretch.narrow(1, 8, 2)?, waves)
}

/// Returns the products of complex factors `(n, 2)` with complex values `(n, 2 S)`.
fn complex_product(factor: &Tensor, values: &Tensor) -> Result<Tensor> {
    let (points, width) = values.dims2()?;
    let values = values.reshape((points, width / 2, 2))?;
    let [re, im] = [0, 1].map(|index| values.narrow(2, index, 1));
    let (re, im) = (re?, im?);
    let factor = factor.unsqueeze(1)?;
    let [a, b] = [0, 1].map(|index| factor.narrow(2, index, 1));
    let (a, b) = (a?, b?);
    let real = (re.broadcast_mul(&a)? - im.broadcast_mul(&b)?)?;
    let imaginary = (re.broadcast_mul(&b)? + im.broadcast_mul(&a)?)?;
    Ok(Tensor::cat(&[real, imaginary], 2)?.reshape((points, width))?)
}
