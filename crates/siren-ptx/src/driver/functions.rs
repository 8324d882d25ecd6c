//! The functions of `libcuda.so.1`, with their C interface.
//!
//! Every function has the contract of NVIDIA's documentation: pointers for results may be written, pointers for inputs may be read for the
//! length that the call names, and names are C strings. Null pointers are refused; beyond that, the caller is trusted, as it is by the driver.
#![allow(non_snake_case, reason = "names of the driver's interface")]

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{ptr, slice};

use super::device;
use super::launch::Request;
use super::status::{Result, Status, names};
use super::world::{
    CONTEXT, current_context, in_context, initialize, set_current_context, with_world,
};
use crate::execute::Argument;

type Handle = *mut c_void;

/// Code of a result; nothing unwinds into the caller.
fn code(call: impl FnOnce() -> Result<()>) -> c_int {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(())) => 0,
        Ok(Err(status)) => status.0,
        Err(_) => Status::UNKNOWN.0,
    }
}

/// Writes a result.
///
/// # Safety
///
/// The pointer is null, or valid for a write.
unsafe fn put<T>(target: *mut T, value: T) -> Result<()> {
    if target.is_null() {
        return Err(Status::INVALID_VALUE);
    }
    // SAFETY: not null, hence valid by this function's contract; the caller of the driver may not have aligned it.
    unsafe { target.write_unaligned(value) };
    Ok(())
}

/// Bytes that the caller passes.
///
/// # Safety
///
/// The pointer is null, or valid for reads of so many bytes while the result lives.
unsafe fn input<'a>(source: *const c_void, bytes: usize) -> Result<&'a [u8]> {
    if source.is_null() && bytes > 0 {
        return Err(Status::INVALID_VALUE);
    }
    if bytes == 0 {
        return Ok(&[]);
    }
    // SAFETY: not null, hence valid by this function's contract.
    Ok(unsafe { slice::from_raw_parts(source.cast(), bytes) })
}

/// A name that the caller passes.
///
/// # Safety
///
/// The pointer is null, or a C string that outlives the result.
unsafe fn text<'a>(source: *const c_char) -> Result<&'a str> {
    if source.is_null() {
        return Err(Status::INVALID_VALUE);
    }
    // SAFETY: not null, hence a C string by this function's contract.
    unsafe { CStr::from_ptr(source) }
        .to_str()
        .map_err(|_| Status::INVALID_VALUE)
}

fn handle(number: usize) -> Handle {
    ptr::without_provenance_mut(number)
}

fn check_device(device: c_int) -> Result<()> {
    if device == 0 {
        Ok(())
    } else {
        Err(Status::INVALID_DEVICE)
    }
}

/// Defines exported functions whose body is the result of a call. Inside, raw pointers come from the caller of the driver.
macro_rules! exported {
    ($($name:ident($($argument:ident: $type:ty),*) $body:block)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($argument: $type),*) -> c_int {
            code(|| $body)
        }
    )*};
}

// The device and its context.
exported! {
    cuInit(_flags: c_uint) { initialize() }

    cuDriverGetVersion(version: *mut c_int) {
        // Asked before `cuInit`, the version is that of the settings all the same.
        initialize()?;
        let number = with_world(|world| Ok(world.settings.driver_version))?;
        // SAFETY: contract of the interface: a pointer for a result.
        unsafe { put(version, number as c_int) }
    }

    cuDeviceGetCount(count: *mut c_int) {
        with_world(|_| Ok(()))?;
        // SAFETY: contract of the interface: a pointer for a result.
        unsafe { put(count, 1) }
    }

    cuDeviceGet(device: *mut c_int, ordinal: c_int) {
        with_world(|_| check_device(ordinal))?;
        // SAFETY: contract of the interface: a pointer for a result.
        unsafe { put(device, 0) }
    }

    cuDeviceGetName(name: *mut c_char, length: c_int, device: c_int) {
        check_device(device)?;
        let full = with_world(|world| Ok(device::name(world.settings.card)))?;
        let room = usize::try_from(length).ok().filter(|&room| room > 0).ok_or(Status::INVALID_VALUE)?;
        for (at, byte) in full.bytes().take(room - 1).chain([0]).enumerate() {
            // SAFETY: contract of the interface: `length` characters may be written, and `at` is below it.
            unsafe { put(name.wrapping_add(at), byte as c_char)? };
        }
        Ok(())
    }

    cuDeviceGetUuid_v2(uuid: *mut [u8; 16], device: c_int) {
        check_device(device)?;
        // SAFETY: contract of the interface: a pointer for a result of 16 bytes.
        unsafe { put(uuid, *b"siren-ptx-on-cpu") }
    }

    cuDeviceGetAttribute(value: *mut c_int, attribute: c_int, device: c_int) {
        check_device(device)?;
        let found = with_world(|world| device::attribute(world.settings.card, attribute))?;
        // SAFETY: contract of the interface: a pointer for a result.
        unsafe { put(value, found) }
    }

    cuDeviceTotalMem_v2(bytes: *mut usize, device: c_int) {
        check_device(device)?;
        let [_, total] = with_world(|world| Ok(device::memory(&world.memory)))?;
        // SAFETY: contract of the interface: a pointer for a result.
        unsafe { put(bytes, total) }
    }

    cuDevicePrimaryCtxRetain(context: *mut Handle, device: c_int) {
        with_world(|_| check_device(device))?;
        // SAFETY: contract of the interface: a pointer for a result.
        unsafe { put(context, handle(CONTEXT)) }
    }

    cuDevicePrimaryCtxRelease_v2(device: c_int) { with_world(|_| check_device(device)) }
    cuDevicePrimaryCtxSetFlags_v2(device: c_int, _flags: c_uint) { with_world(|_| check_device(device)) }

    cuCtxGetCurrent(context: *mut Handle) {
        with_world(|_| Ok(()))?;
        // SAFETY: contract of the interface: a pointer for a result.
        unsafe { put(context, handle(current_context())) }
    }

    cuCtxSetCurrent(context: Handle) { with_world(|_| set_current_context(context.addr())) }
    cuCtxSynchronize() { in_context(|_| Ok(())) }
    cuCtxSetFlags(_flags: c_uint) { in_context(|_| Ok(())) }

    cuCtxGetDevice(device: *mut c_int) {
        in_context(|_| Ok(()))?;
        // SAFETY: contract of the interface: a pointer for a result.
        unsafe { put(device, 0) }
    }

    cuCtxGetStreamPriorityRange(least: *mut c_int, greatest: *mut c_int) {
        in_context(|_| Ok(()))?;
        // SAFETY: contract of the interface: pointers for results.
        unsafe { put(least, 0).and(put(greatest, 0)) }
    }

    cuMemGetInfo_v2(free: *mut usize, total: *mut usize) {
        let [left, all] = in_context(|world| Ok(device::memory(&world.memory)))?;
        // SAFETY: contract of the interface: pointers for results.
        unsafe { put(free, left).and(put(total, all)) }
    }
}

// Memory.
exported! {
    cuMemAlloc_v2(address: *mut u64, bytes: usize) {
        let start = in_context(|world| world.allocate(bytes))?;
        // SAFETY: contract of the interface: a pointer for a result.
        unsafe { put(address, start) }
    }

    cuMemAllocAsync(address: *mut u64, bytes: usize, stream: Handle) {
        let start = in_context(|world| world.check_stream(stream.addr()).and_then(|()| world.allocate(bytes)))?;
        // SAFETY: contract of the interface: a pointer for a result.
        unsafe { put(address, start) }
    }

    cuMemFree_v2(address: u64) { in_context(|world| world.free(address)) }

    cuMemFreeAsync(address: u64, stream: Handle) {
        in_context(|world| world.check_stream(stream.addr()).and_then(|()| world.free(address)))
    }

    cuMemHostAlloc(pointer: *mut Handle, bytes: usize, _flags: c_uint) {
        let buffer = in_context(|world| Ok(world.allocate_host(bytes).cast()))?;
        // SAFETY: contract of the interface: a pointer for a result.
        unsafe { put(pointer, buffer) }
    }

    cuMemFreeHost(pointer: Handle) { in_context(|world| world.free_host(pointer.addr())) }

    cuMemcpyHtoD_v2(to: u64, from: *const c_void, bytes: usize) {
        // SAFETY: contract of the interface: `bytes` bytes may be read.
        let source = unsafe { input(from, bytes)? };
        in_context(|world| {
            let result = world.memory.write(to, source);
            world.memory_result(result)
        })
    }

    cuMemcpyDtoH_v2(to: *mut c_void, from: u64, bytes: usize) {
        if to.is_null() && bytes > 0 {
            return Err(Status::INVALID_VALUE);
        }
        in_context(|world| {
            let found = world.memory.read(from, bytes).map(<[u8]>::to_vec);
            let source = world.memory_result(found)?;
            // SAFETY: contract of the interface: `bytes` bytes may be written; `source` is a buffer of its own and has as many.
            unsafe { ptr::copy_nonoverlapping(source.as_ptr(), to.cast(), bytes) };
            Ok(())
        })
    }

    cuMemcpyDtoD_v2(to: u64, from: u64, bytes: usize) {
        in_context(|world| {
            let result = world.memory.copy(to, from, bytes);
            world.memory_result(result)
        })
    }

    cuMemsetD8_v2(to: u64, value: u8, count: usize) {
        in_context(|world| {
            let result = world.memory.fill(to, &[value], count);
            world.memory_result(result)
        })
    }

    cuMemsetD16_v2(to: u64, value: u16, count: usize) {
        in_context(|world| {
            let result = world.memory.fill(to, &value.to_le_bytes(), count);
            world.memory_result(result)
        })
    }

    cuMemsetD32_v2(to: u64, value: c_uint, count: usize) {
        in_context(|world| {
            let result = world.memory.fill(to, &value.to_le_bytes(), count);
            world.memory_result(result)
        })
    }
}

/// Defines the variants of functions that take a stream.
macro_rules! on_stream {
    ($($name:ident = $function:ident($($argument:ident: $type:ty),*);)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($argument: $type,)* stream: Handle) -> c_int {
            match code(|| in_context(|world| world.check_stream(stream.addr()))) {
                // SAFETY: the contracts of the two functions are the same.
                0 => unsafe { $function($($argument),*) },
                failed => failed,
            }
        }
    )*};
}

on_stream! {
    cuMemcpyHtoDAsync_v2 = cuMemcpyHtoD_v2(to: u64, from: *const c_void, bytes: usize);
    cuMemcpyDtoHAsync_v2 = cuMemcpyDtoH_v2(to: *mut c_void, from: u64, bytes: usize);
    cuMemcpyDtoDAsync_v2 = cuMemcpyDtoD_v2(to: u64, from: u64, bytes: usize);
    cuMemsetD8Async = cuMemsetD8_v2(to: u64, value: u8, count: usize);
    cuMemsetD16Async = cuMemsetD16_v2(to: u64, value: u16, count: usize);
    cuMemsetD32Async = cuMemsetD32_v2(to: u64, value: c_uint, count: usize);
}

// Streams and events.
exported! {
    cuStreamCreate(stream: *mut Handle, _flags: c_uint) {
        let created = in_context(|world| Ok(world.create_stream()))?;
        // SAFETY: contract of the interface: a pointer for a result.
        unsafe { put(stream, handle(created)) }
    }

    cuStreamCreateWithPriority(stream: *mut Handle, _flags: c_uint, _priority: c_int) {
        let created = in_context(|world| Ok(world.create_stream()))?;
        // SAFETY: contract of the interface: a pointer for a result.
        unsafe { put(stream, handle(created)) }
    }

    cuStreamDestroy_v2(stream: Handle) { in_context(|world| world.destroy_stream(stream.addr())) }
    cuStreamSynchronize(stream: Handle) { in_context(|world| world.check_stream(stream.addr())) }
    cuStreamQuery(stream: Handle) { in_context(|world| world.check_stream(stream.addr())) }

    cuStreamWaitEvent(stream: Handle, event: Handle, _flags: c_uint) {
        in_context(|world| world.check_stream(stream.addr()).and_then(|()| world.check_event(event.addr())))
    }

    cuStreamIsCapturing(stream: Handle, status: *mut c_int) {
        in_context(|world| world.check_stream(stream.addr()))?;
        // SAFETY: contract of the interface: a pointer for a result.
        unsafe { put(status, 0) }
    }

    cuEventCreate(event: *mut Handle, flags: c_uint) {
        let created = in_context(|world| Ok(world.create_event(flags)))?;
        // SAFETY: contract of the interface: a pointer for a result.
        unsafe { put(event, handle(created)) }
    }

    cuEventDestroy_v2(event: Handle) { in_context(|world| world.destroy_event(event.addr())) }
    cuEventRecord(event: Handle, stream: Handle) { in_context(|world| world.record_event(event.addr(), stream.addr())) }
    cuEventSynchronize(event: Handle) { in_context(|world| world.check_event(event.addr())) }
    cuEventQuery(event: Handle) { in_context(|world| world.check_event(event.addr())) }

    cuEventElapsedTime(milliseconds: *mut f32, start: Handle, end: Handle) {
        let elapsed = in_context(|world| world.elapsed(start.addr(), end.addr()))?;
        // SAFETY: contract of the interface: a pointer for a result.
        unsafe { put(milliseconds, elapsed) }
    }

    cuEventElapsedTime_v2(milliseconds: *mut f32, start: Handle, end: Handle) {
        let elapsed = in_context(|world| world.elapsed(start.addr(), end.addr()))?;
        // SAFETY: contract of the interface: a pointer for a result.
        unsafe { put(milliseconds, elapsed) }
    }
}

// Modules and kernels.
exported! {
    cuModuleLoadData(module: *mut Handle, image: *const c_void) {
        // SAFETY: contract of the interface: PTX is a C string. Binary images are refused, since they are not text.
        let source = unsafe { text(image.cast()) }.map_err(|_| Status::INVALID_PTX)?;
        let loaded = in_context(|world| world.load_module(source))?;
        // SAFETY: contract of the interface: a pointer for a result.
        unsafe { put(module, handle(loaded)) }
    }

    cuModuleLoad(module: *mut Handle, name: *const c_char) {
        // SAFETY: contract of the interface: a C string.
        let file = unsafe { text(name)? };
        let source = std::fs::read_to_string(file).map_err(|_| Status::FILE_NOT_FOUND)?;
        let loaded = in_context(|world| world.load_module(&source))?;
        // SAFETY: contract of the interface: a pointer for a result.
        unsafe { put(module, handle(loaded)) }
    }

    cuModuleUnload(module: Handle) { in_context(|world| world.unload_module(module.addr())) }

    cuModuleGetFunction(function: *mut Handle, module: Handle, name: *const c_char) {
        // SAFETY: contract of the interface: a C string.
        let name = unsafe { text(name)? };
        let found = in_context(|world| world.function(module.addr(), name))?;
        // SAFETY: contract of the interface: a pointer for a result.
        unsafe { put(function, handle(found)) }
    }

    cuModuleGetGlobal_v2(address: *mut u64, bytes: *mut usize, module: Handle, name: *const c_char) {
        // SAFETY: contract of the interface: a C string.
        let name = unsafe { text(name)? };
        let (start, size) = in_context(|world| world.variable(module.addr(), name))?;
        // Each of the two may be null.
        if !address.is_null() {
            // SAFETY: contract of the interface: a pointer for a result.
            unsafe { put(address, start)? };
        }
        if !bytes.is_null() {
            // SAFETY: contract of the interface: a pointer for a result.
            unsafe { put(bytes, size)? };
        }
        Ok(())
    }

    cuFuncGetAttribute(value: *mut c_int, attribute: c_int, function: Handle) {
        let found = in_context(|world| world.function_attribute(function.addr(), attribute))?;
        // SAFETY: contract of the interface: a pointer for a result.
        unsafe { put(value, found) }
    }

    cuFuncSetAttribute(function: Handle, attribute: c_int, value: c_int) {
        in_context(|world| world.set_function_attribute(function.addr(), attribute, value))
    }

    cuFuncSetCacheConfig(function: Handle, _config: c_int) {
        in_context(|world| world.parameter_sizes(function.addr()).map(drop))
    }

    cuOccupancyMaxActiveBlocksPerMultiprocessor(blocks: *mut c_int, function: Handle, threads: c_int, shared_bytes: usize) {
        let threads = u32::try_from(threads).map_err(|_| Status::INVALID_VALUE)?;
        let found = in_context(|world| world.resident_blocks(function.addr(), threads, shared_bytes))?;
        // SAFETY: contract of the interface: a pointer for a result.
        unsafe { put(blocks, found) }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuModuleLoadDataEx(
    module: *mut Handle,
    image: *const c_void,
    _count: c_uint,
    _options: *mut c_int,
    _values: *mut Handle,
) -> c_int {
    // SAFETY: the contracts of the two functions are the same; the options of the compiler are not needed.
    unsafe { cuModuleLoadData(module, image) }
}

#[unsafe(no_mangle)]
#[expect(clippy::too_many_arguments, reason = "the driver's interface")]
unsafe extern "C" fn cuLaunchKernel(
    function: Handle,
    grid_x: c_uint,
    grid_y: c_uint,
    grid_z: c_uint,
    block_x: c_uint,
    block_y: c_uint,
    block_z: c_uint,
    shared_bytes: c_uint,
    stream: Handle,
    parameters: *mut *mut c_void,
    extra: *mut *mut c_void,
) -> c_int {
    code(|| {
        if !extra.is_null() {
            return Err(Status::NOT_SUPPORTED);
        }
        let sizes = in_context(|world| {
            world.check_stream(stream.addr())?;
            world.parameter_sizes(function.addr())
        })?;
        if parameters.is_null() && !sizes.is_empty() {
            return Err(Status::INVALID_VALUE);
        }
        let mut arguments = Vec::new();
        for (index, &bytes) in sizes.iter().enumerate() {
            // SAFETY: contract of the interface: as many pointers as the kernel has parameters, and `index` is below their number.
            let source = unsafe { parameters.add(index).read() };
            // SAFETY: contract of the interface: each points to a value of its parameter's size.
            arguments.push(Argument::from_bytes(unsafe { input(source, bytes)? }));
        }
        let request = Request {
            function: function.addr(),
            grid: [grid_x, grid_y, grid_z],
            block: [block_x, block_y, block_z],
            shared_bytes,
        };
        in_context(|world| world.launch(request, &arguments))
    })
}

// Names of errors.
exported! {
    cuGetErrorName(error: c_int, name: *mut *const c_char) {
        let [found, _] = names(error).ok_or(Status::INVALID_VALUE)?;
        // SAFETY: contract of the interface: a pointer for a result; the name is static.
        unsafe { put(name, found.as_ptr()) }
    }

    cuGetErrorString(error: c_int, description: *mut *const c_char) {
        let [_, found] = names(error).ok_or(Status::INVALID_VALUE)?;
        // SAFETY: contract of the interface: a pointer for a result; the text is static.
        unsafe { put(description, found.as_ptr()) }
    }
}
