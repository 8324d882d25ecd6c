//! Linear layers of any width. Their backward pass writes the gradient of the weights directly to the gradient that the optimizer reads.

#[cfg(test)]
mod tests;

use candle_core::Shape;
use rayon::prelude::*;
use siren_core::field::tensor::Element;
use siren_kernel::product::{Accumulate, Factor, TransposedSum};

use crate::layers::{Entry, EntryGradient, Gradient};
use crate::operation::{BackwardInputs, Layer};

/// Number of outputs that a task transposes and multiplies at once, and granularity of the parts of a parallel loop. A multiple of six
/// and of sixteen.
const BLOCK: usize = 96;
/// Maximum number of parts of a sum over outputs or rows. The parts fix the order of additions, whatever the number of threads.
const PARTS: usize = 16;

/// Linear layer `y = x Wᵀ + b` from `(m, in)` to `(m, out)`.
pub(crate) struct Linear {
    /// `(out, in)`.
    pub(crate) weight: Entry,
    /// `(out,)`.
    pub(crate) bias: Option<Entry>,
    pub(crate) gradient: Gradient,
}

/// Independent linear layers on consecutive column ranges of one matrix: from `(m, Σ in)` to `(m, Σ out)`.
pub(crate) struct Heads(pub(crate) Vec<Linear>);

/// A range of columns of a row-major matrix.
#[derive(Clone, Copy)]
struct Columns<'a, T> {
    /// All elements of the matrix.
    matrix: &'a [T],
    /// Number of columns of the matrix.
    width: usize,
    first: usize,
    count: usize,
}

impl<T: Element> Columns<'_, T> {
    fn rows(&self) -> impl Iterator<Item = &[T]> {
        let rows = self.matrix.chunks_exact(self.width);
        rows.map(|row| &row[self.first..self.first + self.count])
    }

    fn row_count(&self) -> usize {
        self.matrix.len() / self.width
    }

    /// Copies the columns to a row-major matrix of their own.
    fn to_matrix(self) -> Vec<T> {
        self.rows().collect::<Vec<_>>().concat()
    }
}

/// Returns the length of each of at most [`PARTS`] parts of `len`: whole blocks.
fn part_len(len: usize) -> usize {
    len.div_ceil(PARTS).next_multiple_of(BLOCK)
}

impl Layer for Linear {
    const NAME: &'static str = "linear";

    fn shape(&self, x: &Shape) -> candle_core::Result<Shape> {
        let (outputs, inputs) = self.weight.sides();
        Ok(Shape::from((x.elem_count() / inputs, outputs)))
    }

    fn forward<T: Element>(&self, _: &Shape, x: &[T], flat: &[T]) -> candle_core::Result<Vec<T>> {
        let (outputs, inputs) = self.weight.sides();
        let rows = x.len() / inputs;
        if rows < outputs {
            return Ok(forward_by_outputs(
                std::slice::from_ref(self),
                rows,
                x,
                flat,
            ));
        }
        let mut y = vec![T::of(0.0); rows * outputs];
        let weight = Factor::transposed(&flat[self.weight.range.clone()], outputs);
        let bias = self.bias(flat);
        let part = part_len(rows);
        let chunks = y
            .par_chunks_mut(part * outputs)
            .zip(x.par_chunks(part * inputs));
        chunks.for_each(|(y, x)| {
            for y in y.chunks_exact_mut(outputs).filter(|_| !bias.is_empty()) {
                y.copy_from_slice(bias);
            }
            weight.multiply(x, y, Accumulate::Add);
        });
        Ok(y)
    }

    fn backward<T: Element>(&self, inputs: BackwardInputs<'_, T>) -> candle_core::Result<Vec<T>> {
        let BackwardInputs { x, flat, d_y, .. } = inputs;
        let (outputs, inputs) = self.weight.sides();
        let all = Columns {
            matrix: d_y,
            width: outputs,
            first: 0,
            count: outputs,
        };
        Ok(if x.len() / inputs < outputs {
            self.backward_by_outputs(x, flat, all)
        } else {
            self.backward_by_rows(x, flat, d_y)
        })
    }
}

impl Linear {
    fn inputs(&self) -> usize {
        self.weight.sides().1
    }

    fn outputs(&self) -> usize {
        self.weight.sides().0
    }

    /// Returns the bias, or an empty slice if there is none.
    fn bias<'a, T>(&self, flat: &'a [T]) -> &'a [T] {
        let bias = self.bias.as_ref();
        bias.map_or(&[], |bias| &flat[bias.range.clone()])
    }

    /// Computes the outputs of `share`; `x_transposed[i]` is the transposed input of layer `i`.
    fn forward_share<T: Element>(
        &self,
        share: OutputShare<'_, T>,
        x_transposed: &[Factor<T>],
        flat: &[T],
    ) {
        let inputs = self.inputs();
        let OutputShare {
            layer,
            first,
            mut rows,
        } = share;
        let row_count = rows.len();
        let outputs = rows.first().map_or(0, |row| row.len());
        let weight = &flat[self.weight.range.clone()][first * inputs..][..outputs * inputs];
        let bias = self.bias(flat).get(first..).unwrap_or_default();
        let mut transposed = vec![T::of(0.0); BLOCK * row_count];
        for (index, weight) in weight.chunks(BLOCK * inputs).enumerate() {
            let transposed = &mut transposed[..weight.len() / inputs * row_count];
            let accumulate = if bias.is_empty() {
                Accumulate::Overwrite
            } else {
                let bias = &bias[index * BLOCK..];
                let outputs = transposed.chunks_exact_mut(row_count).zip(bias);
                outputs.for_each(|(output, &bias)| output.fill(bias));
                Accumulate::Add
            };
            x_transposed[layer].multiply(weight, transposed, accumulate);
            for (at, row) in rows.iter_mut().enumerate() {
                let to = row[index * BLOCK..].iter_mut();
                let from = transposed.iter().skip(at).step_by(row_count);
                to.zip(from).for_each(|(to, &from)| *to = from);
            }
        }
    }

    /// Backward pass for at least as many rows as outputs, parallel over rows. Returns the gradient with respect to `x`.
    fn backward_by_rows<T: Element>(&self, x: &[T], flat: &[T], d_y: &[T]) -> Vec<T> {
        let (outputs, inputs) = self.weight.sides();
        let part = part_len(x.len() / inputs);
        let weight = Factor::new(&flat[self.weight.range.clone()], outputs);
        let mut d_x = vec![T::of(0.0); x.len()];
        let parts = d_x
            .par_chunks_mut(part * inputs)
            .zip(x.par_chunks(part * inputs))
            .zip(d_y.par_chunks(part * outputs));
        let gradients = parts.map(|((d_x, x), d_y)| {
            weight.multiply(d_y, d_x, Accumulate::Overwrite);
            let mut d_weight = TransposedSum::new(outputs, inputs);
            d_weight.add(d_y, x);
            let mut d_bias = vec![T::of(0.0); outputs];
            d_y.chunks_exact(outputs)
                .for_each(|row| add(&mut d_bias, row));
            (d_weight, d_bias)
        });
        for (d_weight, d_bias) in gradients.collect::<Vec<_>>() {
            self.gradient.add(&self.weight, &d_weight.to_vec());
            self.add_bias_gradient(&d_bias);
        }
        d_x
    }

    fn add_bias_gradient<T: Element>(&self, d_bias: &[T]) {
        if let Some(bias) = &self.bias {
            self.gradient.add(bias, d_bias);
        }
    }

    /// Backward pass for fewer rows than outputs, parallel over outputs. Returns the gradient with respect to `x`.
    fn backward_by_outputs<T: Element>(&self, x: &[T], flat: &[T], d_y: Columns<'_, T>) -> Vec<T> {
        let (outputs, inputs) = self.weight.sides();
        let rows = d_y.row_count();
        let part = part_len(outputs);
        let x = Factor::new(x, rows);
        let weights = flat[self.weight.range.clone()].par_chunks(part * inputs);
        let backward = |index: usize, weight: &[T], d_weight: Option<EntryGradient<'_, T>>| {
            let d_y = Columns {
                first: d_y.first + index * part,
                count: weight.len() / inputs,
                ..d_y
            };
            backward_outputs(&x, weight, d_y, d_weight)
        };
        let mut parts = Vec::new();
        self.gradient
            .with(&self.weight, |gradient: EntryGradient<'_, T>| {
                let EntryGradient { values, accumulate } = gradient;
                let chunks = weights.clone().zip(values.par_chunks_mut(part * inputs));
                let gradients = chunks.enumerate().map(|(index, (weight, values))| {
                    backward(index, weight, Some(EntryGradient { values, accumulate }))
                });
                parts = gradients.collect();
            });
        if parts.is_empty() {
            let gradients = weights.enumerate();
            let gradients = gradients.map(|(index, weight)| backward(index, weight, None));
            parts = gradients.collect::<Vec<_>>();
        }
        let mut d_x = vec![T::of(0.0); rows * inputs];
        let mut d_bias = Vec::with_capacity(outputs);
        for part in parts {
            add(&mut d_x, &part.d_x);
            d_bias.extend(part.d_bias);
        }
        self.add_bias_gradient(&d_bias);
        d_x
    }
}

/// Gradients of a range of outputs of a linear layer.
struct OutputsGradient<T> {
    /// Contribution of these outputs to the gradient with respect to `x`, `(rows, inputs)`.
    d_x: Vec<T>,
    /// `(outputs,)`.
    d_bias: Vec<T>,
}

/// Backward pass of a range of outputs of a linear layer `y = x Wᵀ + b`.
///
/// `weight` holds the rows of `W` and `d_y` the columns of the gradient with respect to `y` that belong to these outputs. Writes the
/// gradient with respect to `weight` to `d_weight`, or adds it there.
fn backward_outputs<T: Element>(
    x: &Factor<T>,
    weight: &[T],
    d_y: Columns<'_, T>,
    mut d_weight: Option<EntryGradient<'_, T>>,
) -> OutputsGradient<T> {
    let inputs = weight.len() / d_y.count;
    let rows = d_y.row_count();
    let mut d_x = TransposedSum::new(rows, inputs);
    let mut d_bias = Vec::with_capacity(d_y.count);
    let mut transposed = vec![T::of(0.0); BLOCK * rows];
    for (index, weight) in weight.chunks(BLOCK * inputs).enumerate() {
        let d_y = Columns {
            first: d_y.first + index * BLOCK,
            count: weight.len() / inputs,
            ..d_y
        };
        let transposed = &mut transposed[..d_y.count * rows];
        for (row, d_y) in d_y.rows().enumerate() {
            let column = transposed.iter_mut().skip(row).step_by(rows);
            column.zip(d_y).for_each(|(to, &from)| *to = from);
        }
        let sum = |row: &[T]| row.iter().fold(T::of(0.0), |sum, &d_y| sum + d_y);
        d_bias.extend(transposed.chunks_exact(rows).map(sum));
        d_x.add(transposed, weight);
        if let Some(EntryGradient { values, accumulate }) = &mut d_weight {
            let values = &mut values[index * BLOCK * inputs..][..weight.len()];
            x.multiply(transposed, values, *accumulate);
        }
    }
    OutputsGradient {
        d_x: d_x.to_vec(),
        d_bias,
    }
}

/// `sum += terms`, elementwise.
fn add<T: Element>(sum: &mut [T], terms: &[T]) {
    for (sum, &term) in sum.iter_mut().zip(terms) {
        *sum += term;
    }
}

impl Layer for Heads {
    const NAME: &'static str = "heads";

    fn shape(&self, x: &Shape) -> candle_core::Result<Shape> {
        let outputs: usize = self.0.iter().map(Linear::outputs).sum();
        Ok(Shape::from((x.dims2()?.0, outputs)))
    }

    fn forward<T: Element>(
        &self,
        shape: &Shape,
        x: &[T],
        flat: &[T],
    ) -> candle_core::Result<Vec<T>> {
        Ok(forward_by_outputs(&self.0, shape.dims2()?.0, x, flat))
    }

    fn backward<T: Element>(&self, inputs: BackwardInputs<'_, T>) -> candle_core::Result<Vec<T>> {
        let BackwardInputs { x, flat, d_y, .. } = inputs;
        let mut d_x = vec![T::of(0.0); x.len()];
        let inputs = columns_by_layer(&self.0, x, Linear::inputs);
        let outputs = columns_by_layer(&self.0, d_y, Linear::outputs);
        for (layer, (x, d_y)) in self.0.iter().zip(inputs.zip(outputs)) {
            let layer_d_x = layer.backward_by_outputs(&x.to_matrix(), flat, d_y);
            let rows = d_x.chunks_exact_mut(x.width);
            for (row, layer_row) in rows.zip(layer_d_x.chunks_exact(x.count)) {
                row[x.first..x.first + x.count].copy_from_slice(layer_row);
            }
        }
        Ok(d_x)
    }
}

/// A range of outputs of one layer of [`Heads`].
struct OutputShare<'a, T> {
    /// Index of the layer.
    layer: usize,
    /// Index of the first output within the layer.
    first: usize,
    /// The slice of each row of `y` that holds these outputs.
    rows: Vec<&'a mut [T]>,
}

/// Forward pass of [`Heads`] for few rows, parallel over outputs: from `x (rows, Σ in)` to `(rows, Σ out)`.
fn forward_by_outputs<T: Element>(layers: &[Linear], rows: usize, x: &[T], flat: &[T]) -> Vec<T> {
    let inputs = columns_by_layer(layers, x, Linear::inputs);
    let x_transposed: Vec<_> = inputs
        .map(|x| Factor::transposed(&x.to_matrix(), rows))
        .collect();
    let width: usize = layers.iter().map(Linear::outputs).sum();
    let mut y = vec![T::of(0.0); rows * width];
    let mut shares = Vec::new();
    for (layer, outputs) in layers.iter().map(Linear::outputs).enumerate() {
        let firsts = (0..outputs).step_by(part_len(outputs));
        shares.extend(firsts.map(|first| OutputShare {
            layer,
            first,
            rows: Vec::with_capacity(rows),
        }));
    }
    for mut row in y.chunks_exact_mut(width) {
        for share in &mut shares {
            let outputs = layers[share.layer].outputs();
            let len = part_len(outputs).min(outputs - share.first);
            let (share_row, rest) = row.split_at_mut(len);
            share.rows.push(share_row);
            row = rest;
        }
    }
    let shares = shares.into_par_iter();
    shares.for_each(|share| layers[share.layer].forward_share(share, &x_transposed, flat));
    y
}

/// Splits the columns of a matrix among consecutive layers; `count` returns the number of columns of a layer.
fn columns_by_layer<'a, T>(
    layers: &[Linear],
    matrix: &'a [T],
    count: fn(&Linear) -> usize,
) -> impl Iterator<Item = Columns<'a, T>> {
    let counts = layers.iter().map(count);
    let width = counts.clone().sum();
    counts.scan(0, move |next, count| {
        let first = *next;
        *next += count;
        Some(Columns {
            matrix,
            width,
            first,
            count,
        })
    })
}
