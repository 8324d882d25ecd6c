//! Direct access to the elements of tensors in CPU memory.

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, InplaceOp1, Layout, Tensor, WithDType, bail};
use siren_kernel::Real;

/// `f32` or `f64`, the types that the kernel and candle share.
pub trait Element: Real + WithDType {
    /// Returns the elements of a storage, if they are of this type.
    fn elements_of(storage: &mut CpuStorage) -> Option<&mut Vec<Self>>;
}

impl Element for f32 {
    fn elements_of(storage: &mut CpuStorage) -> Option<&mut Vec<Self>> {
        match storage {
            CpuStorage::F32(elements) => Some(elements),
            _ => None,
        }
    }
}

impl Element for f64 {
    fn elements_of(storage: &mut CpuStorage) -> Option<&mut Vec<Self>> {
        match storage {
            CpuStorage::F64(elements) => Some(elements),
            _ => None,
        }
    }
}

/// Calls `use_elements` with the elements of a contiguous tensor in CPU memory, without a copy.
///
/// # Errors
/// If the tensor is not contiguous, is on another device, or its elements are of another type.
pub fn read<T: Element, R>(
    tensor: &Tensor,
    use_elements: impl FnOnce(&[T]) -> R,
) -> candle_core::Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    let candle_core::Storage::Cpu(storage) = &*storage else {
        bail!("the field operation takes tensors in CPU memory only");
    };
    Ok(use_elements(contiguous::<T>(storage, layout)?))
}

/// Calls `use_elements` with the elements of three contiguous tensors in CPU memory, without copies.
///
/// # Errors
/// As [`read`].
pub fn read_three<T: Element, R>(
    [first, second, third]: [&Tensor; 3],
    use_elements: impl FnOnce([&[T]; 3]) -> R,
) -> candle_core::Result<R> {
    read(first, |first: &[T]| {
        read(second, |second: &[T]| {
            read(third, |third: &[T]| use_elements([first, second, third]))
        })
    })??
}

/// Returns the elements of a storage that a contiguous layout covers.
///
/// # Errors
/// If the layout is not contiguous, or the elements are of another type.
pub fn contiguous<'a, T: Element>(
    storage: &'a CpuStorage,
    layout: &Layout,
) -> candle_core::Result<&'a [T]> {
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("the field operation takes contiguous tensors only");
    };
    Ok(&storage.as_slice::<T>()?[start..end])
}

/// Calls `change` with the elements of a contiguous tensor in CPU memory, to be changed in place. Readers of the tensor wait meanwhile, and
/// see the changed elements afterwards.
///
/// # Errors
/// If the tensor is not contiguous, is on another device, or its elements are of another type.
pub fn modify<T: Element, R: Send>(
    tensor: &Tensor,
    change: impl FnOnce(&mut [T]) -> R + Send,
) -> candle_core::Result<R> {
    let operation = Modify {
        change: Mutex::new(Some(change)),
        result: Mutex::new(None),
        element: std::marker::PhantomData,
    };
    tensor.inplace_op1(&operation)?;
    let result = operation.result.into_inner();
    match result.unwrap_or_else(PoisonError::into_inner) {
        Some(result) => Ok(result),
        None => bail!("a tensor was not modified"),
    }
}

struct Modify<T, F, R> {
    change: Mutex<Option<F>>,
    result: Mutex<Option<R>>,
    element: std::marker::PhantomData<T>,
}

impl<T: Element, R: Send, F: FnOnce(&mut [T]) -> R + Send> InplaceOp1 for Modify<T, F, R> {
    fn name(&self) -> &'static str {
        "modify"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let Some((start, end)) = layout.contiguous_offsets() else {
            bail!("only contiguous tensors are modified in place");
        };
        let Some(elements) = T::elements_of(storage) else {
            bail!(
                "a tensor of {:?} cannot be modified as {:?}",
                storage_type(storage),
                T::DTYPE
            );
        };
        let change = self
            .change
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let result = change.map(|change| change(&mut elements[start..end]));
        *self.result.lock().unwrap_or_else(PoisonError::into_inner) = result;
        Ok(())
    }
}

fn storage_type(storage: &CpuStorage) -> candle_core::DType {
    use candle_core::backend::BackendStorage as _;
    storage.dtype()
}

/// Takes the storage of a tensor in CPU memory that nothing else holds out of it.
///
/// # Errors
/// If the tensor is on another device, or begins inside the storage of another.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the tensor is left without elements"
)]
pub fn into_storage(tensor: Tensor) -> candle_core::Result<CpuStorage> {
    let taken = Mutex::new(CpuStorage::F32(Vec::new()));
    tensor.inplace_op1(&Exchange(&taken))?;
    Ok(taken.into_inner().unwrap_or_else(PoisonError::into_inner))
}

struct Exchange<'a>(&'a Mutex<CpuStorage>);

impl InplaceOp1 for Exchange<'_> {
    fn name(&self) -> &'static str {
        "exchange"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        if layout
            .contiguous_offsets()
            .is_none_or(|(start, _)| start > 0)
        {
            bail!("only a tensor that begins where its storage begins gives it away");
        }
        let mut other = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(storage, &mut other);
        Ok(())
    }
}
