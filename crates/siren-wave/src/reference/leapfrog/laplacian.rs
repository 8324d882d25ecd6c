//! The Laplacian of a square grid that is extended by reflection at its border points.

use rayon::prelude::*;

use super::LeapfrogOrder;

/// Fewest rows of a task: less would cost more to hand out than to compute.
const MIN_ROWS: usize = 8;

/// The Laplacian times `h²` on `side × side` points.
#[derive(Clone, Copy, Debug)]
pub(super) struct Laplacian {
    pub(super) side: usize,
    pub(super) order: LeapfrogOrder,
    /// Sign of a value beyond the border relative to its mirror image: −1 for `u = 0`, +1 for `∂ₙu = 0`.
    pub(super) parity: f64,
}

/// A row of the extended grid.
struct Row<'a> {
    values: &'a [f64],
    sign: f64,
}

impl Laplacian {
    /// Computes all rows into `out`, and hands each to `finish` with the index of the row.
    pub(super) fn apply(
        &self,
        field: &[f64],
        out: &mut [f64],
        finish: impl Fn(usize, &mut [f64]) + Sync,
    ) {
        out.par_chunks_mut(self.side)
            .with_min_len(MIN_ROWS)
            .enumerate()
            .for_each(|(row, out)| {
                match self.order {
                    LeapfrogOrder::Second => self.second(field, row, out),
                    LeapfrogOrder::Fourth => self.fourth(field, row, out),
                }
                finish(row, out);
            });
    }

    fn second(&self, field: &[f64], row: usize, out: &mut [f64]) {
        let n = self.side;
        let [center, below, above] = [0, -1, 1].map(|offset| self.row(field, row, offset));
        let across = |j: usize| below.sign * below.values[j] + above.sign * above.values[j];
        let u = center.values;
        let left = self.parity * u[1] + u[1];
        out[0] = left + across(0) - 4.0 * u[0];
        let right = u[n - 2] + self.parity * u[n - 2];
        out[n - 1] = right + across(n - 1) - 4.0 * u[n - 1];
        let (west, east) = (&u[..n - 2], &u[2..]);
        let (u, below_values, above_values) = (
            &u[1..n - 1],
            &below.values[1..n - 1],
            &above.values[1..n - 1],
        );
        for (j, out) in out[1..n - 1].iter_mut().enumerate() {
            let across = below.sign * below_values[j] + above.sign * above_values[j];
            *out = west[j] + east[j] + across - 4.0 * u[j];
        }
    }

    fn fourth(&self, field: &[f64], row: usize, out: &mut [f64]) {
        const NEAR: f64 = 4.0 / 3.0;
        const FAR: f64 = -1.0 / 12.0;
        const CENTER: f64 = -5.0;
        let n = self.side;
        let center = self.row(field, row, 0).values;
        let near = [-1, 1].map(|offset| self.row(field, row, offset));
        let far = [-2, 2].map(|offset| self.row(field, row, offset));
        let at = |j: usize, offset: isize| {
            let (mirror, sign) = self.mirror(j, offset);
            sign * center[mirror]
        };
        for j in [0, 1, n - 2, n - 1] {
            let pair = |rows: &[Row; 2]| {
                rows[0].sign * rows[0].values[j] + rows[1].sign * rows[1].values[j]
            };
            out[j] = NEAR * (at(j, -1) + at(j, 1) + pair(&near))
                + FAR * (at(j, -2) + at(j, 2) + pair(&far))
                + CENTER * center[j];
        }
        let middle = 2..n - 2;
        let [[n0, n1], [f0, f1]] =
            [&near, &far].map(|rows| [0, 1].map(|side| &rows[side].values[middle.clone()]));
        let [[a0, a1], [b0, b1]] = [&near, &far].map(|rows| [rows[0].sign, rows[1].sign]);
        let (w1, e1) = (&center[1..n - 3], &center[3..n - 1]);
        let (w2, e2) = (&center[..n - 4], &center[4..]);
        let u = &center[middle.clone()];
        for (j, out) in out[middle].iter_mut().enumerate() {
            *out = NEAR * (w1[j] + e1[j] + (a0 * n0[j] + a1 * n1[j]))
                + FAR * (w2[j] + e2[j] + (b0 * f0[j] + b1 * f1[j]))
                + CENTER * u[j];
        }
    }

    fn row<'a>(&self, field: &'a [f64], row: usize, offset: isize) -> Row<'a> {
        let (mirror, sign) = self.mirror(row, offset);
        Row {
            values: &field[mirror * self.side..][..self.side],
            sign,
        }
    }

    /// Returns the index on an axis that an offset leads to, mirrored at the borders, and the sign of its value.
    fn mirror(&self, index: usize, offset: isize) -> (usize, f64) {
        let last = self.side as isize - 1;
        let target = index as isize + offset;
        if target < 0 {
            ((-target) as usize, self.parity)
        } else if target > last {
            ((2 * last - target) as usize, self.parity)
        } else {
            (target as usize, 1.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use super::*;

    /// Waves that satisfy a border condition are eigenvectors, with the eigenvalue of the infinite grid.
    #[test]
    fn standing_waves_are_eigenvectors_up_to_the_border() {
        let side = 21;
        for (order, eigenvalue) in [
            (
                LeapfrogOrder::Second,
                (|w| 2.0 * f64::cos(w) - 2.0) as fn(f64) -> f64,
            ),
            (LeapfrogOrder::Fourth, |w| {
                8.0 / 3.0 * f64::cos(w) - (2.0 * w).cos() / 6.0 - 2.5
            }),
        ] {
            for (parity, wave) in [(-1.0, f64::sin as fn(f64) -> f64), (1.0, f64::cos)] {
                let [p, q] = [3.0, 14.0].map(|half| half * PI / 20.0);
                let field: Vec<f64> = (0..side * side)
                    .map(|at| wave(p * (at / side) as f64) * wave(q * (at % side) as f64))
                    .collect();
                let mut out = vec![0.0; field.len()];
                let laplacian = Laplacian {
                    side,
                    order,
                    parity,
                };
                laplacian.apply(&field, &mut out, |_, _| {});
                let sum = eigenvalue(p) + eigenvalue(q);
                for (u, v) in field.iter().zip(&out) {
                    assert!((v - sum * u).abs() < 1e-12, "{order:?} {parity}: {v} {u}");
                }
            }
        }
    }
}
