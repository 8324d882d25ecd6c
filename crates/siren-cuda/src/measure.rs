//! What a card is, and how long it takes.

use cudarc::driver::sys::CUdevice_attribute;

use crate::device::{Buffer, Device, driver_version};
use crate::error::{Error, Result};

/// Properties of a card, as the driver tells them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CardProperties {
    /// Major and minor compute capability, such as 8 and 9.
    pub compute_capability: [i32; 2],
    /// Number of multiprocessors.
    pub multiprocessors: i32,
    /// Memory in bytes.
    pub memory_bytes: usize,
    /// Version of CUDA that the driver supports, such as 12040 for 12.4.
    pub driver_version: i32,
}

/// How long a kernel took.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct KernelTime {
    /// Name of the kernel in the PTX.
    pub kernel: &'static str,
    /// Milliseconds on the device.
    pub milliseconds: f64,
}

impl Device {
    /// Returns the properties of the card.
    ///
    /// # Errors
    /// [`Error::Driver`] if the driver refuses.
    pub fn properties(&self) -> Result<CardProperties> {
        let context = self.context();
        let capability = context.compute_capability();
        let (major, minor) = capability.map_err(Error::driver("reading the compute capability"))?;
        let attribute = CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT;
        let multiprocessors = context.attribute(attribute);
        let memory = context.total_mem();
        Ok(CardProperties {
            compute_capability: [major, minor],
            multiprocessors: multiprocessors
                .map_err(Error::driver("reading the number of multiprocessors"))?,
            memory_bytes: memory.map_err(Error::driver("reading the size of the memory"))?,
            driver_version: driver_version()?,
        })
    }

    /// Returns the bytes of memory that no program uses.
    ///
    /// # Errors
    /// [`Error::Driver`] if the driver refuses.
    pub fn free_bytes(&self) -> Result<usize> {
        let free = self.context().mem_get_info();
        Ok(free.map_err(Error::driver("reading the free memory"))?.0)
    }

    /// Times `repeats` copies of so many bytes from one place on the device to another, after one copy without a time. Returns the seconds of each.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::Driver`] if a copy fails.
    pub fn copy_seconds(&self, bytes: usize, repeats: usize) -> Result<Vec<f64>> {
        let elements = bytes / size_of::<f32>();
        let from: Buffer<f32> = self.zeros(elements, "the source of a copy")?;
        let mut to: Buffer<f32> = self.zeros(elements, "the target of a copy")?;
        self.copy(&from, &mut to)?;
        let mut seconds = Vec::with_capacity(repeats);
        for _ in 0..repeats {
            let start = self.event()?;
            self.copy(&from, &mut to)?;
            let milliseconds = start.elapsed_ms(&self.event()?);
            let milliseconds = milliseconds.map_err(Error::driver("timing a copy"))?;
            seconds.push(f64::from(milliseconds) / 1e3);
        }
        Ok(seconds)
    }

    /// Runs `work` and returns its result with the time of every kernel that it started on this device, in order. Work of other threads on the device is counted too.
    ///
    /// An event before and after each kernel costs some microseconds: time a whole step without this method.
    ///
    /// # Errors
    /// Those of `work`; [`Error::Driver`] if a kernel failed.
    pub fn kernel_times<T>(
        &self,
        work: impl FnOnce() -> Result<T>,
    ) -> Result<(T, Vec<KernelTime>)> {
        self.record_launches();
        let result = work();
        let launches = self.take_launches();
        let result = result?;
        self.synchronize()?;
        let mut times = Vec::with_capacity(launches.len());
        for launch in launches {
            let milliseconds = launch.start.elapsed_ms(&launch.end);
            let milliseconds = milliseconds.map_err(Error::driver("timing a kernel"))?;
            times.push(KernelTime {
                kernel: launch.kernel.name(),
                milliseconds: f64::from(milliseconds),
            });
        }
        Ok((result, times))
    }
}
