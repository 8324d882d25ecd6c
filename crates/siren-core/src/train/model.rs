//! What a trainer moves.

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use rand_chacha::ChaCha8Rng;

use super::{Constraint, TermReport, chunk};
use crate::config::{NoTable, Table};
use crate::error::Result;
use crate::field::{FieldShape, Layout, Siren, SirenConfig};

/// What a model is made from.
#[derive(Debug)]
pub struct Blueprint<'a, C> {
    /// The `[field]` table.
    pub field: &'a SirenConfig,
    /// The `[model]` table.
    pub model: &'a C,
    /// What comes from the signal.
    pub shape: FieldShape,
}

impl<C> Clone for Blueprint<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Blueprint<'_, C> {}

/// Parameters in one flat tensor and a loss with its gradient in them: a field, or a network that makes fields.
pub trait Model: Sized {
    /// The `[model]` table of a config: what `[field]` does not say.
    type Config: Table;
    /// What it must satisfy.
    type Constraint;

    /// Draws the parameters from `rng`.
    ///
    /// # Errors
    /// If the blueprint is out of range.
    fn init(
        blueprint: Blueprint<'_, Self::Config>,
        rng: &mut ChaCha8Rng,
        dtype: DType,
        device: &Device,
    ) -> Result<Self>;

    /// With the given parameters: `find` gives each tensor of [`named_tensors`](Self::named_tensors) by its name.
    ///
    /// # Errors
    /// If the blueprint is out of range, or a tensor is missing or has another shape.
    fn load(
        blueprint: Blueprint<'_, Self::Config>,
        find: impl Fn(&str) -> Option<Tensor>,
        dtype: DType,
        device: &Device,
    ) -> Result<Self>;

    /// The flat parameters `(P,)`.
    fn parameters(&self) -> &Var;

    /// Where each named parameter lives in them.
    fn layout(&self) -> &Layout;

    /// Every tensor that makes it, by name.
    ///
    /// # Errors
    /// Only from candle.
    fn named_tensors(&self) -> Result<Vec<(String, Tensor)>>;

    /// The loss at `step`, its parts, and its gradient in the flat parameters.
    ///
    /// # Errors
    /// If a sampler or an objective fails.
    fn loss_and_gradient(&self, constraints: &[Self::Constraint], step: u64) -> Result<Loss>;

    /// Takes a gradient that it gave and that nothing else holds: the next one may lie in the same memory, which where there is much of it
    /// spares asking the system for more.
    fn reuse(&self, gradient: Tensor) {
        drop(gradient);
    }
}

/// The reverse pass of a loss: every gradient starts here.
///
/// # Errors
/// Only from candle.
pub fn differentiate(loss: &Tensor) -> Result<GradStore> {
    Ok(loss.backward()?)
}

/// A loss, how it came about, and its gradient.
#[derive(Clone, Debug)]
pub struct Loss {
    /// Weighted sum of the terms.
    pub value: f64,
    /// The terms, unweighted.
    pub terms: Vec<TermReport>,
    /// In the flat parameters `(P,)`.
    pub gradient: Tensor,
}

impl Model for Siren {
    type Config = NoTable;
    type Constraint = Constraint;

    fn init(
        blueprint: Blueprint<'_, NoTable>,
        rng: &mut ChaCha8Rng,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        blueprint.field.init(blueprint.shape, rng, dtype, device)
    }

    fn load(
        blueprint: Blueprint<'_, NoTable>,
        find: impl Fn(&str) -> Option<Tensor>,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        blueprint.field.load(blueprint.shape, find, dtype, device)
    }

    fn parameters(&self) -> &Var {
        self.parameters()
    }

    fn layout(&self) -> &Layout {
        self.layout()
    }

    fn named_tensors(&self) -> Result<Vec<(String, Tensor)>> {
        self.named_tensors()
    }

    fn loss_and_gradient(&self, constraints: &[Constraint], step: u64) -> Result<Loss> {
        let mut loss = 0.0;
        let mut terms = Vec::new();
        let mut gradient: Option<Tensor> = None;
        for constraint in constraints {
            let sample = constraint.sampler.draw(step)?;
            let objective = constraint.objective.as_ref();
            let evaluated = chunk::evaluate(self, objective, &sample)?;
            let points = sample.len() as f64;
            for sum in evaluated.sums {
                loss += sum.weight * sum.total / points;
                terms.push(TermReport {
                    name: sum.name.to_owned(),
                    mean: sum.total / points,
                });
            }
            gradient = Some(match gradient {
                Some(sum) => (sum + evaluated.d_params)?,
                None => evaluated.d_params,
            });
        }
        let gradient = match gradient {
            Some(gradient) => gradient,
            None => self.parameters().zeros_like()?,
        };
        Ok(Loss {
            value: loss,
            terms,
            gradient,
        })
    }
}
