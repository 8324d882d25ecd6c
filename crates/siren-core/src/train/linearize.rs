//! Residuals of a loss that is a sum of squares, and their Jacobian, row by row.

use candle_core::{DType, Device, Tensor, Var};
use rayon::prelude::*;

use super::{Time, differentiate};
use crate::error::{Error, Result};
use crate::field::tensor::{Element, read};
use crate::field::{FieldEngine, Gradients, Jet, Order, Prepared, Siren, Threads};
use crate::objective::{Coefficients, Constraint, Context, Law, Objective, Term};
use crate::optimizer::Linearization;
use crate::signal::Sample;

/// Points whose terms are differentiated together.
const POINTS: usize = 512;
/// Most bytes of a Jacobian with its Gram matrix.
const MOST_BYTES: usize = 12 << 30;

/// One residual at a block of points, and its derivative with respect to the jets.
struct Block {
    coords: Tensor,
    order: Order,
    /// Scaled residuals `(n,)`.
    residuals: Vec<f64>,
    /// Derivatives of the scaled residuals `(n, c, 1 + d + K)`.
    d_jets: Tensor,
}

/// Computes the residuals of all constraints at a step, scaled so that the sum of their squares is the loss, and their Jacobian.
///
/// The CPU computes them, whatever the engine of the field: a row of the Jacobian is the gradient of one point, too little work for a device.
pub(super) fn linearize(
    field: &Siren,
    constraints: &[Constraint],
    time: Time,
) -> Result<Linearization> {
    let coefficients = Coefficients::of(field.parameters())?;
    if !coefficients.is_empty() {
        return Err(unsupported(
            "fields with unknown coefficients",
            "another optimizer, such as `lbfgs`",
        ));
    }
    let network = field.network().clone().on(&FieldEngine::Cpu);
    let parameters = field.parameters();
    let prepared = network.prepare(parameters.var()?.as_tensor(), Gradients::Tracked)?;
    let mut blocks = Vec::new();
    for constraint in constraints {
        let objective = pointwise(constraint)?;
        let sample = constraint.sampler.draw(time.step)?;
        for start in (0..sample.len()).step_by(POINTS) {
            let part = sample.narrow(start, POINTS.min(sample.len() - start))?;
            let part = Part {
                weight: constraint.weight.at(time.step),
                objective,
                sample: &part,
                points: sample.len(),
                time,
                coefficients: &coefficients,
            };
            part.blocks(&prepared, &mut blocks)?;
            let count = blocks
                .iter()
                .map(|block: &Block| block.residuals.len())
                .sum();
            must_fit(count, field)?;
        }
    }
    let residuals: Vec<f64> = blocks
        .iter()
        .flat_map(|block| block.residuals.iter().copied())
        .collect();
    let jacobian = match parameters.dtype() {
        DType::F64 => jacobian::<f64>(&prepared, &blocks, parameters.len())?,
        _ => jacobian::<f32>(&prepared, &blocks, parameters.len())?,
    };
    Ok(Linearization {
        residuals,
        jacobian,
    })
}

/// Computes the rows of the Jacobian, in parallel where the device allows it.
fn jacobian<T: Element + Default>(
    prepared: &Prepared<'_>,
    blocks: &[Block],
    parameters: usize,
) -> Result<Tensor> {
    let points = blocks
        .iter()
        .flat_map(|block| (0..block.residuals.len()).map(move |point| (block, point)));
    let points: Vec<(&Block, usize)> = points.collect();
    let count = points.len();
    let mut jacobian = vec![T::default(); count * parameters];
    let rows = points.into_iter().zip(jacobian.chunks_mut(parameters));
    let rows: Vec<((&Block, usize), &mut [T])> = rows.collect();
    let fill = |((block, point), row): ((&Block, usize), &mut [T])| -> Result<()> {
        let gradient = block.gradient(prepared, point)?;
        Ok(read(&gradient, |gradient: &[T]| {
            row.copy_from_slice(gradient);
        })?)
    };
    match prepared.threads() {
        Threads::Many => rows.into_par_iter().try_for_each(fill)?,
        Threads::One => rows.into_iter().try_for_each(fill)?,
    }
    Ok(Tensor::from_vec(
        jacobian,
        (count, parameters),
        &Device::Cpu,
    )?)
}

/// Some points of the sample of one constraint.
struct Part<'a> {
    /// Factor of the constraint in the loss.
    weight: f64,
    objective: &'a dyn Objective,
    sample: &'a Sample,
    /// Number of points of the whole sample.
    points: usize,
    time: Time,
    coefficients: &'a Coefficients,
}

impl Part<'_> {
    /// Appends the residuals of all terms, with their derivatives with respect to the jets.
    fn blocks(&self, prepared: &Prepared<'_>, blocks: &mut Vec<Block>) -> Result<()> {
        let order = self.objective.order_at(self.time.progress);
        let coords = self.sample.coords();
        let evaluated = prepared.evaluate(coords, order)?;
        let jets = Var::from_tensor(evaluated.packed())?;
        let context = Context {
            jet: &Jet::from_packed(jets.as_tensor().clone(), order, coords.dim(1)?),
            sample: self.sample,
            step: self.time.step,
            progress: self.time.progress,
            coefficients: self.coefficients,
        };
        for term in self.objective.terms(&context)? {
            let (residuals, scale) = self.scaled(term)?;
            for k in 0..residuals.dim(1)? {
                let residual = (residuals.narrow(1, k, 1)?.squeeze(1)? * scale)?;
                let store = differentiate(&residual.sum_all()?)?;
                let Some(d_jets) = store.get(&jets) else {
                    continue;
                };
                blocks.push(Block {
                    coords: coords.clone(),
                    order: order.clone(),
                    residuals: residual.to_dtype(DType::F64)?.to_vec1()?,
                    d_jets: d_jets.clone(),
                });
            }
        }
        Ok(())
    }

    /// Returns the residuals of a term, and the factor `√(w / n)` that makes the sum of their squares its part of the loss.
    fn scaled(&self, term: Term) -> Result<(Tensor, f64)> {
        let weight = self.weight * term.weight;
        let Some(residuals) = term.residuals.filter(|_| weight >= 0.0) else {
            let what = format!("the term `{}`, which is not a sum of squares", term.name);
            return Err(unsupported(
                &what,
                "a loss of squares, or another optimizer",
            ));
        };
        Ok((residuals, (weight / self.points as f64).sqrt()))
    }
}

impl Block {
    /// Returns the derivative of the residual at one point with respect to the parameters `(P,)`.
    fn gradient(&self, prepared: &Prepared<'_>, point: usize) -> Result<Tensor> {
        let mut accumulator = prepared.accumulator()?;
        let jet = accumulator.jet(&self.coords.narrow(0, point, 1)?, &self.order)?;
        let d_jet = self.d_jets.narrow(0, point, 1)?;
        let store = differentiate(&(jet.packed() * d_jet)?.sum_all()?)?;
        accumulator.collect(&store)?;
        Ok(accumulator
            .finish()?
            .tensor()?
            .to_device(&Device::Cpu)?
            .contiguous()?)
    }
}

/// Returns the objective of a constraint, whose loss may be a sum of squares.
fn pointwise(constraint: &Constraint) -> Result<&dyn Objective> {
    match &constraint.law {
        Law::Pointwise(objective) => Ok(objective.as_ref()),
        Law::Functional(_) => {
            let what = format!(
                "the constraint `{}`, a functional, which has no residuals",
                constraint.name
            );
            Err(unsupported(&what, "another optimizer, such as `lbfgs`"))
        }
    }
}

fn unsupported(what: &str, expected: &str) -> Error {
    Error::invalid(
        "train.optimizer",
        "gauss_newton",
        &format!("{expected}: it cannot minimize {what}"),
    )
}

/// Checks that the matrices of a step fit in memory.
fn must_fit(residuals: usize, field: &Siren) -> Result<()> {
    let (parameters, dtype) = (field.parameters().len(), field.parameters().dtype());
    let row = parameters * dtype.size_in_bytes() + 2 * residuals * size_of::<f64>();
    let bytes = residuals.saturating_mul(row);
    if bytes <= MOST_BYTES {
        return Ok(());
    }
    let what = format!(
        "fewer points or a smaller network: {residuals} residuals and {parameters} parameters need {:.1} GiB per step, more than {} GiB",
        bytes as f64 / f64::from(1 << 30),
        MOST_BYTES >> 30
    );
    Err(Error::invalid("train.optimizer", "gauss_newton", &what))
}
