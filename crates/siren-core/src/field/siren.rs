//! A field: a network together with its parameters.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use rand_chacha::ChaCha8Rng;
use siren_kernel::Level;
use siren_kernel::network::Order;

use super::config::{FieldShape, SirenConfig};
use super::engine::FieldEngine;
use super::gradients::Gradients;
use super::jet::Jet;
use super::layout::{Entry, Layout, Role, coefficient_entry, missing_coefficient};
use super::network::Network;
use super::parameters::Parameters;
use super::prepared::Prepared;
use crate::error::{Error, Result};
use crate::random::Stream;

/// A field `Φ: ℝᵈ → ℝᶜ` with its spatial derivatives: a [`Network`] and its [`Parameters`].
///
/// Unknown coefficients of an equation, which are learned with the field, follow the network's own parameters in the flat tensor.
#[derive(Debug)]
pub struct Siren {
    network: Network,
    parameters: Parameters,
}

impl SirenConfig {
    /// Draws a field from `rng`: the encoding first, then layer by layer the weights and the biases. The same seed gives the same field at
    /// either precision.
    ///
    /// # Errors
    /// As [`SirenConfig::network`].
    pub fn init(
        &self,
        shape: FieldShape,
        rng: &mut ChaCha8Rng,
        dtype: DType,
        device: &Device,
    ) -> Result<Siren> {
        let network = self.network(shape, rng, device)?;
        let params = network.draw_parameters(rng);
        let params = Tensor::from_vec(params, network.layout().len(), &Device::Cpu)?;
        Siren::new(network, &params.to_dtype(dtype)?.to_device(device)?)
    }

    /// Draws a field in single precision on the CPU from a seed, as a fit with that seed does. [`init`](Self::init) draws from any
    /// generator, in `f32` or `f64`, on any device.
    ///
    /// # Errors
    /// As [`SirenConfig::network`].
    pub fn init_seeded(&self, shape: FieldShape, seed: u64) -> Result<Siren> {
        let mut rng = Stream::PARAMETERS.rng(seed, 0);
        self.init(shape, &mut rng, DType::F32, &Device::Cpu)
    }

    /// Makes a field with given parameters: `find` returns each tensor of [`Siren::named_tensors`] by its name.
    ///
    /// # Errors
    /// As [`SirenConfig::network_from`]; also [`Error::Missing`] or [`Error::Shape`] if a parameter is missing or has another shape.
    pub fn load(
        &self,
        shape: FieldShape,
        find: impl Fn(&str) -> Option<Tensor>,
        dtype: DType,
        device: &Device,
    ) -> Result<Siren> {
        let network = self.network_from(shape, &find, device)?;
        let params = network.layout().join(find)?;
        Siren::new(network, &params.to_dtype(dtype)?.to_device(device)?)
    }
}

impl Siren {
    /// Makes a field of a network and a copy of the parameters `params (P,)`.
    ///
    /// # Errors
    /// [`Error::Shape`] if `params` does not fit the network.
    pub fn new(network: Network, params: &Tensor) -> Result<Self> {
        let parameters = Parameters::new(params, Arc::clone(network.layout()))?;
        Ok(Self {
            network,
            parameters,
        })
    }

    /// Returns a copy of the field, which later training steps do not change.
    ///
    /// # Errors
    /// If the device is out of memory.
    pub fn snapshot(&self) -> Result<Self> {
        Ok(Self {
            network: self.network.clone(),
            parameters: self.parameters.copy()?,
        })
    }

    /// Returns the field with unknown coefficients, which are learned with it, each with its initial value. Objectives find them in
    /// [`Context::coefficient`](crate::objective::Context::coefficient).
    ///
    /// # Errors
    /// Only from candle.
    pub fn with_coefficients(self, coefficients: &[(&str, f64)]) -> Result<Self> {
        let mut layout = Layout::clone(self.parameters.layout());
        let mut values = Vec::with_capacity(coefficients.len());
        for &(name, value) in coefficients {
            if layout.find(&coefficient_entry(name)).is_some() {
                return Err(Error::Duplicate {
                    what: "coefficient of a field",
                    name: name.to_owned(),
                });
            }
            layout.push(coefficient_entry(name), &[1], Role::Coefficient);
            values.push(value);
        }
        let device = self.parameters.device();
        let values = Tensor::from_vec(values, coefficients.len(), &Device::Cpu)?;
        let values = values
            .to_dtype(self.parameters.dtype())?
            .to_device(device)?;
        let flat = Tensor::cat(&[self.parameters.var()?.as_tensor(), &values], 0)?;
        Ok(Self {
            parameters: Parameters::new(&flat, layout)?,
            network: self.network,
        })
    }

    /// Returns the learned value of an unknown coefficient.
    ///
    /// # Errors
    /// [`Error::Missing`] if the field has no coefficient of that name.
    pub fn coefficient(&self, name: &str) -> Result<f64> {
        let layout = self.parameters.layout();
        let Some(entry) = layout.find(&coefficient_entry(name)) else {
            let names = layout.of_role(Role::Coefficient).map(Entry::short_name);
            return Err(missing_coefficient(name, names));
        };
        let value = self.parameters.flat()?.narrow(0, entry.range.start, 1)?;
        Ok(value.to_dtype(DType::F64)?.to_vec1::<f64>()?[0])
    }

    /// Returns the same field computed by an engine. Parameters stay in CPU memory.
    ///
    /// # Errors
    /// As [`FieldEngine::must_compute`].
    pub fn on(self, engine: &FieldEngine) -> Result<Self> {
        engine.must_compute(&self.parameters)?;
        self.network.must_run_on(engine)?;
        // A copy on the device of the former engine is of no use to this one.
        self.parameters.var()?;
        Ok(Self {
            network: self.network.on(engine),
            parameters: self.parameters,
        })
    }

    /// Returns the same field computed at another SIMD level than the widest of the CPU, for comparisons.
    ///
    /// # Errors
    /// As [`Network::at_level`].
    pub fn at_level(self, level: Level) -> Result<Self> {
        Ok(Self {
            network: self.network.at_level(level)?,
            parameters: self.parameters,
        })
    }

    /// Returns the same field computed by candle's own operations, as [`Network::composed`].
    #[must_use]
    pub fn composed(self) -> Self {
        Self {
            network: self.network.composed(),
            parameters: self.parameters,
        }
    }

    /// Returns the network.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Returns the parameters.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Returns the number of coordinates per point, `d`.
    #[must_use]
    pub fn in_features(&self) -> usize {
        self.network.in_features()
    }

    /// Returns the number of channels per point, `c`.
    #[must_use]
    pub fn out_features(&self) -> usize {
        self.network.out_features()
    }

    /// Returns a copy of every tensor of the field by name: the parameters, and the constant matrix of a Fourier encoding.
    ///
    /// # Errors
    /// If the device is out of memory.
    pub fn named_tensors(&self) -> Result<Vec<(String, Tensor)>> {
        let mut tensors = self.parameters.named()?;
        tensors.extend(self.network.fixed_tensors()?);
        Ok(tensors)
    }

    /// Returns the jet at `coords (n, d)`, differentiable in the parameters (not in the coordinates, which are data).
    ///
    /// # Errors
    /// [`Error::Shape`] if the coordinates or the traces have another number of axes than the field.
    pub fn jet(&self, coords: &Tensor, order: &Order) -> Result<Jet> {
        self.prepare(Gradients::Tracked)?.jet(coords, order)
    }

    /// Packs the current weights once for many calls. The parameters must not change while the prepared field is in use.
    ///
    /// # Errors
    /// Only from candle.
    pub fn prepare(&self, gradients: Gradients) -> Result<Prepared<'_>> {
        let own = self.network.layout().len();
        if own == self.parameters.len() {
            return self.network.prepare_field(&self.parameters, gradients);
        }
        let flat = self.parameters.var()?.as_tensor();
        self.network.prepare(&flat.narrow(0, 0, own)?, gradients)
    }

    /// Returns the jet at `coords (n, d)` without a graph: memory beyond the result stays constant, and the threads of the current rayon
    /// pool share the work.
    ///
    /// # Errors
    /// As [`jet`](Self::jet).
    pub fn evaluate(&self, coords: &Tensor, order: &Order) -> Result<Jet> {
        self.prepare(Gradients::Untracked)?.evaluate(coords, order)
    }

    /// Returns the values `(n · c)`, row-major, at `points` `(n · d)`, row-major.
    ///
    /// # Errors
    /// [`Error::Shape`] if the number of coordinates is no multiple of `d`.
    pub fn values(&self, points: &[f64]) -> Result<Vec<f64>> {
        self.at(points, &Order::Value, Jet::value)
    }

    /// Returns the gradients `∂Φ_c/∂x_i` `(n · c · d)`, row-major, at `points` `(n · d)`, row-major.
    ///
    /// # Errors
    /// As [`values`](Self::values).
    pub fn gradients(&self, points: &[f64]) -> Result<Vec<f64>> {
        self.at(points, &Order::Gradient, Jet::gradient)
    }

    /// Returns the Laplacians `Σᵢ ∂²Φ_c/∂xᵢ²` `(n · c)`, row-major, at `points` `(n · d)`, row-major.
    ///
    /// # Errors
    /// As [`values`](Self::values).
    pub fn laplacians(&self, points: &[f64]) -> Result<Vec<f64>> {
        let order = Order::laplacian(self.in_features());
        self.at(points, &order, Jet::traces)
    }

    /// Returns one part of the jet at `points`, in double precision.
    fn at(
        &self,
        points: &[f64],
        order: &Order,
        part: fn(&Jet) -> Result<Tensor>,
    ) -> Result<Vec<f64>> {
        let dims = self.in_features();
        if !points.len().is_multiple_of(dims) {
            return Err(Error::Shape {
                what: "points",
                expected: format!("n · {dims} coordinates"),
                got: format!("{} coordinates", points.len()),
            });
        }
        let coords = Tensor::from_slice(points, (points.len() / dims, dims), &Device::Cpu)?;
        let coords = coords.to_dtype(self.parameters.dtype())?;
        let coords = coords.to_device(self.parameters.device())?;
        let found = part(&self.evaluate(&coords, order)?)?;
        Ok(found.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)
    }
}
