//! Layers whose weights are views of one flat tensor, and whose gradients are kept entry by entry.
//!
//! Candle's own path to a flat parameter leads through a gradient of the whole length for every view of it; with tens of
//! millions of parameters these would be most of a step.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::backend::BackendStorage;
use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Shape, Tensor, Var};
use siren_core::field::{self, Layout as Parameters, Real, contiguous, read};
use siren_core::{Error, Result};

use crate::codes::Codes;
use crate::convolution::Convolution;
use crate::linear::{Heads, Linear};
use crate::operation::Operation;
use crate::rectify::RectifiedSum;

/// One pass through a network: its parameters, and the gradient that the reverse pass leaves.
pub(crate) struct Pass<'a> {
    layout: &'a Parameters,
    flat: &'a Var,
    gradient: Gradient,
    composed: bool,
}

/// A gradient in all parameters while it comes about; nothing where it is not wanted.
#[derive(Clone, Default)]
pub(crate) struct Gradient(Option<Arc<Mutex<Sums>>>);

/// Its numbers and which entries have theirs; all others are whatever was there before.
struct Sums {
    numbers: CpuStorage,
    written: Vec<bool>,
}

/// No memory.
pub(crate) fn nothing() -> CpuStorage {
    CpuStorage::F32(Vec::new())
}

/// One entry of the layout.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Which of them, or several that follow one another.
    indices: Range<usize>,
    pub(crate) range: Range<usize>,
    pub(crate) shape: Vec<usize>,
    /// Of the layout.
    entries: usize,
    len: usize,
}

impl Entry {
    /// Rows, and numbers of a row.
    pub(crate) fn sides(&self) -> (usize, usize) {
        let rows = self.shape.first().copied().unwrap_or(1);
        (rows, self.range.len() / rows.max(1))
    }
}

impl Gradient {
    /// Hands the numbers of an entry to `add`, and whether there is something to add to.
    pub(crate) fn with<T: Real>(&self, entry: &Entry, add: impl FnOnce(&mut [T], bool)) {
        let Some(sums) = &self.0 else { return };
        let mut sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
        let Sums { numbers, written } = &mut *sums;
        if written.is_empty() {
            written.resize(entry.entries, false);
            if T::numbers_of(numbers).is_none_or(|numbers| numbers.len() != entry.len) {
                *numbers = T::to_cpu_storage_owned(vec![T::of(0.0); entry.len]);
            }
        }
        if let Some(numbers) = T::numbers_of(numbers) {
            let written = &mut written[entry.indices.clone()];
            add(&mut numbers[entry.range.clone()], written[0]);
            written.fill(true);
        }
    }

    /// Adds to the numbers of an entry.
    pub(crate) fn add<T: Real>(&self, entry: &Entry, more: &[T]) {
        self.with(entry, |numbers: &mut [T], adds| {
            if !adds {
                numbers.copy_from_slice(more);
                return;
            }
            for (number, &more) in numbers.iter_mut().zip(more) {
                *number += more;
            }
        });
    }

    /// All of them, zero where nothing was added.
    fn take(&self, layout: &Parameters) -> Option<CpuStorage> {
        let sums = self.0.as_ref()?;
        let mut sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
        let Sums { numbers, written } = &mut *sums;
        for (entry, written) in layout.entries().iter().zip(&*written) {
            match numbers {
                _ if *written => {}
                CpuStorage::F32(numbers) => numbers[entry.range.clone()].fill(0.0),
                CpuStorage::F64(numbers) => numbers[entry.range.clone()].fill(0.0),
                _ => {}
            }
        }
        let is_any = !std::mem::take(written).is_empty();
        is_any.then(|| std::mem::replace(numbers, nothing()))
    }
}

impl<'a> Pass<'a> {
    /// On the CPU by operations that keep gradients apart, elsewhere by candle's own.
    pub(crate) fn new(layout: &'a Parameters, flat: &'a Var) -> Self {
        Self::within(layout, flat, nothing())
    }

    /// The same, where the gradient comes to lie in `memory`, if it has the right size, whatever is there.
    pub(crate) fn within(layout: &'a Parameters, flat: &'a Var, memory: CpuStorage) -> Self {
        let sums = Sums {
            numbers: memory,
            written: Vec::new(),
        };
        Self {
            layout,
            flat,
            gradient: Gradient(Some(Arc::new(Mutex::new(sums)))),
            composed: !flat.device().is_cpu(),
        }
    }

    /// The same for those who want no gradient in the parameters.
    pub(crate) fn frozen(layout: &'a Parameters, flat: &'a Var) -> Self {
        Self {
            gradient: Gradient::default(),
            ..Self::new(layout, flat)
        }
    }

    /// The same by candle's own operations, as an independent account.
    #[cfg(test)]
    pub(crate) fn composed(layout: &'a Parameters, flat: &'a Var) -> Self {
        Self {
            composed: true,
            ..Self::new(layout, flat)
        }
    }

    fn entry(&self, name: &str) -> Result<Entry> {
        self.optional(name).ok_or_else(|| Error::Shape {
            what: "parameters",
            expected: format!("an entry `{name}`"),
            got: "none".to_owned(),
        })
    }

    fn optional(&self, name: &str) -> Option<Entry> {
        let entries = self.layout.entries();
        let index = entries.iter().position(|entry| entry.name == name)?;
        Some(Entry {
            indices: index..index + 1,
            range: entries[index].range.clone(),
            shape: entries[index].shape.clone(),
            entries: entries.len(),
            len: self.layout.len(),
        })
    }

    /// The entry as candle differentiates it.
    fn tracked(&self, entry: &Entry) -> Result<Tensor> {
        let view = self.flat.narrow(0, entry.range.start, entry.range.len())?;
        Ok(view.reshape(entry.shape.as_slice())?)
    }

    /// `y = x Wᵀ + b`: `(m, in)`, or as many numbers in another shape, to `(m, out)`, with the parameters `name.weight` and, if there is
    /// one, `name.bias`.
    pub(crate) fn linear(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        let weight = self.entry(&format!("{name}.weight"))?;
        let bias = self.optional(&format!("{name}.bias"));
        if self.composed {
            let x = x.reshape(((), weight.sides().1))?;
            let y = x.matmul(&self.tracked(&weight)?.t()?)?;
            return Ok(match &bias {
                Some(bias) => y.broadcast_add(&self.tracked(bias)?)?,
                None => y,
            });
        }
        let operation = Linear {
            weight,
            bias,
            gradient: self.gradient.clone(),
        };
        Ok(x.contiguous()?.apply_op2(self.flat, Operation(operation))?)
    }

    /// Linear layers of these names side by side: of each `(m, in)`, in order, `(m, out)`, all in one `(m, Σ out)`.
    pub(crate) fn heads(&self, inputs: &[Tensor], names: &[String]) -> Result<Tensor> {
        if self.composed {
            let outputs = inputs
                .iter()
                .zip(names)
                .map(|(x, name)| self.linear(x, name));
            return Ok(Tensor::cat(&outputs.collect::<Result<Vec<_>>>()?, 1)?);
        }
        let layers = names.iter().map(|name| {
            Ok(Linear {
                weight: self.entry(&format!("{name}.weight"))?,
                bias: self.optional(&format!("{name}.bias")),
                gradient: self.gradient.clone(),
            })
        });
        let operation = Heads(layers.collect::<Result<Vec<_>>>()?);
        let x = Tensor::cat(inputs, 1)?.contiguous()?;
        Ok(x.apply_op2(self.flat, Operation(operation))?)
    }

    /// `(b, in, h, w)` to `(b, out, h, w)`: each pixel from the square of pixels about it, zero beyond the border, with the parameters
    /// `name.weight (out, in, k, k)`, `k` odd, and, if there is one, `name.bias`.
    pub(crate) fn convolution(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        self.convolved(x, name, false)
    }

    /// The same, and zero for what is negative.
    pub(crate) fn rectified_convolution(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        self.convolved(x, name, true)
    }

    /// `(b, in, h, w)` to `(b, out)`: [`rectified_convolution`](Self::rectified_convolution), then weights over pixels, the same for all
    /// channels, with the parameters `over.weight (1, h w)` and `over.bias`.
    pub(crate) fn codes(&self, x: &Tensor, name: &str, over: &str) -> Result<Tensor> {
        if self.composed {
            let y = self.rectified_convolution(x, name)?;
            let (pictures, codes, _, _) = y.dims4()?;
            return Ok(self.linear(&y, over)?.reshape((pictures, codes))?);
        }
        let operation = Codes {
            convolution: Convolution {
                rectified: true,
                weight: self.entry(&format!("{name}.weight"))?,
                bias: self.optional(&format!("{name}.bias")),
                gradient: self.gradient.clone(),
            },
            weight: self.entry(&format!("{over}.weight"))?,
            bias: self.entry(&format!("{over}.bias"))?,
            gradient: self.gradient.clone(),
        };
        Ok(x.contiguous()?.apply_op2(self.flat, Operation(operation))?)
    }

    fn convolved(&self, x: &Tensor, name: &str, rectified: bool) -> Result<Tensor> {
        let weight = self.entry(&format!("{name}.weight"))?;
        let bias = self.optional(&format!("{name}.bias"));
        if self.composed {
            let weight = self.tracked(&weight)?;
            let mut y = x.conv2d(&weight, weight.dim(2)? / 2, 1, 1, 1)?;
            if let Some(bias) = &bias {
                let bias = self.tracked(bias)?.reshape((1, (), 1, 1))?;
                y = y.broadcast_add(&bias)?;
            }
            return Ok(if rectified { y.relu()? } else { y });
        }
        let operation = Convolution {
            rectified,
            weight,
            bias,
            gradient: self.gradient.clone(),
        };
        Ok(x.contiguous()?.apply_op2(self.flat, Operation(operation))?)
    }

    /// `max(a + b, 0)`.
    pub(crate) fn rectified_sum(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        if self.composed {
            return Ok((a + b)?.relu()?);
        }
        Ok(a.contiguous()?.apply_op2(&b.contiguous()?, RectifiedSum)?)
    }

    /// Rows of the matrix `name` at these indices: `(m, …)`.
    pub(crate) fn rows(&self, name: &str, indices: &[u32]) -> Result<Tensor> {
        self.rows_of(self.entry(name)?, indices)
    }

    fn rows_of(&self, entry: Entry, indices: &[u32]) -> Result<Tensor> {
        if self.composed {
            let indices = Tensor::new(indices, self.flat.device())?;
            return Ok(self.tracked(&entry)?.index_select(&indices, 0)?);
        }
        let operation = Rows {
            entry,
            indices: indices.to_vec(),
            gradient: self.gradient.clone(),
        };
        Ok(self.flat.apply_op1(operation)?)
    }

    /// All entries whose names begin with this, which follow one another, as one row `(1, …)`.
    pub(crate) fn span(&self, prefix: &str) -> Result<Tensor> {
        let entries = self.layout.entries();
        let own = |entry: &&field::Entry| entry.name.starts_with(prefix);
        let first = entries.iter().find(own);
        let name = first.map_or_else(|| format!("{prefix}…"), |entry| entry.name.clone());
        let mut entry = self.entry(&name)?;
        entry.indices.end = entry.indices.start + entries.iter().filter(own).count();
        entry.range.end = entries[entry.indices.end - 1].range.end;
        entry.shape = vec![1, entry.range.len()];
        self.rows_of(entry, &[0])
    }

    /// The gradient in the flat parameters `(P,)` after a reverse pass that left `store`.
    pub(crate) fn gradient(&self, store: &GradStore) -> Result<Tensor> {
        if let Some(gradient) = store.get(self.flat) {
            // One that remembered what it was made of would keep every step's graph alive.
            return Ok(gradient.detach());
        }
        Ok(match self.gradient.take(self.layout) {
            Some(CpuStorage::F32(numbers)) => {
                Tensor::from_vec(numbers, self.layout.len(), &Device::Cpu)?
            }
            Some(CpuStorage::F64(numbers)) => {
                Tensor::from_vec(numbers, self.layout.len(), &Device::Cpu)?
            }
            _ => self.flat.zeros_like()?,
        })
    }
}

/// What [`Pass::rows`] says.
struct Rows {
    entry: Entry,
    indices: Vec<u32>,
    gradient: Gradient,
}

impl Rows {
    fn forward<T: Real>(&self, flat: &[T]) -> (CpuStorage, Shape) {
        let matrix = &flat[self.entry.range.clone()];
        let (_, len) = self.entry.sides();
        let row = |&index: &u32| &matrix[index as usize * len..][..len];
        let shape = [&[self.indices.len()], &self.entry.shape[1..]].concat();
        let rows = self.indices.iter().flat_map(row).copied().collect();
        (T::to_cpu_storage_owned(rows), Shape::from(shape))
    }

    fn backward<T: Real>(&self, d_rows: &[T]) {
        let (_, len) = self.entry.sides();
        self.gradient.with(&self.entry, |numbers: &mut [T], adds| {
            if !adds {
                numbers.fill(T::of(0.0));
            }
            for (&index, d_row) in self.indices.iter().zip(d_rows.chunks(len)) {
                let row = &mut numbers[index as usize * len..][..len];
                row.iter_mut()
                    .zip(d_row)
                    .for_each(|(sum, &more)| *sum += more);
            }
        });
    }
}

impl CustomOp1 for Rows {
    fn name(&self) -> &'static str {
        "rows"
    }

    fn cpu_fwd(
        &self,
        flat: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        Ok(match flat.dtype() {
            DType::F64 => self.forward::<f64>(contiguous(flat, layout)?),
            _ => self.forward::<f32>(contiguous(flat, layout)?),
        })
    }

    fn bwd(
        &self,
        _flat: &Tensor,
        _rows: &Tensor,
        d_rows: &Tensor,
    ) -> candle_core::Result<Option<Tensor>> {
        let d_rows = &d_rows.contiguous()?;
        match d_rows.dtype() {
            DType::F64 => read(d_rows, |d_rows: &[f64]| self.backward(d_rows))?,
            _ => read(d_rows, |d_rows: &[f32]| self.backward(d_rows))?,
        }
        Ok(None)
    }
}
