//! Streams and events.

use std::ffi::{c_int, c_uint};

use super::{Handle, code, handle, put};
use crate::driver::world::in_context;

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
