//! Models: what a trainer trains.

use candle_core::{DType, Device, Tensor};
use rand_chacha::ChaCha8Rng;
use siren_kernel::Bfloat16;

use super::chunk::FieldStep;
use super::{Precision, TermReport, linearize, rest};
use crate::config::{NoTable, Table};
use crate::error::{Error, Result};
use crate::field::{
    FieldEngine, FieldShape, FlatGradient, Gradients, Network, Order, Parameters, Prepared,
    RestingTiles, Siren, SirenConfig,
};
use crate::objective::{Coefficients, Constraint, Law};
use crate::optimizer::Linearization;
use crate::ranks::Ranks;

/// What a model is made from.
#[derive(Debug)]
pub struct Blueprint<'a, C> {
    /// The `[field]` table.
    pub field: &'a SirenConfig,
    /// The `[model]` table.
    pub model: &'a C,
    /// Sizes that come from the signal.
    pub shape: FieldShape,
}

impl<C> Clone for Blueprint<'_, C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Blueprint<'_, C> {}

/// Parameters, and a loss with its gradient with respect to them: a field, or a network that computes the parameters of fields.
pub trait Model: Sized {
    /// The `[model]` table of a config: settings besides those of `[field]`.
    type Config: Table;
    /// One part of the loss.
    type Constraint;

    /// Whether [`loss_and_gradient`](Self::loss_and_gradient) gives each of several ranks a slice of the gradient, by [`Loss::sum_among`]: for
    /// so many parameters that each rank should have the optimizer's state of its slice alone.
    const IS_SHARDED: bool = false;

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

    /// Makes a model with given parameters: `find` returns each tensor of [`named_tensors`](Self::named_tensors) by its name.
    ///
    /// # Errors
    /// If the blueprint is out of range, or a tensor is missing or has another shape.
    fn load(
        blueprint: Blueprint<'_, Self::Config>,
        find: impl Fn(&str) -> Option<Tensor>,
        dtype: DType,
        device: &Device,
    ) -> Result<Self>;

    /// Returns the same model whose fields an engine computes. Parameters stay in CPU memory.
    ///
    /// # Errors
    /// As [`FieldEngine::must_compute`].
    fn on(self, engine: &FieldEngine) -> Result<Self>;

    /// Returns the parameters, which an optimizer changes in place.
    fn parameters(&self) -> &Parameters;

    /// Returns the network of the field, or of the fields that it makes.
    fn network(&self) -> &Network;

    /// Returns the field, if the model is one.
    fn field(&self) -> Option<&Siren> {
        None
    }

    /// Returns a copy of every tensor that makes the model, by name.
    ///
    /// # Errors
    /// If the device is out of memory.
    fn named_tensors(&self) -> Result<Vec<(String, Tensor)>>;

    /// Computes the loss at a step, its parts, and its gradient with respect to the parameters, together with all `ranks`.
    ///
    /// # Errors
    /// If there is no constraint, or a sampler or an objective fails.
    fn loss_and_gradient(
        &self,
        constraints: &[Self::Constraint],
        time: Time,
        ranks: &Ranks,
    ) -> Result<Loss>;

    /// Computes the residuals whose sum of squares is the loss, and their Jacobian. Models do not support it unless they override this
    /// method.
    ///
    /// # Errors
    /// If the loss is not a sum of squares; otherwise as [`loss_and_gradient`](Self::loss_and_gradient).
    fn linearize(&self, _constraints: &[Self::Constraint], _time: Time) -> Result<Linearization> {
        Err(Error::without_residuals())
    }

    /// Checks that [`loss_and_gradient`](Self::loss_and_gradient) can round operands of products, as a precision asks for. Models do not unless they
    /// override this method.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if it cannot.
    fn must_round(&self, precision: Precision, _constraints: &[Self::Constraint]) -> Result<()> {
        Err(precision.refused("single or double: this kind of model is not trained in bfloat16"))
    }

    /// Computes the loss of a mosaic as [`loss_and_gradient`](Self::loss_and_gradient), without the points of `resting` tiles alone and without gradients
    /// with respect to the parameters of these tiles. Models do not support it unless they override this method.
    ///
    /// # Errors
    /// As [`loss_and_gradient`](Self::loss_and_gradient); also if the model is no mosaic.
    fn loss_of_active_tiles(
        &self,
        _constraints: &[Self::Constraint],
        _time: Time,
        _resting: &RestingTiles,
    ) -> Result<Loss> {
        Err(Error::invalid(
            "model",
            "no field",
            "a mosaic, whose tiles can rest",
        ))
    }

    /// Checks that [`loss_of_active_tiles`](Self::loss_of_active_tiles) computes the loss and the errors of all tiles, as `train.rest_db` asks for. Models
    /// do not unless they override this method.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if it does not.
    fn must_rest(&self, rest_db: f64, _constraints: &[Self::Constraint]) -> Result<()> {
        let expected =
            "no value: this kind of model has no tiles that could rest, so remove the key";
        Err(rest::refused(rest_db, expected))
    }

    /// Takes back a gradient that [`loss_and_gradient`](Self::loss_and_gradient) returned and that nothing else holds: the next one may be
    /// written to the same allocation.
    fn reuse(&self, gradient: Tensor) {
        drop(gradient);
    }
}

/// How far a training has come, and how it computes there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Time {
    /// Steps taken before.
    pub step: u64,
    /// `step` over the number of steps of the training, from 0 to below 1.
    pub progress: f64,
    /// What multiplies operands of products that are rounded to bfloat16; `None` if they are not rounded.
    pub rounding: Option<Bfloat16>,
}

/// A loss, its parts, and its gradient.
#[derive(Clone, Debug)]
pub struct Loss {
    /// Weighted sum of the terms.
    pub value: f64,
    /// The terms, unweighted.
    pub terms: Vec<TermReport>,
    /// Gradient with respect to the parameters.
    pub gradient: FlatGradient,
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

    fn on(self, engine: &FieldEngine) -> Result<Self> {
        self.on(engine)
    }

    fn parameters(&self) -> &Parameters {
        self.parameters()
    }

    fn network(&self) -> &Network {
        self.network()
    }

    fn field(&self) -> Option<&Siren> {
        Some(self)
    }

    fn named_tensors(&self) -> Result<Vec<(String, Tensor)>> {
        self.named_tensors()
    }

    fn linearize(&self, constraints: &[Constraint], time: Time) -> Result<Linearization> {
        linearize::linearize(self, constraints, time)
    }

    fn must_round(&self, precision: Precision, constraints: &[Constraint]) -> Result<()> {
        if self.network().config().mosaic.is_some() {
            let expected = "single with `field.mosaic`, whose networks are not rounded";
            return Err(precision.refused(expected));
        }
        if !self.network().has_rounded_layers() {
            return Err(precision.refused(
                "single: only hidden layers of 96 and more features after the first are rounded, and this network has none",
            ));
        }
        for constraint in constraints {
            let name = &constraint.name;
            match &constraint.law {
                Law::Pointwise(objective) if *objective.order() == Order::Value => {}
                Law::Pointwise(_) => {
                    return Err(precision.refused(&format!(
                        "single or double: the constraint `{name}` needs derivatives of the field"
                    )));
                }
                Law::Functional(_) => {
                    return Err(precision.refused(&format!(
                        "single or double: the constraint `{name}` is no loss of single points"
                    )));
                }
            }
        }
        Ok(())
    }

    fn loss_and_gradient(
        &self,
        constraints: &[Constraint],
        time: Time,
        ranks: &Ranks,
    ) -> Result<Loss> {
        let prepared = match time.rounding {
            Some(arithmetic) => self.prepare_rounded(arithmetic)?,
            None => self.prepare(Gradients::Tracked)?,
        };
        self.loss(&prepared, constraints, time, ranks)
    }

    fn loss_of_active_tiles(
        &self,
        constraints: &[Constraint],
        time: Time,
        resting: &RestingTiles,
    ) -> Result<Loss> {
        let prepared = self.prepare_active(resting)?;
        self.loss(&prepared, constraints, time, &Ranks::one())
    }

    fn must_rest(&self, rest_db: f64, constraints: &[Constraint]) -> Result<()> {
        if self.network().config().mosaic.is_none() {
            let expected =
                "no value without `field.mosaic`: remove the key, or make the field a mosaic";
            return Err(rest::refused(rest_db, expected));
        }
        let [constraint] = constraints else {
            let count = constraints.len();
            return Err(rest::refused(
                rest_db,
                &format!(
                    "no value with {count} constraints: remove the key, or all losses but the squared error of the values"
                ),
            ));
        };
        let name = &constraint.name;
        let (is_of_values, is_of_squares) = match &constraint.law {
            Law::Pointwise(objective) => (
                *objective.order() == Order::Value,
                objective.squares(self.out_features()).is_some(),
            ),
            Law::Functional(_) => (true, false),
        };
        if !is_of_values {
            return Err(rest::refused(
                rest_db,
                &format!(
                    "no value: the constraint `{name}` needs derivatives of the field; remove the key, or fit the values"
                ),
            ));
        }
        if !is_of_squares {
            return Err(rest::refused(
                rest_db,
                &format!(
                    "no value: the constraint `{name}` is no squared error of the values; remove the key, or fit the values"
                ),
            ));
        }
        Ok(())
    }
}

impl Siren {
    /// Computes the loss of a prepared field at a step.
    fn loss(
        &self,
        prepared: &Prepared<'_>,
        constraints: &[Constraint],
        time: Time,
        ranks: &Ranks,
    ) -> Result<Loss> {
        let mut loss = 0.0;
        let mut terms: Vec<(&str, TermReport)> = Vec::new();
        let mut gradient: Option<FlatGradient> = None;
        let coefficients = Coefficients::of(self.parameters())?;
        let step = FieldStep {
            field: self,
            prepared,
            coefficients: &coefficients,
            time,
            ranks,
        };
        for constraint in constraints {
            let part = step.evaluate(constraint)?;
            let count = part.count as f64;
            for sum in part.sums {
                loss += sum.weight * sum.total / count;
                let report = TermReport {
                    name: sum.name.into_owned(),
                    mean: sum.total / count,
                };
                terms.push((&constraint.name, report));
            }
            gradient = Some(match gradient {
                Some(sum) => sum.plus(&part.gradient)?,
                None => part.gradient,
            });
        }
        Ok(Loss {
            value: loss,
            terms: told_apart(terms),
            gradient: gradient.ok_or(Error::NoConstraints)?,
        })
    }
}

/// Puts the names of constraints in front of the names of terms that more than one constraint has.
fn told_apart(terms: Vec<(&str, TermReport)>) -> Vec<TermReport> {
    let names: Vec<String> = terms.iter().map(|(_, term)| term.name.clone()).collect();
    let is_shared = |name: &String| names.iter().filter(|other| *other == name).count() > 1;
    let full = |(constraint, term): (&str, TermReport)| TermReport {
        name: if is_shared(&term.name) {
            format!("{constraint}.{}", term.name)
        } else {
            term.name
        },
        mean: term.mean,
    };
    terms.into_iter().map(full).collect()
}
