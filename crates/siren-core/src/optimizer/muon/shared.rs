//! Steps of Muon whose matrices ranks share: each computes some of them, and sends them to the others.

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use super::{Hidden, Muon, Stepped, blended};
use crate::error::Result;
use crate::field::tensor::{Element, read};
use crate::field::{Threads, threads};
use crate::optimizer::elementwise::must_be_finite;
use crate::ranks::Word;

/// What the matrices of one step are computed from.
pub(super) struct MatrixStep<'a> {
    /// Flat parameters `(P,)`.
    pub(super) theta: &'a Tensor,
    /// Clipped gradient `(P,)`.
    pub(super) gradient: &'a Tensor,
    /// Learning rate of the matrices.
    pub(super) rate: f64,
    /// Steps taken before, for messages.
    pub(super) taken: u64,
}

impl Muon {
    /// Computes all matrices and their momenta after a step; nothing is changed.
    pub(super) fn stepped(&self, step: &MatrixStep<'_>) -> Result<Vec<Stepped>> {
        let (rank, count) = (self.ranks.rank(), self.ranks.count());
        let compute = |(index, hidden): (usize, &Hidden)| -> Result<(Tensor, Option<Tensor>)> {
            let gradient = matrix(hidden, step.gradient)?;
            if index % count != rank {
                let momentum = blended(&self.config, &hidden.momentum, &gradient)?;
                must_be_finite(&momentum, "the optimizer's state", step.taken)?;
                return Ok((momentum, None));
            }
            let weight = matrix(hidden, step.theta)?;
            let Stepped { weight, momentum } = super::step(
                &self.config,
                &weight,
                &hidden.momentum,
                &gradient,
                step.rate,
            )?;
            must_be_finite(&momentum, "the optimizer's state", step.taken)?;
            must_be_finite(&weight, "a parameter", step.taken)?;
            Ok((momentum, Some(weight)))
        };
        let matrices = self.matrices.iter().enumerate();
        let computed: Result<Vec<(Tensor, Option<Tensor>)>> = match threads(step.theta.device()) {
            Threads::Many => {
                let matrices: Vec<_> = matrices.collect();
                matrices.into_par_iter().map(compute).collect()
            }
            Threads::One => matrices.map(compute).collect(),
        };
        if count > 1 {
            return match step.theta.dtype() {
                DType::F64 => self.complete::<f64>(computed, step.theta.device()),
                _ => self.complete::<f32>(computed, step.theta.device()),
            };
        }
        let stepped = computed?.into_iter();
        let stepped = stepped
            .filter_map(|(momentum, weight)| weight.map(|weight| Stepped { weight, momentum }));
        Ok(stepped.collect())
    }

    /// Adds the matrices that other ranks computed.
    fn complete<T: Element + Word>(
        &self,
        computed: Result<Vec<(Tensor, Option<Tensor>)>>,
        device: &Device,
    ) -> Result<Vec<Stepped>> {
        let own = computed.and_then(|computed| {
            let mut elements = Vec::new();
            for weight in computed.iter().filter_map(|(_, weight)| weight.as_ref()) {
                let weight = weight.to_device(&Device::Cpu)?.contiguous()?;
                read(&weight, |weight: &[T]| elements.extend_from_slice(weight))?;
            }
            Ok((computed, elements))
        });
        let (computed, elements) = self.ranks.agree(own)?;
        let count = self.ranks.count();
        let mut lens = vec![0; count];
        for (index, hidden) in self.matrices.iter().enumerate() {
            lens[index % count] += hidden.entry.range.len();
        }
        let all = self.ranks.gather_parts(&elements, &lens)?;
        let mut starts: Vec<usize> = lens
            .iter()
            .scan(0, |end, len| {
                let start = *end;
                *end += len;
                Some(start)
            })
            .collect();
        let mut stepped = Vec::with_capacity(computed.len());
        for (index, (hidden, (momentum, _))) in self.matrices.iter().zip(computed).enumerate() {
            let start = &mut starts[index % count];
            let elements = &all[*start..][..hidden.entry.range.len()];
            *start += elements.len();
            let weight = Tensor::from_slice(elements, hidden.entry.shape.as_slice(), device)?;
            stepped.push(Stepped { weight, momentum });
        }
        Ok(stepped)
    }
}

/// Returns a matrix of flat parameters or of a flat gradient.
fn matrix(hidden: &Hidden, flat: &Tensor) -> Result<Tensor> {
    let range = &hidden.entry.range;
    let part = flat.narrow(0, range.start, range.len())?;
    Ok(part.reshape(hidden.entry.shape.as_slice())?)
}
