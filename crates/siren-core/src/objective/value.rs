use super::{Objective, Term};
use crate::error::{Error, Result};
use crate::field::{Jet, Order};
use crate::signal::Sample;

/// Squared error of the value, mean over channels: `m(x) · mean_c (Φ_c(x) − t_c(x))²`.
///
/// Without a mask this is the authors' `image_mse`; with one, points where the mask is 0 count as zero error and still
/// count in the mean, as in their inpainting script.
#[derive(Clone, Debug)]
pub struct ValueMse {
    /// Factor in the loss.
    pub weight: f64,
}

impl Default for ValueMse {
    fn default() -> Self {
        Self { weight: 1.0 }
    }
}

impl Objective for ValueMse {
    fn order(&self) -> &Order {
        &Order::Value
    }

    fn terms(&self, jet: &Jet, sample: &Sample) -> Result<Vec<Term>> {
        let value = jet.value()?;
        let targets = sample.targets()?;
        if targets.dims() != value.dims() {
            return Err(Error::Shape {
                what: "targets",
                expected: format!("{:?}, as the field's values", value.dims()),
                got: format!("{:?}", targets.dims()),
            });
        }
        let mut per_point = (value - targets)?.sqr()?.mean(1)?;
        if let Some(mask) = sample.mask() {
            per_point = (per_point * mask)?;
        }
        Ok(vec![Term {
            name: "value_mse",
            weight: self.weight,
            per_point,
        }])
    }
}
