//! Memory and copies.

use std::ffi::{c_int, c_uint, c_void};
use std::ptr;

use super::{Handle, check_device, code, handle, input, put};
use crate::driver::report::{self, CopyDirection};
use crate::driver::status::Status;
use crate::driver::world::in_context;

/// Handle of the only pool of memory.
const POOL: usize = 32;
/// The attribute that says how much freed memory a pool keeps. This one keeps none and loses nothing by it.
const RELEASE_THRESHOLD: c_int = 4;

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

    cuDeviceGetDefaultMemPool(pool: *mut Handle, device: c_int) {
        in_context(|_| check_device(device))?;
        // SAFETY: contract of the interface: a pointer for a result.
        unsafe { put(pool, handle(POOL)) }
    }

    cuMemPoolSetAttribute(pool: Handle, attribute: c_int, value: Handle) {
        if pool.addr() != POOL || attribute != RELEASE_THRESHOLD || value.is_null() {
            return Err(Status::INVALID_VALUE);
        }
        Ok(())
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
            world.memory_result(result)?;
            world.report(&report::copied(CopyDirection::ToDevice, bytes));
            Ok(())
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
            world.report(&report::copied(CopyDirection::FromDevice, bytes));
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
