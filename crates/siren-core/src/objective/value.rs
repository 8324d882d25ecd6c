//! Objective on the values of a field.

use super::{Context, JetSquares, Objective, SquareTerm, Term};
use crate::error::{Error, Result};
use crate::field::Order;

/// Squared error of the values, `mean_c (Φ_c(x) − t_c(x))²` (the authors' `image_mse`). Targets are `(n, c)`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ValueMse;

impl Objective for ValueMse {
    fn order(&self) -> &Order {
        &Order::Value
    }

    fn squares(&self, channels: usize) -> Option<JetSquares> {
        Some(JetSquares {
            first: 0,
            terms: vec![SquareTerm {
                name: "value_mse".into(),
                weight: 1.0,
                components: 0..1,
                factor: 1.0 / channels as f64,
            }],
        })
    }

    fn terms(&self, context: &Context<'_>) -> Result<Vec<Term>> {
        let value = context.jet.value()?;
        let targets = context.sample.targets()?;
        if targets.dims() != value.dims() {
            return Err(Error::Shape {
                what: "targets",
                expected: format!("{:?}, as the field's values", value.dims()),
                got: format!("{:?}", targets.dims()),
            });
        }
        let channels = value.dim(1)? as f64;
        let error = (value - targets)?;
        Ok(vec![Term {
            residuals: Some((&error / channels.sqrt())?),
            ..Term::new("value_mse", error.sqr()?.mean(1)?)
        }])
    }
}
