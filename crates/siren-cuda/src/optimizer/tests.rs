//! Arrays and optimizers on a device against the same formulas on the CPU.

use std::ops::Range;

use siren_kernel::network::{Features, Order};
use siren_kernel::{Pointwise, Real};

use super::{AdamMoments, AdamStep, MuonMatrix, MuonMomenta, MuonStep};
use crate::array::DeviceArray;
use crate::device::Device;
use crate::error::Result;
use crate::gradient::Gradient;
use crate::kernels::Precision;
use crate::networks::{
    NetworkCase, Sizes, outputs_under_stand_in_drivers, plan, under_stand_in_driver,
};

/// Returns `len` elements in (−1, 1) without a pattern; those of other seeds differ.
fn elements(len: usize, seed: usize) -> Vec<f32> {
    let element = |i: usize| {
        // The finalizer of MurmurHash3.
        let mut bits = (i + seed * 1_000_003) as u32;
        for (shift, factor) in [(16, 0x85eb_ca6b), (13, 0xc2b2_ae35)] {
            bits = (bits ^ (bits >> shift)).wrapping_mul(factor);
        }
        ((bits ^ (bits >> 16)) >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(element).collect()
}

fn widened(elements: &[f32]) -> Vec<f64> {
    elements.iter().map(|&x| f64::from(x)).collect()
}

/// Returns the largest difference, relative to the largest expected magnitude.
fn error(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    let differences = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    // NaN must not vanish in a maximum.
    differences.fold(0.0, |most: f64, x| if x <= most { most } else { x }) / largest
}

fn adam_step(t: i32, decay: f64, rest: f64) -> AdamStep {
    let betas = [0.9, 0.999];
    AdamStep {
        factor: 0.37,
        betas,
        inverse_root: 1.0 / (1.0 - f64::powi(betas[1], t)).sqrt(),
        epsilon: 1e-8,
        rate: 1e-2 / (1.0 - f64::powi(betas[0], t)),
        decay,
        rest,
    }
}

const MUON_STEP: MuonStep = MuonStep {
    factor: 0.37,
    momentum: 0.95,
    rate: 0.5,
    weight_decay: 0.1,
    iterations: 5,
};

/// Square, wide and tall matrices, below, at and above the size of a tile, with other parameters before, between and after them.
fn matrices() -> Vec<MuonMatrix> {
    let mut first = 0;
    let shapes = [(33, 33), (20, 70), (70, 20), (1, 7), (32, 32), (64, 40)];
    let place = |(rows, columns)| {
        let matrix = MuonMatrix {
            first: first + 3,
            rows,
            columns,
        };
        first = matrix.first + rows * columns;
        matrix
    };
    shapes.into_iter().map(place).collect()
}

fn range(matrix: &MuonMatrix) -> Range<usize> {
    matrix.first..matrix.first + matrix.rows * matrix.columns
}

fn parameters_of(matrices: &[MuonMatrix]) -> usize {
    matrices.last().map_or(0, |matrix| range(matrix).end) + 3
}

/// Uses every kernel of arrays and optimizers, and returns a checksum of all bits.
pub(crate) fn step_everything(device: &Device) -> Result<u64> {
    let matrices = matrices();
    let len = parameters_of(&matrices);
    let parameters = device.array(&elements(len, 1))?;
    let mut gradient = Gradient::of(device, &elements(len, 2))?;
    gradient.add(&Gradient::of(device, &elements(len, 3))?)?;
    let momenta: Vec<Vec<f32>> = matrices.iter().map(|m| vec![0.0; range(m).len()]).collect();
    let mut muon = MuonMomenta::new(device, &matrices, &momenta)?;
    muon.step(&MUON_STEP, &parameters, &gradient)?;
    let zeros = vec![0.0; 300];
    let mut adam = AdamMoments::new(device, &[2..200, 500..602], [&zeros, &zeros])?;
    adam.step(&adam_step(1, 0.1, 1.0), &parameters, &gradient)?;
    let rows = device.gather(
        &parameters,
        1,
        &device.indices(&[5, 0, 5, 900, 17].repeat(40))?,
    )?;
    let squares = rows.sum_of_squares()? + parameters.sum_of_squares()?;
    let bits = [parameters.read()?, rows.read()?, muon.read()?.concat()].concat();
    let bits = bits.into_iter().chain(adam.read()?.concat());
    let bits = bits.map(|x| u64::from(x.to_bits()));
    Ok(bits.fold(squares.to_bits(), |sum, bits| {
        sum.rotate_left(5).wrapping_add(bits)
    }))
}

/// Parameters and the moments of all of them, after one step of Adam as written in its documentation.
fn adam_oracle(
    step: &AdamStep,
    gradient: &[f32],
    theta: &mut [f64],
    [first, second]: &mut [Vec<f64>; 2],
) {
    for (i, theta) in theta.iter_mut().enumerate() {
        let g = step.factor * f64::from(gradient[i]) + step.decay * *theta;
        first[i] = step.betas[0] * first[i] + (1.0 - step.betas[0]) * g;
        second[i] = step.betas[1] * second[i] + (1.0 - step.betas[1]) * g * g;
        let root = second[i].sqrt() * step.inverse_root;
        *theta = step.rest * *theta - step.rate * first[i] / (root + step.epsilon);
    }
}

#[test]
fn adam_with_either_weight_decay_steps_its_ranges_as_in_double_precision_and_nothing_else() {
    under_stand_in_driver(&[], || {
        let device = Device::open(0).unwrap();
        let ranges = [3..150, 150..151, 160..420];
        let group: Vec<usize> = ranges.iter().cloned().flatten().collect();
        let of_group = |all: &[f64]| group.iter().map(|&i| all[i]).collect::<Vec<_>>();
        for (decay, rest) in [(0.0, 1.0), (0.1, 1.0), (0.0, 1.0 - 1e-2 * 0.1)] {
            let start = elements(500, 1);
            let parameters = device.array(&start).unwrap();
            let zeros = vec![0.0; group.len()];
            let mut adam = AdamMoments::new(&device, &ranges, [&zeros, &zeros]).unwrap();
            let (mut theta, mut moments) = (widened(&start), [vec![0.0; 500], vec![0.0; 500]]);
            for t in 1..=4 {
                let step = adam_step(t, decay, rest);
                let gradient = elements(500, 10 + t as usize);
                adam_oracle(&step, &gradient, &mut theta, &mut moments);
                let gradient = Gradient::of(&device, &gradient).unwrap();
                adam.step(&step, &parameters, &gradient).unwrap();
            }
            let found = parameters.read().unwrap();
            for i in (0..500).filter(|i| !group.contains(i)) {
                assert_eq!(found[i].to_bits(), start[i].to_bits(), "parameter {i}");
            }
            // Four steps of some ten roundings of 6e-8.
            let found = of_group(&widened(&found));
            assert!(error(&found, &of_group(&theta)) < 1e-6);
            for (found, expected) in adam.read().unwrap().iter().zip(&moments) {
                assert!(error(&widened(found), &of_group(expected)) < 1e-6);
            }
        }
    });
}

/// `XᵀX` for a matrix with so many columns.
fn gram<T: Real>(x: &[T], columns: usize) -> Vec<T> {
    let mut square = vec![T::of(0.0); columns * columns];
    for row in x.chunks(columns) {
        for i in 0..columns {
            for j in 0..columns {
                square[i * columns + j] += row[i] * row[j];
            }
        }
    }
    square
}

fn transposed<T: Real>(x: &[T], columns: usize) -> Vec<T> {
    let column = |c| x.iter().skip(c).step_by(columns).copied();
    (0..columns).flat_map(column).collect()
}

/// `NS(U / (‖U‖ + 10⁻⁷))` in the precision of `T`.
fn orthogonalized<T: Real>(u: &[T], columns: usize, iterations: usize) -> Vec<T> {
    let rows = u.len() / columns;
    if rows < columns {
        let tall = orthogonalized(&transposed(u, columns), rows, iterations);
        return transposed(&tall, rows);
    }
    let squares = u.iter().map(|x| x.to_double().powi(2));
    let norm = squares.sum::<f64>().sqrt() + 1e-7;
    let mut y: Vec<T> = u.iter().map(|x| T::of(x.to_double() / norm)).collect();
    let [a, b, c] = [3.4445, -4.775, 2.0315].map(T::of);
    for _ in 0..iterations {
        let square = gram(&y, columns);
        let fourth = gram(&square, columns);
        let polynomial = square.iter().zip(&fourth).map(|(&s, &f)| b * s + c * f);
        let polynomial: Vec<T> = polynomial.collect();
        for row in y.chunks_mut(columns) {
            let old = row.to_vec();
            for (j, y) in row.iter_mut().enumerate() {
                let products = old.iter().enumerate();
                let sum: T = products
                    .map(|(k, &x)| x * polynomial[k * columns + j])
                    .sum();
                *y = a * *y + sum;
            }
        }
    }
    y
}

/// A matrix and its momentum.
struct Stepped<T> {
    weight: Vec<T>,
    momentum: Vec<T>,
}

impl<T: Real> Stepped<T> {
    fn new(weight: &[f32]) -> Self {
        Self {
            weight: weight.iter().map(|&w| T::of(f64::from(w))).collect(),
            momentum: vec![T::of(0.0); weight.len()],
        }
    }

    /// Takes one step as written in the documentation of [`MuonStep`].
    fn step(&mut self, step: &MuonStep, gradient: &[f32], columns: usize) {
        let (mu, rest) = (T::of(step.momentum), T::of(1.0 - step.momentum));
        let mut u = Vec::new();
        for (m, &g) in self.momentum.iter_mut().zip(gradient) {
            let g = T::of(f64::from(g)) * T::of(step.factor);
            *m = mu * *m + rest * g;
            u.push(mu * *m + rest * g);
        }
        let direction = orthogonalized(&u, columns, step.iterations);
        let scale = ((u.len() / columns) as f64 / columns as f64)
            .max(1.0)
            .sqrt();
        for (w, d) in self.weight.iter_mut().zip(direction) {
            *w = *w * T::of(1.0 - step.rate * step.weight_decay) - d * T::of(step.rate * scale);
        }
    }

    fn weight(&self) -> Vec<f64> {
        self.weight.iter().map(|w| w.to_double()).collect()
    }
}

#[test]
fn muon_steps_square_wide_and_tall_matrices_as_accurately_as_single_precision_on_the_cpu() {
    under_stand_in_driver(&[], || {
        let device = Device::open(0).unwrap();
        let matrices = matrices();
        let len = parameters_of(&matrices);
        let start = elements(len, 1);
        let parameters = device.array(&start).unwrap();
        let part = |all: &[f32], matrix: &MuonMatrix| all[range(matrix)].to_vec();
        let momenta: Vec<_> = matrices.iter().map(|m| vec![0.0; range(m).len()]).collect();
        let mut muon = MuonMomenta::new(&device, &matrices, &momenta).unwrap();
        let starts = || matrices.iter().map(|matrix| part(&start, matrix));
        let mut double: Vec<Stepped<f64>> = starts().map(|w| Stepped::new(&w)).collect();
        let mut single: Vec<Stepped<f32>> = starts().map(|w| Stepped::new(&w)).collect();
        for t in 0..2 {
            let gradient = elements(len, 20 + t);
            for (i, matrix) in matrices.iter().enumerate() {
                let gradient = part(&gradient, matrix);
                double[i].step(&MUON_STEP, &gradient, matrix.columns);
                single[i].step(&MUON_STEP, &gradient, matrix.columns);
            }
            let gradient = Gradient::of(&device, &gradient).unwrap();
            muon.step(&MUON_STEP, &parameters, &gradient).unwrap();
        }
        let (found, momenta) = (parameters.read().unwrap(), muon.read().unwrap());
        for (i, matrix) in matrices.iter().enumerate() {
            let expected = double[i].weight();
            let errors = [
                error(&widened(&part(&found, matrix)), &expected),
                error(&single[i].weight(), &expected),
            ];
            println!(
                "> {matrix:?}: {:.1e}, on the CPU {:.1e}",
                errors[0], errors[1]
            );
            // Small singular values, with their rounding errors of 6e-8 of the largest, grow by 3.4445⁵ = 485 until they are near 1. Sums of
            // up to 70 products have errors of some roundings, so 485 x 6e-8 bounds what is left of them in single elements.
            assert!(errors[0] < 3e-5, "{matrix:?}: {errors:?}");
            assert!(errors[0] < 2.0 * errors[1] + 1e-6, "{matrix:?}: {errors:?}");
            assert!(error(&widened(&momenta[i]), &double[i].momentum) < 5e-7);
        }
        let inside = |i: usize| matrices.iter().any(|matrix| range(matrix).contains(&i));
        for i in (0..len).filter(|&i| !inside(i)) {
            assert_eq!(found[i].to_bits(), start[i].to_bits(), "parameter {i}");
        }
    });
}

#[test]
fn a_gradient_of_zero_moves_nothing() {
    under_stand_in_driver(&[], || {
        let device = Device::open(0).unwrap();
        let start = elements(1000, 1);
        let parameters = device.array(&start).unwrap();
        let gradient = Gradient::of(&device, &[0.0; 1000]).unwrap();
        let matrix = MuonMatrix {
            first: 0,
            rows: 20,
            columns: 30,
        };
        let mut muon = MuonMomenta::new(&device, &[matrix], &[vec![0.0; 600]]).unwrap();
        let step = MuonStep {
            weight_decay: 0.0,
            ..MUON_STEP
        };
        muon.step(&step, &parameters, &gradient).unwrap();
        let zeros = [0.0; 400];
        let mut adam = AdamMoments::new(&device, &[600..1000], [&zeros, &zeros]).unwrap();
        let step = adam_step(1, 0.0, 1.0);
        adam.step(&step, &parameters, &gradient).unwrap();
        assert_eq!(parameters.read().unwrap(), start);
    });
}

#[test]
fn every_order_of_blocks_and_warps_gives_the_same_bits() {
    let orders = ["forward", "backward", "1", "2"].map(|order| [("SIREN_PTX_ORDER", order)]);
    let settings: Vec<_> = orders.iter().map(<[_; 1]>::as_slice).collect();
    let outputs = outputs_under_stand_in_drivers(&settings, || {
        let device = Device::open(0).unwrap();
        println!("> {:016x}", step_everything(&device).unwrap());
    });
    for output in outputs.iter().skip(1) {
        assert_eq!((output.len(), output), (1, &outputs[0]));
    }
}

#[test]
fn sums_of_squares_neither_overflow_nor_vanish_nor_lose_a_nan() {
    under_stand_in_driver(&[], || {
        let device = Device::open(0).unwrap();
        let sum = |elements: &[f32]| {
            let found = device.array(elements).unwrap().sum_of_squares();
            found.unwrap()
        };
        // More than the blocks hold at once, and one element, and none.
        for (len, scale) in [(300_000, 1e30), (5000, 1e-30), (1, 2.0), (0, 1.0)] {
            let elements: Vec<f32> = elements(len, 1).iter().map(|x| x * scale).collect();
            let expected: f64 = elements.iter().map(|&x| f64::from(x).powi(2)).sum();
            assert!(len == 0 || expected > 0.0);
            assert!(
                (sum(&elements) - expected).abs() <= 1e-12 * expected,
                "{len}"
            );
        }
        assert_eq!(sum(&[f32::MAX; 4]), 4.0 * f64::from(f32::MAX).powi(2));
        let mut elements = elements(5000, 1);
        elements[17] = f32::INFINITY;
        assert_eq!(sum(&elements), f64::INFINITY);
        elements[4321] = f32::NAN;
        assert!(sum(&elements).is_nan());
    });
}

#[test]
fn gathered_rows_are_those_of_the_indices_in_their_order() {
    under_stand_in_driver(&[], || {
        let device = Device::open(0).unwrap();
        let elements = elements(21, 1);
        let rows = device.array(&elements).unwrap();
        let indices = [6, 0, 6, 3].repeat(30);
        let gathered = device.gather(&rows, 3, &device.indices(&indices).unwrap());
        let expected = indices.iter().map(|&i| &elements[3 * i as usize..][..3]);
        let expected: Vec<&[f32]> = expected.collect();
        assert_eq!(gathered.unwrap().read().unwrap(), expected.concat());
        let none = device.gather(&rows, 3, &device.indices(&[]).unwrap());
        assert!(none.unwrap().is_empty());
    });
}

/// A network of one hidden layer whose backward pass gives a gradient.
fn small_case() -> NetworkCase {
    let sizes = Sizes {
        dims: 2,
        width: 32,
        hidden: 1,
        channels: 1,
        points: 60,
        fields: 1,
    };
    let plan = plan(sizes, Features::Identity, Pointwise::Tanh);
    NetworkCase::draw(sizes, plan, Order::Value, 1)
}

#[test]
fn fields_of_parameters_that_a_step_changed_have_the_jets_of_the_new_parameters() {
    under_stand_in_driver(&[], || {
        let device = Device::open(0).unwrap();
        let case = small_case();
        let parameters = device.array(&case.params).unwrap();
        let jets = |parameters: &DeviceArray| {
            let fields = device.fields_of(&case.plan, parameters, Precision::Exact);
            fields.unwrap().jets(&case.coords, &case.order).unwrap()
        };
        let of_host = |parameters: &[f32]| {
            let fields = device.fields(&case.plan, parameters, Precision::Exact);
            fields.unwrap().jets(&case.coords, &case.order).unwrap()
        };
        let before = jets(&parameters);
        assert_eq!(before, of_host(&case.params));
        let fields = device
            .fields_of(&case.plan, &parameters, Precision::Exact)
            .unwrap();
        let (_, tape) = fields.forward(&case.coords, &case.order).unwrap();
        let mut gradient = fields.gradient().unwrap();
        fields.backward(&tape, &case.d_jets, &mut gradient).unwrap();
        let len = case.params.len();
        let zeros = vec![0.0; len];
        let mut adam = AdamMoments::new(&device, &[0..len], [&zeros, &zeros]).unwrap();
        let step = adam_step(1, 0.0, 1.0);
        adam.step(&step, &parameters, &gradient).unwrap();
        let after = jets(&parameters);
        assert_ne!(after, before);
        assert_eq!(after, of_host(&parameters.read().unwrap()));
        parameters.write(&case.params).unwrap();
        assert_eq!(jets(&parameters), before);
    });
}

#[test]
fn gradients_add_up_and_have_sums_of_squares() {
    under_stand_in_driver(&[], || {
        let device = Device::open(0).unwrap();
        let (a, b) = (elements(300, 1), elements(300, 2));
        let mut sum = Gradient::of(&device, &a).unwrap();
        sum.add(&Gradient::of(&device, &b).unwrap()).unwrap();
        let expected: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a + b).collect();
        assert_eq!(sum.read().unwrap(), expected);
        let squares: f64 = expected.iter().map(|&x| f64::from(x).powi(2)).sum();
        assert!((sum.sum_of_squares().unwrap() - squares).abs() < 1e-12 * squares);
        assert_eq!(device.zero_array(3).unwrap().read().unwrap(), [0.0; 3]);
    });
}

#[test]
fn arguments_that_do_not_fit_are_errors_that_say_what_was_expected() {
    under_stand_in_driver(&[], || {
        let device = Device::open(0).unwrap();
        let mut messages = Vec::new();
        let mut note = |result: Result<()>| messages.push(result.unwrap_err().to_string());
        let array = device.array(&[0.0; 6]).unwrap();
        let gradient = Gradient::of(&device, &[0.0; 6]).unwrap();
        note(array.write(&[0.0; 5]));
        let indices = device.indices(&[0, 3]).unwrap();
        note(device.gather(&array, 4, &indices).map(drop));
        note(device.gather(&array, 2, &indices).map(drop));
        let mut longer = Gradient::of(&device, &[0.0; 7]).unwrap();
        note(longer.add(&gradient));
        note(AdamMoments::new(&device, &[2..4, 3..5], [&[0.0; 4]; 2]).map(drop));
        note(AdamMoments::new(&device, &[2..4], [&[0.0; 2], &[0.0; 3]]).map(drop));
        let mut adam = AdamMoments::new(&device, &[2..7], [&[0.0; 5]; 2]).unwrap();
        note(adam.step(&adam_step(1, 0.0, 1.0), &array, &gradient));
        let mut adam = AdamMoments::new(&device, &[2..4], [&[0.0; 2]; 2]).unwrap();
        note(adam.step(&adam_step(1, 0.0, 1.0), &array, &longer));
        let matrix = MuonMatrix {
            first: 0,
            rows: 2,
            columns: 3,
        };
        note(MuonMomenta::new(&device, &[matrix], &[vec![0.0; 5]]).map(drop));
        note(MuonMomenta::new(&device, &[matrix; 2], &[vec![0.0; 6], vec![0.0; 6]]).map(drop));
        let expected = [
            "elements of an array: expected 6, got 5",
            "elements of rows to gather from: expected a multiple of the width 4, which is at least 1, got 6",
            "rows to gather from: expected more than the largest index, 3, got 3",
            "a gradient to be added: expected 7, got 6",
            "the start of a range of parameters: expected at least 4, since ranges are disjoint and ascend, got 3",
            "second moments of a group: expected 2, got 3",
            "parameters that an optimizer steps: expected at least 7, got 6",
            "gradient with respect to the parameters that an optimizer steps: expected 6, got 7",
            "elements of the momentum of a matrix: expected 6, got 5",
            "the start of a range of parameters: expected at least 6, since ranges are disjoint and ascend, got 0",
        ];
        assert_eq!(messages, expected);
    });
}
