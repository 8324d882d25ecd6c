//! Adam for parameters that ranks share: each rank has the moments of its slice alone.

use candle_core::{DType, Device, Tensor};

use super::adam::Adam;
use super::evaluation::Evaluation;
use super::{Optimizer, OptimizerState, Problem};
use crate::error::Result;
use crate::field::Parameters;
use crate::field::tensor::{Element, modify, read};
use crate::ranks::{Ranks, Word};

/// Adam or AdamW of the own slice of the parameters. After a step the ranks send one another their slices.
pub(super) struct Sharded {
    slice: Adam,
    /// Number of parameters of all slices.
    len: usize,
    ranks: Ranks,
}

impl Sharded {
    /// Makes an optimizer of `len` parameters from that of the own slice.
    pub(super) fn new(slice: Adam, len: usize, ranks: &Ranks) -> Self {
        Self {
            slice,
            len,
            ranks: ranks.clone(),
        }
    }

    fn share<T: Element + Word>(&self, parameters: &Tensor) -> Result<()> {
        modify(parameters, |all: &mut [T]| self.ranks.share_slices(all))?
    }

    /// Returns the slices of all ranks on rank 0, and nothing on the others.
    fn whole<T: Element + Word>(&self, slice: &Tensor) -> Result<Option<Tensor>> {
        let slice = read(slice, <[T]>::to_vec)?;
        let whole = self.ranks.slices_to_first(&slice, self.len)?;
        let tensor = whole.map(|whole| Tensor::from_vec(whole, self.len, &Device::Cpu));
        Ok(tensor.transpose()?)
    }
}

impl Optimizer for Sharded {
    /// Takes one step. If a slice would not stay finite, that is the error of all ranks; other slices may have changed by then.
    fn step(
        &mut self,
        parameters: &Parameters,
        problem: &mut dyn Problem,
        learning_rate: f64,
    ) -> Result<Evaluation> {
        let evaluation = problem.evaluate()?;
        let stepped = self.slice.apply(parameters, &evaluation, learning_rate);
        self.ranks.agree(stepped)?;
        let flat = parameters.var()?.as_tensor();
        match parameters.dtype() {
            DType::F64 => self.share::<f64>(flat)?,
            _ => self.share::<f32>(flat)?,
        }
        Ok(evaluation)
    }

    /// Returns the whole state on rank 0, and its step alone on the others. All ranks must call this function.
    fn state(&self) -> Result<OptimizerState> {
        let state = self.ranks.agree(self.slice.state())?;
        let mut tensors = Vec::new();
        for (name, slice) in state.tensors {
            let whole = match slice.dtype() {
                DType::F64 => self.whole::<f64>(&slice)?,
                _ => self.whole::<f32>(&slice)?,
            };
            tensors.extend(whole.map(|whole| (name, whole)));
        }
        Ok(OptimizerState {
            step: state.step,
            tensors,
        })
    }

    /// Takes the own slice of a whole state.
    fn restore(&mut self, state: &OptimizerState) -> Result<()> {
        let own = self.ranks.own_slice(self.len);
        let mut tensors = Vec::new();
        for (name, _) in &state.tensors {
            let whole = state.tensor(name, &[self.len], &Device::Cpu)?;
            let slice = whole.narrow(0, own.start, own.len())?.force_contiguous()?;
            tensors.push((name.clone(), slice));
        }
        let step = state.step;
        self.slice.restore(&OptimizerState { step, tensors })
    }
}
