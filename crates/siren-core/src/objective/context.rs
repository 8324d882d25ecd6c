//! Arguments of an objective: the jet, the sample, the step and the unknown coefficients.

use candle_core::{DType, Device, Tensor, Var};

use crate::error::Result;
use crate::field::{FlatGradient, Jet, Layout, Parameters, Role, missing_coefficient};
use crate::signal::Sample;

/// A jet, the sample at whose points it was taken, and the state of the training.
pub struct Context<'a> {
    /// Values and derivatives of the field at the points of `sample`.
    pub jet: &'a Jet,
    /// Coordinates `(n, d)` and named columns `(n, …)`.
    pub sample: &'a Sample,
    /// Steps taken before this one.
    pub step: u64,
    /// `step` over the number of steps of the training, from 0 to below 1, for curricula.
    pub progress: f64,
    /// Unknown coefficients that are learned with the field.
    pub coefficients: &'a Coefficients,
}

impl Context<'_> {
    /// Returns an unknown coefficient `(1,)`, differentiable, by the name that
    /// [`Siren::with_coefficients`](crate::field::Siren::with_coefficients) gave it.
    ///
    /// # Errors
    /// [`Error::Missing`](crate::Error::Missing) if the field has none of that name.
    pub fn coefficient(&self, name: &str) -> Result<&Tensor> {
        self.coefficients.get(name)
    }
}

/// Unknown coefficients of an equation at one step, as leaves of the graph.
#[derive(Debug, Default)]
pub struct Coefficients {
    values: Vec<(String, Var)>,
}

impl Coefficients {
    /// Copies the coefficients among the parameters of a field.
    pub(crate) fn of(parameters: &Parameters) -> Result<Self> {
        let mut values = Vec::new();
        for entry in parameters.layout().of_role(Role::Coefficient) {
            let value = parameters.var()?.narrow(0, entry.range.start, 1)?;
            values.push((
                entry.short_name().to_owned(),
                Var::from_tensor(&value.detach())?,
            ));
        }
        Ok(Self { values })
    }

    fn get(&self, name: &str) -> Result<&Tensor> {
        let found = self.values.iter().find(|(own, _)| own == name);
        let names = self.values.iter().map(|(own, _)| own.as_str());
        let (_, value) = found.ok_or_else(|| missing_coefficient(name, names))?;
        Ok(value.as_tensor())
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Returns the gradients that a backward pass left in candle's store, in order; zero where there are none.
    pub(crate) fn gradients(&self, store: &candle_core::backprop::GradStore) -> Result<Vec<f64>> {
        let gradient = |(_, value): &(String, Var)| match store.get(value) {
            Some(gradient) => Ok(gradient.to_dtype(DType::F64)?.to_vec1::<f64>()?[0]),
            None => Ok(0.0),
        };
        self.values.iter().map(gradient).collect()
    }

    /// Appends gradients of the coefficients to that of a network; `layout` is that of both together.
    pub(crate) fn append(
        network: FlatGradient,
        gradients: &[f64],
        layout: &Layout,
    ) -> Result<FlatGradient> {
        if gradients.is_empty() {
            return Ok(network);
        }
        let network = network.tensor()?;
        debug_assert_eq!(network.dims1()? + gradients.len(), layout.len());
        let own = Tensor::new(gradients, &Device::Cpu)?;
        let own = own.to_dtype(network.dtype())?.to_device(network.device())?;
        Ok(Tensor::cat(&[&network, &own], 0)?.into())
    }
}
