//! The order of a jet: which spatial derivatives it holds.

use std::cmp::Ordering;
use std::sync::Arc;

/// Error of [`Trace::new`]: the matrix is not symmetric and finite.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "matrix of a second-order trace: expected a symmetric {dims} × {dims} matrix of finite entries, got {matrix:?}"
)]
pub struct InvalidTrace {
    /// Number of coordinates, `d`.
    pub dims: usize,
    /// The matrix that was given, row-major.
    pub matrix: Vec<f64>,
}

/// A second-order differential operator `Σᵢⱼ Aᵢⱼ ∂²/∂xᵢ∂xⱼ` with a constant symmetric matrix `A`.
///
/// The Laplacian is `A = I`, `∂²/∂t²` is `A = e_t e_tᵀ`, a Hessian is one trace per entry.
///
/// ```
/// use siren_kernel::network::Trace;
///
/// // 2 ∂²/∂x² + 2 ∂²/∂x∂y
/// let trace = Trace::new(2, &[2.0, 1.0, 1.0, 0.0])?;
/// assert_eq!(trace.entries()[1].coefficient, 2.0);
/// # Ok::<(), siren_kernel::network::InvalidTrace>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    dims: usize,
    entries: Vec<TraceEntry>,
}

/// A term `coefficient · ∂²/∂xᵢ∂xⱼ` of a [`Trace`], with `i ≤ j`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TraceEntry {
    /// Axis of the first derivative.
    pub i: usize,
    /// Axis of the second derivative.
    pub j: usize,
    /// `Aᵢᵢ` on the diagonal, `Aᵢⱼ + Aⱼᵢ` off it.
    pub coefficient: f64,
}

impl Trace {
    /// Creates the operator of a symmetric matrix, given as `dims × dims` row-major entries.
    ///
    /// # Errors
    /// [`InvalidTrace`] if the length is not `dims²`, an entry is not finite, or the matrix is not symmetric.
    pub fn new(dims: usize, matrix: &[f64]) -> Result<Self, InvalidTrace> {
        let at = |i: usize, j: usize| matrix[i * dims + j];
        // 0 and −0 compare as equal.
        let is_equal = |i, j| at(i, j).partial_cmp(&at(j, i)).is_some_and(Ordering::is_eq);
        let is_valid = dims.checked_mul(dims) == Some(matrix.len())
            && (0..dims).all(|i| (0..i).all(|j| is_equal(i, j)))
            && matrix.iter().all(|a| a.is_finite());
        if !is_valid {
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
                    entries.push(TraceEntry { i, j, coefficient });
                }
            }
        }
        Ok(Self { dims, entries })
    }

    /// Returns the Laplacian `Σᵢ ∂²/∂xᵢ²`, `A = I`.
    #[must_use]
    pub fn laplacian(dims: usize) -> Self {
        Self {
            dims,
            entries: (0..dims)
                .map(|i| TraceEntry {
                    i,
                    j: i,
                    coefficient: 1.0,
                })
                .collect(),
        }
    }

    /// Returns the entry `∂²/∂xᵢ∂xⱼ` of the Hessian.
    ///
    /// # Panics
    /// If `i` or `j` is not below `dims`.
    #[must_use]
    pub fn hessian_entry(dims: usize, i: usize, j: usize) -> Self {
        assert!(
            i < dims && j < dims,
            "axes {i} and {j} of a Hessian entry in {dims} dimensions"
        );
        Self {
            dims,
            entries: vec![TraceEntry {
                i: i.min(j),
                j: i.max(j),
                coefficient: 1.0,
            }],
        }
    }

    /// Returns the number of coordinates, `d`.
    #[must_use]
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// Returns the terms with non-zero coefficients, at most one for each pair `i ≤ j`.
    #[must_use]
    pub fn entries(&self) -> &[TraceEntry] {
        &self.entries
    }
}

/// The spatial derivatives that a network computes besides its values.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Order {
    /// Values alone.
    #[default]
    Value,
    /// Values and gradients.
    Gradient,
    /// Values, gradients and these second-order traces.
    Traces(Arc<[Trace]>),
}

impl Order {
    /// Returns the order of values, gradients and Laplacians.
    #[must_use]
    pub fn laplacian(dims: usize) -> Self {
        Self::Traces([Trace::laplacian(dims)].into())
    }

    /// Returns the order of values, gradients and the upper triangles of Hessians, row by row: `(0,0), (0,1), …, (1,1), …`.
    #[must_use]
    pub fn hessian(dims: usize) -> Self {
        let pairs = (0..dims).flat_map(|i| (i..dims).map(move |j| (i, j)));
        Self::Traces(
            pairs
                .map(|(i, j)| Trace::hessian_entry(dims, i, j))
                .collect(),
        )
    }

    /// Returns the second-order traces, an empty slice below second order.
    #[must_use]
    pub fn traces(&self) -> &[Trace] {
        match self {
            Self::Traces(traces) => traces,
            Self::Value | Self::Gradient => &[],
        }
    }

    /// Returns the number of gradient components for `dims` coordinates: `d`, or 0 for values alone.
    #[must_use]
    pub fn gradients(&self, dims: usize) -> usize {
        if *self == Self::Value { 0 } else { dims }
    }

    /// Returns the number of components of a jet per point and channel: `1 + d + K` with all orders, where `K` is the number of traces.
    #[must_use]
    pub fn components(&self, dims: usize) -> usize {
        1 + self.gradients(dims) + self.traces().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_require_a_symmetric_finite_matrix_and_ignore_the_sign_of_zero() {
        assert!(Trace::new(2, &[1.0, 0.0, -0.0, 1.0]).is_ok_and(|t| t == Trace::laplacian(2)));
        assert!(Trace::new(2, &[1.0, 0.5, 0.25, 1.0]).is_err());
        assert!(Trace::new(2, &[1.0, f64::NAN, f64::NAN, 1.0]).is_err());
        assert!(Trace::new(2, &[1.0, 0.0, 0.0]).is_err());
    }
}
