//! Modules and kernels.

use std::ffi::{c_char, c_int, c_uint, c_void};

use super::{Handle, code, handle, input, put, text};
use crate::driver::launch::Request;
use crate::driver::status::Status;
use crate::driver::world::in_context;
use crate::execute::Argument;

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
