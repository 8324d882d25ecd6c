//! Results of the driver's functions.

use std::ffi::CStr;

/// A `CUresult` other than success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Status(pub(super) i32);

impl Status {
    pub(super) const INVALID_VALUE: Self = Self(1);
    pub(super) const OUT_OF_MEMORY: Self = Self(2);
    pub(super) const NOT_INITIALIZED: Self = Self(3);
    pub(super) const INVALID_DEVICE: Self = Self(101);
    pub(super) const INVALID_CONTEXT: Self = Self(201);
    pub(super) const NO_BINARY_FOR_GPU: Self = Self(209);
    pub(super) const INVALID_PTX: Self = Self(218);
    pub(super) const UNSUPPORTED_PTX_VERSION: Self = Self(222);
    pub(super) const FILE_NOT_FOUND: Self = Self(301);
    pub(super) const OPERATING_SYSTEM: Self = Self(304);
    pub(super) const INVALID_HANDLE: Self = Self(400);
    pub(super) const NOT_FOUND: Self = Self(500);
    pub(super) const ILLEGAL_ADDRESS: Self = Self(700);
    pub(super) const LAUNCH_OUT_OF_RESOURCES: Self = Self(701);
    pub(super) const LAUNCH_TIMEOUT: Self = Self(702);
    pub(super) const MISALIGNED_ADDRESS: Self = Self(716);
    pub(super) const LAUNCH_FAILED: Self = Self(719);
    pub(super) const NOT_SUPPORTED: Self = Self(801);
    pub(super) const UNKNOWN: Self = Self(999);
}

pub(super) type Result<T> = std::result::Result<T, Status>;

/// Name and description of a result, as the driver gives them.
pub(super) fn names(code: i32) -> Option<[&'static CStr; 2]> {
    Some(match code {
        0 => [c"CUDA_SUCCESS", c"no error"],
        1 => [c"CUDA_ERROR_INVALID_VALUE", c"invalid argument"],
        2 => [c"CUDA_ERROR_OUT_OF_MEMORY", c"out of memory"],
        3 => [c"CUDA_ERROR_NOT_INITIALIZED", c"initialization error"],
        101 => [c"CUDA_ERROR_INVALID_DEVICE", c"invalid device ordinal"],
        201 => [c"CUDA_ERROR_INVALID_CONTEXT", c"invalid device context"],
        209 => [
            c"CUDA_ERROR_NO_BINARY_FOR_GPU",
            c"no kernel image is available for execution on the device",
        ],
        218 => [c"CUDA_ERROR_INVALID_PTX", c"a PTX JIT compilation failed"],
        222 => [
            c"CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
            c"the provided PTX was compiled with an unsupported toolchain.",
        ],
        301 => [c"CUDA_ERROR_FILE_NOT_FOUND", c"file not found"],
        304 => [
            c"CUDA_ERROR_OPERATING_SYSTEM",
            c"OS call failed or operation not supported on this OS",
        ],
        400 => [c"CUDA_ERROR_INVALID_HANDLE", c"invalid resource handle"],
        500 => [c"CUDA_ERROR_NOT_FOUND", c"named symbol not found"],
        700 => [
            c"CUDA_ERROR_ILLEGAL_ADDRESS",
            c"an illegal memory access was encountered",
        ],
        701 => [
            c"CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
            c"too many resources requested for launch",
        ],
        702 => [
            c"CUDA_ERROR_LAUNCH_TIMEOUT",
            c"the launch timed out and was terminated",
        ],
        716 => [c"CUDA_ERROR_MISALIGNED_ADDRESS", c"misaligned address"],
        719 => [c"CUDA_ERROR_LAUNCH_FAILED", c"unspecified launch failure"],
        801 => [c"CUDA_ERROR_NOT_SUPPORTED", c"operation not supported"],
        999 => [c"CUDA_ERROR_UNKNOWN", c"unknown error"],
        _ => return None,
    })
}
