//! Products of rounded operands against double precision, and instructions against their emulation.

use super::lanes::{Emulation, Lanes, round};
use super::{RoundedGemm, RoundedOperands, rounded};
use crate::Bfloat16;
use crate::product::panel::{LANES, buffer_len, stride};
use crate::product::{Destination, Epilogue, StridedMatrix};

/// Returns what can be tested on this processor.
fn available() -> impl Iterator<Item = Bfloat16> {
    let all = [Bfloat16::Emulation, Bfloat16::Instructions];
    all.into_iter()
        .filter(|arithmetic| arithmetic.is_available())
}

/// Returns numbers of many sizes and both signs.
fn numbers(count: usize, frequency: f64) -> Vec<f32> {
    let number = |i: usize| (frequency * (i + 1) as f64).sin() * (0.37 * i as f64).cos().exp();
    (0..count).map(|i| number(i) as f32).collect()
}

/// A row-major matrix in a padded buffer; the padding is NaN, which no result may see.
struct Padded {
    rows: usize,
    columns: usize,
    data: Vec<f32>,
}

impl Padded {
    fn new(rows: usize, columns: usize, frequency: f64) -> Self {
        let mut data = vec![f32::NAN; buffer_len(rows, columns)];
        let values = numbers(rows * columns, frequency);
        let padded = data.chunks_mut(stride(columns));
        for (row, values) in padded.zip(values.chunks(columns)) {
            row[..columns].copy_from_slice(values);
        }
        Self {
            rows,
            columns,
            data,
        }
    }

    fn view(&self) -> StridedMatrix<'_, f32> {
        StridedMatrix {
            data: &self.data,
            rows: self.rows,
            columns: self.columns,
            stride: stride(self.columns),
        }
    }

    /// Returns the rounded elements, in double precision.
    fn element(&self, row: usize, column: usize) -> f64 {
        let value = self.data[row * stride(self.columns) + column];
        rounded(&[f64::from(value)])[0]
    }
}

/// Checks a sum of products against its terms: `f32` sums are exact to half a unit in the last place of each partial sum.
fn assert_sum(found: f32, terms: impl Iterator<Item = f64>, what: &str) {
    let (mut sum, mut sizes, mut count) = (0.0, 0.0, 0.0);
    for term in terms {
        sum += term;
        sizes += term.abs();
        count += 1.0;
    }
    let bound = (count + 2.0) * f64::from(f32::EPSILON) / 2.0 * sizes;
    let error = (f64::from(found) - sum).abs();
    assert!(
        error <= bound,
        "{what}: {found} instead of {sum}, bound {bound}"
    );
}

/// Results of the products of a layer, with all padding.
#[derive(Debug)]
struct Products {
    product: Vec<f32>,
    scaled: Vec<f32>,
    transposed: Vec<f32>,
}

/// Shapes with whole and partial vectors, odd inner dimensions, and several passes over the inner dimension.
const SHAPES: [[usize; 3]; 8] = [
    [1, 1, 1],
    [5, 3, 2],
    [6, 16, 32],
    [7, 33, 80],
    [13, 96, 100],
    [96, 128, 128],
    [97, 130, 70],
    [390, 600, 48],
];

/// Computes `a b`, `(a b) ∘ f` and `1 + aᵀ c` with `a (rows, inner)`, `b (inner, columns)` and `c (rows, columns)`.
fn products(arithmetic: Bfloat16, [rows, inner, columns]: [usize; 3]) -> Products {
    let a = Padded::new(rows, inner, 1.7);
    let c = Padded::new(rows, columns, 2.3);
    let b = f32::round_matrix(&numbers(inner * columns, 0.9), inner, columns);
    let mut operands = RoundedOperands::default();
    let mut multiply = |epilogue: Epilogue<'_, f32>| {
        let mut data = vec![0.0; buffer_len(rows, columns)];
        let out = Destination {
            data: &mut data,
            stride: stride(columns),
        };
        f32::multiply_rounded(arithmetic, a.view(), &b, out, epilogue, &mut operands);
        data
    };
    let product = multiply(Epilogue::Overwrite);
    let scaled = multiply(Epilogue::Multiply(&c.data));
    let mut transposed = vec![1.0; buffer_len(inner, columns)];
    let (left, right) = (a.view(), c.view());
    f32::multiply_transposed_rounded(arithmetic, left, right, &mut transposed, &mut operands);
    Products {
        product,
        scaled,
        transposed,
    }
}

#[test]
fn products_of_every_shape_are_those_of_the_rounded_operands() {
    for shape in SHAPES {
        let [rows, inner, columns] = shape;
        let a = Padded::new(rows, inner, 1.7);
        let b = rounded(
            &numbers(inner * columns, 0.9)
                .iter()
                .map(|&x| x.into())
                .collect::<Vec<f64>>(),
        );
        let c = Padded::new(rows, columns, 2.3);
        let what = format!("{shape:?}");
        for arithmetic in available() {
            let found = products(arithmetic, shape);
            for i in 0..rows {
                for j in 0..columns {
                    let terms = (0..inner).map(|k| a.element(i, k) * b[k * columns + j]);
                    let index = i * stride(columns) + j;
                    assert_sum(found.product[index], terms.clone(), &what);
                    let factor = f64::from(c.data[index]);
                    assert_sum(found.scaled[index], terms.map(|term| factor * term), &what);
                }
            }
            for i in 0..inner {
                for j in 0..columns {
                    let terms = (0..rows).map(|k| a.element(k, i) * c.element(k, j));
                    let sum = found.transposed[i * stride(columns) + j];
                    assert_sum(sum, terms.chain([1.0]), &what);
                }
            }
        }
    }
}

#[test]
fn a_packed_transpose_is_the_packed_matrix() {
    let (rows, columns) = (33, 70);
    let matrix = numbers(rows * columns, 0.9);
    let element = |i: usize| matrix[i % rows * columns + i / rows];
    let transpose: Vec<f32> = (0..rows * columns).map(element).collect();
    let packed = f32::round_matrix(&matrix, rows, columns);
    let of_transpose = f32::round_transposed(&transpose, columns, rows);
    assert_eq!(packed.data, of_transpose.data);
}

#[test]
fn rounding_takes_the_nearest_and_of_two_the_even_one() {
    let value = |pair: u32| f64::from(f32::from_bits(pair << 16));
    for upper in [
        0x0080_u32, 0x3f7f, 0x3f80, 0x3f81, 0x4049, 0x7f7e, 0xbf80, 0xc2f7,
    ] {
        for lower in [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff] {
            let exact = f32::from_bits(upper << 16 | lower);
            let found = round(exact);
            let distance = |pair: u32| (value(pair) - f64::from(exact)).abs();
            let (below, above) = (distance(upper), distance(upper + 1));
            let expected = match below.total_cmp(&above) {
                std::cmp::Ordering::Less => upper,
                std::cmp::Ordering::Greater => upper + 1,
                std::cmp::Ordering::Equal => upper + upper % 2,
            };
            assert_eq!(found, expected, "{exact}");
        }
    }
    assert_eq!(round(f32::MAX), 0x7f80, "above the largest is infinite");
    assert_eq!(round(f32::NEG_INFINITY), 0xff80);
    assert_eq!(round(-1e-40), 0x8000, "subnormal numbers become zero");
    assert!(f32::from_bits(round(f32::from_bits(0x7f80_0001)) << 16).is_nan());
}

/// Numbers around every special case of either format.
fn special_numbers() -> Vec<f32> {
    let mut bits = 0x9e37_79b9_u32;
    let mut random = || {
        bits ^= bits << 13;
        bits ^= bits >> 17;
        bits ^= bits << 5;
        f32::from_bits(bits)
    };
    let mut all: Vec<f32> = (0..4096).map(|_| random()).collect();
    for value in [
        0.0,
        1e-45,
        1.1e-38,
        f32::MIN_POSITIVE,
        1.0,
        f32::MAX,
        f32::INFINITY,
    ] {
        all.extend([value, -value]);
    }
    // Of sizes whose products and sums stay finite.
    all.extend(numbers(4096 - all.len() % LANES, 1.3));
    all.truncate(all.len() / (2 * LANES) * 2 * LANES);
    all
}

/// Returns the bits, equal for all NaN.
fn comparable(value: f32) -> u32 {
    if value.is_nan() {
        u32::MAX
    } else {
        value.to_bits()
    }
}

/// Compares every operation on every vector of special numbers, in every combination of neighbors.
#[cfg(target_arch = "x86_64")]
fn assert_equal_to_emulation(lanes: super::lanes::Instructions) {
    /// Rounded pairs and sums of one implementation.
    fn results<L: Lanes>(lanes: L, vectors: [&[f32; LANES]; 5]) -> Vec<u32> {
        let [a, b, c, d, sums] = vectors.map(|vector| lanes.load(vector));
        let (left, right) = (lanes.round_adjacent(a, b), lanes.round_across(c, d));
        let mut pairs = [[0; LANES]; 2];
        lanes.store_pairs(left, &mut pairs[0]);
        lanes.store_pairs(right, &mut pairs[1]);
        let halves = |pair: &u32| [pair << 16, pair & 0xffff_0000].map(f32::from_bits);
        let mut results: Vec<u32> = pairs
            .iter()
            .flatten()
            .flat_map(halves)
            .map(comparable)
            .collect();
        let first = lanes.splat(pairs[0][0]);
        for vector in [
            lanes.dot(sums, left, right),
            lanes.dot(sums, first, right),
            lanes.plus(a, sums),
            lanes.times(a, sums),
        ] {
            let mut values = [0.0; LANES];
            lanes.store(vector, &mut values);
            results.extend(values.map(comparable));
        }
        results
    }
    let numbers = special_numbers();
    let (vectors, _) = numbers.as_chunks::<LANES>();
    for shift in [0, 1, 7, 100] {
        for i in 0..vectors.len() {
            let at = |k: usize| &vectors[(i + k * shift) % vectors.len()];
            let operands = [at(0), at(1), at(2), at(3), at(4)];
            assert_eq!(
                results(lanes, operands),
                results(Emulation, operands),
                "{operands:?}"
            );
        }
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn the_emulation_gives_the_bits_of_the_instructions() {
    let Some(lanes) = super::lanes::Instructions::detect() else {
        return;
    };
    assert_equal_to_emulation(lanes);
    for shape in SHAPES {
        let [instructions, emulation] = [Bfloat16::Instructions, Bfloat16::Emulation]
            .map(|arithmetic| products(arithmetic, shape));
        let bits = |values: &[f32]| values.iter().map(|&x| comparable(x)).collect::<Vec<u32>>();
        assert_eq!(bits(&instructions.product), bits(&emulation.product));
        assert_eq!(bits(&instructions.scaled), bits(&emulation.scaled));
        assert_eq!(bits(&instructions.transposed), bits(&emulation.transposed));
    }
}
