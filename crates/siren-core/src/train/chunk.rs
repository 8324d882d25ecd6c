//! Loss and gradient of one constraint, chunk by chunk.

use candle_core::Tensor;

use crate::error::{Error, Result};
use crate::field::{Prepared, Siren};
use crate::objective::{Objective, Term};
use crate::signal::Sample;

/// Rows (points × jet components) per chunk: enough work to hide the cost of a graph, little enough memory.
const CHUNK_ROWS: usize = 4096;
/// Points per chunk at the least, however many components the jet has.
const MIN_CHUNK_POINTS: usize = 512;

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

/// One objective on one sample.
struct Work<'a> {
    field: &'a Siren,
    prepared: Prepared<'a>,
    objective: &'a dyn Objective,
    sample: &'a Sample,
    chunk_points: usize,
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
    let components = objective.order().components(field.in_features());
    let work = Work {
        field,
        prepared: field.prepare(true)?,
        objective,
        sample,
        chunk_points: (CHUNK_ROWS / components).max(MIN_CHUNK_POINTS),
    };
    work.reduce(0, sample.len().div_ceil(work.chunk_points))
}

impl Work<'_> {
    /// Chunks `first .. end`, split in halves down to single chunks: the tree fixes the order of every addition.
    fn reduce(&self, first: usize, end: usize) -> Result<Evaluated> {
        if end - first == 1 {
            return self.chunk(first);
        }
        let middle = first + (end - first) / 2;
        let halves = rayon::join(|| self.reduce(first, middle), || self.reduce(middle, end));
        let (mut left, right) = (halves.0?, halves.1?);
        for (left, right) in left.sums.iter_mut().zip(&right.sums) {
            left.total += right.total;
        }
        left.d_params = (left.d_params + right.d_params)?;
        Ok(left)
    }

    fn chunk(&self, index: usize) -> Result<Evaluated> {
        let start = index * self.chunk_points;
        let points = self.chunk_points.min(self.sample.len() - start);
        let part = self.sample.narrow(start, points)?;
        let jet = self.prepared.jet(part.coords(), self.objective.order())?;
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
        let params = self.field.parameters();
        let gradients = loss.map(|loss| loss.backward()).transpose()?;
        let d_params = gradients.and_then(|gradients| gradients.get(params).cloned());
        let d_params = d_params.map_or_else(|| params.zeros_like(), Ok)?;
        Ok(Evaluated { sums, d_params })
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
