//! Losses whose parts ranks compute, each for its own data, and gradients of which each rank then has a slice.

use candle_core::{DType, Tensor};
use siren_kernel::product::sum_of_squares;

use super::{Loss, TermReport};
use crate::error::Result;
use crate::field::FlatGradient;
use crate::field::tensor::{Element, modify, read};
use crate::ranks::{Message, MessageReader, Ranks, Word};

impl Loss {
    /// Adds the parts of a loss that the ranks computed, in the order of the ranks: values, means of terms and gradients, which all are parts of
    /// the sums already. Each rank gets the sum of its own slice of the gradient.
    ///
    /// # Errors
    /// [`Error::Rank`](crate::Error::Rank) if a rank has no part but an error.
    pub fn sum_among(own: Result<Self>, ranks: &Ranks) -> Result<Self> {
        if ranks.count() == 1 {
            return own;
        }
        let message = own.as_ref().map(Self::message);
        let Ok(bytes) = message else {
            return ranks.agree(own);
        };
        let messages = ranks.gather(Ok(bytes))?;
        let mut sum = own?;
        let gradient = sum.gradient.tensor()?.contiguous()?;
        match gradient.dtype() {
            DType::F64 => sum_slices::<f64>(&gradient, ranks)?,
            _ => sum_slices::<f32>(&gradient, ranks)?,
        }
        let slice = ranks.own_slice(gradient.elem_count());
        sum.gradient = FlatGradient::slice_of(gradient, slice);
        sum.value = 0.0;
        sum.terms.iter_mut().for_each(|term| term.mean = 0.0);
        for message in &messages {
            let mut message = MessageReader::new(message);
            sum.value += message.number()?;
            for term in &mut sum.terms {
                term.mean += message.number()?;
            }
        }
        Ok(sum)
    }

    fn message(&self) -> Vec<u8> {
        let mut message = Message::default();
        message.number(self.value);
        for TermReport { mean, .. } in &self.terms {
            message.number(*mean);
        }
        message.into_bytes()
    }
}

fn sum_slices<T: Element + Word>(gradient: &Tensor, ranks: &Ranks) -> Result<()> {
    modify(gradient, |all: &mut [T]| ranks.sum_slices(all))?
}

/// Returns a gradient of which this rank has a slice as a whole one.
pub(super) fn complete(gradient: FlatGradient, ranks: &Ranks) -> Result<FlatGradient> {
    if gradient.slice().is_none() {
        return Ok(gradient);
    }
    // Slices are those of `Loss::sum_among`: in CPU memory, contiguous.
    let whole = gradient.tensor()?;
    match whole.dtype() {
        DType::F64 => share_slices::<f64>(&whole, ranks)?,
        _ => share_slices::<f32>(&whole, ranks)?,
    }
    Ok(whole.into())
}

fn share_slices<T: Element + Word>(gradient: &Tensor, ranks: &Ranks) -> Result<()> {
    modify(gradient, |all: &mut [T]| ranks.share_slices(all))?
}

/// Returns the Euclidean norm of a gradient, of which each rank may have a slice.
pub(super) fn norm(gradient: &FlatGradient, ranks: &Ranks) -> Result<f64> {
    let Some(slice) = gradient.slice() else {
        return gradient.norm();
    };
    let whole = gradient.tensor()?;
    let own = match whole.dtype() {
        DType::F64 => read(&whole, |all: &[f64]| sum_of_squares(&all[slice]))?,
        _ => read(&whole, |all: &[f32]| sum_of_squares(&all[slice]))?,
    };
    let mut message = Message::default();
    message.number(own);
    let mut sum = 0.0;
    for message in ranks.gather(Ok(message.into_bytes()))? {
        sum += MessageReader::new(&message).number()?;
    }
    Ok(sum.sqrt())
}
