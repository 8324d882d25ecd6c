//! Loss and gradient of one constraint, chunk by chunk.

use std::borrow::Cow;

use candle_core::{DType, Tensor};

use super::{Time, differentiate};
use crate::error::{Error, Result};
use crate::field::{Accumulator, ComponentSquares, Prepared, Siren, Threads};
use crate::objective::{Coefficients, Constraint, Context, Law, Objective, SquareTerm, Term};
use crate::signal::Sample;

/// A sample is halved this often, and the chunks of each part are summed one after the other. The number fixes the order of all
/// additions, so it does not depend on the number of threads; it also bounds the threads that can share a step.
const HALVINGS: u32 = 4;

/// A term summed over points.
#[derive(Clone, Debug)]
pub(super) struct TermSum {
    pub(super) name: Cow<'static, str>,
    /// Factor in the loss, that of the constraint included.
    pub(super) weight: f64,
    pub(super) total: f64,
}

/// Term sums of one constraint, and the gradient of its part of the loss.
pub(super) struct ConstraintLoss {
    pub(super) sums: Vec<TermSum>,
    /// Number of points over which the sums are; 1 for a functional.
    pub(super) count: usize,
    /// With respect to all parameters of the field, `(P,)`.
    pub(super) gradient: Tensor,
}

/// A field at one step, which all constraints share.
pub(super) struct FieldStep<'a> {
    pub(super) field: &'a Siren,
    pub(super) prepared: &'a Prepared<'a>,
    pub(super) coefficients: &'a Coefficients,
    pub(super) time: Time,
}

/// Sums over some chunks.
struct PartialLoss<'a> {
    sums: Vec<TermSum>,
    accumulator: Accumulator<'a>,
    coefficients: Vec<f64>,
}

/// One constraint at one step.
struct Evaluator<'a> {
    constraint: &'a str,
    weight: f64,
    prepared: &'a Prepared<'a>,
    coefficients: &'a Coefficients,
    objective: &'a dyn Objective,
    sample: &'a Sample,
    chunk_points: usize,
    time: Time,
}

impl FieldStep<'_> {
    /// Draws the sample of a constraint, and computes its part of the loss and its gradient.
    pub(super) fn evaluate(&self, constraint: &Constraint) -> Result<ConstraintLoss> {
        let sample = constraint.sampler.draw(self.time.step)?;
        if sample.is_empty() {
            return Err(Error::Shape {
                what: "sample",
                expected: "at least one point".to_owned(),
                got: format!("none for the constraint `{}`", constraint.name),
            });
        }
        let weight = constraint.weight.at(self.time.step);
        match &constraint.law {
            Law::Pointwise(objective) => {
                let loss = self.pointwise(&constraint.name, weight, objective.as_ref(), &sample)?;
                if loss.sums.iter().any(|sum| !sum.total.is_finite()) {
                    // Data that is not finite is no fault of the training.
                    sample.must_be_finite()?;
                }
                Ok(loss)
            }
            Law::Functional(functional) => self.functional(weight, functional.as_ref(), &sample),
        }
    }

    /// Computes the loss of an objective, chunk by chunk. `constraint` is the name in messages.
    pub(super) fn pointwise(
        &self,
        constraint: &str,
        weight: f64,
        objective: &dyn Objective,
        sample: &Sample,
    ) -> Result<ConstraintLoss> {
        let order = objective.order_at(self.time.progress);
        let evaluator = Evaluator {
            constraint,
            weight,
            prepared: self.prepared,
            coefficients: self.coefficients,
            objective,
            sample,
            chunk_points: self.field.network().chunk_points(order),
            time: self.time,
        };
        let halvings = match self.prepared.threads() {
            Threads::Many => HALVINGS,
            Threads::One => 0,
        };
        let chunks = sample.len().div_ceil(evaluator.chunk_points);
        let loss = evaluator.reduce(0, chunks, halvings)?;
        let gradient = loss.accumulator.finish()?;
        let layout = self.field.parameters().layout();
        Ok(ConstraintLoss {
            sums: loss.sums,
            count: sample.len(),
            gradient: Coefficients::append(&gradient, &loss.coefficients, layout)?,
        })
    }
}

impl Evaluator<'_> {
    /// Evaluates the chunks `first .. end`, halved `halvings` times where there are enough: the tree fixes the order of every addition.
    fn reduce(&self, first: usize, end: usize, halvings: u32) -> Result<PartialLoss<'_>> {
        if halvings == 0 || end - first == 1 {
            return self.group(first, end);
        }
        let middle = first + (end - first) / 2;
        let left = || self.reduce(first, middle, halvings - 1);
        let halves = rayon::join(left, || self.reduce(middle, end, halvings - 1));
        let (mut left, right) = (halves.0?, halves.1?);
        self.add(&mut left.sums, &right.sums)?;
        left.accumulator.merge(right.accumulator)?;
        add_gradients(&mut left.coefficients, &right.coefficients);
        Ok(left)
    }

    /// Evaluates the chunks `first .. end`, one after the other.
    fn group(&self, first: usize, end: usize) -> Result<PartialLoss<'_>> {
        let mut accumulator = self.prepared.accumulator()?;
        let mut coefficients = Vec::new();
        let mut sums = self.chunk(first, &mut accumulator, &mut coefficients)?;
        for index in first + 1..end {
            let more = self.chunk(index, &mut accumulator, &mut coefficients)?;
            self.add(&mut sums, &more)?;
        }
        Ok(PartialLoss {
            sums,
            accumulator,
            coefficients,
        })
    }

    /// Evaluates one chunk, and adds to the gradients.
    fn chunk(
        &self,
        index: usize,
        accumulator: &mut Accumulator<'_>,
        coefficients: &mut Vec<f64>,
    ) -> Result<Vec<TermSum>> {
        let start = index * self.chunk_points;
        let points = self.chunk_points.min(self.sample.len() - start);
        let part = self.sample.narrow(start, points)?;
        if let Some(sums) = self.squares(&part, accumulator)? {
            return Ok(sums);
        }
        let order = self.objective.order_at(self.time.progress);
        let context = Context {
            jet: &accumulator.jet(part.coords(), order)?,
            sample: &part,
            step: self.time.step,
            progress: self.time.progress,
            coefficients: self.coefficients,
        };
        let mut sums = Vec::new();
        let mut loss: Option<Tensor> = None;
        for term in self.objective.terms(&context)? {
            let (sum, weighted) = self.sum(term, points)?;
            sums.push(sum);
            loss = Some(match loss {
                Some(loss) => (loss + weighted)?,
                None => weighted,
            });
        }
        if let Some(loss) = loss {
            let store = differentiate(&loss)?;
            accumulator.collect(&store)?;
            if !self.coefficients.is_empty() {
                add_gradients(coefficients, &self.coefficients.gradients(&store)?);
            }
        }
        Ok(sums)
    }

    /// Evaluates a chunk of a loss that is a sum of squares beside the network, if the backend does that.
    fn squares(
        &self,
        part: &Sample,
        accumulator: &mut Accumulator<'_>,
    ) -> Result<Option<Vec<TermSum>>> {
        let [dims, channels] = self.prepared.features();
        let Some(squares) = self.objective.squares(channels) else {
            return Ok(None);
        };
        let order = self.objective.order_at(self.time.progress);
        let mut factors = vec![0.0; order.components(dims)];
        for term in &squares.terms {
            let weight = self.weight * term.weight / self.sample.len() as f64;
            factors[term.components.clone()].fill(weight * term.factor);
        }
        let squares_of_components = ComponentSquares {
            targets: part.targets()?,
            first: squares.first,
            factors,
        };
        let sums = accumulator.squares(part.coords(), order, &squares_of_components)?;
        let term_sum = |sums: &[f64], term: SquareTerm| TermSum {
            weight: self.weight * term.weight,
            total: term.factor * sums[term.components].iter().sum::<f64>(),
            name: term.name,
        };
        Ok(sums.map(|sums| {
            let terms = squares.terms.into_iter();
            terms.map(|term| term_sum(&sums, term)).collect()
        }))
    }

    /// Returns the sum of a term over a chunk, and its part of the loss.
    fn sum(&self, term: Term, points: usize) -> Result<(TermSum, Tensor)> {
        if term.per_point.dims() != [points] {
            return Err(Error::Shape {
                what: "term of an objective",
                expected: format!("`{}` of shape ({points},), one number per point", term.name),
                got: format!("{:?}", term.per_point.dims()),
            });
        }
        let weight = self.weight * term.weight;
        let total = term.per_point.sum_all()?;
        let weighted = (&total * (weight / self.sample.len() as f64))?;
        let sum = TermSum {
            name: term.name,
            weight,
            total: total.to_dtype(DType::F64)?.to_scalar()?,
        };
        Ok((sum, weighted))
    }

    /// Adds the sums of other chunks.
    fn add(&self, sums: &mut [TermSum], more: &[TermSum]) -> Result<()> {
        let names = |sums: &[TermSum]| {
            let names = sums.iter().map(|sum| sum.name.as_ref());
            names.collect::<Vec<&str>>().join(", ")
        };
        let same = sums.len() == more.len() && sums.iter().zip(more).all(|(a, b)| a.name == b.name);
        if !same {
            return Err(Error::Terms {
                constraint: self.constraint.to_owned(),
                expected: names(sums),
                got: names(more),
            });
        }
        for (sum, more) in sums.iter_mut().zip(more) {
            sum.total += more.total;
        }
        Ok(())
    }
}

/// Adds gradients of coefficients; an empty list is zero.
fn add_gradients(sum: &mut Vec<f64>, more: &[f64]) {
    if sum.is_empty() {
        sum.extend_from_slice(more);
        return;
    }
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum += more;
    }
}
