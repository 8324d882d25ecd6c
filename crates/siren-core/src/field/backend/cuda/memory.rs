//! Elements of tensors on a device of `siren-cuda`, and back. Tensors in CPU memory are copied up and down; those on a CUDA device of candle,
//! with which the device shares a stream, stay on it.

#[cfg(feature = "candle-cuda")]
use candle_core::{CudaStorage, Layout, cuda_backend::cudarc::driver::CudaView, op::BackpropOp};
use candle_core::{Device, Result, Shape, Storage, Tensor, bail};
use siren_cuda::{DeviceArray, DeviceView};

use super::wrapped;
use crate::field::tensor::contiguous;

/// Copies the elements of a tensor of type `f32` to a device.
pub(super) fn array(device: &siren_cuda::Device, tensor: &Tensor) -> Result<DeviceArray> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => device.array(contiguous(storage, layout)?).map_err(wrapped),
        #[cfg(feature = "candle-cuda")]
        Storage::Cuda(storage) => device
            .array_from(&elements(storage, layout)?)
            .map_err(wrapped),
        _ => no_cuda(tensor.device()),
    }
}

/// Calls `use_elements` with the elements of a tensor of type `f32` on a device; those of a CUDA device of candle are not copied.
pub(super) fn with_view<R>(
    device: &siren_cuda::Device,
    tensor: &Tensor,
    use_elements: impl FnOnce(&DeviceView<'_>) -> siren_cuda::Result<R>,
) -> Result<R> {
    #[cfg(feature = "candle-cuda")]
    if tensor.device().is_cuda() {
        let tensor = tensor.contiguous()?;
        let (storage, layout) = tensor.storage_and_layout();
        if let Storage::Cuda(storage) = &*storage {
            let view = device.view(elements(storage, layout)?).map_err(wrapped)?;
            return use_elements(&view).map_err(wrapped);
        }
    }
    let array = array(device, tensor)?;
    use_elements(&array.view()).map_err(wrapped)
}

/// Returns elements of a device as a tensor in CPU memory, or on a CUDA device of candle.
#[cfg_attr(
    not(feature = "candle-cuda"),
    expect(
        clippy::needless_pass_by_value,
        reason = "a tensor of candle takes the elements over"
    )
)]
pub(super) fn tensor(
    elements: DeviceArray,
    shape: impl Into<Shape>,
    home: &Device,
) -> Result<Tensor> {
    match home {
        Device::Cpu => {
            let elements = elements.read().map_err(wrapped)?;
            Tensor::from_vec(elements, shape.into(), home)
        }
        #[cfg(feature = "candle-cuda")]
        Device::Cuda(home) => {
            let storage = Storage::Cuda(storage(elements, home)?);
            Ok(Tensor::from_storage(
                storage,
                shape,
                BackpropOp::none(),
                false,
            ))
        }
        _ => no_cuda(home),
    }
}

/// Returns elements of a device as a storage of candle.
#[cfg(feature = "candle-cuda")]
pub(super) fn storage(
    elements: DeviceArray,
    home: &candle_core::CudaDevice,
) -> Result<CudaStorage> {
    let elements = elements.into_slice().map_err(wrapped)?;
    Ok(CudaStorage::wrap_cuda_slice(elements, home.clone()))
}

/// Returns the elements of a storage of candle that a contiguous layout covers.
#[cfg(feature = "candle-cuda")]
pub(super) fn elements<'a>(storage: &'a CudaStorage, layout: &Layout) -> Result<CudaView<'a, f32>> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("the field operation takes contiguous tensors only");
    };
    Ok(storage.as_cuda_slice::<f32>()?.slice(start..end))
}

fn no_cuda<T>(device: &Device) -> Result<T> {
    bail!(
        "tensors of a network on a CUDA device: expected CPU memory or a CUDA device of candle (feature `candle-cuda`), got {:?}",
        device.location()
    )
}
