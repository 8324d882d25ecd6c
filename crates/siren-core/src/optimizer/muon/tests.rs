use candle_core::{Device, Tensor};

use super::MuonConfig;
use super::matrix::{MatrixRule, blend, orthogonalized};

/// A matrix with singular values between 0.1 and 1, of no special shape.
fn matrix(rows: usize, columns: usize) -> Vec<f64> {
    let number = |i: usize| ((i * i) as f64 * 0.7 + 0.3 * i as f64).sin();
    (0..rows * columns).map(number).collect()
}

#[test]
fn the_iteration_leads_every_shape_near_a_matrix_with_orthonormal_rows_or_columns() {
    for (rows, columns) in [(6, 6), (4, 9), (9, 4), (1, 5), (5, 1)] {
        let x = orthogonalized(&matrix(rows, columns), [rows, columns], 8);
        let x = Tensor::from_vec(x, (rows, columns), &Device::Cpu).unwrap();
        let square = if rows <= columns {
            x.matmul(&x.t().unwrap())
        } else {
            x.t().unwrap().matmul(&x)
        };
        let square = square.unwrap().to_vec2::<f64>().unwrap();
        for (i, row) in square.iter().enumerate() {
            for (j, &entry) in row.iter().enumerate() {
                let (least, most) = if i == j { (0.4, 1.5) } else { (-0.4, 0.4) };
                assert!(
                    (least..most).contains(&entry),
                    "{rows} x {columns}: {entry}"
                );
            }
        }
    }
}

/// Two steps with weight decay, computed with `numpy` in double precision from PyTorch's formulas.
#[test]
fn two_steps_of_a_wide_and_of_a_tall_matrix_are_those_of_numpy() {
    let wide = [
        -0.399_638_386_821_86,
        0.266_213_557_212_834,
        -0.016_197_525_724_546_3,
        -0.275_934_855_421_806,
        0.393_872_625_563_773,
        0.074_311_064_708_683_4,
    ];
    let tall = [
        -0.425_684_482_282_665,
        0.278_215_808_645_135,
        -0.003_153_752_003_632_43,
        -0.275_718_699_865_292,
        0.431_089_311_528_32,
        0.080_627_521_824_726_8,
    ];
    for (shape, expected) in [([2, 3], wide), ([3, 2], tall)] {
        let config = MuonConfig {
            weight_decay: 0.1,
            ..MuonConfig::default()
        };
        let rule = MatrixRule::new(&config, 0.02, 1.0);
        let numbers = |number: &dyn Fn(f64) -> f64| -> Vec<f64> {
            (0..6).map(|i| number(f64::from(i))).collect()
        };
        let mut weight = numbers(&|i| (i * 0.7 + 0.1) % 1.0 - 0.5);
        let mut momentum = numbers(&|_| 0.0);
        for t in 0..2 {
            let gradient = numbers(&|i| (i * 1.3 + f64::from(t) + 0.2).sin());
            momentum = blend(&rule, &momentum, &gradient);
            weight = rule.step(&weight, &momentum, &gradient, shape);
        }
        for (found, expected) in weight.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }
}

#[test]
fn a_gradient_of_zero_moves_nothing() {
    let (before, zero) = (matrix(3, 3), [0.0; 9]);
    let rule = MatrixRule::new(&MuonConfig::default(), 0.1, 1.0);
    assert_eq!(rule.step(&before, &zero, &zero, [3, 3]), before);
}
