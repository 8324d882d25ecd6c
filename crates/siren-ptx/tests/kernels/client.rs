//! A program that uses the driver through cudarc.

use std::env;
use std::error::Error;

use cudarc::driver::sys::{CUevent_flags, CUfunction_attribute, CUresult};
use cudarc::driver::{CudaContext, CudaFunction, DriverError, LaunchConfig, PushKernelArg};
use cudarc::nvrtc::Ptx;

use crate::support::{REDUCTION, numbers, replaced};

type Outcome = Result<(), Box<dyn Error>>;

#[test]
#[ignore = "a child process of the tests of the driver, which put the stand-in into its LD_LIBRARY_PATH"]
fn run() -> Outcome {
    match env::var("CLIENT")?.as_str() {
        "computes" => computes(),
        "faults" => faults(),
        "shared memory" => shared_memory(),
        "card" => card(),
        "old driver" => old_driver(),
        "approximation" => approximation(),
        "no card" => {
            no_card();
            Ok(())
        }
        part => Err(format!("no part {part}").into()),
    }
}

fn config(shared_mem_bytes: u32) -> LaunchConfig {
    LaunchConfig {
        grid_dim: (4, 1, 1),
        block_dim: (256, 1, 1),
        shared_mem_bytes,
    }
}

/// Sums of 1000 values by blocks of 256, of which `told` are claimed to exist.
fn sums(
    context: &std::sync::Arc<CudaContext>,
    shared_bytes: u32,
    told: i32,
) -> Result<Vec<f32>, DriverError> {
    let kernel = kernel(context)?;
    launch(context, &kernel, shared_bytes, told)
}

fn kernel(context: &std::sync::Arc<CudaContext>) -> Result<CudaFunction, DriverError> {
    context
        .load_module(Ptx::from_src(REDUCTION))?
        .load_function("block_sums")
}

fn launch(
    context: &std::sync::Arc<CudaContext>,
    kernel: &CudaFunction,
    shared_bytes: u32,
    told: i32,
) -> Result<Vec<f32>, DriverError> {
    let stream = context.default_stream();
    let values = stream.clone_htod(&numbers(1000, 3))?;
    let mut sums = stream.alloc_zeros::<f32>(4)?;
    // SAFETY: the arguments are those of `block_sums`; where `told` is too large, the launch is meant to fail.
    unsafe {
        stream
            .launch_builder(kernel)
            .arg(&values)
            .arg(&mut sums)
            .arg(&told)
            .launch(config(shared_bytes))?
    };
    stream.clone_dtoh(&sums)
}

fn computes() -> Outcome {
    let context = CudaContext::new(0)?;
    let stream = context.default_stream();
    let (start, end) = (
        context.new_event(Some(CUevent_flags::CU_EVENT_DEFAULT))?,
        context.new_event(Some(CUevent_flags::CU_EVENT_DEFAULT))?,
    );
    start.record(&stream)?;
    let found = sums(&context, 1024, 1000)?;
    end.record(&stream)?;
    assert!(start.elapsed_ms(&end)? > 0.0);
    for (block, values) in numbers(1000, 3).chunks(256).enumerate() {
        let expected: f64 = values.iter().map(|&x| f64::from(x)).sum();
        assert!(
            (f64::from(found[block]) - expected).abs() < 1e-4,
            "{found:?}"
        );
    }
    let other = context.new_stream()?;
    let copy = other.clone_htod(&[1_u8, 2, 3])?;
    let mut second = other.alloc_zeros::<u8>(3)?;
    other.memcpy_dtod(&copy, &mut second)?;
    assert_eq!(other.clone_dtoh(&second)?, [1, 2, 3]);
    Ok(())
}

fn faults() -> Outcome {
    let context = CudaContext::new(0)?;
    let stream = context.default_stream();
    // Too little shared memory: the first lane of the second half is out of bounds.
    let kernel = kernel(&context)?;
    let failed = launch(&context, &kernel, 0, 1000).unwrap_err();
    assert_eq!(failed.0, CUresult::CUDA_ERROR_ILLEGAL_ADDRESS);
    assert_eq!(failed.error_name()?.to_str()?, "CUDA_ERROR_ILLEGAL_ADDRESS");
    assert_eq!(
        failed.error_string()?.to_str()?,
        "an illegal memory access was encountered"
    );
    assert_eq!(
        stream.clone_htod(&[1_u8]).unwrap_err().0,
        CUresult::CUDA_ERROR_ILLEGAL_ADDRESS
    );
    assert_eq!(
        stream.synchronize().unwrap_err().0,
        CUresult::CUDA_ERROR_ILLEGAL_ADDRESS
    );
    Ok(())
}

fn shared_memory() -> Outcome {
    let context = CudaContext::new(0)?;
    let most: u32 = env::var("KIB")?.parse::<u32>()? * 1024;
    let kernel = kernel(&context)?;
    launch(&context, &kernel, 48 * 1024, 1000)?;
    let failed = launch(&context, &kernel, 48 * 1024 + 4, 1000).unwrap_err();
    assert_eq!(failed.0, CUresult::CUDA_ERROR_INVALID_VALUE);
    let attribute = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
    assert!(kernel.set_attribute(attribute, (most + 1) as i32).is_err());
    kernel.set_attribute(attribute, most as i32)?;
    launch(&context, &kernel, most, 1000)?;
    Ok(())
}

fn card() -> Outcome {
    let context = CudaContext::new(0)?;
    assert_eq!(CudaContext::device_count()?, 1);
    assert_eq!(context.compute_capability()?, (12, 0));
    assert_eq!(context.name()?, "GeForce RTX 5090 (siren-ptx on the CPU)");
    assert_eq!(context.total_mem()?, 1_000_000);
    let stream = context.default_stream();
    let buffer = stream.alloc_zeros::<u8>(400_000)?;
    assert_eq!(context.mem_get_info()?, (600_000, 1_000_000));
    assert_eq!(
        stream.alloc_zeros::<u8>(600_001).unwrap_err().0,
        CUresult::CUDA_ERROR_OUT_OF_MEMORY
    );
    drop(buffer);
    assert_eq!(context.mem_get_info()?, (1_000_000, 1_000_000));
    Ok(())
}

fn old_driver() -> Outcome {
    let context = CudaContext::new(0)?;
    let refused = |text: String| context.load_module(Ptx::from_src(text)).unwrap_err().0;
    assert_eq!(
        refused(REDUCTION.to_owned()),
        CUresult::CUDA_ERROR_UNSUPPORTED_PTX_VERSION
    );
    let older = replaced(REDUCTION, ".version 9.0", ".version 8.4", 1);
    let newer_card = replaced(&older, ".target sm_80", ".target sm_86", 1);
    assert_eq!(refused(newer_card), CUresult::CUDA_ERROR_NO_BINARY_FOR_GPU);
    assert_eq!(
        refused("nonsense".to_owned()),
        CUresult::CUDA_ERROR_INVALID_PTX
    );
    context.load_module(Ptx::from_src(older))?;
    Ok(())
}

fn no_card() {
    assert_eq!(
        CudaContext::new(0).unwrap_err().0,
        CUresult::CUDA_ERROR_OPERATING_SYSTEM
    );
}

/// Two kernels, of which one is not supported.
const APPROXIMATION: &str = ".version 7.0
.target sm_80
.address_size 64
.visible .entry approximates(.param .u64 out) {
    .reg .f32 %f<2>;
    mov.f32 %f1, 0f3F800000;
    ex2.approx.f32 %f1, %f1;
    ret;
}
.visible .entry does_nothing() {
    ret;
}
";

fn approximation() -> Outcome {
    let context = CudaContext::new(0)?;
    let loaded = context.load_module(Ptx::from_src(APPROXIMATION));
    let refused = if env::var("SIREN_PTX_REFUSE").is_ok() {
        let module = loaded?;
        module.load_function("does_nothing")?;
        module.load_function("approximates").err()
    } else {
        loaded.err()
    };
    assert_eq!(refused.unwrap().0, CUresult::CUDA_ERROR_INVALID_PTX);
    Ok(())
}
