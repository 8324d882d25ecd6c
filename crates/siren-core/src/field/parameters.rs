//! Parameters of a model: one flat tensor with names and roles.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{DType, Device, Tensor, Var};

use super::layout::Layout;
use super::resident::Resident;
use crate::error::{Error, Result};

/// Parameters `(P,)` of a model as one flat tensor, with a [`Layout`] of named views.
///
/// An optimizer changes the elements in place. [`copy`](Self::copy), [`flat`](Self::flat) and [`named`](Self::named) return copies, which
/// later steps do not change.
///
/// An engine with memory of its own keeps a copy there between steps, which optimizers change in place. The elements are copied back where they
/// are asked for.
pub struct Parameters {
    flat: Var,
    layout: Arc<Layout>,
    device_copy: Mutex<DeviceCopy>,
}

/// Copy of the parameters on the device of an engine.
#[derive(Default)]
struct DeviceCopy {
    parameters: Option<Arc<dyn Resident>>,
    /// Whether the copy has been changed since it was made or read: the tensor holds older elements.
    is_newer: bool,
}

impl DeviceCopy {
    /// Copies newer elements to `flat`.
    fn read_to(&mut self, flat: &Var) -> Result<()> {
        if let Some(parameters) = self.parameters.as_ref().filter(|_| self.is_newer) {
            flat.set(&parameters.read()?)?;
            self.is_newer = false;
        }
        Ok(())
    }
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
            device_copy: Mutex::default(),
        })
    }

    /// Returns a copy, independent of later steps.
    ///
    /// # Errors
    /// If the device is out of memory.
    pub fn copy(&self) -> Result<Self> {
        self.device_copy().read_to(&self.flat)?;
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
    /// step, and may be changed: a copy on the device of an engine is given up, and made anew when it is needed.
    ///
    /// # Errors
    /// If the device of an engine fails.
    pub fn var(&self) -> Result<&Var> {
        let mut device_copy = self.device_copy();
        device_copy.read_to(&self.flat)?;
        *device_copy = DeviceCopy::default();
        Ok(&self.flat)
    }

    /// Returns the variable as the leaf of a graph. Its elements may be older than those on the device of an engine.
    pub(crate) fn leaf(&self) -> &Var {
        &self.flat
    }

    /// Returns the copy on the device of an engine; `upload` makes it of the flat tensor `(P,)` if there is none.
    pub(crate) fn resident(
        &self,
        upload: impl FnOnce(&Tensor) -> Result<Arc<dyn Resident>>,
    ) -> Result<Arc<dyn Resident>> {
        let mut device_copy = self.device_copy();
        if let Some(parameters) = &device_copy.parameters {
            return Ok(Arc::clone(parameters));
        }
        let parameters = upload(self.flat.as_tensor())?;
        device_copy.parameters = Some(Arc::clone(&parameters));
        Ok(parameters)
    }

    /// Changes the copy on the device of an engine, if there is one. Readers wait meanwhile.
    pub(crate) fn change_resident<R>(
        &self,
        change: impl FnOnce(&dyn Resident) -> Result<R>,
    ) -> Result<Option<R>> {
        let mut device_copy = self.device_copy();
        let Some(parameters) = &device_copy.parameters else {
            return Ok(None);
        };
        let changed = change(parameters.as_ref());
        device_copy.is_newer = true;
        changed.map(Some)
    }

    fn device_copy(&self) -> MutexGuard<'_, DeviceCopy> {
        let device_copy = self.device_copy.lock();
        device_copy.unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a copy of the flat tensor `(P,)`.
    ///
    /// # Errors
    /// If the device is out of memory.
    pub fn flat(&self) -> Result<Tensor> {
        self.device_copy().read_to(&self.flat)?;
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
        let mut device_copy = self.device_copy();
        self.flat.set(&flat.detach())?;
        *device_copy = DeviceCopy::default();
        Ok(())
    }
}

impl std::fmt::Debug for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parameters")
            .field("layout", &self.layout)
            .finish_non_exhaustive()
    }
}
