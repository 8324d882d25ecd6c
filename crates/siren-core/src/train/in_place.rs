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
    let mut taken = [(); 3].map(|()| CpuStorage::F32(Vec::new()));
    for (tensor, numbers) in tensors.iter().zip(&mut taken) {
        exchange(tensor, numbers)?;
    }
    let result = match taken.each_mut().map(T::numbers_of) {
        [Some(a), Some(b), Some(c)] => Some(work([a, b, c])),
        _ => None,
    };
    for (tensor, numbers) in tensors.iter().zip(&mut taken) {
        exchange(tensor, numbers)?;
    }
    let mixed = || candle_core::Error::msg("an optimizer's tensors are all of one type");
    Ok(result.ok_or_else(mixed)?)
}

/// Takes the numbers of a tensor in CPU memory, which nothing else may hold, out of it.
///
/// # Errors
/// If it is elsewhere, or begins inside another.
#[expect(
    clippy::needless_pass_by_value,
    reason = "what is left of the tensor is of no use"
)]
pub fn numbers_of(tensor: Tensor) -> Result<CpuStorage> {
    let mut taken = CpuStorage::F32(Vec::new());
    exchange(&tensor, &mut taken)?;
    Ok(taken)
}

/// Exchanges the numbers of a tensor for others.
fn exchange(tensor: &Tensor, numbers: &mut CpuStorage) -> Result<()> {
    Ok(tensor.inplace_op1(&Exchange(Mutex::new(numbers)))?)
}

struct Exchange<'a>(Mutex<&'a mut CpuStorage>);

impl InplaceOp1 for Exchange<'_> {
    fn name(&self) -> &'static str {
        "exchange"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        if layout
            .contiguous_offsets()
            .is_none_or(|(start, _)| start > 0)
        {
            bail!("tensors whose numbers are exchanged begin where their memory does");
        }
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(storage, *numbers);
        Ok(())
    }
}
