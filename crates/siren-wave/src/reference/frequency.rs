//! Finite differences for the stretched Helmholtz equation, solved by a sparse LU factorization.

use faer::Par;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::mat::MatMut;
use faer::sparse::linalg::lu::{
    LuRef, LuSymbolicParams, NumericLu, SymbolicLu, factorize_symbolic_lu,
};
use faer::sparse::{SparseColMatRef, SymbolicSparseColMat};
use faer::{Conj, Spec};
use num_complex::Complex64;
use siren_core::{Error, Result};

use crate::Point;
use crate::pml::Pml;
use crate::source::PointSource;

/// Fewest grid points of a wavelength: below it the phase is meaningless.
const FEWEST_PER_WAVELENGTH: f64 = 4.0;
/// Smallest standard deviation of a source, in grid spacings. Sampled at the nodes, its integral is then right to `4 e^{−2π² · 0.75²}` = 6e-5.
const NARROWEST: f64 = 0.75;
/// Everything here runs on one thread, because the order of sums must not depend on their number.
const PARALLELISM: Par = Par::Seq;

/// The five-point scheme for `∂x(e_y/e_x u_x) + ∂y(e_x/e_y u_y) + e_x e_y m k² u = f` on `side` × `side` points of [−1, 1]², with `u = 0`
/// at the border.
///
/// `e_y/e_x` and `e_x/e_y` are taken halfway between the nodes, `m` and `f` at the nodes. The matrix `A` is complex symmetric (`Aᵀ = A`),
/// so adjoint problems need no other factorization. The error of the field falls as `h²`; most of it is a phase, about `k³ h² r / 32` at a
/// distance `r` from the source.
///
/// The pattern and the ordering of the factorization depend on the side alone; they serve for every medium.
#[derive(Debug)]
pub struct FrequencyGrid {
    side: usize,
    wavenumber: f64,
    pml: Pml,
    pattern: SymbolicSparseColMat<usize>,
    /// Entries of the matrix without the term of the medium, in the order of the pattern.
    differences: Vec<Complex64>,
    /// Position of each diagonal entry in `differences`, one per inner node.
    diagonal: Vec<usize>,
    /// `e_x e_y k²` at the nodes, zero at the border.
    mass: Vec<Complex64>,
    symbolic: SymbolicLu<usize>,
}

/// The factorized matrix of one medium, which solves for any number of sources.
#[derive(Debug)]
pub struct FrequencySolver<'a> {
    grid: &'a FrequencyGrid,
    values: Vec<Complex64>,
    numeric: NumericLu<usize, Complex64>,
}

impl FrequencyGrid {
    /// Makes the grid for the background wavenumber `k`, in radians per unit of the coordinates.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if the grid has fewer than five points a side, or fewer than four per wavelength, if `k` is not positive and
    /// finite, or if the factors exceed the memory; as [`Pml::validate`].
    pub fn new(side: usize, wavenumber: f64, pml: Pml) -> Result<Self> {
        if !(wavenumber > 0.0 && wavenumber.is_finite()) {
            let expected = "a positive number of radians per unit";
            return Err(Error::invalid("wavenumber", wavenumber, expected));
        }
        pml.validate("pml")?;
        let fewest = (FEWEST_PER_WAVELENGTH * wavenumber / std::f64::consts::PI).ceil() + 1.0;
        if side < 5 || (side as f64) < fewest {
            let expected = format!(
                "at least {} points a side, four per wavelength",
                fewest.max(5.0)
            );
            return Err(Error::invalid("side", side, &expected));
        }
        let matrix = FivePointMatrix::new(side, &pml);
        let parameters = LuSymbolicParams::default();
        let symbolic = factorize_symbolic_lu(matrix.pattern.as_ref(), parameters)
            .map_err(|_| too_large(side))?;
        let inner = side - 2;
        let mut mass = vec![Complex64::ZERO; side * side];
        for at in 0..inner * inner {
            let (row, column) = (1 + at / inner, 1 + at % inner);
            let [ex, ey] = [column, row].map(|i| pml.stretch(coordinate(side, i)));
            mass[row * side + column] = ex * ey * wavenumber * wavenumber;
        }
        Ok(Self {
            side,
            wavenumber,
            pml,
            pattern: matrix.pattern,
            differences: matrix.entries,
            diagonal: matrix.diagonal,
            mass,
            symbolic,
        })
    }

    /// Returns the number of points a side.
    #[must_use]
    pub fn side(&self) -> usize {
        self.side
    }

    /// Returns the number of points, `side²`.
    #[must_use]
    pub fn points(&self) -> usize {
        self.side * self.side
    }

    /// Returns the distance of neighbors, `2 / (side − 1)`.
    #[must_use]
    pub fn spacing(&self) -> f64 {
        2.0 / (self.side - 1) as f64
    }

    /// Returns the background wavenumber `k`.
    #[must_use]
    pub fn wavenumber(&self) -> f64 {
        self.wavenumber
    }

    /// Returns the absorbing layer.
    #[must_use]
    pub fn pml(&self) -> &Pml {
        &self.pml
    }

    /// Returns the coordinates of the node `index = row · side + column`; rows ascend in y, columns in x.
    #[must_use]
    pub fn point(&self, index: usize) -> Point {
        [index % self.side, index / self.side].map(|i| coordinate(self.side, i))
    }

    /// Returns `∂A/∂m = e_x e_y k²` at the nodes, zero at the border.
    #[must_use]
    pub fn mass(&self) -> &[Complex64] {
        &self.mass
    }

    /// Returns a source at the nodes, as the right-hand side of [`FrequencySolver::solve`].
    ///
    /// A Gaussian narrower than three quarters of a grid spacing is widened to that, and strengthened by `e^{k²(σ′−σ)/2}`: outside, the
    /// field of the wider one is then the same. Sampled as it is, the source of the paper would miss its integral by up to 4 % on 97² points.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if the source lies outside (−1, 1)², or its variance is negative or not finite.
    pub fn source_terms(&self, source: &PointSource) -> Result<Vec<Complex64>> {
        let [x, y] = source.position;
        // Comparisons that are false for NaN.
        if !(x.abs() < 1.0 && y.abs() < 1.0) {
            let expected = "a position in (-1, 1)²";
            return Err(Error::invalid("source", format!("[{x}, {y}]"), expected));
        }
        if !(source.variance >= 0.0 && source.variance.is_finite()) {
            let expected = "a variance of at least 0";
            return Err(Error::invalid("source.variance", source.variance, expected));
        }
        let variance = source.variance.max((NARROWEST * self.spacing()).powi(2));
        let wide = PointSource {
            variance,
            ..*source
        };
        let gain = source.spread(self.wavenumber) / wide.spread(self.wavenumber);
        let wide = PointSource {
            strength: source.strength * gain,
            ..wide
        };
        Ok((0..self.points())
            .map(|index| wide.value(self.point(index)))
            .collect())
    }

    /// Factorizes the matrix of a medium, given as the squared slowness `m` at the `side²` nodes.
    ///
    /// # Errors
    /// [`Error::Shape`] if there is another number of values; [`Error::NotFinite`] for a value that is not finite; [`Error::InvalidValue`]
    /// for one that is not positive, or if the factors exceed the memory.
    pub fn factorize(&self, squared_slowness: &[f64]) -> Result<FrequencySolver<'_>> {
        self.check(squared_slowness)?;
        let inner = self.side - 2;
        let mut values = self.differences.clone();
        for (at, &position) in self.diagonal.iter().enumerate() {
            let node = (1 + at / inner) * self.side + 1 + at % inner;
            values[position] += self.mass[node] * squared_slowness[node];
        }
        let mut numeric = NumericLu::new();
        let scratch = self
            .symbolic
            .factorize_numeric_lu_scratch::<Complex64>(PARALLELISM, Spec::default());
        let mut memory = MemBuffer::try_new(scratch).map_err(|_| too_large(self.side))?;
        self.symbolic
            .factorize_numeric_lu(
                &mut numeric,
                SparseColMatRef::new(self.pattern.as_ref(), &values),
                PARALLELISM,
                MemStack::new(&mut memory),
                Spec::default(),
            )
            .map_err(|_| too_large(self.side))?;
        Ok(FrequencySolver {
            grid: self,
            values,
            numeric,
        })
    }

    fn check(&self, squared_slowness: &[f64]) -> Result<()> {
        if squared_slowness.len() != self.points() {
            return Err(Error::Shape {
                what: "squared slowness",
                expected: format!("{0} × {0} values", self.side),
                got: squared_slowness.len().to_string(),
            });
        }
        if let Some(point) = squared_slowness.iter().position(|m| !m.is_finite()) {
            let column = "squared slowness".to_owned();
            return Err(Error::NotFinite { column, point });
        }
        if let Some(node) = squared_slowness.iter().position(|&m| m <= 0.0) {
            let found = format!("{} at {:?}", squared_slowness[node], self.point(node));
            let expected = "positive values, 1 in the background";
            return Err(Error::invalid("squared slowness", found, expected));
        }
        Ok(())
    }
}

impl FrequencySolver<'_> {
    /// Solves `A u = f` for several right-hand sides of `side²` values, whose border is ignored; that of the solutions is zero.
    ///
    /// Since `Aᵀ = A`, this also solves adjoint problems.
    ///
    /// # Errors
    /// [`Error::Shape`] if a right-hand side has another number of values; [`Error::NotFinite`] if one, or a solution, is not finite.
    pub fn solve(&self, right_hand_sides: &[Vec<Complex64>]) -> Result<Vec<Vec<Complex64>>> {
        let side = self.grid.side;
        let inner = side - 2;
        let mut packed = Vec::with_capacity(inner * inner * right_hand_sides.len());
        for values in right_hand_sides {
            check_finite("right-hand side", values, side)?;
            for row in values.chunks_exact(side).skip(1).take(inner) {
                packed.extend_from_slice(&row[1..=inner]);
            }
        }
        self.solve_packed(&mut packed, right_hand_sides.len());
        packed
            .chunks_exact(inner * inner)
            .map(|solution| {
                let mut field = vec![Complex64::ZERO; side * side];
                for (row, values) in solution.chunks_exact(inner).enumerate() {
                    let start = (row + 1) * side + 1;
                    field[start..start + inner].copy_from_slice(values);
                }
                check_finite("finite-difference field", &field, side)?;
                Ok(field)
            })
            .collect()
    }

    /// Returns the fields of several sources, `side²` values each.
    ///
    /// # Errors
    /// Those of [`FrequencyGrid::source_terms`]; [`Error::NotFinite`] if a source or a field is not finite.
    pub fn fields(&self, sources: &[PointSource]) -> Result<Vec<Vec<Complex64>>> {
        let terms = sources
            .iter()
            .map(|source| self.grid.source_terms(source))
            .collect::<Result<Vec<_>>>()?;
        self.solve(&terms)
    }

    /// Returns `A u` of a field of `side²` values, whose border is taken as zero.
    ///
    /// # Errors
    /// [`Error::Shape`] if the field has another number of values; [`Error::NotFinite`] if one is not finite.
    pub fn apply(&self, field: &[Complex64]) -> Result<Vec<Complex64>> {
        let side = self.grid.side;
        let inner = side - 2;
        check_finite("field", field, side)?;
        let node = |at: usize| (1 + at / inner) * side + 1 + at % inner;
        let mut product = vec![Complex64::ZERO; side * side];
        let starts = self.grid.pattern.col_ptr();
        let rows = self.grid.pattern.row_idx();
        for (column, range) in starts.windows(2).enumerate() {
            for entry in range[0]..range[1] {
                product[node(rows[entry])] += self.values[entry] * field[node(column)];
            }
        }
        Ok(product)
    }

    /// Solves in place for `count` right-hand sides at the inner nodes, one after the other.
    fn solve_packed(&self, packed: &mut [Complex64], count: usize) {
        let symbolic = &self.grid.symbolic;
        let unknowns = symbolic.nrows();
        let scratch = symbolic.solve_in_place_scratch::<Complex64>(count, PARALLELISM);
        let mut memory = MemBuffer::new(scratch);
        LuRef::new_unchecked(symbolic, &self.numeric).solve_in_place_with_conj(
            Conj::No,
            MatMut::from_column_major_slice_mut(packed, unknowns, count),
            PARALLELISM,
            MemStack::new(&mut memory),
        );
    }
}

/// The differences of the scheme as a sparse matrix over the inner nodes, column by column; every diagonal entry is present.
struct FivePointMatrix {
    pattern: SymbolicSparseColMat<usize>,
    entries: Vec<Complex64>,
    diagonal: Vec<usize>,
}

impl FivePointMatrix {
    fn new(side: usize, pml: &Pml) -> Self {
        let inner = side - 2;
        let unknowns = inner * inner;
        let mut starts = vec![0];
        let (mut rows, mut entries) = (Vec::new(), Vec::new());
        let mut diagonal = Vec::with_capacity(unknowns);
        for at in 0..unknowns {
            let (row, column) = (at / inner, at % inner);
            let [left, right, below, above] = couplings(side, pml, [column + 1, row + 1]);
            let mut push = |neighbor: usize, value: Complex64| {
                rows.push(neighbor);
                entries.push(value);
            };
            if row > 0 {
                push(at - inner, below);
            }
            if column > 0 {
                push(at - 1, left);
            }
            push(at, -(left + right + below + above));
            diagonal.push(starts[at] + usize::from(row > 0) + usize::from(column > 0));
            if column + 1 < inner {
                push(at + 1, right);
            }
            if row + 1 < inner {
                push(at + inner, above);
            }
            starts.push(rows.len());
        }
        Self {
            pattern: SymbolicSparseColMat::new_checked(unknowns, unknowns, starts, None, rows),
            entries,
            diagonal,
        }
    }
}

/// Returns the couplings of a node to its neighbors on the left, on the right, below and above: `e_y/e_x / h²` or `e_x/e_y / h²` halfway.
fn couplings(side: usize, pml: &Pml, node: [usize; 2]) -> [Complex64; 4] {
    let h = 2.0 / (side - 1) as f64;
    let [x, y] = node.map(|i| coordinate(side, i));
    let (ex, ey) = (pml.stretch(x), pml.stretch(y));
    [
        ey / pml.stretch(x - 0.5 * h),
        ey / pml.stretch(x + 0.5 * h),
        ex / pml.stretch(y - 0.5 * h),
        ex / pml.stretch(y + 0.5 * h),
    ]
    .map(|ratio| ratio / (h * h))
}

/// Returns the coordinate of a row or column.
fn coordinate(side: usize, index: usize) -> f64 {
    2.0 * index as f64 / (side - 1) as f64 - 1.0
}

fn check_finite(what: &'static str, values: &[Complex64], side: usize) -> Result<()> {
    if values.len() != side * side {
        return Err(Error::Shape {
            what,
            expected: format!("{side} × {side} values"),
            got: values.len().to_string(),
        });
    }
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(point) => Err(Error::NotFinite {
            column: what.to_owned(),
            point,
        }),
    }
}

fn too_large(side: usize) -> Error {
    let expected = "a grid whose factorization fits in the memory: take fewer points a side";
    Error::invalid("side", side, expected)
}

#[cfg(test)]
mod tests;
