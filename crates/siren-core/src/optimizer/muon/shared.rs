//! Steps of Muon whose matrices ranks share: each computes some of them, and sends them to the others.

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use super::matrix::{MatrixRule, blend};
use super::{Muon, Stepped};
use crate::error::{Error, Result};
use crate::field::tensor::{Element, read};
use crate::field::{Threads, threads};
use crate::ranks::Word;

/// What the matrices of one step are computed from.
pub(super) struct MatrixStep<'a> {
    /// Flat parameters `(P,)`.
    pub(super) theta: &'a Tensor,
    /// Gradient `(P,)`.
    pub(super) gradient: &'a Tensor,
    /// Indices of the matrices that are stepped: all of them, if several ranks share a step.
    pub(super) matrices: Vec<usize>,
    pub(super) rule: MatrixRule,
    /// Steps taken before, for messages.
    pub(super) taken: u64,
}

/// Momentum and, if this rank computes it, weight of a matrix after a step.
struct Computed<T> {
    momentum: Vec<T>,
    weight: Option<Vec<T>>,
}

impl Muon {
    /// Computes the active matrices and their momenta after a step; nothing is changed.
    pub(super) fn stepped(&self, step: &MatrixStep<'_>) -> Result<Vec<Stepped>> {
        match step.theta.dtype() {
            DType::F64 => self.stepped_in::<f64>(step),
            _ => self.stepped_in::<f32>(step),
        }
    }

    fn stepped_in<T: Element + Word>(&self, step: &MatrixStep<'_>) -> Result<Vec<Stepped>> {
        let device = step.theta.device();
        let [theta, gradient] = [step.theta, step.gradient].map(|x| x.to_device(&Device::Cpu));
        let (theta, gradient) = (theta?, gradient?.contiguous()?);
        let computed = read(&theta, |theta: &[T]| {
            read(&gradient, |gradient: &[T]| {
                let of_index = |index: usize| self.computed(step, index, theta, gradient);
                let active = step.matrices.iter().copied();
                match threads(device) {
                    Threads::Many => step.matrices.par_iter().copied().map(of_index).collect(),
                    Threads::One => active.map(of_index).collect::<Result<Vec<_>>>(),
                }
            })
        })??;
        if self.ranks.count() > 1 {
            return self.complete::<T>(computed, device);
        }
        let stepped = computed?.into_iter().zip(&step.matrices);
        let stepped = stepped
            .filter_map(|(computed, &index)| Some((index, computed.weight?, computed.momentum)));
        stepped
            .map(|(index, weight, momentum)| self.stepped_matrix(index, weight, momentum, device))
            .collect()
    }

    /// Computes one of the matrices.
    fn computed<T: Element>(
        &self,
        step: &MatrixStep<'_>,
        index: usize,
        theta: &[T],
        gradient: &[T],
    ) -> Result<Computed<T>> {
        let hidden = &self.matrices[index];
        let range = hidden.entry.range.clone();
        let gradient = &gradient[range.clone()];
        let momentum = hidden.momentum.to_device(&Device::Cpu)?;
        let momentum = read(&momentum, |momentum: &[T]| {
            blend(&step.rule, momentum, gradient)
        })?;
        must_be_finite(&momentum, "the optimizer's state", step.taken)?;
        if index % self.ranks.count() != self.ranks.rank() {
            return Ok(Computed {
                momentum,
                weight: None,
            });
        }
        let shape = [hidden.entry.shape[0], hidden.entry.shape[1]];
        let weight = step.rule.step(&theta[range], &momentum, gradient, shape);
        must_be_finite(&weight, "a parameter", step.taken)?;
        Ok(Computed {
            momentum,
            weight: Some(weight),
        })
    }

    /// Adds the matrices that other ranks computed.
    fn complete<T: Element + Word>(
        &self,
        computed: Result<Vec<Computed<T>>>,
        device: &Device,
    ) -> Result<Vec<Stepped>> {
        let own = computed.map(|computed| {
            let weights = computed.iter().filter_map(|one| one.weight.as_deref());
            (weights.collect::<Vec<_>>().concat(), computed)
        });
        let (elements, computed) = self.ranks.agree(own)?;
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
        for (index, (hidden, own)) in self.matrices.iter().zip(computed).enumerate() {
            let start = &mut starts[index % count];
            let weight = all[*start..][..hidden.entry.range.len()].to_vec();
            *start += weight.len();
            stepped.push(self.stepped_matrix(index, weight, own.momentum, device)?);
        }
        Ok(stepped)
    }

    fn stepped_matrix<T: Element>(
        &self,
        matrix: usize,
        weight: Vec<T>,
        momentum: Vec<T>,
        device: &Device,
    ) -> Result<Stepped> {
        let hidden = &self.matrices[matrix];
        Ok(Stepped {
            matrix,
            weight: Tensor::from_vec(weight, hidden.entry.range.len(), device)?,
            momentum: Tensor::from_vec(momentum, hidden.entry.shape.as_slice(), device)?,
        })
    }
}

/// Checks that every number is finite.
fn must_be_finite<T: Element>(numbers: &[T], what: &str, step: u64) -> Result<()> {
    if numbers.iter().all(|number| number.to_double().is_finite()) {
        return Ok(());
    }
    Err(Error::Diverged {
        step,
        what: what.to_owned(),
    })
}
