//! Products of row-major numbers that lie in somebody else's memory, for networks other than fields.
//!
//! The micro-kernels want whole vectors and a few rows more than there are. Where the numbers offer that they are worked on as they
//! lie; elsewhere, which is at the end of a matrix or all over one of an odd width, they are copied.

use super::panel::{Finish, LANES, ROW_PAD, SLACK, Strided, padded, room, stride};
use crate::{Level, Real};

/// Rows that are worked on at once: a multiple of every micro-kernel's.
const BLOCK: usize = 16 * ROW_PAD;

/// A matrix `(inner, columns)` that others, from the left, are multiplied by.
pub struct Factor<T: Real> {
    packed: T::Weight,
    inner: usize,
    columns: usize,
}

impl<T: Real> Factor<T> {
    /// Of row-major numbers, `inner` rows of them.
    #[must_use]
    pub fn new(numbers: &[T], inner: usize) -> Self {
        let columns = numbers.len() / inner.max(1);
        Self {
            packed: T::straight(Level::best(), numbers, inner, columns),
            inner,
            columns,
        }
    }

    /// The transpose of row-major numbers, `columns` rows of them.
    #[must_use]
    pub fn transposed(numbers: &[T], columns: usize) -> Self {
        let inner = numbers.len() / columns.max(1);
        Self {
            packed: T::transposed(Level::best(), numbers, columns, inner),
            inner,
            columns,
        }
    }

    /// `out = a b`, or `out += a b` if it adds, with row-major `a (rows, inner)` and `out (rows, columns)`, on the calling thread.
    ///
    /// # Panics
    /// If sizes do not fit.
    pub fn multiply(&self, a: &[T], out: &mut [T], adds: bool) {
        let rows = a.len() / self.inner.max(1);
        assert_eq!(a.len(), rows * self.inner, "rows of the left factor");
        assert_eq!(out.len(), rows * self.columns, "rows of the product");
        let blocks = a.chunks(BLOCK * self.inner);
        for (a, out) in blocks.zip(out.chunks_mut(BLOCK * self.columns)) {
            self.multiply_block(a, out, adds);
        }
    }

    fn multiply_block(&self, a: &[T], out: &mut [T], adds: bool) {
        let rows = a.len() / self.inner;
        let finish = || if adds { Finish::Add } else { Finish::Write };
        let mut copy = Vec::new();
        let whole = rows.is_multiple_of(ROW_PAD);
        let data = if whole {
            a
        } else {
            copy.extend_from_slice(a);
            copy.resize(rows.next_multiple_of(ROW_PAD) * self.inner, T::of(0.0));
            &copy
        };
        let a = Strided {
            data,
            rows,
            stride: self.inner,
        };
        let (level, wide) = (Level::best(), padded(self.columns));
        if whole && wide == self.columns {
            T::multiply(level, a, &self.packed, (out, wide), finish());
            return;
        }
        let mut padded = vec![T::of(0.0); rows.next_multiple_of(ROW_PAD) * wide];
        let rows = padded.chunks_exact_mut(wide).filter(|_| adds);
        for (padded, out) in rows.zip(out.chunks_exact(self.columns)) {
            padded[..self.columns].copy_from_slice(out);
        }
        T::multiply(level, a, &self.packed, (&mut padded, wide), finish());
        let rows = out.chunks_exact_mut(self.columns);
        for (out, padded) in rows.zip(padded.chunks_exact(wide)) {
            out.copy_from_slice(&padded[..self.columns]);
        }
    }
}

/// A sum of products `aᵀ b`, `(m, n)`.
pub struct TransposedSum<T> {
    sides: (usize, usize),
    data: Vec<T>,
}

impl<T: Real> TransposedSum<T> {
    /// Zero.
    #[must_use]
    pub fn new((m, n): (usize, usize)) -> Self {
        Self {
            sides: (m, n),
            data: vec![T::of(0.0); room(m, n)],
        }
    }

    /// Adds that of row-major `a (rows, m)` and `b (rows, n)`.
    ///
    /// # Panics
    /// If sizes do not fit.
    pub fn add(&mut self, a: &[T], b: &[T]) {
        let (m, n) = self.sides;
        let rows = a.len() / m.max(1);
        assert_eq!(a.len(), rows * m, "rows of the left factor");
        assert_eq!(b.len(), rows * n, "rows of the right factor");
        let (mut a_copy, mut b_copy) = (Vec::new(), Vec::new());
        for (a, b) in a.chunks(BLOCK * m).zip(b.chunks(BLOCK * n)) {
            let rows = a.len() / m;
            a_copy.clear();
            a_copy.extend_from_slice(a);
            a_copy.resize(a.len() + SLACK, T::of(0.0));
            let a = Strided {
                data: &a_copy,
                rows,
                stride: m,
            };
            let data = if n.is_multiple_of(LANES) {
                b
            } else {
                b_copy.clear();
                for b in b.chunks_exact(n) {
                    b_copy.extend_from_slice(b);
                    b_copy.resize(b_copy.len().next_multiple_of(LANES), T::of(0.0));
                }
                &b_copy
            };
            let b = Strided {
                data,
                rows,
                stride: padded(n),
            };
            T::multiply_transposed(Level::best(), (a, m), (b, n), &mut self.data);
        }
    }

    /// Row-major numbers.
    #[must_use]
    pub fn numbers(&self) -> Vec<T> {
        let (m, n) = self.sides;
        let rows = self.data.chunks(stride(n)).take(m);
        rows.flat_map(|row| row[..n].iter().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers<T: Real>(count: usize, pitch: f64) -> Vec<T> {
        let wave = |i: usize| T::of((pitch * i as f64).sin());
        (1..=count).map(wave).collect()
    }

    /// Largest errors of `a b`, `2 a b` and `2 aᵀ c`.
    fn errors<T: Real>((rows, inner, columns): (usize, usize, usize)) -> [f64; 3] {
        let a: Vec<T> = numbers(rows * inner, 1.7);
        let b: Vec<T> = numbers(inner * columns, 0.9);
        let c: Vec<T> = numbers(rows * columns, 2.3);
        let turned = |from: &[T], rows: usize, columns: usize| -> Vec<T> {
            let column = |j: usize| (0..rows).map(move |i| from[i * columns + j]);
            (0..columns).flat_map(column).collect()
        };
        let mut products = [vec![T::of(f64::NAN); rows * columns], vec![]];
        Factor::new(&b, inner).multiply(&a, &mut products[0], false);
        products[1] = products[0].clone();
        let same = Factor::transposed(&turned(&b, inner, columns), columns);
        same.multiply(&a, &mut products[1], true);
        let mut sum = TransposedSum::new((inner, columns));
        sum.add(&a, &c);
        sum.add(&a, &c);
        [
            error(&products[0], [&a, &b], (rows, inner, columns), 1.0),
            error(&products[1], [&a, &b], (rows, inner, columns), 2.0),
            error(
                &sum.numbers(),
                [&turned(&a, rows, inner), &c],
                (inner, rows, columns),
                2.0,
            ),
        ]
    }

    /// How far `found` is from some times the product of these, `(m, k)` and `(k, n)`, at most.
    fn error<T: Real>(
        found: &[T],
        [a, b]: [&[T]; 2],
        (m, k, n): (usize, usize, usize),
        times: f64,
    ) -> f64 {
        let entry = |index: usize| -> f64 {
            let (i, j) = (index / n, index % n);
            let term = |l: usize| -> T { a[i * k + l] * b[l * n + j] };
            (0..k).map(|l| term(l).to_double()).sum()
        };
        assert_eq!(found.len(), m * n);
        let errors = found
            .iter()
            .enumerate()
            .map(|(index, &found)| (found.to_double() - times * entry(index)).abs());
        errors.fold(0.0, |most, error| if error <= most { most } else { error })
    }

    #[test]
    fn products_of_every_shape_are_those_of_their_definition() {
        for shape in [
            (1, 1, 1),
            (5, 3, 2),
            (6, 16, 32),
            (100, 70, 131),
            (213, 5, 64),
            (98, 300, 3),
            (97, 2, 16),
        ] {
            assert!(
                errors::<f64>(shape).iter().all(|&error| error < 1e-12),
                "{shape:?}"
            );
            assert!(
                errors::<f32>(shape).iter().all(|&error| error < 2e-4),
                "{shape:?}"
            );
        }
    }
}
