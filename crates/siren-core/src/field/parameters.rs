//! Parameters of a model: one flat tensor with names and roles.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor, Var};

use super::layout::Layout;
use crate::error::{Error, Result};

/// Parameters `(P,)` of a model as one flat tensor, with a [`Layout`] of named views.
///
/// An optimizer changes the elements in place. [`copy`](Self::copy), [`flat`](Self::flat) and [`named`](Self::named) return copies, which
/// later steps do not change.
#[derive(Debug)]
pub struct Parameters {
    flat: Var,
    layout: Arc<Layout>,
}

impl Parameters {
    /// Copies `flat (P,)`.
    ///
    /// # Errors
    /// [`Error::Shape`] if the length is not that of the layout.
    pub fn new(flat: &Tensor, layout: impl Into<Arc<Layout>>) -> Result<Self> {
        let layout = layout.into();
        if flat.dims() != [layout.len()] {
            return Err(Error::Shape {
                what: "parameters",
                expected: format!("[{}]", layout.len()),
                got: format!("{:?}", flat.dims()),
            });
        }
        Ok(Self {
            flat: Var::from_tensor(&flat.detach().contiguous()?.copy()?)?,
            layout,
        })
    }

    /// Returns a copy, independent of later steps.
    ///
    /// # Errors
    /// If the device is out of memory.
    pub fn copy(&self) -> Result<Self> {
        Self::new(self.flat.as_tensor(), Arc::clone(&self.layout))
    }

    /// Returns the names, shapes and roles.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Returns the number of elements, `P`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.layout.len()
    }

    /// Returns whether there are no parameters.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.layout.is_empty()
    }

    /// Returns the type of the elements.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.flat.dtype()
    }

    /// Returns the device that holds the elements.
    #[must_use]
    pub fn device(&self) -> &Device {
        self.flat.device()
    }

    /// Returns the variable, the leaf of every graph, by which gradients are looked up in candle's store. Its elements change with every
    /// step.
    #[must_use]
    pub fn var(&self) -> &Var {
        &self.flat
    }

    /// Returns a copy of the flat tensor `(P,)`.
    ///
    /// # Errors
    /// If the device is out of memory.
    pub fn flat(&self) -> Result<Tensor> {
        Ok(self.flat.as_detached_tensor().copy()?)
    }

    /// Returns a copy of every tensor with its name.
    ///
    /// # Errors
    /// If the device is out of memory.
    pub fn named(&self) -> Result<Vec<(String, Tensor)>> {
        self.layout.split(&self.flat()?)
    }

    /// Replaces all elements by those of `flat (P,)`.
    ///
    /// # Errors
    /// If shape, type or device differ.
    pub fn set(&self, flat: &Tensor) -> Result<()> {
        Ok(self.flat.set(&flat.detach())?)
    }
}
