//! Squared slowness at the nodes of a rectangle.

use crate::Point;

/// Number of rows and columns of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SampleShape {
    pub(super) rows: usize,
    pub(super) columns: usize,
}

/// Samples `(rows, columns)`, the first row at the top, with the same distance along both axes. The longer axis spans ±`half_side`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Samples {
    shape: SampleShape,
    /// Distance of neighbors, in coordinates.
    spacing: f64,
    values: Vec<f64>,
    /// The least and the largest value.
    range: [f64; 2],
}

impl Samples {
    /// Makes samples; `values` are `rows` × `columns`, at least one.
    pub(super) fn new(shape: SampleShape, half_side: f64, values: Vec<f64>) -> Self {
        debug_assert_eq!(values.len(), shape.rows * shape.columns);
        let [low, high] = [f64::INFINITY, f64::NEG_INFINITY];
        let range = (values.iter()).fold([low, high], |[low, high], &m| [low.min(m), high.max(m)]);
        let intervals = shape.rows.max(shape.columns).saturating_sub(1).max(1);
        Self {
            shape,
            spacing: 2.0 * half_side / intervals as f64,
            values,
            range,
        }
    }

    /// Returns the least and the largest sample.
    pub(super) fn range(&self) -> [f64; 2] {
        self.range
    }

    /// Returns half the width and half the height, in coordinates.
    pub(super) fn half_extent(&self) -> [f64; 2] {
        [self.shape.columns, self.shape.rows]
            .map(|count| 0.5 * self.spacing * count.saturating_sub(1) as f64)
    }

    /// Returns the bilinear value at a point, which is moved to the nearest point of the rectangle.
    pub(super) fn at(&self, [x, y]: Point) -> f64 {
        let [half_width, half_height] = self.half_extent();
        let (left, right, s) = neighbors((x + half_width) / self.spacing, self.shape.columns);
        let (top, bottom, t) = neighbors((half_height - y) / self.spacing, self.shape.rows);
        let value = |row, column| self.values[row * self.shape.columns + column];
        let row = |row| value(row, left) + s * (value(row, right) - value(row, left));
        row(top) + t * (row(bottom) - row(top))
    }
}

/// Returns the nodes on both sides of a position in units of the spacing, and the share of the second.
fn neighbors(position: f64, count: usize) -> (usize, usize, f64) {
    let last = count.saturating_sub(1);
    let position = position.clamp(0.0, last as f64);
    // `as` makes NaN 0.
    let first = (position.floor() as usize).min(last);
    (first, (first + 1).min(last), position - first as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_row_is_at_the_top_and_values_between_nodes_are_bilinear() {
        let shape = SampleShape {
            rows: 2,
            columns: 2,
        };
        let samples = Samples::new(shape, 1.0, vec![1.0, 2.0, 3.0, 5.0]);
        for (point, expected) in [
            ([-1.0, 1.0], 1.0),
            ([1.0, 1.0], 2.0),
            ([-1.0, -1.0], 3.0),
            ([1.0, -1.0], 5.0),
            ([0.0, 0.0], 2.75),
            ([0.5, 1.0], 1.75),
            // Outside: the border.
            ([7.0, 2.0], 2.0),
            ([0.0, -3.0], 4.0),
        ] {
            assert!((samples.at(point) - expected).abs() < 1e-12, "{point:?}");
        }
        assert!(samples.at([f64::NAN, 0.0]).is_nan());
    }

    #[test]
    fn the_longer_side_spans_the_domain_and_the_shorter_one_continues() {
        let shape = SampleShape {
            rows: 3,
            columns: 5,
        };
        let rows = [1.0, 2.0, 3.0].map(|value| [value; 5]);
        let samples = Samples::new(shape, 1.0, rows.concat());
        let [x, y] = samples.half_extent();
        assert!((x - 1.0).abs() < 1e-15 && (y - 0.5).abs() < 1e-15);
        for (y, expected) in [(1.0, 1.0), (0.5, 1.0), (0.25, 1.5), (0.0, 2.0), (-0.9, 3.0)] {
            assert!((samples.at([0.3, y]) - expected).abs() < 1e-12, "{y}");
        }
        let one = SampleShape {
            rows: 1,
            columns: 1,
        };
        assert!((Samples::new(one, 1.0, vec![4.0]).at([0.5, -0.5]) - 4.0).abs() < 1e-15);
    }
}
