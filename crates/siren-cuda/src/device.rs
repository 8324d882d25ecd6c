//! Devices, their memory, and kernel launches.

mod foreign;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cudarc::driver::result::{device, mem_pool, memcpy_htod_async};
use cudarc::driver::sys::{
    CUevent_flags, CUfunction_attribute, CUmemPool_attribute, CUresult, cuDriverGetVersion,
};
use cudarc::driver::{
    CudaContext, CudaEvent, CudaFunction, CudaSlice, CudaStream, DevicePtr, DeviceRepr,
    DriverError, LaunchConfig, PushKernelArg, ValidAsZeroBits,
};
use cudarc::nvrtc::Ptx;

use crate::arguments;
use crate::error::{Error, Result};
use crate::kernels::{Kernel, MOST_GROUPS, PtxFile, THREADS};
use crate::tables::Tables;

pub use self::foreign::DeviceView;

/// Oldest compute capability: `mma` with halves, `cp.async` and `redux` need Ampere.
const OLDEST_CAPABILITY: (i32, i32) = (8, 0);

/// Dynamic shared memory that a kernel may have without a call that permits more.
const SHARED_BYTES_WITHOUT_CONSENT: u32 = 48 * 1024;

/// File name of the driver's library.
const DRIVER_LIBRARY: &str = if cfg!(windows) {
    "nvcuda.dll"
} else {
    "libcuda.so.1"
};

/// An NVIDIA device. Clones share it.
#[derive(Clone)]
pub struct Device(Arc<Inner>);

struct Inner {
    index: usize,
    name: String,
    stream: Arc<CudaStream>,
    /// The PTX of each file.
    kernels: [Cow<'static, str>; 3],
    /// The kernels of each file, compiled by the driver at first use.
    modules: [OnceLock<Vec<CudaFunction>>; 3],
    tables: Tables,
    /// The kernels started since [`Device::record_launches`].
    launches: Mutex<Option<Vec<Launch>>>,
}

/// A kernel that was started, between two events.
pub(crate) struct Launch {
    pub(crate) kernel: Kernel,
    pub(crate) start: CudaEvent,
    pub(crate) end: CudaEvent,
}

impl Device {
    /// Opens the device of this number, counted from 0.
    ///
    /// # Errors
    /// [`Error::NoDriver`], [`Error::NoDevice`] or [`Error::OldDevice`]; [`Error::Driver`] if the driver refuses.
    pub fn open(index: usize) -> Result<Self> {
        Self::open_with(index, PtxFile::ALL.map(|file| Cow::Borrowed(file.ptx())))
    }

    /// Opens a device with the given PTX of each file.
    pub(crate) fn open_with(index: usize, kernels: [Cow<'static, str>; 3]) -> Result<Self> {
        if !has_driver() {
            return Err(Error::NoDriver);
        }
        let count = CudaContext::device_count().map_err(Error::driver("counting devices"))?;
        let count = usize::try_from(count).unwrap_or(0);
        if index >= count {
            return Err(Error::NoDevice { index, count });
        }
        let context = CudaContext::new(index).map_err(Error::driver("opening a device"))?;
        // All work is on one stream, so that it runs in the order of the calls.
        Self::with_stream(context.default_stream(), kernels)
    }

    /// Makes a device whose work is on the given stream.
    fn with_stream(stream: Arc<CudaStream>, kernels: [Cow<'static, str>; 3]) -> Result<Self> {
        let context = stream.context();
        let index = context.ordinal();
        let name = context.name().map_err(Error::driver("reading its name"))?;
        let capability = context
            .compute_capability()
            .map_err(Error::driver("reading its compute capability"))?;
        if capability < OLDEST_CAPABILITY {
            let (major, minor) = capability;
            return Err(Error::OldDevice {
                index,
                name,
                major,
                minor,
            });
        }
        keep_freed_memory(context).map_err(Error::driver("setting up its memory"))?;
        Ok(Self(Arc::new(Inner {
            index,
            name,
            stream,
            kernels,
            modules: [const { OnceLock::new() }; 3],
            tables: Tables::default(),
            launches: Mutex::new(None),
        })))
    }

    /// Returns the tables of constants on the device.
    pub(crate) fn tables(&self) -> &Tables {
        &self.0.tables
    }

    /// Returns the number of the device.
    #[must_use]
    pub fn index(&self) -> usize {
        self.0.index
    }

    /// Returns the name of the device, such as `NVIDIA H100 80GB HBM3`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Waits until all work is done.
    ///
    /// # Errors
    /// [`Error::Driver`] if a kernel failed.
    pub fn synchronize(&self) -> Result<()> {
        let result = self.0.stream.synchronize();
        result.map_err(Error::driver("waiting for the device"))
    }

    /// Copies elements to the device.
    pub(crate) fn upload<T: Element>(&self, elements: &[T]) -> Result<Buffer<T>> {
        let mut buffer = self.uninitialized(elements.len(), "an upload")?;
        if !elements.is_empty() {
            let copied = self.0.stream.memcpy_htod(elements, &mut buffer.slice);
            copied.map_err(Error::driver("copying to the device"))?;
        }
        Ok(buffer)
    }

    /// Replaces the elements of a buffer, after all work that was started before.
    pub(crate) fn overwrite(&self, elements: &[f32], buffer: &Buffer<f32>) -> Result<()> {
        assert_eq!(elements.len(), buffer.len);
        let context = self.0.stream.context().bind_to_thread();
        context.map_err(Error::driver("binding to the device"))?;
        let (address, stream) = (self.address(buffer), self.0.stream.cu_stream());
        // SAFETY: the buffer is alive and has as many elements. The driver has read `elements` when the call returns, because it copies from
        // pageable memory. The copy runs in the order of the only stream.
        let copied = unsafe { memcpy_htod_async(address, elements, stream) };
        copied.map_err(Error::driver("copying to the device"))
    }

    /// Copies elements from the device.
    pub(crate) fn download<T: Element>(&self, buffer: &Buffer<T>) -> Result<Vec<T>> {
        let mut elements = vec![T::default(); buffer.len];
        if !elements.is_empty() {
            let view = buffer.slice.slice(..buffer.len);
            let copied = self.0.stream.memcpy_dtoh(&view, &mut elements);
            copied.map_err(Error::driver("copying from the device"))?;
            self.synchronize()?;
        }
        Ok(elements)
    }

    /// Allocates elements whose values are arbitrary until a kernel writes them. `what` is the name in messages.
    pub(crate) fn uninitialized<T: Element>(
        &self,
        len: usize,
        what: &'static str,
    ) -> Result<Buffer<T>> {
        // SAFETY: `Element` is implemented for types of which every bit pattern is a value. Nothing reads the elements before a copy or a
        // kernel has written them; the tests run the kernels in an interpreter that finds such reads.
        let slice = unsafe { self.0.stream.alloc(len.max(1)) };
        let bytes = len * size_of::<T>();
        let slice = slice.map_err(|error| allocation_error(error, what, bytes))?;
        Ok(Buffer { slice, len })
    }

    /// Allocates zeros.
    pub(crate) fn zeros<T: Element>(&self, len: usize, what: &'static str) -> Result<Buffer<T>> {
        let mut buffer = self.uninitialized(len, what)?;
        let filled = self.0.stream.memset_zeros(&mut buffer.slice);
        filled.map_err(Error::driver("filling a buffer"))?;
        Ok(buffer)
    }

    /// Returns the address of a buffer on the device.
    pub(crate) fn address<T: Element>(&self, buffer: &Buffer<T>) -> u64 {
        buffer.slice.device_ptr(&self.0.stream).0
    }

    /// Starts a kernel of a file with a grid of blocks `(x, y, z)`. Buffers of its argument may be dropped at once: their memory is released in the order of
    /// the stream.
    pub(crate) fn launch<A: Argument>(
        &self,
        file: impl Into<PtxFile>,
        grid: [usize; 3],
        argument: &A,
    ) -> Result<()> {
        if grid.contains(&0) {
            return Ok(());
        }
        let file = file.into();
        let config = LaunchConfig {
            grid_dim: grid_dim(grid)?,
            block_dim: (argument.groups() * THREADS as u32, 1, 1),
            shared_mem_bytes: file.shared_bytes(A::KERNEL, argument.groups()),
        };
        let function = &self.functions(file)?[A::KERNEL as usize - file.kernels()[0] as usize];
        let argument = Packaged(*argument);
        let mut launch = self.0.stream.launch_builder(function);
        launch.arg(&argument);
        let start = self.is_recording().then(|| self.event()).transpose()?;
        // SAFETY: the argument is the one that the kernel declares (`Argument`), and its addresses are those of buffers on this device, or of
        // memory of its context that a `DeviceView` borrows, with the sizes of the same tiling: `fields.rs` makes both. The tests run every kernel in an interpreter that checks each access.
        let launched = unsafe { launch.launch(config) };
        launched.map_err(Error::driver("starting a kernel"))?;
        if let Some(start) = start {
            let (kernel, end) = (A::KERNEL, self.event()?);
            let launch = Launch { kernel, start, end };
            let mut launches = self.launches();
            launches.get_or_insert_default().push(launch);
        }
        Ok(())
    }

    fn launches(&self) -> std::sync::MutexGuard<'_, Option<Vec<Launch>>> {
        let launches = self.0.launches.lock();
        launches.unwrap_or_else(PoisonError::into_inner)
    }

    fn is_recording(&self) -> bool {
        self.launches().is_some()
    }

    /// Records every kernel that is started until [`take_launches`](Self::take_launches).
    pub(crate) fn record_launches(&self) {
        *self.launches() = Some(Vec::new());
    }

    /// Returns the kernels recorded, and records no more.
    pub(crate) fn take_launches(&self) -> Vec<Launch> {
        self.launches().take().unwrap_or_default()
    }

    /// Records an event with a time in the stream.
    pub(crate) fn event(&self) -> Result<CudaEvent> {
        let flags = Some(CUevent_flags::CU_EVENT_DEFAULT);
        let event = self.0.stream.context().new_event(flags);
        let event = event.map_err(Error::driver("making an event"))?;
        let recorded = event.record(&self.0.stream);
        recorded.map_err(Error::driver("recording an event"))?;
        Ok(event)
    }

    /// Starts a copy from one buffer to another of at least its length.
    pub(crate) fn copy<T: Element>(&self, from: &Buffer<T>, to: &mut Buffer<T>) -> Result<()> {
        let copied = self.0.stream.memcpy_dtod(&from.slice, &mut to.slice);
        copied.map_err(Error::driver("copying on the device"))
    }

    /// Starts a copy of adjacent elements of a buffer to another of their number.
    pub(crate) fn copy_part<T: Element>(
        &self,
        from: &Buffer<T>,
        elements: Range<usize>,
        to: &mut Buffer<T>,
    ) -> Result<()> {
        if elements.is_empty() {
            return Ok(());
        }
        let from = from.slice.slice(elements);
        let copied = self.0.stream.memcpy_dtod(&from, &mut to.slice);
        copied.map_err(Error::driver("copying on the device"))
    }

    /// Returns the context of the device.
    pub(crate) fn context(&self) -> &CudaContext {
        self.0.stream.context()
    }

    /// Returns the kernels of a file, in the order of [`PtxFile::kernels`].
    fn functions(&self, file: PtxFile) -> Result<&[CudaFunction]> {
        let module = &self.0.modules[file.index()];
        if let Some(functions) = module.get() {
            return Ok(functions);
        }
        let context = self.0.stream.context();
        let compiled = context.load_module(Ptx::from_src(&*self.0.kernels[file.index()]));
        let compiled = compiled.map_err(Error::driver("compiling the kernels"))?;
        let function = |kernel: &Kernel| {
            let function = compiled.load_function(kernel.name())?;
            let shared = file.shared_bytes(*kernel, MOST_GROUPS);
            if shared > SHARED_BYTES_WITHOUT_CONSENT {
                let attribute =
                    CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
                function.set_attribute(attribute, shared as i32)?;
            }
            Ok(function)
        };
        let functions: std::result::Result<Vec<_>, DriverError> =
            file.kernels().iter().map(function).collect();
        let functions = functions.map_err(Error::driver("finding a kernel"))?;
        Ok(module.get_or_init(|| functions))
    }
}

/// Returns the version of CUDA that the driver supports, `1000 · major + 10 · minor`.
pub(crate) fn driver_version() -> Result<i32> {
    let mut version = 0;
    // SAFETY: the pointer is valid for a write. `Device::open` has found the driver before anyone holds a device.
    let status = unsafe { cuDriverGetVersion(&raw mut version) };
    let known = status.result();
    known.map_err(Error::driver("reading the driver's version"))?;
    Ok(version)
}

/// Returns whether the driver's library can be loaded. Cudarc panics where it cannot, and its own check is absent from builds that link to
/// the driver, such as those with candle's CUDA backend.
fn has_driver() -> bool {
    // SAFETY: loading the driver's library runs its initializers, as in any program that uses CUDA; no symbol is called here.
    unsafe { libloading::Library::new(DRIVER_LIBRARY) }.is_ok()
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Device({}: {})", self.0.index, self.0.name)
    }
}

/// Keeps memory that was freed for the next allocations of this program. By default the driver returns it to the system whenever the device is
/// idle, that is in every step, and takes it back page by page.
fn keep_freed_memory(context: &CudaContext) -> std::result::Result<(), DriverError> {
    if !context.has_async_alloc() {
        return Ok(());
    }
    let mut threshold = u64::MAX;
    let attribute = CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    // SAFETY: the device is that of an open context, its pool exists as long as the device, and the driver reads this attribute's value, a
    // 64-bit number, during the call.
    unsafe {
        let pool = device::get_default_mem_pool(context.cu_device())?;
        mem_pool::set_attribute(pool, attribute, (&raw mut threshold).cast())
    }
}

fn allocation_error(error: DriverError, what: &'static str, bytes: usize) -> Error {
    if error.0 == CUresult::CUDA_ERROR_OUT_OF_MEMORY {
        return Error::OutOfMemory { what, bytes };
    }
    Error::driver("allocating memory")(error)
}

/// Checks a grid against the limits of CUDA: 2³¹ − 1 blocks in x, 65,535 in y and z.
fn grid_dim(grid: [usize; 3]) -> Result<(u32, u32, u32)> {
    let limits = [i32::MAX as usize, 65_535, 65_535];
    let axes = [
        "rows or parameters",
        "points of a field",
        "fields of a batch",
    ];
    for ((blocks, limit), what) in grid.into_iter().zip(limits).zip(axes) {
        if blocks > limit {
            return Err(Error::Length {
                what,
                expected: format!("at most {limit} blocks of a grid"),
                got: blocks,
            });
        }
    }
    let [x, y, z] = grid.map(|blocks| blocks as u32);
    Ok((x, y, z))
}

/// Memory on a device.
pub(crate) struct Buffer<T> {
    slice: CudaSlice<T>,
    /// Number of elements; the allocation has at least one.
    len: usize,
}

impl<T> Buffer<T> {
    /// Returns the number of elements.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

/// Element of a buffer: a type of which every bit pattern is a value, and which has the same layout on the device.
pub(crate) trait Element: DeviceRepr + ValidAsZeroBits + Default + Copy {}
impl Element for f32 {}
impl Element for f64 {}
impl Element for u32 {}
impl Element for i32 {}

macro_rules! elements {
    ($($element:ident),*) => {
        $(
            impl Element for arguments::$element {}
            // SAFETY: `repr(C)` without padding, with the fields of its counterpart in `kernels/*.cuh`.
            unsafe impl DeviceRepr for arguments::$element {}
            // SAFETY: zero bits are zeros of its fields.
            unsafe impl ValidAsZeroBits for arguments::$element {}
        )*
    };
}
elements!(TraceTerm, PackedLayer, AdamRange, TallMatrix);

/// Argument of a kernel.
pub(crate) trait Argument: Copy {
    /// The kernel, whose only parameter is the struct of the same name.
    const KERNEL: Kernel;

    /// Returns how often a block has [`THREADS`] threads.
    fn groups(&self) -> u32 {
        1
    }
}

macro_rules! arguments {
    ($($argument:ident),*) => {
        $(impl Argument for arguments::$argument {
            const KERNEL: Kernel = Kernel::$argument;
        })*
    };
}
arguments!(
    FeaturesForward,
    LayerForward,
    Scatter,
    LayerBackward,
    WeightGradient,
    FeaturesGradient,
    Reduce,
    Pack,
    SquareError,
    SumOfSquares,
    Addition,
    Gather,
    AdamUpdate,
    MuonMomentum,
    MuonNormalize,
    MuonGram,
    MuonPolynomial,
    MuonMultiply,
    MuonUpdate
);
impl Argument for arguments::NarrowForward {
    const KERNEL: Kernel = Kernel::NarrowForward;

    fn groups(&self) -> u32 {
        self.tiles as u32
    }
}
impl Argument for arguments::NarrowBackward {
    const KERNEL: Kernel = Kernel::NarrowBackward;

    fn groups(&self) -> u32 {
        self.tiles as u32
    }
}
impl Argument for arguments::Maximum {
    const KERNEL: Kernel = Kernel::WeightMaximum;
}

struct Packaged<A>(A);

// SAFETY: the structs of `arguments` are `repr(C)` with the fields of their counterparts in `kernels/*.cuh`. The driver copies as many bytes as the
// kernel declares; the interpreter of the tests compares declared sizes and finds reads beyond them.
unsafe impl<A: Argument> DeviceRepr for Packaged<A> {}
