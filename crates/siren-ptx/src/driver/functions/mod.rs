//! The functions of `libcuda.so.1`, with their C interface.
//!
//! Every function has the contract of NVIDIA's documentation: pointers for results may be written, pointers for inputs may be read for the
//! length that the call names, and names are C strings. Null pointers are refused; beyond that, the caller is trusted, as it is by the driver.
#![allow(non_snake_case, reason = "names of the driver's interface")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{ptr, slice};

use super::status::{Result, Status, names};

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

mod card;
mod memory;
mod module;
mod stream;
mod toolkit;

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
