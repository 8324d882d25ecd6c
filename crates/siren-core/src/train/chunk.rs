//! Loss and gradient of one constraint, chunk by chunk.

use std::borrow::Cow;
use std::ops::Range;

use candle_core::{DType, Tensor};

use super::tree::Node;
use super::{Time, differentiate};
use crate::error::{Error, Result};
use crate::field::{
    Accumulator, ComponentSquares, FlatGradient, PointSet, Prepared, Siren, Threads,
};
use crate::objective::{Coefficients, Constraint, Context, Law, Objective, SquareTerm, Term};
use crate::ranks::Ranks;
use crate::signal::Sample;

/// A term summed over points.
#[derive(Clone, Debug, PartialEq)]
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
    pub(super) gradient: FlatGradient,
}

/// A field at one step, which all constraints share.
pub(super) struct FieldStep<'a> {
    pub(super) field: &'a Siren,
    pub(super) prepared: &'a Prepared<'a>,
    pub(super) coefficients: &'a Coefficients,
    pub(super) time: Time,
    /// The ranks that share the chunks.
    pub(super) ranks: &'a Ranks,
}

/// Sums over some chunks.
pub(super) struct PartialLoss<'a> {
    pub(super) sums: Vec<TermSum>,
    pub(super) accumulator: Accumulator<'a>,
    pub(super) coefficients: Vec<f64>,
}

/// Sums over all chunks.
pub(super) struct WholeLoss {
    pub(super) sums: Vec<TermSum>,
    /// With respect to the parameters of the network.
    pub(super) gradient: FlatGradient,
    pub(super) coefficients: Vec<f64>,
}

/// One constraint at one step.
pub(super) struct Evaluator<'a> {
    constraint: &'a str,
    weight: f64,
    pub(super) prepared: &'a Prepared<'a>,
    coefficients: &'a Coefficients,
    objective: &'a dyn Objective,
    drawn: &'a Drawn<'a>,
    chunk_points: usize,
    time: Time,
}

/// The points of one constraint at one step.
struct Drawn<'a> {
    sample: Cow<'a, Sample>,
    /// Indices of the points of `sample` that are computed, if they are not all of it in its sequence.
    selection: Option<Vec<u32>>,
    /// Number of points that were drawn, over which the loss is a mean.
    count: usize,
}

impl<'a> Drawn<'a> {
    /// Draws points; `prepared` says whether as a selection, if they are one.
    fn new(constraint: &'a Constraint, step: u64, prepared: &Prepared<'_>) -> Result<Self> {
        let selected = if prepared.keeps_samples() {
            constraint.sampler.selection(step)?
        } else {
            None
        };
        let mut drawn = match selected {
            Some(selected) => Self {
                sample: Cow::Borrowed(selected.from),
                count: selected.indices.len(),
                selection: Some(selected.indices),
            },
            None => Self::all(Cow::Owned(constraint.sampler.draw(step)?)),
        };
        drawn.selection = prepared.arrange(drawn.sample.coords(), drawn.selection)?;
        Ok(drawn)
    }

    /// Returns all points of a sample.
    fn all(sample: Cow<'a, Sample>) -> Self {
        Self {
            count: sample.len(),
            sample,
            selection: None,
        }
    }

    /// Returns the number of points that are computed.
    fn len(&self) -> usize {
        let selected = self.selection.as_ref().map(Vec::len);
        selected.unwrap_or_else(|| self.sample.len())
    }

    /// Returns some points as a sample.
    fn part(&self, points: Range<usize>) -> Result<Sample> {
        match &self.selection {
            Some(indices) => self.sample.select(&indices[points]),
            None => self.sample.narrow(points.start, points.len()),
        }
    }
}

impl FieldStep<'_> {
    /// Draws the sample of a constraint, and computes its part of the loss and its gradient.
    pub(super) fn evaluate(&self, constraint: &Constraint) -> Result<ConstraintLoss> {
        let weight = constraint.weight.at(self.time.step);
        match &constraint.law {
            Law::Pointwise(objective) => {
                let drawn = Drawn::new(constraint, self.time.step, self.prepared)?;
                must_have_points(drawn.count, constraint)?;
                let loss = self.reduced(&constraint.name, weight, objective.as_ref(), &drawn)?;
                if loss.sums.iter().any(|sum| !sum.total.is_finite()) {
                    // Data that is not finite is no fault of the training.
                    drawn.sample.must_be_finite()?;
                }
                Ok(loss)
            }
            Law::Functional(functional) => {
                let sample = constraint.sampler.draw(self.time.step)?;
                must_have_points(sample.len(), constraint)?;
                self.functional(weight, functional.as_ref(), &sample)
            }
        }
    }

    /// Computes the loss of an objective at all points of a sample. `constraint` is the name in messages.
    pub(super) fn pointwise(
        &self,
        constraint: &str,
        weight: f64,
        objective: &dyn Objective,
        sample: &Sample,
    ) -> Result<ConstraintLoss> {
        let drawn = Drawn::all(Cow::Borrowed(sample));
        self.reduced(constraint, weight, objective, &drawn)
    }

    /// Computes the loss of an objective, chunk by chunk.
    fn reduced(
        &self,
        constraint: &str,
        weight: f64,
        objective: &dyn Objective,
        drawn: &Drawn<'_>,
    ) -> Result<ConstraintLoss> {
        let order = objective.order_at(self.time.progress);
        let evaluator = Evaluator {
            constraint,
            weight,
            prepared: self.prepared,
            coefficients: self.coefficients,
            objective,
            drawn,
            chunk_points: self.field.network().chunk_points(order),
            time: self.time,
        };
        let chunks = drawn.len().div_ceil(evaluator.chunk_points);
        let tree = match self.prepared.threads() {
            Threads::Many => Node::halved(chunks),
            Threads::One => Node::leaf(chunks),
        };
        let loss = match self.ranks.count() {
            1 => evaluator.reduce(tree)?.finish()?,
            _ => evaluator.shared(tree, self.ranks)?,
        };
        let layout = self.field.parameters().layout();
        Ok(ConstraintLoss {
            sums: loss.sums,
            count: drawn.count,
            gradient: Coefficients::append(loss.gradient, &loss.coefficients, layout)?,
        })
    }
}

impl PartialLoss<'_> {
    fn finish(self) -> Result<WholeLoss> {
        Ok(WholeLoss {
            sums: self.sums,
            gradient: self.accumulator.finish()?,
            coefficients: self.coefficients,
        })
    }
}

impl Evaluator<'_> {
    /// Evaluates the chunks of a tree, which fixes the order of every addition.
    pub(super) fn reduce(&self, tree: Node) -> Result<PartialLoss<'_>> {
        let Some([left, right]) = tree.halves() else {
            return self.group(tree.first, tree.end);
        };
        let halves = rayon::join(|| self.reduce(left), || self.reduce(right));
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
        let points = self.chunk_points.min(self.drawn.len() - start);
        let points = start..start + points;
        if let Some(sums) = self.squares(points.clone(), accumulator)? {
            return Ok(sums);
        }
        let part = self.drawn.part(points)?;
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
            let (sum, weighted) = self.sum(term, part.len())?;
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
        points: Range<usize>,
        accumulator: &mut Accumulator<'_>,
    ) -> Result<Option<Vec<TermSum>>> {
        let [dims, channels] = self.prepared.features();
        let Some(squares) = self.objective.squares(channels) else {
            return Ok(None);
        };
        let order = self.objective.order_at(self.time.progress);
        let mut factors = vec![0.0; order.components(dims)];
        for term in &squares.terms {
            let weight = self.weight * term.weight / self.drawn.count as f64;
            factors[term.components.clone()].fill(weight * term.factor);
        }
        let Drawn {
            sample, selection, ..
        } = self.drawn;
        let squares_of_components = ComponentSquares {
            points: match selection {
                Some(indices) => PointSet::Selected(&indices[points]),
                None => PointSet::Adjacent(points),
            },
            targets: sample.targets()?,
            first: squares.first,
            factors,
        };
        let sums = accumulator.squares(sample.coords(), order, &squares_of_components)?;
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
        let weighted = (&total * (weight / self.drawn.count as f64))?;
        let sum = TermSum {
            name: term.name,
            weight,
            total: total.to_dtype(DType::F64)?.to_scalar()?,
        };
        Ok((sum, weighted))
    }

    /// Adds the sums of other chunks.
    fn add(&self, sums: &mut [TermSum], more: &[TermSum]) -> Result<()> {
        self.must_match(sums, more)?;
        for (sum, more) in sums.iter_mut().zip(more) {
            sum.total += more.total;
        }
        Ok(())
    }

    /// Checks that the sums of other chunks are of the same terms.
    pub(super) fn must_match(&self, sums: &[TermSum], more: &[TermSum]) -> Result<()> {
        let names = |sums: &[TermSum]| {
            let names = sums.iter().map(|sum| sum.name.as_ref());
            names.collect::<Vec<&str>>().join(", ")
        };
        if sums.len() == more.len() && sums.iter().zip(more).all(|(a, b)| a.name == b.name) {
            return Ok(());
        }
        Err(Error::Terms {
            constraint: self.constraint.to_owned(),
            expected: names(sums),
            got: names(more),
        })
    }
}

/// Checks that there are points.
fn must_have_points(count: usize, constraint: &Constraint) -> Result<()> {
    if count > 0 {
        return Ok(());
    }
    Err(Error::Shape {
        what: "sample",
        expected: "at least one point".to_owned(),
        got: format!("none for the constraint `{}`", constraint.name),
    })
}

/// Adds gradients of coefficients; an empty list is zero.
pub(super) fn add_gradients(sum: &mut Vec<f64>, more: &[f64]) {
    if sum.is_empty() {
        sum.extend_from_slice(more);
        return;
    }
    for (sum, more) in sum.iter_mut().zip(more) {
        *sum += more;
    }
}
