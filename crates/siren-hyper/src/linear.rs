//! A linear layer of any width, whose reverse pass writes the gradient of its weights where the optimizer reads it.

use candle_core::Shape;
use rayon::prelude::*;
use siren_core::field::{MatrixView, Real, matrix_product};

use crate::layers::{Entry, Gradient};
use crate::operation::Layer;

/// Outputs, or inputs, that a thread works on at once. It fixes the order of additions, whatever the number of threads.
const BLOCK: usize = 512;
/// Sums over outputs are taken in so many parts at most.
const PARTS: usize = 16;
/// Outputs that are transposed together.
const TILE: usize = 64;

/// `y = x Wᵀ + b`: `(m, in)` to `(m, out)`.
pub(crate) struct Linear {
    pub(crate) weight: Entry,
    pub(crate) bias: Option<Entry>,
    pub(crate) gradient: Gradient,
}

impl Layer for Linear {
    const NAME: &'static str = "linear";

    fn shape(&self, x: &Shape) -> candle_core::Result<Shape> {
        let (outputs, inputs) = self.weight.sides();
        Ok(Shape::from((x.elem_count() / inputs, outputs)))
    }

    fn forward<T: Real>(&self, _: &Shape, x: &[T], flat: &[T]) -> candle_core::Result<Vec<T>> {
        let (outputs, inputs) = self.weight.sides();
        let rows = x.len() / inputs;
        let weight = &flat[self.weight.range.clone()];
        let mut y = vec![T::of(0.0); rows * outputs];
        if rows >= outputs {
            let chunks = y
                .par_chunks_mut(BLOCK * outputs)
                .zip(x.par_chunks(BLOCK * inputs));
            chunks.for_each(|(y, x)| {
                let x = MatrixView::new(x, x.len() / inputs, inputs);
                let weight = MatrixView::new(weight, outputs, inputs);
                matrix_product(&x, &weight.t(), (y, outputs), false);
            });
        } else {
            let mut transposed = vec![T::of(0.0); rows * outputs];
            let chunks = transposed
                .par_chunks_mut(BLOCK * rows)
                .zip(weight.par_chunks(BLOCK * inputs));
            chunks.for_each(|(y, weight)| {
                let weight = MatrixView::new(weight, weight.len() / inputs, inputs);
                matrix_product(
                    &weight,
                    &MatrixView::new(x, rows, inputs).t(),
                    (y, rows),
                    false,
                );
            });
            transpose(&transposed, &mut y, rows);
        }
        if let Some(bias) = &self.bias {
            let bias = &flat[bias.range.clone()];
            y.par_chunks_mut(outputs).for_each(|row| {
                row.iter_mut().zip(bias).for_each(|(y, &bias)| *y += bias);
            });
        }
        Ok(y)
    }

    fn backward<T: Real>(
        &self,
        _: &Shape,
        [x, flat, d_y]: [&[T]; 3],
    ) -> candle_core::Result<Vec<T>> {
        self.leave_gradient(x, d_y);
        Ok(self.d_x(flat, d_y))
    }
}

impl Linear {
    fn leave_gradient<T: Real>(&self, x: &[T], d_y: &[T]) {
        let (outputs, inputs) = self.weight.sides();
        let rows = x.len() / inputs;
        let all = MatrixView::new(x, rows, inputs);
        self.gradient
            .with(&self.weight, |gradient: &mut [T], accumulate| {
                let block = if rows >= outputs { TILE } else { BLOCK };
                let chunks = gradient.par_chunks_mut(block * inputs).enumerate();
                chunks.for_each(|(at, gradient)| {
                    let d_y = columns(d_y, outputs, at * block, gradient.len() / inputs);
                    matrix_product(&d_y.t(), &all, (gradient, inputs), accumulate);
                });
            });
        if let Some(bias) = &self.bias {
            self.gradient.with(bias, |gradient: &mut [T], _| {
                for row in d_y.chunks(outputs) {
                    gradient
                        .iter_mut()
                        .zip(row)
                        .for_each(|(sum, &more)| *sum += more);
                }
            });
        }
    }

    fn d_x<T: Real>(&self, flat: &[T], d_y: &[T]) -> Vec<T> {
        let (outputs, inputs) = self.weight.sides();
        let rows = d_y.len() / outputs;
        let weight = &flat[self.weight.range.clone()];
        if rows >= outputs {
            let mut d_x = vec![T::of(0.0); rows * inputs];
            let chunks = d_x
                .par_chunks_mut(BLOCK * inputs)
                .zip(d_y.par_chunks(BLOCK * outputs));
            chunks.for_each(|(d_x, d_y)| {
                let d_y = MatrixView::new(d_y, d_y.len() / outputs, outputs);
                let weight = MatrixView::new(weight, outputs, inputs);
                matrix_product(&d_y, &weight, (d_x, inputs), false);
            });
            return d_x;
        }
        let part = outputs.div_ceil(PARTS).max(BLOCK);
        let parts = weight
            .par_chunks(part * inputs)
            .enumerate()
            .map(|(at, weight)| {
                let mut d_x = vec![T::of(0.0); rows * inputs];
                let own = weight.len() / inputs;
                let d_y = columns(d_y, outputs, at * part, own);
                matrix_product(
                    &d_y,
                    &MatrixView::new(weight, own, inputs),
                    (&mut d_x, inputs),
                    false,
                );
                d_x
            });
        let mut parts = parts.collect::<Vec<_>>().into_iter();
        let mut sum = parts.next().unwrap_or_default();
        for part in parts {
            sum.iter_mut()
                .zip(part)
                .for_each(|(sum, more)| *sum += more);
        }
        sum
    }
}

/// Some columns of a row-major matrix.
fn columns<T>(matrix: &[T], width: usize, first: usize, count: usize) -> MatrixView<'_, T> {
    MatrixView {
        data: &matrix[first..],
        rows: matrix.len() / width,
        cols: count,
        row: width,
        col: 1,
    }
}

/// `(n, rows)` to `(rows, n)`.
fn transpose<T: Real>(from: &[T], to: &mut [T], rows: usize) {
    let width = from.len() / rows.max(1);
    to.par_chunks_mut(width).enumerate().for_each(|(row, to)| {
        for (tile, to) in to.chunks_mut(TILE).enumerate() {
            for (column, to) in to.iter_mut().enumerate() {
                *to = from[(tile * TILE + column) * rows + row];
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor, Var};
    use siren_core::field::Layout;
    use siren_core::train::differentiate;

    use crate::layers::Pass;

    fn wave(shape: &[usize], pitch: f64) -> Tensor {
        let numbers: Vec<f64> = (0..shape.iter().product())
            .map(|i| (pitch * i as f64).sin())
            .collect();
        Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()
    }

    fn largest(tensor: &Tensor) -> f64 {
        let flat = tensor.abs().unwrap().flatten_all().unwrap();
        flat.max(0).unwrap().to_scalar().unwrap()
    }

    /// Output, gradient in the input and in the parameters of `Σ y²`.
    fn passed(pass: &Pass<'_>, x: &Tensor) -> [Tensor; 3] {
        let x = Var::from_tensor(x).unwrap();
        let y = pass.linear(&x, "layer").unwrap();
        let store = differentiate(&y.sqr().unwrap().sum_all().unwrap()).unwrap();
        let d_x = store.get(&x).unwrap().clone();
        [y.detach(), d_x, pass.gradient(&store).unwrap()]
    }

    #[test]
    fn wide_and_tall_layers_are_those_of_candle_whatever_the_number_of_threads() {
        for (rows, inputs, outputs) in [(3, 5, 1300), (1, 4, 20_000), (700, 5, 9), (1200, 3, 1)] {
            let mut layout = Layout::default();
            layout.push("other", &[2]);
            layout.push("layer.weight", &[outputs, inputs]);
            layout.push("layer.bias", &[outputs]);
            let flat = Var::from_tensor(&wave(&[layout.len()], 0.7)).unwrap();
            let x = wave(&[rows, inputs], 1.3);
            let expected = passed(&Pass::composed(&layout, &flat), &x);
            let on = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new()
                    .num_threads(threads)
                    .build()
                    .unwrap();
                pool.install(|| passed(&Pass::new(&layout, &flat), &x))
            };
            let [one, three] = [on(1), on(3)];
            for ((one, three), expected) in one.iter().zip(&three).zip(&expected) {
                assert_eq!(one.dims(), expected.dims());
                let error = largest(&(one - expected).unwrap()) / largest(expected);
                assert!(error < 1e-13, "{rows} {inputs} {outputs}: {error:e}");
                assert!(largest(&(one - three).unwrap()).to_bits() == 0);
            }
        }
    }
}
