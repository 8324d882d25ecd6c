use candle_core::{DType, Device, Tensor, WithDType};
use serde::{Deserialize, Serialize};

use super::config::positive;
use super::optimizer::Part;
use crate::error::{Error, Result};
use crate::field::{Matrix, Real};

/// Muon (Jordan et al. 2024; for fields, arXiv 2512.14366) updates the hidden weight matrices, those between the first and the last layer.
/// All other parameters are updated by `train.optimizer`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MuonConfig {
    /// Learning rate of the hidden matrices. It follows `train.schedule`.
    pub learning_rate: f64,
    /// Momentum μ.
    pub momentum: f64,
    /// Number of Newton–Schulz iterations per step.
    pub iterations: usize,
}

impl Default for MuonConfig {
    fn default() -> Self {
        Self {
            learning_rate: 5e-3,
            momentum: 0.95,
            iterations: 5,
        }
    }
}

impl MuonConfig {
    pub(super) fn validate(&self) -> Result<()> {
        positive("train.muon.learning_rate", self.learning_rate)?;
        if !(0.0..1.0).contains(&self.momentum) {
            let key = "train.muon.momentum";
            return Err(Error::invalid(
                key,
                self.momentum,
                "a number from 0 to below 1",
            ));
        }
        if !(1..=20).contains(&self.iterations) {
            return Err(Error::invalid(
                "train.muon.iterations",
                self.iterations,
                "1 to 20",
            ));
        }
        Ok(())
    }
}

/// Of the quintic `p(x) = a x + b x³ + c x⁵` that is iterated: it drives every singular value in (0, 1] into [0.68, 1.13],
/// fast where they are small.
const QUINTIC: [f64; 3] = [3.4445, -4.775, 2.0315];
/// Added to the norm by which the first iterate is divided.
const EPSILON: f64 = 1e-7;

/// One step of one matrix `W (m, n)`, as PyTorch's `Muon` computes it but in the precision of the parameters, not in bfloat16:
///
/// ```text
/// M ← μ M + (1 − μ) G        U = μ M + (1 − μ) G
/// W ← W (1 − η λ) − η √max(1, m/n) · NS(U / ‖U‖)
/// ```
///
/// where `NS` iterates `X ← a X + (b A + c A²) X`, `A = X Xᵀ`: an approximation of the nearest orthogonal matrix.
pub(super) fn step(
    config: &MuonConfig,
    part: Part,
    gradient: &Tensor,
    (learning_rate, decay): (f64, f64),
) -> Result<Part> {
    let (rows, columns) = gradient.dims2()?;
    let blend = |a: &Tensor, b: &Tensor| (a * config.momentum)? + (b * (1.0 - config.momentum))?;
    let first = blend(&part.first, gradient)?;
    let direction = orthogonalized(&blend(&first, gradient)?, config.iterations)?;
    let scale = (rows as f64 / columns as f64).max(1.0).sqrt();
    let theta = (part.theta * (1.0 - learning_rate * decay))?;
    Ok(Part {
        theta: (theta - (direction * (learning_rate * scale))?)?,
        first,
        second: part.second,
    })
}

/// `NS(U / ‖U‖)`, on the CPU.
fn orthogonalized(matrix: &Tensor, iterations: usize) -> Result<Tensor> {
    let here = matrix.to_device(&Device::Cpu)?;
    let done = match here.dtype() {
        DType::F64 => iterated::<f64>(&here, iterations),
        _ => iterated::<f32>(&here, iterations),
    };
    Ok(done?.to_device(matrix.device())?)
}

/// The iteration on `Y = Xᵀ`, which is tall, so that `A = Yᵀ Y` is the smaller of the two squares: `Y ← a Y + Y (b A + c A²)`.
fn iterated<T: Real>(matrix: &Tensor, iterations: usize) -> Result<Tensor> {
    let (rows, columns) = matrix.dims2()?;
    let wide = rows < columns;
    let tall = if wide { matrix.t()? } else { matrix.clone() };
    let shape = tall.dims2()?;
    let numbers = tall.flatten_all()?.to_vec1::<T>()?;
    let double = |x: &T| WithDType::to_f64(*x);
    let squares = numbers.iter().map(|x| double(x).powi(2));
    let norm = squares.sum::<f64>().sqrt() + EPSILON;
    let numbers: Vec<T> = numbers.iter().map(|x| T::of(double(x) / norm)).collect();
    let [a, b, c] = QUINTIC.map(T::of);
    let mut y = Matrix::new(shape, &numbers);
    let mut product = y.clone();
    let [mut square, mut fourth] = [(); 2].map(|()| Matrix::zero((shape.1, shape.1)));
    for _ in 0..iterations {
        y.gram(&mut square);
        // It is symmetric: its own square is that of its transpose with itself.
        square.gram(&mut fourth);
        square.zip(&fourth, |s, f| b * s + c * f);
        y.times(&square, &mut product);
        y.zip(&product, |y, p| a * y + p);
    }
    let done = Tensor::from_vec(y.numbers(), shape, &Device::Cpu)?;
    Ok(if wide { done.t()?.contiguous()? } else { done })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A matrix with singular values between 0.1 and 1, of no special shape.
    fn matrix(rows: usize, columns: usize) -> Tensor {
        let numbers = (0..rows * columns).map(|i| ((i * i) as f64 * 0.7 + 0.3 * i as f64).sin());
        let tensor = Tensor::from_iter(numbers, &Device::Cpu).unwrap();
        tensor.reshape((rows, columns)).unwrap()
    }

    #[test]
    fn the_iteration_leads_every_shape_near_a_matrix_with_orthonormal_rows_or_columns() {
        for (rows, columns) in [(6, 6), (4, 9), (9, 4), (1, 5), (5, 1)] {
            let x = orthogonalized(&matrix(rows, columns), 8).unwrap();
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
        for (shape, expected) in [((2, 3), wide), ((3, 2), tall)] {
            let tensor = |number: &dyn Fn(f64) -> f64| {
                let numbers = (0..6).map(|i| number(f64::from(i)));
                let tensor = Tensor::from_iter(numbers, &Device::Cpu).unwrap();
                tensor.reshape(shape).unwrap()
            };
            let mut part = Part {
                theta: tensor(&|i| (i * 0.7 + 0.1) % 1.0 - 0.5),
                first: tensor(&|_| 0.0),
                second: tensor(&|_| 0.0),
            };
            for t in 0..2 {
                let gradient = tensor(&|i| (i * 1.3 + f64::from(t) + 0.2).sin());
                part = step(&MuonConfig::default(), part, &gradient, (0.02, 0.1)).unwrap();
            }
            let found = part.theta.flatten_all().unwrap().to_vec1::<f64>().unwrap();
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-12, "{found} {expected}");
            }
        }
    }

    #[test]
    fn a_gradient_of_zero_moves_nothing() {
        let zero = Tensor::zeros((3, 3), DType::F64, &Device::Cpu).unwrap();
        let part = Part {
            theta: matrix(3, 3),
            first: zero.clone(),
            second: zero.clone(),
        };
        let stepped = step(&MuonConfig::default(), part, &zero, (0.1, 0.0)).unwrap();
        let (before, after) = (matrix(3, 3), stepped.theta);
        assert_eq!(
            before.to_vec2::<f64>().unwrap(),
            after.to_vec2::<f64>().unwrap()
        );
    }
}
