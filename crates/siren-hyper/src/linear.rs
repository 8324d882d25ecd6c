//! A linear layer of any width, whose reverse pass writes the gradient of its weights where the optimizer reads it.

use candle_core::Shape;
use rayon::prelude::*;
use siren_core::field::{Factor, Real, TransposedSum};

use crate::layers::{Entry, Gradient};
use crate::operation::Layer;

/// Outputs, or rows, that a thread works on at once: a multiple of six and of sixteen.
const BLOCK: usize = 480;
/// Sums over outputs, or rows, are taken in so many parts at most; it fixes the order of additions, whatever the number of threads.
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
            let weight = Factor::transposed(weight, outputs);
            let chunks = y
                .par_chunks_mut(BLOCK * outputs)
                .zip(x.par_chunks(BLOCK * inputs));
            chunks.for_each(|(y, x)| weight.multiply(x, y, false));
        } else {
            let x = Factor::transposed(x, rows);
            let mut transposed = vec![T::of(0.0); rows * outputs];
            let chunks = transposed
                .par_chunks_mut(BLOCK * rows)
                .zip(weight.par_chunks(BLOCK * inputs));
            chunks.for_each(|(y, weight)| x.multiply(weight, y, false));
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
        let (outputs, inputs) = self.weight.sides();
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
        let weight = &flat[self.weight.range.clone()];
        Ok(if x.len() / inputs >= outputs {
            self.tall([x, weight, d_y])
        } else {
            self.wide([x, weight, d_y])
        })
    }
}

impl Linear {
    /// The way back for at least as many rows as outputs: chunks of rows.
    fn tall<T: Real>(&self, [x, weight, d_y]: [&[T]; 3]) -> Vec<T> {
        let (outputs, inputs) = self.weight.sides();
        let rows = x.len() / inputs;
        let part = rows.div_ceil(PARTS).max(BLOCK);
        let weight = Factor::new(weight, outputs);
        let mut d_x = vec![T::of(0.0); x.len()];
        let parts = d_x
            .par_chunks_mut(part * inputs)
            .zip(x.par_chunks(part * inputs))
            .zip(d_y.par_chunks(part * outputs));
        let sums = parts.map(|((d_x, x), d_y)| {
            weight.multiply(d_y, d_x, false);
            let mut sum = TransposedSum::new((outputs, inputs));
            sum.add(d_y, x);
            sum
        });
        for sum in sums.collect::<Vec<_>>() {
            self.gradient.add(&self.weight, &sum.numbers());
        }
        d_x
    }

    /// The way back for more outputs than rows: chunks of outputs.
    fn wide<T: Real>(&self, [x, weight, d_y]: [&[T]; 3]) -> Vec<T> {
        let (outputs, inputs) = self.weight.sides();
        let rows = x.len() / inputs;
        let part = outputs.div_ceil(PARTS).max(BLOCK);
        let x = Factor::new(x, rows);
        let pass = |at: usize, weight: &[T], gradient: Option<(&mut [T], bool)>| {
            let mut sum = TransposedSum::new((rows, inputs));
            let mut gradient = gradient;
            let mut columns = vec![T::of(0.0); BLOCK * rows];
            for (index, weight) in weight.chunks(BLOCK * inputs).enumerate() {
                let own = weight.len() / inputs;
                let first = at * part + index * BLOCK;
                let columns = &mut columns[..own * rows];
                for (row, d_y) in d_y.chunks_exact(outputs).enumerate() {
                    for (column, &number) in d_y[first..first + own].iter().enumerate() {
                        columns[column * rows + row] = number;
                    }
                }
                sum.add(columns, weight);
                if let Some((gradient, adds)) = &mut gradient {
                    let gradient = &mut gradient[index * BLOCK * inputs..][..own * inputs];
                    x.multiply(columns, gradient, *adds);
                }
            }
            sum.numbers()
        };
        let weights = weight.par_chunks(part * inputs).enumerate();
        let mut parts = None;
        self.gradient
            .with(&self.weight, |gradient: &mut [T], accumulate| {
                let gradients = gradient.par_chunks_mut(part * inputs);
                let passed = weights
                    .clone()
                    .zip(gradients)
                    .map(|((at, weight), gradient)| pass(at, weight, Some((gradient, accumulate))));
                parts = Some(passed.collect::<Vec<_>>());
            });
        let parts =
            parts.unwrap_or_else(|| weights.map(|(at, weight)| pass(at, weight, None)).collect());
        let mut parts = parts.into_iter();
        let mut sum = parts.next().unwrap_or_default();
        for part in parts {
            sum.iter_mut()
                .zip(part)
                .for_each(|(sum, more)| *sum += more);
        }
        sum
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
