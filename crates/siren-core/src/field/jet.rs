//! Jets: the value of a field together with its spatial derivatives at the same points.

use candle_core::{D, Tensor};
use siren_kernel::network::Order;

use crate::error::{Error, Result};

/// Value `(n, c)`, gradient `(n, c, d)` and second-order traces `(n, c, K)` of a field at `n` points.
///
/// The gradient `∂Φ_c/∂x_i` is with respect to the coordinates as given to the field, before any encoding. Jets of a batch of `b` fields
/// have one more axis in front: `(b, n, …)`.
#[derive(Clone, Debug)]
pub struct Jet {
    packed: Tensor,
    gradients: usize,
}

impl Jet {
    /// Wraps a tensor `(n, c, 1 + d + K)`: the value, the gradient if `order` has one, the traces.
    pub(crate) fn from_packed(packed: Tensor, order: &Order, dims: usize) -> Self {
        Self {
            packed,
            gradients: order.gradients(dims),
        }
    }

    /// Returns the values, `(n, c)`.
    ///
    /// # Errors
    /// Only from candle.
    pub fn value(&self) -> Result<Tensor> {
        Ok(self.packed.narrow(D::Minus1, 0, 1)?.squeeze(D::Minus1)?)
    }

    /// Returns the gradient `∂Φ_c/∂x_i`, `(n, c, d)`.
    ///
    /// # Errors
    /// [`Error::MissingDerivatives`] if the jet was computed with [`Order::Value`].
    pub fn gradient(&self) -> Result<Tensor> {
        if self.gradients == 0 {
            return Err(Error::MissingDerivatives {
                what: "gradient",
                order: "Order::Gradient",
            });
        }
        Ok(self.packed.narrow(D::Minus1, 1, self.gradients)?)
    }

    /// Returns the second-order traces in the sequence of [`Order::traces`], `(n, c, K)`.
    ///
    /// # Errors
    /// [`Error::MissingDerivatives`] if the jet was computed with [`Order::Value`] or [`Order::Gradient`].
    pub fn traces(&self) -> Result<Tensor> {
        let first = 1 + self.gradients;
        let count = self.packed.dim(D::Minus1)? - first;
        if count == 0 {
            return Err(Error::MissingDerivatives {
                what: "second-order traces",
                order: "Order::Traces",
            });
        }
        Ok(self.packed.narrow(D::Minus1, first, count)?)
    }

    /// Returns all components, `(n, c, 1 + d + K)`.
    #[must_use]
    pub fn packed(&self) -> &Tensor {
        &self.packed
    }
}

/// Checks that the traces of `order` are made for fields of `dims` coordinates.
pub(crate) fn check_order(order: &Order, dims: usize) -> Result<()> {
    match order.traces().iter().find(|trace| trace.dims() != dims) {
        None => Ok(()),
        Some(trace) => Err(Error::Shape {
            what: "second-order trace",
            expected: format!("{dims} × {dims}, as the field has {dims} coordinates"),
            got: format!("{0} × {0}", trace.dims()),
        }),
    }
}
