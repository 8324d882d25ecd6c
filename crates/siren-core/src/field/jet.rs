//! Jets: the value of a field together with its spatial derivatives at the same points.

use candle_core::{D, Tensor};
use siren_kernel::network::Order;

use crate::error::{Error, Result};

/// Value `(n, c)`, gradient `(n, c, d)` and second-order traces `(n, c, K)` of a field at `n` points.
///
/// The gradient is per coordinate, `∂Φ_c/∂x_i` with `x` as given to the field. Jets of a batch of fields have the batch as
/// one more axis in front: `(b, n, …)`.
#[derive(Clone, Debug)]
pub struct Jet {
    packed: Tensor,
    gradients: usize,
}

impl Jet {
    /// Wraps `(n, c, 1 + d + K)`, components last.
    pub(crate) fn from_packed(packed: Tensor, order: &Order, dims: usize) -> Self {
        Self {
            packed,
            gradients: order.gradients(dims),
        }
    }

    /// Field values, `(n, c)`.
    ///
    /// # Errors
    /// Only from candle.
    pub fn value(&self) -> Result<Tensor> {
        Ok(self.packed.narrow(D::Minus1, 0, 1)?.squeeze(D::Minus1)?)
    }

    /// `∂Φ_c/∂x_i`, `(n, c, d)`.
    ///
    /// # Errors
    /// If the jet was asked for values only.
    pub fn gradient(&self) -> Result<Tensor> {
        if self.gradients == 0 {
            return Err(missing("gradient", "Order::Gradient"));
        }
        Ok(self.packed.narrow(D::Minus1, 1, self.gradients)?)
    }

    /// Second-order traces in the order they were asked for, `(n, c, K)`.
    ///
    /// # Errors
    /// If the jet holds none.
    pub fn traces(&self) -> Result<Tensor> {
        let first = 1 + self.gradients;
        let count = self.packed.dim(D::Minus1)? - first;
        if count == 0 {
            return Err(missing("second-order traces", "Order::Traces"));
        }
        Ok(self.packed.narrow(D::Minus1, first, count)?)
    }

    /// All components, `(n, c, 1 + d + K)`.
    #[must_use]
    pub fn packed(&self) -> &Tensor {
        &self.packed
    }
}

fn missing(what: &'static str, order: &str) -> Error {
    Error::Shape {
        what: "jet",
        expected: format!("a jet that carries the {what} (ask for {order})"),
        got: "a jet of a lower order".to_owned(),
    }
}

/// Checks that the traces of `order` are those of a field of `dims` coordinates.
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
