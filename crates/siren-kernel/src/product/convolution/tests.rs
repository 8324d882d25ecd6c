//! Tests of convolutions against their definition.

use super::*;

fn waves(count: usize, frequency: f64) -> Vec<f64> {
    (1..=count).map(|i| (frequency * i as f64).sin()).collect()
}

/// A convolution of one picture, with the gradient with respect to its output.
struct Problem {
    windows: Windows,
    inputs: usize,
    outputs: usize,
    x: Vec<f64>,
    weight: Vec<f64>,
    d_y: Vec<f64>,
}

/// Output and gradients of a [`Problem`].
struct Solution {
    y: Vec<f64>,
    d_x: Vec<f64>,
    d_weight: Vec<f64>,
    d_bias: Vec<f64>,
}

impl Solution {
    fn arrays(&self) -> [&[f64]; 4] {
        [&self.y, &self.d_x, &self.d_weight, &self.d_bias]
    }
}

/// Solves the problem with the kernel in precision `T`.
fn solve<T: Real>(problem: &Problem) -> Solution {
    let Problem {
        windows,
        inputs,
        outputs,
        ..
    } = *problem;
    let round = |values: &[f64]| -> Vec<T> { values.iter().map(|&x| T::of(x)).collect() };
    let (x, weight) = (round(&problem.x), round(&problem.weight));
    let d_y = round(&problem.d_y);
    let mut x_plane = Plane::new(windows, inputs);
    let mut d_y_plane = Plane::new(windows, outputs);
    x_plane.load(|range| x[range].iter().copied());
    d_y_plane.load(|range| d_y[range].iter().copied());
    let (mut y, mut d_x, mut buffer) = (d_y.clone(), x.clone(), Vec::new());
    let convolution = Convolution::new(windows, inputs, outputs, &weight);
    convolution.apply(&x_plane, &mut y, &mut buffer, |_, sum| sum);
    let transposed = Convolution::transposed(windows, inputs, outputs, &weight);
    transposed.apply(&d_y_plane, &mut d_x, &mut buffer, |_, sum| sum);
    let mut sum = Correlation::new(windows, inputs, outputs);
    sum.add(&x_plane, &d_y_plane);
    let to_double = |values: &[T]| values.iter().map(|&x| x.to_double()).collect();
    Solution {
        y: to_double(&y),
        d_x: to_double(&d_x),
        d_weight: to_double(&sum.d_weight()),
        d_bias: to_double(sum.d_bias()),
    }
}

/// Solves the problem by the definition of a convolution.
fn solve_by_definition(problem: &Problem) -> Solution {
    let Problem {
        windows,
        inputs,
        outputs,
        x,
        weight,
        d_y,
    } = problem;
    let Windows {
        height,
        width,
        kernel_size: side,
    } = *windows;
    let mut solution = Solution {
        y: vec![0.0; d_y.len()],
        d_x: vec![0.0; x.len()],
        d_weight: vec![0.0; weight.len()],
        d_bias: d_y
            .chunks(height * width)
            .map(|d_y| d_y.iter().sum())
            .collect(),
    };
    let offset = |c: usize, y: usize, x: usize| (c * height + y) * width + x;
    let neighbor = |position: usize, step: usize, len: usize| {
        let neighbor = (position + step).checked_sub(side / 2);
        neighbor.filter(|&neighbor| neighbor < len)
    };
    for (o, c) in (0..*outputs).flat_map(|o| (0..*inputs).map(move |c| (o, c))) {
        for (i, j) in (0..side).flat_map(|i| (0..side).map(move |j| (i, j))) {
            let w = ((o * inputs + c) * side + i) * side + j;
            for (row, column) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                let neighbors = (neighbor(row, i, height), neighbor(column, j, width));
                let (Some(from_row), Some(from_column)) = neighbors else {
                    continue;
                };
                let to = offset(o, row, column);
                let from = offset(c, from_row, from_column);
                solution.y[to] += weight[w] * x[from];
                solution.d_x[from] += weight[w] * d_y[to];
                solution.d_weight[w] += x[from] * d_y[to];
            }
        }
    }
    solution
}

#[test]
fn convolutions_and_their_gradients_agree_with_the_definition() {
    for (height, width, kernel_size, inputs, outputs) in [
        (1, 1, 1, 1, 1),
        (3, 2, 5, 2, 5),
        (7, 19, 3, 3, 17),
        (2, 33, 3, 33, 2),
        (9, 8, 5, 20, 40),
    ] {
        let problem = Problem {
            windows: Windows {
                height,
                width,
                kernel_size,
            },
            inputs,
            outputs,
            x: waves(inputs * height * width, 1.7),
            weight: waves(inputs * outputs * kernel_size * kernel_size, 0.9),
            d_y: waves(outputs * height * width, 2.3),
        };
        let expected = solve_by_definition(&problem);
        let double = solve::<f64>(&problem);
        let single = solve::<f32>(&problem);
        let arrays = expected.arrays().into_iter();
        for ((expected, double), single) in arrays.zip(double.arrays()).zip(single.arrays()) {
            let largest = expected.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
            assert_eq!(double.len(), expected.len());
            for ((expected, double), single) in expected.iter().zip(double).zip(single) {
                assert!((double - expected).abs() < 1e-13 * largest);
                assert!((single - expected).abs() < 1e-5 * largest);
            }
        }
    }
}
