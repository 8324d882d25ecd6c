//! Which derivatives a jet carries: second-order traces, and the order of a jet.

use std::cmp::Ordering;
use std::sync::Arc;

/// The error of [`Trace::new`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "matrix of a second-order trace: expected a symmetric finite {dims} × {dims} matrix, got {matrix:?}"
)]
pub struct InvalidTrace {
    /// Number of coordinates, `d`.
    pub dims: usize,
    /// The matrix as it was given.
    pub matrix: Vec<f64>,
}

/// One second-order operator `Σᵢⱼ Aᵢⱼ ∂²/∂xᵢ∂xⱼ` with a constant symmetric `A`.
///
/// The Laplacian is `A = I`, `∂²/∂t²` is `A = e_t e_tᵀ`, a Hessian is one trace per entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    dims: usize,
    /// `(i, j, coefficient)` with `i ≤ j`; off-diagonal coefficients are `Aᵢⱼ + Aⱼᵢ`.
    entries: Vec<(usize, usize, f64)>,
}

impl Trace {
    /// From a symmetric matrix given row-major as `dims × dims` numbers.
    ///
    /// # Errors
    /// If the length is not `dims²`, an entry is not finite, or the matrix is not symmetric.
    pub fn new(dims: usize, matrix: &[f64]) -> Result<Self, InvalidTrace> {
        let at = |i: usize, j: usize| matrix[i * dims + j];
        // `partial_cmp`, for which 0 and −0 are the same.
        let same = |i, j| at(i, j).partial_cmp(&at(j, i)).is_some_and(Ordering::is_eq);
        let symmetric = dims.checked_mul(dims) == Some(matrix.len())
            && (0..dims).all(|i| (0..i).all(|j| same(i, j)))
            && matrix.iter().all(|a| a.is_finite());
        if !symmetric {
            return Err(InvalidTrace {
                dims,
                matrix: matrix.to_vec(),
            });
        }
        let mut entries = Vec::new();
        for i in 0..dims {
            for j in i..dims {
                let coefficient = if i == j { at(i, j) } else { 2.0 * at(i, j) };
                if coefficient != 0.0 {
                    entries.push((i, j, coefficient));
                }
            }
        }
        Ok(Self { dims, entries })
    }

    /// `Σᵢ ∂²/∂xᵢ²`, `A = I`.
    #[must_use]
    pub fn laplacian(dims: usize) -> Self {
        Self {
            dims,
            entries: (0..dims).map(|i| (i, i, 1.0)).collect(),
        }
    }

    /// The Hessian entry `∂²/∂xᵢ∂xⱼ`.
    ///
    /// # Panics
    /// If `i` or `j` is not below `dims`.
    #[must_use]
    pub fn second(dims: usize, i: usize, j: usize) -> Self {
        assert!(i < dims && j < dims, "axis out of range");
        Self {
            dims,
            entries: vec![(i.min(j), i.max(j), 1.0)],
        }
    }

    /// Returns the number of coordinates, `d`.
    #[must_use]
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// Returns `(i, j, coefficient)` with `i ≤ j` and non-zero coefficients.
    #[must_use]
    pub fn entries(&self) -> &[(usize, usize, f64)] {
        &self.entries
    }
}

/// Which derivatives to carry: what an objective asks for, and no more.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Order {
    /// The value alone.
    #[default]
    Value,
    /// Value and gradient.
    Gradient,
    /// Value, gradient and these second-order traces.
    Traces(Arc<[Trace]>),
}

impl Order {
    /// Value, gradient and the Laplacian as the only trace.
    #[must_use]
    pub fn laplacian(dims: usize) -> Self {
        Self::Traces([Trace::laplacian(dims)].into())
    }

    /// Value, gradient and the upper triangle of the Hessian, row by row: `(0,0), (0,1), …, (1,1), …`.
    #[must_use]
    pub fn hessian(dims: usize) -> Self {
        let pairs = (0..dims).flat_map(|i| (i..dims).map(move |j| (i, j)));
        Self::Traces(pairs.map(|(i, j)| Trace::second(dims, i, j)).collect())
    }

    /// The traces asked for; empty below second order.
    #[must_use]
    pub fn traces(&self) -> &[Trace] {
        match self {
            Self::Traces(traces) => traces,
            Self::Value | Self::Gradient => &[],
        }
    }

    /// How many gradient components are carried for a field of `dims` coordinates.
    #[must_use]
    pub fn gradients(&self, dims: usize) -> usize {
        if *self == Self::Value { 0 } else { dims }
    }

    /// Numbers per point and channel: `1 + d + K`.
    #[must_use]
    pub fn components(&self, dims: usize) -> usize {
        1 + self.gradients(dims) + self.traces().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_needs_a_symmetric_matrix_and_the_sign_of_zero_is_no_difference() {
        assert!(Trace::new(2, &[1.0, 0.0, -0.0, 1.0]).is_ok_and(|t| t == Trace::laplacian(2)));
        assert!(Trace::new(2, &[1.0, 0.5, 0.25, 1.0]).is_err());
        assert!(Trace::new(2, &[1.0, f64::NAN, f64::NAN, 1.0]).is_err());
        assert!(Trace::new(2, &[1.0, 0.0, 0.0]).is_err());
    }
}
