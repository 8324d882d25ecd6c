//! Errors of the engine.

/// Error of a device or of an argument.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no driver.
    #[error(
        "no NVIDIA driver: expected the library `libcuda.so.1` (Windows: `nvcuda.dll`), which the NVIDIA driver installs; install the driver, or \
         use the device `cpu`"
    )]
    NoDriver,
    /// There is no device of this number.
    #[error("no CUDA device {index}: the driver knows {count}, counted from 0")]
    NoDevice {
        /// The number that was given.
        index: usize,
        /// Number of devices.
        count: usize,
    },
    /// The device is older than the kernels.
    #[error(
        "CUDA device {index} ({name}) has compute capability {major}.{minor}; the kernels need 8.0 or newer (Ampere, 2020)"
    )]
    OldDevice {
        /// Number of the device.
        index: usize,
        /// Name of the device.
        name: String,
        /// Major compute capability.
        major: i32,
        /// Minor compute capability.
        minor: i32,
    },
    /// The device has too little free memory.
    #[error(
        "out of memory on the CUDA device: {bytes} bytes for {what}; use fewer points at a time, a narrower network, or another device"
    )]
    OutOfMemory {
        /// What was to be allocated.
        what: &'static str,
        /// Its size.
        bytes: usize,
    },
    /// An argument has the wrong length.
    #[error("{what}: expected {expected}, got {got}")]
    Length {
        /// The argument.
        what: &'static str,
        /// What was expected.
        expected: String,
        /// What was given.
        got: usize,
    },
    /// The jets have more components than a tile has rows.
    #[error(
        "jets of {components} components: the CUDA engine computes at most {most}; use fewer second-order traces, or the device `cpu`"
    )]
    Components {
        /// Number of components.
        components: usize,
        /// Largest number.
        most: usize,
    },
    /// Memory that was borrowed is on another device, or in another context of the driver.
    #[error(
        "memory for CUDA device {expected}: expected memory of its context, got memory of device {got}"
    )]
    ForeignMemory {
        /// Number of the device that was to use the memory.
        expected: usize,
        /// Number of the device that has the memory.
        got: usize,
    },
    /// A driver call failed.
    #[error("CUDA driver: {doing}: {source}")]
    Driver {
        /// What was being done.
        doing: &'static str,
        /// The driver's error.
        source: cudarc::driver::DriverError,
    },
}

/// Result of the engine.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Makes an error of a driver call.
    pub(crate) fn driver(doing: &'static str) -> impl Fn(cudarc::driver::DriverError) -> Self {
        move |source| Self::Driver { doing, source }
    }
}
