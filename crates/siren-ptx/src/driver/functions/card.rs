//! The card and its context.

use std::ffi::{c_char, c_int, c_uint};

use super::{Handle, check_device, code, handle, put};
use crate::driver::device;
use crate::driver::status::Status;
use crate::driver::world::{
    CONTEXT, current_context, in_context, initialize, set_current_context, with_world,
};

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
