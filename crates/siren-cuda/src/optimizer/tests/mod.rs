//! Arrays and optimizers on a device against the same formulas on the CPU.

mod reference;

use std::ops::Range;

use siren_kernel::Pointwise;
use siren_kernel::network::{Features, Order};

use self::reference::{Stepped, adam_oracle, elements, error, widened};
use super::{AdamMoments, AdamStep, MuonMatrix, MuonMomenta, MuonStep};
use crate::array::DeviceArray;
use crate::device::Device;
use crate::error::Result;
use crate::gradient::Gradient;
use crate::kernels::Precision;
use crate::networks::{
    NetworkCase, Sizes, outputs_under_stand_in_drivers, plan, under_stand_in_driver,
};

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

/// A group of one range.
fn one(range: Range<usize>) -> [Range<usize>; 1] {
    [range]
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
            assert!(errors[0] < 2.0 * errors[1] + 1e-7, "{matrix:?}: {errors:?}");
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
        let mut adam = AdamMoments::new(&device, &one(600..1000), [&zeros, &zeros]).unwrap();
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
        let expected = 4.0 * f64::from(f32::MAX).powi(2);
        assert!((sum(&[f32::MAX; 4]) - expected).abs() <= 1e-12 * expected);
        let mut elements = elements(5000, 1);
        elements[17] = f32::INFINITY;
        assert!(sum(&elements).is_infinite());
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
        let mut adam = AdamMoments::new(&device, &one(0..len), [&zeros, &zeros]).unwrap();
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
        note(AdamMoments::new(&device, &one(2..4), [&[0.0; 2], &[0.0; 3]]).map(drop));
        let mut adam = AdamMoments::new(&device, &one(2..7), [&[0.0; 5]; 2]).unwrap();
        note(adam.step(&adam_step(1, 0.0, 1.0), &array, &gradient));
        let mut adam = AdamMoments::new(&device, &one(2..4), [&[0.0; 2]; 2]).unwrap();
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
