//! Loss and gradient of a functional: its gradient with respect to the values, carried on to the parameters chunk by chunk.

use candle_core::{DType, Tensor};

use super::chunk::{ConstraintLoss, FieldStep, TermSum};
use crate::error::{Error, Result};
use crate::field::Order;
use crate::objective::{Context, FieldValues, Functional, FunctionalTerm, Objective, Term};
use crate::signal::Sample;

/// Column of the gradient of the loss with respect to the values `(n, c)`.
const COTANGENT: &str = "cotangent";

/// The inner product of the values with the column [`COTANGENT`]: its gradient with respect to the parameters is that of the functional.
struct Linear;

impl Objective for Linear {
    fn order(&self) -> &Order {
        &Order::Value
    }

    fn terms(&self, context: &Context<'_>) -> Result<Vec<Term>> {
        let products = (context.jet.value()? * context.sample.column(COTANGENT)?)?;
        Ok(vec![Term::new(COTANGENT, products.sum(1)?)])
    }
}

impl FieldStep<'_> {
    /// Computes the loss of a functional. Only values and their gradient are held for the whole sample.
    pub(super) fn functional(
        &self,
        weight: f64,
        functional: &dyn Functional,
        sample: &Sample,
    ) -> Result<ConstraintLoss> {
        // The field evaluates without a graph, which would keep the hidden activations of all points.
        let values = self.field.evaluate(sample.coords(), &Order::Value)?;
        let values = values.value()?.contiguous()?;
        if !is_finite(&values)? {
            sample.must_be_finite()?;
            return Err(Error::Diverged {
                step: self.time.step,
                what: "a value of the field".to_owned(),
            });
        }
        let terms = functional.evaluate(&FieldValues {
            values: &values,
            sample,
            step: self.time.step,
            progress: self.time.progress,
        })?;
        let mut cotangent = values.zeros_like()?;
        let mut sums = Vec::with_capacity(terms.len());
        for term in terms {
            let factor = weight * term.weight;
            cotangent = (cotangent + (matched(&term, &values)? * factor)?)?;
            sums.push(TermSum {
                name: term.name,
                weight: factor,
                total: term.value,
            });
        }
        if !is_finite(&cotangent)? || sums.iter().any(|sum| !sum.total.is_finite()) {
            // Data that is not finite is no fault of the training.
            sample.must_be_finite()?;
        }
        let linear = Sample::new(sample.coords().clone())?.with_column(COTANGENT, cotangent)?;
        // An objective is a mean over points, this one a sum.
        let points = linear.len() as f64;
        let ConstraintLoss { gradient, .. } =
            self.pointwise(COTANGENT, points, &Linear, &linear)?;
        Ok(ConstraintLoss {
            sums,
            count: 1,
            gradient,
        })
    }
}

/// Returns whether every element is finite.
fn is_finite(tensor: &Tensor) -> Result<bool> {
    // In double precision the sum of finite single-precision numbers does not overflow.
    let sum: f64 = tensor.to_dtype(DType::F64)?.sum_all()?.to_scalar()?;
    Ok(sum.is_finite())
}

/// Returns the gradient of a term in the type and on the device of the values.
fn matched(term: &FunctionalTerm, values: &Tensor) -> Result<Tensor> {
    if term.gradient.dims() != values.dims() {
        return Err(Error::Shape {
            what: "gradient of a functional",
            expected: format!(
                "that of `{}` of shape {:?}, as the field's values",
                term.name,
                values.dims()
            ),
            got: format!("{:?}", term.gradient.dims()),
        });
    }
    let gradient = term.gradient.detach().to_device(values.device())?;
    Ok(gradient.to_dtype(values.dtype())?)
}
