//! Streams and memory of other libraries in the same process, which hold them by cudarc too.

use std::sync::Arc;

use cudarc::driver::{CudaSlice, CudaStream, CudaView, DevicePtrMut, DeviceSlice, SyncOnDrop};

use super::{Buffer, Device};
use crate::array::DeviceArray;
use crate::error::{Error, Result};
use crate::kernels::PtxFile;

/// Elements on a device that a kernel reads in place: those of a [`DeviceArray`], or memory of another library.
pub struct DeviceView<'a> {
    pub(crate) address: u64,
    len: usize,
    /// Tells cudarc, when it is dropped, that kernels on the stream of the device read the memory.
    _read: SyncOnDrop<'a>,
}

impl DeviceView<'_> {
    /// Returns the number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Device {
    /// Makes a device whose work runs on a stream of another library, in the order of all calls on that stream.
    ///
    /// If the stream is the default one of each thread (`CudaContext::per_thread_stream`), the order is that of one thread alone: a thread that
    /// takes over waits first ([`synchronize`](Self::synchronize), called by the thread before it).
    ///
    /// Memory that is freed stays with the program, for both.
    ///
    /// # Errors
    /// [`Error::OldDevice`]; [`Error::Driver`] if the driver refuses.
    pub fn on_stream(stream: Arc<CudaStream>) -> Result<Self> {
        Self::with_stream(stream, PtxFile::ALL.map(|file| file.ptx().into()))
    }

    /// Borrows elements of another library for calls that read them in place.
    ///
    /// # Errors
    /// [`Error::ForeignMemory`] if they are on another device.
    pub fn view<'a>(&'a self, elements: CudaView<'a, f32>) -> Result<DeviceView<'a>> {
        self.must_have(&elements)?;
        let len = elements.len();
        let (address, read) = elements.view_ptr(&self.0.stream);
        Ok(DeviceView {
            address,
            len,
            _read: read,
        })
    }

    /// Copies elements of another library, on the device.
    ///
    /// # Errors
    /// [`Error::ForeignMemory`] if they are on another device; [`Error::OutOfMemory`].
    pub fn array_from(&self, elements: &CudaView<'_, f32>) -> Result<DeviceArray> {
        self.must_have(elements)?;
        let mut buffer = self.uninitialized(elements.len(), "a copy of elements")?;
        if !elements.is_empty() {
            let copied = self.0.stream.memcpy_dtod(elements, &mut buffer.slice);
            copied.map_err(Error::driver("copying on the device"))?;
        }
        Ok(self.array_of(buffer))
    }

    /// Returns a buffer as a view.
    pub(crate) fn view_of<'a>(&'a self, buffer: &'a Buffer<f32>) -> DeviceView<'a> {
        let (address, read) = buffer.slice.as_view().view_ptr(&self.0.stream);
        DeviceView {
            address,
            len: buffer.len,
            _read: read,
        }
    }

    /// Checks that memory belongs to the context of the device.
    fn must_have(&self, elements: &CudaView<'_, f32>) -> Result<()> {
        let theirs = elements.stream().context();
        if theirs == self.0.stream.context() {
            return Ok(());
        }
        Err(Error::ForeignMemory {
            expected: self.index(),
            got: theirs.ordinal(),
        })
    }
}

impl DeviceArray {
    /// Returns the elements for calls that read them in place.
    #[must_use]
    pub fn view(&self) -> DeviceView<'_> {
        self.device.view_of(&self.buffer)
    }

    /// Returns the elements as memory that another library may own. They are copied, on the device, if the array has clones. The memory has at
    /// least one element.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`], if they are copied.
    pub fn into_slice(self) -> Result<CudaSlice<f32>> {
        let Self { device, buffer } = self;
        let mut buffer = match Arc::try_unwrap(buffer) {
            Ok(buffer) => buffer,
            Err(shared) => {
                let mut copy = device.uninitialized(shared.len(), "a copy of elements")?;
                device.copy(&shared, &mut copy)?;
                copy
            }
        };
        // The kernels wrote the memory by its address. This tells cudarc, in case that the other library uses several streams.
        drop(buffer.slice.device_ptr_mut(&device.0.stream));
        Ok(buffer.slice)
    }
}
