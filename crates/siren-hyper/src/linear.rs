//! Linear layers of any width, whose reverse pass writes the gradient of their weights where the optimizer reads it.

use candle_core::Shape;
use rayon::prelude::*;
use siren_core::field::{Factor, Real, TransposedSum};

use crate::layers::{Entry, Gradient};
use crate::operation::Layer;

/// Outputs, or rows, that a thread works on at once: a multiple of six and of sixteen.
const BLOCK: usize = 96;
/// Sums over outputs, or rows, are taken in so many parts at most; it fixes the order of additions, whatever the number of threads.
const PARTS: usize = 16;
/// `y = x Wᵀ + b`: `(m, in)` to `(m, out)`.
pub(crate) struct Linear {
    pub(crate) weight: Entry,
    pub(crate) bias: Option<Entry>,
    pub(crate) gradient: Gradient,
}

/// Layers side by side, each with inputs and outputs of its own: `(m, Σ in)` to `(m, Σ out)`.
pub(crate) struct Heads(pub(crate) Vec<Linear>);

/// Some columns of a matrix whose rows have `width` numbers.
#[derive(Clone, Copy)]
struct Columns<'a, T> {
    numbers: &'a [T],
    width: usize,
    first: usize,
    count: usize,
}

impl<T: Real> Columns<'_, T> {
    /// Those of each row.
    fn rows(&self) -> impl Iterator<Item = &[T]> {
        let rows = self.numbers.chunks_exact(self.width);
        rows.map(|row| &row[self.first..self.first + self.count])
    }

    fn copied(&self) -> Vec<T> {
        self.rows().collect::<Vec<_>>().concat()
    }
}

/// About as much of `len` as one of so many parts, in whole blocks.
fn part(len: usize) -> usize {
    len.div_ceil(PARTS).next_multiple_of(BLOCK)
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
        if rows < outputs {
            return Ok(side_by_side(std::slice::from_ref(self), (rows, x), flat));
        }
        let mut y = vec![T::of(0.0); rows * outputs];
        let weight = Factor::transposed(&flat[self.weight.range.clone()], outputs);
        let bias = self.bias(flat);
        let part = part(rows);
        let chunks = y
            .par_chunks_mut(part * outputs)
            .zip(x.par_chunks(part * inputs));
        chunks.for_each(|(y, x)| {
            for y in y.chunks_exact_mut(outputs).filter(|_| !bias.is_empty()) {
                y.copy_from_slice(bias);
            }
            weight.multiply(x, y, true);
        });
        Ok(y)
    }

    fn backward<T: Real>(
        &self,
        _: &Shape,
        [x, flat, _, d_y]: [&[T]; 4],
    ) -> candle_core::Result<Vec<T>> {
        let (outputs, inputs) = self.weight.sides();
        let all = Columns {
            numbers: d_y,
            width: outputs,
            first: 0,
            count: outputs,
        };
        Ok(if x.len() / inputs < outputs {
            self.wide(x, flat, all)
        } else {
            self.tall([x, flat, d_y])
        })
    }
}

impl Linear {
    fn bias<'a, T>(&self, flat: &'a [T]) -> &'a [T] {
        let bias = self.bias.as_ref();
        bias.map_or(&[], |bias| &flat[bias.range.clone()])
    }

    /// Fills a share of its outputs, of inputs whose transposes are the factors.
    fn fill<T: Real>(&self, share: Share<'_, T>, factors: &[Factor<T>], flat: &[T]) {
        let (_, inputs) = self.weight.sides();
        let Share {
            layer,
            first,
            mut rows,
        } = share;
        let count = rows.len();
        let own = rows.first().map_or(0, |row| row.len());
        let weight = &flat[self.weight.range.clone()][first * inputs..][..own * inputs];
        let bias = self.bias(flat).get(first..).unwrap_or_default();
        let mut turned = vec![T::of(0.0); BLOCK * count];
        for (index, weight) in weight.chunks(BLOCK * inputs).enumerate() {
            let turned = &mut turned[..weight.len() / inputs * count];
            let adds = !bias.is_empty();
            if adds {
                let bias = &bias[index * BLOCK..];
                let outputs = turned.chunks_exact_mut(count).zip(bias);
                outputs.for_each(|(turned, &bias)| turned.fill(bias));
            }
            factors[layer].multiply(weight, turned, adds);
            for (at, row) in rows.iter_mut().enumerate() {
                let to = row[index * BLOCK..].iter_mut();
                let from = turned.iter().skip(at).step_by(count);
                to.zip(from).for_each(|(to, &from)| *to = from);
            }
        }
    }

    /// The way back for at least as many rows as outputs: parts of rows.
    fn tall<T: Real>(&self, [x, flat, d_y]: [&[T]; 3]) -> Vec<T> {
        let (outputs, inputs) = self.weight.sides();
        let part = part(x.len() / inputs);
        let weight = Factor::new(&flat[self.weight.range.clone()], outputs);
        let mut d_x = vec![T::of(0.0); x.len()];
        let parts = d_x
            .par_chunks_mut(part * inputs)
            .zip(x.par_chunks(part * inputs))
            .zip(d_y.par_chunks(part * outputs));
        let sums = parts.map(|((d_x, x), d_y)| {
            weight.multiply(d_y, d_x, false);
            let mut sum = TransposedSum::new((outputs, inputs));
            sum.add(d_y, x);
            let mut total = vec![T::of(0.0); outputs];
            d_y.chunks_exact(outputs)
                .for_each(|row| add(&mut total, row));
            (sum, total)
        });
        for (sum, total) in sums.collect::<Vec<_>>() {
            self.gradient.add(&self.weight, &sum.numbers());
            self.leave_bias(&total);
        }
        d_x
    }

    fn leave_bias<T: Real>(&self, d_bias: &[T]) {
        if let Some(bias) = &self.bias {
            self.gradient.add(bias, d_bias);
        }
    }

    /// The way back for few rows: parts of outputs.
    fn wide<T: Real>(&self, x: &[T], flat: &[T], d_y: Columns<'_, T>) -> Vec<T> {
        let (outputs, inputs) = self.weight.sides();
        let rows = x.len() / inputs;
        let part = part(outputs);
        let x = Factor::new(x, rows);
        let weights = flat[self.weight.range.clone()].par_chunks(part * inputs);
        let pass = |at: usize, weight: &[T], gradient: Option<(&mut [T], bool)>| {
            let d_y = Columns {
                first: d_y.first + at * part,
                count: weight.len() / inputs,
                ..d_y
            };
            wide_part((rows, &x), weight, d_y, gradient)
        };
        let mut parts = Vec::new();
        self.gradient
            .with(&self.weight, |gradient: &mut [T], adds| {
                let gradients = gradient.par_chunks_mut(part * inputs);
                let passed = weights.clone().zip(gradients).enumerate();
                let passed =
                    passed.map(|(at, (weight, gradient))| pass(at, weight, Some((gradient, adds))));
                parts = passed.collect();
            });
        if parts.is_empty() {
            let passed = weights.enumerate();
            let passed = passed.map(|(at, weight)| pass(at, weight, None));
            parts = passed.collect::<Vec<_>>();
        }
        let mut d_x = vec![T::of(0.0); rows * inputs];
        let mut d_bias = Vec::with_capacity(outputs);
        for (own, d_y) in parts {
            add(&mut d_x, &own);
            d_bias.extend(d_y);
        }
        self.leave_bias(&d_bias);
        d_x
    }
}

/// What some outputs, their columns of the gradient in `y` and their weights, add to the gradient in `x`, and that in their biases; that in
/// their weights is written, or added, where `gradient` says.
fn wide_part<T: Real>(
    (rows, x): (usize, &Factor<T>),
    weight: &[T],
    d_y: Columns<'_, T>,
    mut gradient: Option<(&mut [T], bool)>,
) -> (Vec<T>, Vec<T>) {
    let inputs = weight.len() / d_y.count;
    let mut d_x = TransposedSum::new((rows, inputs));
    let mut d_bias = Vec::with_capacity(d_y.count);
    let mut turned = vec![T::of(0.0); BLOCK * rows];
    for (index, weight) in weight.chunks(BLOCK * inputs).enumerate() {
        let d_y = Columns {
            first: d_y.first + index * BLOCK,
            count: weight.len() / inputs,
            ..d_y
        };
        let turned = &mut turned[..d_y.count * rows];
        for (row, d_y) in d_y.rows().enumerate() {
            let column = turned.iter_mut().skip(row).step_by(rows);
            column.zip(d_y).for_each(|(to, &from)| *to = from);
        }
        let sum = |row: &[T]| row.iter().fold(T::of(0.0), |sum, &d_y| sum + d_y);
        d_bias.extend(turned.chunks_exact(rows).map(sum));
        d_x.add(turned, weight);
        if let Some((gradient, adds)) = &mut gradient {
            let gradient = &mut gradient[index * BLOCK * inputs..][..weight.len()];
            x.multiply(turned, gradient, *adds);
        }
    }
    (d_x.numbers(), d_bias)
}

/// `sum += more`.
fn add<T: Real>(sum: &mut [T], more: &[T]) {
    for (sum, &more) in sum.iter_mut().zip(more) {
        *sum += more;
    }
}

impl Layer for Heads {
    const NAME: &'static str = "heads";

    fn shape(&self, x: &Shape) -> candle_core::Result<Shape> {
        let outputs: usize = self.0.iter().map(|layer| layer.weight.sides().0).sum();
        Ok(Shape::from((x.dims2()?.0, outputs)))
    }

    fn forward<T: Real>(&self, shape: &Shape, x: &[T], flat: &[T]) -> candle_core::Result<Vec<T>> {
        Ok(side_by_side(&self.0, (shape.dims2()?.0, x), flat))
    }

    fn backward<T: Real>(
        &self,
        _: &Shape,
        [x, flat, _, d_y]: [&[T]; 4],
    ) -> candle_core::Result<Vec<T>> {
        let mut d_x = vec![T::of(0.0); x.len()];
        let inputs = columns(&self.0, x, |(_, inputs)| inputs);
        let outputs = columns(&self.0, d_y, |(outputs, _)| outputs);
        for (layer, (x, d_y)) in self.0.iter().zip(inputs.zip(outputs)) {
            let own = layer.wide(&x.copied(), flat, d_y);
            for (d_x, own) in d_x.chunks_exact_mut(x.width).zip(own.chunks_exact(x.count)) {
                d_x[x.first..x.first + x.count].copy_from_slice(own);
            }
        }
        Ok(d_x)
    }
}

/// Some outputs of a layer: which layer's, the first of them, and their place in each row of `y`.
struct Share<'a, T> {
    layer: usize,
    first: usize,
    rows: Vec<&'a mut [T]>,
}

/// `y` of [`Heads`] for few rows: shares of outputs in parallel.
fn side_by_side<T: Real>(layers: &[Linear], (rows, x): (usize, &[T]), flat: &[T]) -> Vec<T> {
    let inputs = columns(layers, x, |(_, inputs)| inputs);
    let factors: Vec<_> = inputs
        .map(|x| Factor::transposed(&x.copied(), rows))
        .collect();
    let outputs = |layer: &Linear| layer.weight.sides().0;
    let width: usize = layers.iter().map(outputs).sum();
    let mut y = vec![T::of(0.0); rows * width];
    let mut shares = Vec::new();
    for (layer, own) in layers.iter().map(outputs).enumerate() {
        shares.extend((0..own).step_by(part(own)).map(|first| Share {
            layer,
            first,
            rows: Vec::with_capacity(rows),
        }));
    }
    for mut row in y.chunks_exact_mut(width) {
        for share in &mut shares {
            let all = outputs(&layers[share.layer]);
            let (own, rest) = row.split_at_mut(part(all).min(all - share.first));
            share.rows.push(own);
            row = rest;
        }
    }
    let shares = shares.into_par_iter();
    shares.for_each(|share| layers[share.layer].fill(share, &factors, flat));
    y
}

/// The columns of each layer.
fn columns<'a, T>(
    layers: &[Linear],
    numbers: &'a [T],
    count: fn((usize, usize)) -> usize,
) -> impl Iterator<Item = Columns<'a, T>> {
    let counts = layers.iter().map(move |layer| count(layer.weight.sides()));
    let width = counts.clone().sum();
    counts.scan(0, move |next, count| {
        let first = *next;
        *next += count;
        Some(Columns {
            numbers,
            width,
            first,
            count,
        })
    })
}

#[cfg(test)]
mod tests {
    use candle_core::{CpuStorage, Device, Tensor, Var};
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
    fn passed(
        pass: &Pass<'_>,
        x: &Tensor,
        use_it: fn(&Pass<'_>, &Tensor) -> Tensor,
    ) -> [Tensor; 3] {
        let x = Var::from_tensor(x).unwrap();
        let y = use_it(pass, &x);
        let store = differentiate(&y.sqr().unwrap().sum_all().unwrap()).unwrap();
        let d_x = store.get(&x).unwrap().clone();
        [y.detach(), d_x, pass.gradient(&store).unwrap()]
    }

    /// Must be candle's, to rounding, and the same bits on one and three threads, in whatever memory.
    fn compare(layout: &Layout, x: &Tensor, use_it: fn(&Pass<'_>, &Tensor) -> Tensor) {
        let flat = Var::from_tensor(&wave(&[layout.len()], 0.7)).unwrap();
        let expected = passed(&Pass::composed(layout, &flat), x, use_it);
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let memory = CpuStorage::F64(vec![f64::NAN; layout.len()]);
            pool.install(|| passed(&Pass::within(layout, &flat, memory), x, use_it))
        };
        let [one, three] = [on(1), on(3)];
        for ((one, three), expected) in one.iter().zip(&three).zip(&expected) {
            assert_eq!(one.dims(), expected.dims());
            let error = largest(&(one - expected).unwrap()) / largest(expected);
            assert!(error < 1e-13, "{:?}: {error:e}", x.dims());
            assert!(largest(&(one - three).unwrap()).to_bits() == 0);
        }
    }

    #[test]
    fn wide_and_tall_layers_are_those_of_candle_whatever_the_number_of_threads() {
        for (rows, inputs, outputs) in [(3, 5, 1300), (1, 4, 20_000), (700, 5, 9), (1200, 3, 1)] {
            let mut layout = Layout::default();
            layout.push("other", &[2]);
            layout.push("layer.weight", &[outputs, inputs]);
            layout.push("layer.bias", &[outputs]);
            let x = wave(&[rows, inputs], 1.3);
            compare(&layout, &x, |pass, x| pass.linear(x, "layer").unwrap());
        }
    }

    #[test]
    fn heads_are_layers_side_by_side() {
        for (rows, inputs) in [(3, 5), (40, 16)] {
            let mut layout = Layout::default();
            for (name, outputs) in [("first", 7), ("second", 2000), ("third", 96)] {
                layout.push(format!("{name}.weight"), &[outputs, inputs]);
                layout.push(format!("{name}.bias"), &[outputs]);
                layout.push(format!("after {name}"), &[1]);
            }
            let x = wave(&[rows, 3 * inputs], 1.3);
            compare(&layout, &x, |pass, x| {
                let names = ["first", "second", "third"].map(str::to_owned);
                pass.heads(&x.chunk(3, 1).unwrap(), &names).unwrap()
            });
        }
    }
}
