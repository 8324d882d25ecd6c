//! Steps on the numbers of tensors themselves: with tens of millions of parameters, new tensors would take longer than the arithmetic.

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, InplaceOp1, Layout, Tensor, bail};

use crate::error::Result;
use crate::field::Real;

/// Hands the numbers of three flat tensors in CPU memory, which nothing else may be reading, to `work`.
pub(super) fn with_numbers<T: Real, R>(
    tensors: [&Tensor; 3],
    work: impl FnOnce([&mut [T]; 3]) -> R,
) -> Result<R> {
    let mut taken: [Vec<T>; 3] = Default::default();
    for (tensor, numbers) in tensors.iter().zip(&mut taken) {
        tensor.inplace_op1(&Swap(Mutex::new(numbers)))?;
    }
    let result = work(taken.each_mut().map(Vec::as_mut_slice));
    for (tensor, numbers) in tensors.iter().zip(&mut taken) {
        tensor.inplace_op1(&Swap(Mutex::new(numbers)))?;
    }
    Ok(result)
}

/// Takes the numbers of a tensor in CPU memory, which nothing else may hold, out of it.
///
/// # Errors
/// If it is elsewhere, or a part of another.
#[expect(
    clippy::needless_pass_by_value,
    reason = "what is left of the tensor is of no use"
)]
pub fn numbers_of(tensor: Tensor) -> Result<CpuStorage> {
    let taken = Mutex::new(CpuStorage::F32(Vec::new()));
    tensor.inplace_op1(&Take(&taken))?;
    Ok(taken.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Leaves nothing.
struct Take<'a>(&'a Mutex<CpuStorage>);

impl InplaceOp1 for Take<'_> {
    fn name(&self) -> &'static str {
        "take"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        if layout
            .contiguous_offsets()
            .is_none_or(|(start, _)| start > 0)
        {
            bail!("a part of a tensor is not taken out of it");
        }
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(storage, &mut *taken);
        Ok(())
    }
}

/// Exchanges the numbers of a tensor for others.
struct Swap<'a, T>(Mutex<&'a mut Vec<T>>);

impl<T: Real> InplaceOp1 for Swap<'_, T> {
    fn name(&self) -> &'static str {
        "swap"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        if layout
            .contiguous_offsets()
            .is_none_or(|(start, _)| start > 0)
        {
            bail!("an optimizer's tensors begin where their memory does");
        }
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(own) = T::numbers_of(storage) else {
            bail!("an optimizer's tensors are all of one type");
        };
        std::mem::swap(own, *numbers);
        Ok(())
    }
}
