//! Symmetric matrices, one triangle of them.

use std::ops::Range;

use rayon::prelude::*;

use super::vector::{add_scaled_piece, dot_piece};

/// Most blocks of rows. Their number depends on the order of the matrix alone, so that sums do not depend on the number of threads.
const BLOCKS: usize = 16;
/// A block has at least so many elements, if there are as many.
const LEAST_BLOCK: usize = 1 << 15;

/// A symmetric matrix `(n, n)`: its upper triangle, row by row, of `n (n + 1) / 2` elements.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PackedSymmetric {
    order: usize,
    elements: Vec<f64>,
}

/// A symmetric change of a matrix: `H ← scale · H + Σ factorₖ uₖ uₖᵀ`.
pub(super) struct SymmetricUpdate<'a> {
    pub(super) scale: f64,
    /// The factors and the vectors `(n,)`.
    pub(super) terms: [(f64, &'a [f64]); 3],
}

/// Returns the number of elements of one triangle, the diagonal included.
pub(super) fn packed_len(order: usize) -> usize {
    order * (order + 1) / 2
}

impl PackedSymmetric {
    /// Makes the identity.
    pub(super) fn identity(order: usize) -> Self {
        let mut elements = vec![0.0; packed_len(order)];
        let mut diagonal = 0;
        for row in 0..order {
            elements[diagonal] = 1.0;
            diagonal += order - row;
        }
        Self { order, elements }
    }

    /// Makes a matrix from its [`elements`](Self::elements); `None` if they are not those of a matrix of that order.
    pub(super) fn from_elements(order: usize, elements: Vec<f64>) -> Option<Self> {
        (elements.len() == packed_len(order)).then_some(Self { order, elements })
    }

    /// Returns the rows of the upper triangle, one after the other.
    pub(super) fn elements(&self) -> &[f64] {
        &self.elements
    }

    /// Returns the product with a vector `(n,)`.
    pub(super) fn multiply(&self, x: &[f64]) -> Vec<f64> {
        let mut rest = self.elements.as_slice();
        let mut blocks = Vec::new();
        for rows in blocks_of(self.order) {
            let (own, others) = rest.split_at(block_len(self.order, &rows));
            blocks.push((rows, own));
            rest = others;
        }
        let product = |(rows, own): (Range<usize>, &[f64])| (rows.start, product(rows, own, x));
        let parts: Vec<(usize, Vec<f64>)> = blocks.into_par_iter().map(product).collect();
        let mut sum = vec![0.0; self.order];
        for (start, part) in parts {
            add_scaled_piece(&mut sum[start..], 1.0, &part);
        }
        sum
    }

    /// Changes the matrix, and returns whether all elements are finite.
    pub(super) fn update(&mut self, update: &SymmetricUpdate<'_>) -> bool {
        let order = self.order;
        let mut rest = self.elements.as_mut_slice();
        let mut blocks = Vec::new();
        for rows in blocks_of(order) {
            let (own, others) = std::mem::take(&mut rest).split_at_mut(block_len(order, &rows));
            blocks.push((rows, own));
            rest = others;
        }
        let change = |(rows, own): (Range<usize>, &mut [f64])| change(rows, own, update);
        let finite: Vec<bool> = blocks.into_par_iter().map(change).collect();
        finite.into_iter().all(|finite| finite)
    }
}

/// Number of elements of some rows of an upper triangle.
fn block_len(order: usize, rows: &Range<usize>) -> usize {
    packed_len(order - rows.start) - packed_len(order - rows.end)
}

/// Cuts the rows into blocks of about the same number of elements.
fn blocks_of(order: usize) -> Vec<Range<usize>> {
    let count = (packed_len(order) / LEAST_BLOCK).clamp(1, BLOCKS);
    let share = packed_len(order).div_ceil(count).max(1);
    let mut blocks = Vec::new();
    let mut rows = 0..0;
    for row in 0..order {
        rows.end = row + 1;
        if block_len(order, &rows) >= share || rows.end == order {
            blocks.push(rows.clone());
            rows.start = rows.end;
        }
    }
    blocks
}

/// Returns the contribution of a block of rows, and of the columns that mirror them, to the elements `rows.start ..` of a product.
fn product(rows: Range<usize>, mut own: &[f64], x: &[f64]) -> Vec<f64> {
    let start = rows.start;
    let mut sum = vec![0.0; x.len() - start];
    for row in rows {
        let (elements, others) = own.split_at(x.len() - row);
        sum[row - start] += dot_piece(elements, &x[row..]);
        add_scaled_piece(&mut sum[row + 1 - start..], x[row], &elements[1..]);
        own = others;
    }
    sum
}

/// Changes a block of rows, and returns whether its elements are finite.
fn change(rows: Range<usize>, mut own: &mut [f64], update: &SymmetricUpdate<'_>) -> bool {
    let mut zeros = 0.0;
    for row in rows {
        let [(a, u), (b, v), (c, w)] = update.terms.map(|(factor, u)| (factor * u[row], &u[row..]));
        let (elements, others) = own.split_at_mut(u.len());
        for (((element, u), v), w) in elements.iter_mut().zip(u).zip(v).zip(w) {
            *element = update.scale * *element + (a * u + b * v + c * w);
            // Zero times a number that is not finite is not a number.
            zeros += *element * 0.0;
        }
        own = others;
    }
    zeros == 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_and_updates_are_those_of_the_whole_matrix_with_any_number_of_threads() {
        // 1, one block, several blocks.
        for order in [1, 7, 500] {
            let vector = |k: f64| -> Vec<f64> {
                let angles = (0..order).map(|i| i as f64 * (0.7 + 0.3 * k) + k);
                angles.map(f64::sin).collect()
            };
            let [u, v, w, x] = [1.0, 2.0, 3.0, 4.0].map(vector);
            let update = SymmetricUpdate {
                scale: 0.5,
                terms: [(2.0, &u), (-1.5, &v), (0.25, &w)],
            };
            let mut products = Vec::new();
            for threads in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
                products.push(pool.build().unwrap().install(|| {
                    let mut matrix = PackedSymmetric::identity(order);
                    assert!(matrix.update(&update));
                    matrix.multiply(&x)
                }));
            }
            assert_eq!(products[0], products[1]);
            for (i, product) in products[0].iter().enumerate() {
                let element = |j: usize| {
                    let sum = 2.0 * u[i] * u[j] - 1.5 * v[i] * v[j] + 0.25 * w[i] * w[j];
                    sum + if i == j { 0.5 } else { 0.0 }
                };
                let expected: f64 = (0..order).map(|j| element(j) * x[j]).sum();
                assert!((product - expected).abs() < 1e-9, "{product} {expected}");
            }
        }
        assert!(blocks_of(500).len() > 1);
    }

    #[test]
    fn an_element_that_overflows_is_noticed() {
        let u = vec![1e200; 3];
        let update = SymmetricUpdate {
            scale: 1.0,
            terms: [(1.0, &u), (0.0, &u), (0.0, &u)],
        };
        assert!(!PackedSymmetric::identity(3).update(&update));
    }
}
