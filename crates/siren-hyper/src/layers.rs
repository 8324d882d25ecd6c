//! Layers whose weights are views of one flat parameter tensor, with a gradient that is accumulated entry by entry.
//!
//! Candle's own gradient of each view of a flat tensor is as long as the whole tensor; with tens of millions of parameters these
//! gradients would take most of a training step.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::backend::BackendStorage;
use candle_core::backprop::GradStore;
use candle_core::{
    CpuStorage, CustomOp1, DType, Device, Layout as TensorLayout, Shape, Tensor, Var,
};
use siren_core::field;
use siren_core::field::tensor::{Element, contiguous, read};
use siren_core::field::{Layout, Parameters};
use siren_core::{Error, Result};
use siren_kernel::product::Accumulate;

use crate::codes::Codes;
use crate::convolution::{Convolution, Rectify};
use crate::linear::{Heads, Linear};
use crate::operation::Operation;
use crate::rectify::RectifiedSum;

/// One forward and backward pass through a network: its parameters, and their gradient, which the backward pass accumulates.
pub(crate) struct Pass<'a> {
    layout: &'a Layout,
    flat: &'a Var,
    gradient: Gradient,
    /// Whether layers use candle's own operations instead of those of this crate.
    composed: bool,
}

/// The gradient with respect to all parameters during the backward pass. `None` in a pass that does not compute this gradient.
#[derive(Clone, Default)]
pub(crate) struct Gradient(Option<Arc<Mutex<Sums>>>);

/// The gradient with respect to the flat parameters.
struct Sums {
    values: CpuStorage,
    /// For each entry of the layout, whether its values are a partial sum. The values of all other entries are undefined.
    written: Vec<bool>,
}

/// The part of a gradient that belongs to one entry.
pub(crate) struct EntryGradient<'a, T> {
    pub(crate) values: &'a mut [T],
    /// `Add` if `values` holds a partial sum, `Overwrite` if its contents are undefined.
    pub(crate) accumulate: Accumulate,
}

/// Returns an empty storage.
pub(crate) fn empty_storage() -> CpuStorage {
    CpuStorage::F32(Vec::new())
}

/// An entry of the layout, or several consecutive ones.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Indices in the layout.
    indices: Range<usize>,
    /// Range of the flat parameters.
    pub(crate) range: Range<usize>,
    pub(crate) shape: Vec<usize>,
    /// Number of entries of the layout.
    layout_entries: usize,
    /// Number of parameters of the layout.
    layout_len: usize,
}

impl Entry {
    /// Returns the number of rows, and the number of elements of a row.
    pub(crate) fn sides(&self) -> (usize, usize) {
        let rows = self.shape.first().copied().unwrap_or(1);
        (rows, self.range.len() / rows.max(1))
    }
}

impl Gradient {
    /// Calls `update` with the gradient of an entry. Does nothing if this pass does not compute the gradient.
    pub(crate) fn with<T: Element>(
        &self,
        entry: &Entry,
        update: impl FnOnce(EntryGradient<'_, T>),
    ) {
        let Some(sums) = &self.0 else { return };
        let mut sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
        let Sums { values, written } = &mut *sums;
        if written.is_empty() {
            written.resize(entry.layout_entries, false);
            if T::elements_of(values).is_none_or(|values| values.len() != entry.layout_len) {
                *values = T::to_cpu_storage_owned(vec![T::of(0.0); entry.layout_len]);
            }
        }
        if let Some(values) = T::elements_of(values) {
            let written = &mut written[entry.indices.clone()];
            update(EntryGradient {
                values: &mut values[entry.range.clone()],
                accumulate: if written[0] {
                    Accumulate::Add
                } else {
                    Accumulate::Overwrite
                },
            });
            written.fill(true);
        }
    }

    /// Adds `terms` to the gradient of an entry.
    pub(crate) fn add<T: Element>(&self, entry: &Entry, terms: &[T]) {
        self.with(entry, |gradient: EntryGradient<'_, T>| {
            if gradient.accumulate == Accumulate::Overwrite {
                gradient.values.copy_from_slice(terms);
                return;
            }
            for (sum, &term) in gradient.values.iter_mut().zip(terms) {
                *sum += term;
            }
        });
    }

    /// Takes the whole gradient out, with zeros for entries that have no gradient. Returns `None` if no entry has one.
    fn take(&self, layout: &Layout) -> Option<CpuStorage> {
        let sums = self.0.as_ref()?;
        let mut sums = sums.lock().unwrap_or_else(PoisonError::into_inner);
        let Sums { values, written } = &mut *sums;
        for (entry, written) in layout.entries().iter().zip(&*written) {
            match values {
                _ if *written => {}
                CpuStorage::F32(values) => values[entry.range.clone()].fill(0.0),
                CpuStorage::F64(values) => values[entry.range.clone()].fill(0.0),
                _ => {}
            }
        }
        let has_gradient = !std::mem::take(written).is_empty();
        has_gradient.then(|| std::mem::replace(values, empty_storage()))
    }
}

impl<'a> Pass<'a> {
    /// Creates a pass. On the CPU its layers are the operations of this crate, which accumulate the gradient entry by entry; on other
    /// devices they are candle's own.
    pub(crate) fn new(parameters: &'a Parameters) -> Result<Self> {
        Self::with_buffer(parameters, empty_storage())
    }

    /// Creates a pass that writes the gradient to `buffer` if its type and length fit; its contents are ignored.
    pub(crate) fn with_buffer(parameters: &'a Parameters, buffer: CpuStorage) -> Result<Self> {
        let sums = Sums {
            values: buffer,
            written: Vec::new(),
        };
        Ok(Self {
            layout: parameters.layout(),
            flat: parameters.var()?,
            gradient: Gradient(Some(Arc::new(Mutex::new(sums)))),
            composed: !matches!(parameters.device(), Device::Cpu),
        })
    }

    /// Creates a pass without a gradient with respect to the parameters.
    pub(crate) fn frozen(parameters: &'a Parameters) -> Result<Self> {
        Ok(Self {
            gradient: Gradient::default(),
            ..Self::new(parameters)?
        })
    }

    /// Creates a pass whose layers are candle's own operations: the reference implementation.
    #[cfg(test)]
    pub(crate) fn composed(parameters: &'a Parameters) -> Result<Self> {
        Ok(Self {
            composed: true,
            ..Self::new(parameters)?
        })
    }

    fn entry(&self, name: &str) -> Result<Entry> {
        let names = self.layout.entries().iter();
        let names = names.map(|entry| entry.name.as_str());
        self.find(name)
            .ok_or_else(|| Error::missing("parameter of the model", name, names))
    }

    fn find(&self, name: &str) -> Option<Entry> {
        let entries = self.layout.entries();
        let index = entries.iter().position(|entry| entry.name == name)?;
        Some(Entry {
            indices: index..index + 1,
            range: entries[index].range.clone(),
            shape: entries[index].shape.clone(),
            layout_entries: entries.len(),
            layout_len: self.layout.len(),
        })
    }

    /// Returns an entry as a view of the flat parameters that candle differentiates.
    fn tracked(&self, entry: &Entry) -> Result<Tensor> {
        let view = self.flat.narrow(0, entry.range.start, entry.range.len())?;
        Ok(view.reshape(entry.shape.as_slice())?)
    }

    /// Applies the linear layer `y = x Wᵀ + b` with `W` = `name.weight (out, in)` and `b` = `name.bias (out,)`, which may be absent. `x`
    /// has shape `(m, in)`, or another shape with the same elements; `y` has shape `(m, out)`.
    pub(crate) fn linear(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        let weight = self.entry(&format!("{name}.weight"))?;
        let bias = self.find(&format!("{name}.bias"));
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

    /// Applies one linear layer to each input `(m, in)` and concatenates the outputs `(m, out)` to `(m, Σ out)`.
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
                bias: self.find(&format!("{name}.bias")),
                gradient: self.gradient.clone(),
            })
        });
        let operation = Heads(layers.collect::<Result<Vec<_>>>()?);
        let x = Tensor::cat(inputs, 1)?.contiguous()?;
        Ok(x.apply_op2(self.flat, Operation(operation))?)
    }

    /// Applies a zero-padded convolution from `(b, in, h, w)` to `(b, out, h, w)` with the parameters `name.weight (out, in, k, k)`, `k`
    /// odd, and `name.bias (out,)`, which may be absent.
    pub(crate) fn convolution(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        self.convolve(x, name, Rectify::No)
    }

    /// Applies a [`convolution`](Self::convolution), then `max(y, 0)`.
    pub(crate) fn rectified_convolution(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        self.convolve(x, name, Rectify::Yes)
    }

    /// Applies a [`rectified_convolution`](Self::rectified_convolution) from `(b, in, h, w)` to `(b, out, h, w)`, then a linear layer
    /// over the pixels, the same for all channels, to `(b, out)`. The linear layer has the parameters `linear.weight (1, h w)` and
    /// `linear.bias (1,)`.
    pub(crate) fn codes(&self, x: &Tensor, name: &str, linear: &str) -> Result<Tensor> {
        if self.composed {
            let y = self.rectified_convolution(x, name)?;
            let (pictures, codes, _, _) = y.dims4()?;
            return Ok(self.linear(&y, linear)?.reshape((pictures, codes))?);
        }
        let operation = Codes {
            convolution: Convolution {
                rectify: Rectify::Yes,
                weight: self.entry(&format!("{name}.weight"))?,
                bias: self.find(&format!("{name}.bias")),
                gradient: self.gradient.clone(),
            },
            weight: self.entry(&format!("{linear}.weight"))?,
            bias: self.entry(&format!("{linear}.bias"))?,
            gradient: self.gradient.clone(),
        };
        Ok(x.contiguous()?.apply_op2(self.flat, Operation(operation))?)
    }

    fn convolve(&self, x: &Tensor, name: &str, rectify: Rectify) -> Result<Tensor> {
        let weight = self.entry(&format!("{name}.weight"))?;
        let bias = self.find(&format!("{name}.bias"));
        if self.composed {
            let weight = self.tracked(&weight)?;
            let mut y = x.conv2d(&weight, weight.dim(2)? / 2, 1, 1, 1)?;
            if let Some(bias) = &bias {
                let bias = self.tracked(bias)?.reshape((1, (), 1, 1))?;
                y = y.broadcast_add(&bias)?;
            }
            return Ok(match rectify {
                Rectify::Yes => y.relu()?,
                Rectify::No => y,
            });
        }
        let operation = Convolution {
            rectify,
            weight,
            bias,
            gradient: self.gradient.clone(),
        };
        Ok(x.contiguous()?.apply_op2(self.flat, Operation(operation))?)
    }

    /// Computes `max(a + b, 0)` for two tensors of the same shape.
    pub(crate) fn rectified_sum(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        if self.composed {
            return Ok((a + b)?.relu()?);
        }
        Ok(a.contiguous()?.apply_op2(&b.contiguous()?, RectifiedSum)?)
    }

    /// Selects rows of the parameter `name (rows, …)` by their indices: returns `(m, …)`.
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

    /// Returns all entries whose names begin with `prefix` as one row `(1, …)`. The entries must be consecutive.
    pub(crate) fn span(&self, prefix: &str) -> Result<Tensor> {
        let entries = self.layout.entries();
        let matches = |entry: &&field::Entry| entry.name.starts_with(prefix);
        let first = entries.iter().find(matches);
        let name = first.map_or_else(|| format!("{prefix}…"), |entry| entry.name.clone());
        let mut entry = self.entry(&name)?;
        entry.indices.end = entry.indices.start + entries.iter().filter(matches).count();
        entry.range.end = entries[entry.indices.end - 1].range.end;
        entry.shape = vec![1, entry.range.len()];
        self.rows_of(entry, &[0])
    }

    /// Returns the gradient with respect to the flat parameters `(P,)` after the backward pass that returned `store`.
    pub(crate) fn gradient(&self, store: &GradStore) -> Result<Tensor> {
        if let Some(gradient) = store.get(self.flat) {
            // A gradient with its history would keep the computation graph of every step alive.
            return Ok(gradient.detach());
        }
        Ok(match self.gradient.take(self.layout) {
            Some(CpuStorage::F32(values)) => {
                Tensor::from_vec(values, self.layout.len(), &Device::Cpu)?
            }
            Some(CpuStorage::F64(values)) => {
                Tensor::from_vec(values, self.layout.len(), &Device::Cpu)?
            }
            _ => self.flat.zeros_like()?,
        })
    }
}

/// The candle operation of [`Pass::rows`].
struct Rows {
    entry: Entry,
    indices: Vec<u32>,
    gradient: Gradient,
}

impl Rows {
    fn forward<T: Element>(&self, flat: &[T]) -> (CpuStorage, Shape) {
        let matrix = &flat[self.entry.range.clone()];
        let (_, len) = self.entry.sides();
        let row = |&index: &u32| &matrix[index as usize * len..][..len];
        let shape = [&[self.indices.len()], &self.entry.shape[1..]].concat();
        let rows = self.indices.iter().flat_map(row).copied().collect();
        (T::to_cpu_storage_owned(rows), Shape::from(shape))
    }

    fn backward<T: Element>(&self, d_rows: &[T]) {
        let (_, len) = self.entry.sides();
        self.gradient
            .with(&self.entry, |gradient: EntryGradient<'_, T>| {
                let EntryGradient { values, accumulate } = gradient;
                if accumulate == Accumulate::Overwrite {
                    values.fill(T::of(0.0));
                }
                for (&index, d_row) in self.indices.iter().zip(d_rows.chunks(len)) {
                    let row = &mut values[index as usize * len..][..len];
                    row.iter_mut()
                        .zip(d_row)
                        .for_each(|(sum, &term)| *sum += term);
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
        layout: &TensorLayout,
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
