//! Functions without which programs that are linked to CUDA do not start. A device of candle opens cuBLAS and cuRAND; what they compute is not
//! supported.

use std::ffi::{c_int, c_uint, c_void};

use super::{Handle, code, handle, put};
use crate::driver::status::Status;

/// `CUBLAS_STATUS_INVALID_VALUE` and `CUBLAS_STATUS_NOT_SUPPORTED`.
const CUBLAS_INVALID_VALUE: c_int = 7;
const CUBLAS_NOT_SUPPORTED: c_int = 15;
/// `CURAND_STATUS_OUT_OF_RANGE` and `CURAND_STATUS_INTERNAL_ERROR`.
const CURAND_OUT_OF_RANGE: c_int = 104;
const CURAND_INTERNAL_ERROR: c_int = 999;
/// Handle of all libraries: they have no state.
const LIBRARY: usize = 0x200;

exported! {
    cuCtxDestroy_v2(_context: Handle) { Err(Status::NOT_SUPPORTED) }

    cuMemcpyPeerAsync(_to: u64, _to_context: Handle, _from: u64, _from_context: Handle, _bytes: usize, _stream: Handle) {
        Err(Status::NOT_SUPPORTED)
    }
}

/// Writes the handle of a library, or returns `invalid` for a null pointer.
///
/// # Safety
///
/// The pointer is null, or valid for a write.
unsafe fn open(target: *mut Handle, invalid: c_int) -> c_int {
    // SAFETY: this function's contract is that of `put`.
    match code(|| unsafe { put(target, handle(LIBRARY)) }) {
        0 => 0,
        _ => invalid,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cublasCreate_v2(library: *mut Handle) -> c_int {
    // SAFETY: contract of the interface: a pointer for a result.
    unsafe { open(library, CUBLAS_INVALID_VALUE) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn curandCreateGenerator(generator: *mut Handle, _kind: c_uint) -> c_int {
    // SAFETY: contract of the interface: a pointer for a result.
    unsafe { open(generator, CURAND_OUT_OF_RANGE) }
}

#[unsafe(no_mangle)]
extern "C" fn curandSetPseudoRandomGeneratorSeed(_generator: *mut c_void, _seed: u64) -> c_int {
    0
}

/// Defines functions of a handle and a stream, or of a handle, that do nothing.
macro_rules! accepted {
    ($($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $name(_library: *mut c_void, _stream: *mut c_void) -> c_int {
            0
        }
    )*};
}
accepted! { cublasDestroy_v2 cublasSetStream_v2 curandDestroyGenerator curandSetStream }

/// Defines functions that return an error, whatever their arguments.
macro_rules! refused {
    ($error:ident: $($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $name() -> c_int {
            eprintln!("siren-ptx: {} is not supported", stringify!($name));
            $error
        }
    )*};
}
refused! { CUBLAS_NOT_SUPPORTED: cublasDgemmStridedBatched cublasGemmStridedBatchedEx }
refused! {
    CURAND_INTERNAL_ERROR:
    curandGenerateUniform curandGenerateUniformDouble curandGenerateNormal curandGenerateNormalDouble
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libraries_open_and_compute_nothing() {
        let mut library = handle(0);
        // SAFETY: a pointer for a result.
        assert_eq!(unsafe { cublasCreate_v2(&raw mut library) }, 0);
        assert_eq!(library, handle(LIBRARY));
        assert_eq!(cublasSetStream_v2(library, handle(0)), 0);
        assert_eq!(cublasGemmStridedBatchedEx(), CUBLAS_NOT_SUPPORTED);
        let mut generator = handle(0);
        // SAFETY: a pointer for a result.
        assert_eq!(unsafe { curandCreateGenerator(&raw mut generator, 100) }, 0);
        assert_eq!(curandSetPseudoRandomGeneratorSeed(generator, 5), 0);
        assert_eq!(curandGenerateUniform(), CURAND_INTERNAL_ERROR);
        // SAFETY: a null pointer, which is refused.
        let refused = unsafe { cublasCreate_v2(std::ptr::null_mut()) };
        assert_eq!(refused, CUBLAS_INVALID_VALUE);
    }
}
