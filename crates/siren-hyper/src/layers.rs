//! Layers whose weights are views of one flat tensor, and whose gradients are kept entry by entry.
//!
//! Candle's own path to a flat parameter leads through a gradient of the whole length for every view of it; with tens of
//! millions of parameters these would be most of a step.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, DType, Layout, Shape, Tensor, Var, bail};
use siren_core::field::Layout as Parameters;
use siren_core::{Error, Result};

use crate::convolution::Convolution;

/// Gradients of entries of a layout, in the order in which a reverse pass met them.
pub(crate) type Gradients = Arc<Mutex<Vec<(usize, Tensor)>>>;

/// One pass through a network: its parameters, and the gradients that the reverse pass leaves.
pub(crate) struct Pass<'a> {
    layout: &'a Parameters,
    flat: &'a Var,
    gradients: Gradients,
    composed: bool,
}

/// One entry of the layout.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) index: usize,
    /// A view that no gradient flows through.
    pub(crate) values: Tensor,
}

impl Entry {
    /// Rows of `columns` numbers.
    pub(crate) fn matrix(&self) -> candle_core::Result<Tensor> {
        let rows = self.values.dim(0)?;
        self.values.reshape((rows, ()))
    }
}

/// Adds to what a reverse pass leaves.
pub(crate) fn leave(gradients: &Gradients, entry: &Entry, gradient: &Tensor) {
    let mut gradients = gradients.lock().unwrap_or_else(PoisonError::into_inner);
    // A gradient that remembered what it was made of would keep every step's graph alive in the optimizer's moments.
    gradients.push((entry.index, gradient.detach()));
}

impl<'a> Pass<'a> {
    /// On the CPU by operations that keep gradients apart, elsewhere by candle's own.
    pub(crate) fn new(layout: &'a Parameters, flat: &'a Var) -> Self {
        Self {
            layout,
            flat,
            gradients: Gradients::default(),
            composed: !flat.device().is_cpu(),
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
        self.optional(name)?.ok_or_else(|| Error::Shape {
            what: "parameters",
            expected: format!("an entry `{name}`"),
            got: "none".to_owned(),
        })
    }

    fn optional(&self, name: &str) -> Result<Option<Entry>> {
        let mut entries = self.layout.entries().iter();
        let Some(index) = entries.position(|entry| entry.name == name) else {
            return Ok(None);
        };
        let entry = &self.layout.entries()[index];
        let flat = self.flat.as_detached_tensor();
        let values = flat.narrow(0, entry.range.start, entry.range.len())?;
        Ok(Some(Entry {
            index,
            values: values.reshape(entry.shape.as_slice())?,
        }))
    }

    /// The entry as candle differentiates it.
    fn tracked(&self, entry: &Entry) -> Result<Tensor> {
        let range = self.layout.entries()[entry.index].range.clone();
        let view = self.flat.narrow(0, range.start, range.len())?;
        Ok(view.reshape(entry.values.shape())?)
    }

    /// `y = x Wᵀ + b`: `(m, in)` to `(m, out)`, with the parameters `name.weight` and, if there is one, `name.bias`.
    pub(crate) fn linear(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        let weight = self.entry(&format!("{name}.weight"))?;
        let bias = self.optional(&format!("{name}.bias"))?;
        if self.composed {
            let y = x.matmul(&self.tracked(&weight)?.t()?)?;
            return Ok(match &bias {
                Some(bias) => y.broadcast_add(&self.tracked(bias)?)?,
                None => y,
            });
        }
        let gradients = Arc::clone(&self.gradients);
        let operation = Linear {
            weight,
            bias,
            gradients,
        };
        Ok(x.contiguous()?.apply_op2(self.flat, operation)?)
    }

    /// `(b, in, h, w)` to `(b, out, h, w)`: each pixel from the square of pixels about it, zero beyond the border, with the parameters
    /// `name.weight (out, in, k, k)`, `k` odd, and, if there is one, `name.bias`.
    pub(crate) fn convolution(&self, x: &Tensor, name: &str) -> Result<Tensor> {
        let weight = self.entry(&format!("{name}.weight"))?;
        let bias = self.optional(&format!("{name}.bias"))?;
        if self.composed {
            let padding = weight.values.dim(2)? / 2;
            let y = x.conv2d(&self.tracked(&weight)?, padding, 1, 1, 1)?;
            return Ok(match &bias {
                Some(bias) => {
                    let bias = self.tracked(bias)?.reshape((1, (), 1, 1))?;
                    y.broadcast_add(&bias)?
                }
                None => y,
            });
        }
        let gradients = Arc::clone(&self.gradients);
        let operation = Convolution {
            weight,
            bias,
            gradients,
        };
        Ok(x.contiguous()?.apply_op2(self.flat, operation)?)
    }

    /// Rows of the matrix `name` at these indices: `(m, …)`.
    pub(crate) fn rows(&self, name: &str, indices: &[u32]) -> Result<Tensor> {
        let entry = self.entry(name)?;
        let indices = Tensor::new(indices, self.flat.device())?;
        if self.composed {
            return Ok(self.tracked(&entry)?.index_select(&indices, 0)?);
        }
        let gradients = Arc::clone(&self.gradients);
        let operation = Rows {
            entry,
            indices,
            gradients,
        };
        Ok(self.flat.apply_op1(operation)?)
    }

    /// The gradient in the flat parameters `(P,)` after a reverse pass that left `store`.
    pub(crate) fn gradient(&self, store: &GradStore) -> Result<Tensor> {
        if self.composed {
            let gradient = store.get(self.flat);
            return Ok(match gradient {
                Some(gradient) => gradient.detach(),
                None => self.flat.zeros_like()?,
            });
        }
        let mut sums: Vec<Option<Tensor>> = vec![None; self.layout.entries().len()];
        let gradients = std::mem::take(
            &mut *self
                .gradients
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        for (index, gradient) in gradients {
            let gradient = gradient.flatten_all()?;
            sums[index] = Some(match sums[index].take() {
                Some(sum) => (sum + gradient)?,
                None => gradient,
            });
        }
        let parts = self
            .layout
            .entries()
            .iter()
            .zip(sums)
            .map(|(entry, sum)| match sum {
                Some(sum) => Ok(sum),
                None => Tensor::zeros(entry.range.len(), self.flat.dtype(), self.flat.device()),
            });
        Ok(Tensor::cat(
            &parts.collect::<candle_core::Result<Vec<_>>>()?,
            0,
        )?)
    }
}

/// What [`Pass::linear`] says.
struct Linear {
    weight: Entry,
    bias: Option<Entry>,
    gradients: Gradients,
}

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        layout: &Layout,
        _flat: &CpuStorage,
        _flat_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let x = tensor(x, layout)?;
        let y = x.matmul(&self.weight.matrix()?.t()?)?;
        storage(&match &self.bias {
            Some(bias) => y.broadcast_add(&bias.values)?,
            None => y,
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        _flat: &Tensor,
        _y: &Tensor,
        d_y: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let d_y = d_y.contiguous()?;
        leave(&self.gradients, &self.weight, &d_y.t()?.matmul(x)?);
        if let Some(bias) = &self.bias {
            leave(&self.gradients, bias, &d_y.sum(0)?);
        }
        Ok((Some(d_y.matmul(&self.weight.matrix()?)?), None))
    }
}

/// What [`Pass::rows`] says.
struct Rows {
    entry: Entry,
    indices: Tensor,
    gradients: Gradients,
}

impl CustomOp1 for Rows {
    fn name(&self) -> &'static str {
        "rows"
    }

    fn cpu_fwd(
        &self,
        _flat: &CpuStorage,
        _layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        storage(&self.entry.values.index_select(&self.indices, 0)?)
    }

    fn bwd(
        &self,
        _flat: &Tensor,
        _rows: &Tensor,
        d_rows: &Tensor,
    ) -> candle_core::Result<Option<Tensor>> {
        let zeros = self.entry.values.zeros_like()?;
        let gradient = zeros.index_add(&self.indices, &d_rows.contiguous()?, 0)?;
        leave(&self.gradients, &self.entry, &gradient);
        Ok(None)
    }
}

/// A tensor of the contiguous numbers that an operation is given.
pub(crate) fn tensor(storage: &CpuStorage, layout: &Layout) -> candle_core::Result<Tensor> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("a layer takes contiguous tensors only");
    };
    let device = &candle_core::Device::Cpu;
    match storage {
        CpuStorage::F32(numbers) => {
            Tensor::from_slice(&numbers[start..end], layout.shape(), device)
        }
        CpuStorage::F64(numbers) => {
            Tensor::from_slice(&numbers[start..end], layout.shape(), device)
        }
        _ => bail!("a layer takes f32 or f64 tensors"),
    }
}

/// What an operation gives back.
pub(crate) fn storage(tensor: &Tensor) -> candle_core::Result<(CpuStorage, Shape)> {
    let tensor = tensor.contiguous()?;
    let shape = tensor.shape().clone();
    let flat = tensor.flatten_all()?;
    Ok(match flat.dtype() {
        DType::F64 => (CpuStorage::F64(flat.to_vec1()?), shape),
        _ => (CpuStorage::F32(flat.to_vec1()?), shape),
    })
}
