//! Loss and gradient of one constraint, chunk by chunk.

use candle_core::Tensor;

use super::model::differentiate;
use crate::error::{Error, Result};
use crate::field::{Accumulator, Prepared, Siren};
use crate::objective::{Objective, Term};
use crate::signal::Sample;

/// A sample is halved this often, and the chunks of each part are gathered in one sum. It fixes the order of all additions,
/// so it must not depend on the number of threads; it also bounds the threads that can share a step.
const HALVINGS: u32 = 4;

/// A term summed over points.
#[derive(Clone, Debug)]
pub(super) struct TermSum {
    pub(super) name: &'static str,
    pub(super) weight: f64,
    pub(super) total: f64,
}

/// Term sums, and the gradient of the weighted mean over the sample in the flat parameters.
pub(super) struct Evaluated {
    pub(super) sums: Vec<TermSum>,
    pub(super) d_params: Tensor,
}

/// The same while it grows.
struct Gathered<'a> {
    sums: Vec<TermSum>,
    accumulator: Accumulator<'a>,
}

/// One objective on one sample.
struct Work<'a> {
    prepared: Prepared<'a>,
    objective: &'a dyn Objective,
    sample: &'a Sample,
    chunk_points: usize,
    halvings: u32,
}

pub(super) fn evaluate(
    field: &Siren,
    objective: &dyn Objective,
    sample: &Sample,
) -> Result<Evaluated> {
    if sample.is_empty() {
        return Err(Error::Shape {
            what: "sample",
            expected: "at least one point".to_owned(),
            got: "none".to_owned(),
        });
    }
    let work = Work {
        prepared: field.prepare(true)?,
        objective,
        sample,
        chunk_points: field.chunk_points(objective.order()),
        // Candle's CUDA backend is not to be called from several threads at once: parameters were not finite after a few steps.
        halvings: if field.parameters().device().is_cpu() {
            HALVINGS
        } else {
            0
        },
    };
    let chunks = sample.len().div_ceil(work.chunk_points);
    let Gathered { sums, accumulator } = work.reduce(0, chunks, work.halvings)?;
    Ok(Evaluated {
        sums,
        d_params: accumulator.finish()?,
    })
}

impl Work<'_> {
    /// Chunks `first .. end`, halved `halvings` times where there are enough: the tree fixes the order of every addition.
    fn reduce(&self, first: usize, end: usize, halvings: u32) -> Result<Gathered<'_>> {
        if halvings == 0 || end - first == 1 {
            return self.group(first, end);
        }
        let middle = first + (end - first) / 2;
        let left = || self.reduce(first, middle, halvings - 1);
        let halves = rayon::join(left, || self.reduce(middle, end, halvings - 1));
        let (mut left, right) = (halves.0?, halves.1?);
        add_sums(&mut left.sums, &right.sums);
        left.accumulator.merge(right.accumulator)?;
        Ok(left)
    }

    /// Chunks `first .. end`, one after the other.
    fn group(&self, first: usize, end: usize) -> Result<Gathered<'_>> {
        let mut accumulator = self.prepared.accumulator();
        let mut sums = self.chunk(first, &mut accumulator)?;
        for index in first + 1..end {
            add_sums(&mut sums, &self.chunk(index, &mut accumulator)?);
        }
        Ok(Gathered { sums, accumulator })
    }

    fn chunk(&self, index: usize, accumulator: &mut Accumulator<'_>) -> Result<Vec<TermSum>> {
        let start = index * self.chunk_points;
        let points = self.chunk_points.min(self.sample.len() - start);
        let part = self.sample.narrow(start, points)?;
        let order = self.objective.order();
        let jet = self.prepared.jet_into(part.coords(), order, accumulator)?;
        let mut sums = Vec::new();
        let mut loss: Option<Tensor> = None;
        for term in self.objective.terms(&jet, &part)? {
            let (sum, weighted) = self.sum(&term, points)?;
            sums.push(sum);
            loss = Some(match loss {
                Some(loss) => (loss + weighted)?,
                None => weighted,
            });
        }
        if let Some(loss) = loss {
            accumulator.add(&differentiate(&loss)?)?;
        }
        Ok(sums)
    }

    /// The sum of a term over a chunk, and its share of the loss.
    fn sum(&self, term: &Term, points: usize) -> Result<(TermSum, Tensor)> {
        if term.per_point.dims() != [points] {
            return Err(Error::Shape {
                what: term.name,
                expected: format!("({points},), one number a point"),
                got: format!("{:?}", term.per_point.dims()),
            });
        }
        let total = term.per_point.sum_all()?;
        let weighted = (&total * (term.weight / self.sample.len() as f64))?;
        let sum = TermSum {
            name: term.name,
            weight: term.weight,
            total: total.to_dtype(candle_core::DType::F64)?.to_scalar()?,
        };
        Ok((sum, weighted))
    }
}

fn add_sums(sums: &mut [TermSum], more: &[TermSum]) {
    for (sum, more) in sums.iter_mut().zip(more) {
        sum.total += more.total;
    }
}
