//! Networks without parameters, for the PyTorch module: jets, and the backward pass through them.

use std::collections::HashMap;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use siren_core::candle_core::{DType, Device, Tensor};
use siren_core::field::{self, FieldShape, Gradients, Order, Siren, SirenConfig};
use siren_core::signal::Stream;

use crate::arrays::{copied, floats, handed_over};
use crate::errors::raised;
use crate::process::must_not_be_forked;
use crate::settings::{configured, dictionary};

/// Returns the order of a name for `dims` coordinates.
pub fn order(name: &str, dims: usize) -> PyResult<Order> {
    Ok(match name {
        "value" => Order::Value,
        "gradient" => Order::Gradient,
        "laplacian" => Order::laplacian(dims),
        "hessian" => Order::hessian(dims),
        _ => {
            return Err(PyValueError::new_err(format!(
                "order: expected \"value\", \"gradient\", \"laplacian\" or \"hessian\", got \"{name}\""
            )));
        }
    })
}

/// A network: a function of flat parameters `(P,)` and coordinates `(n, d)`.
#[pyclass(frozen, name = "Network", module = "siren._siren")]
pub struct PyNetwork(pub field::Network);

#[pymethods]
impl PyNetwork {
    /// Makes a network and draws its parameters, `(P,)` in double precision.
    #[staticmethod]
    fn draw<'py>(
        py: Python<'py>,
        in_features: usize,
        out_features: usize,
        field: &Bound<'py, PyDict>,
        seed: u64,
    ) -> PyResult<(Self, Bound<'py, PyAny>)> {
        let config: SirenConfig = configured(&SirenConfig::default(), "field", Some(field))?;
        let mut rng = Stream::PARAMETERS.rng(seed, 0);
        let shape = FieldShape::new(in_features, out_features);
        let network = config
            .network(shape, &mut rng, &Device::Cpu)
            .map_err(raised)?;
        let params = network.draw_parameters(&mut rng);
        let count = params.len();
        Ok((Self(network), crate::arrays::array(py, params, &[count])?))
    }

    /// Returns names and shapes of the parameters, in the order of the flat ones.
    fn layout(&self) -> Vec<(String, Vec<usize>)> {
        let entries = self.0.layout().entries().iter();
        entries
            .map(|entry| (entry.name.clone(), entry.shape.clone()))
            .collect()
    }

    /// Returns the constant tensors by name: the matrix of a Fourier encoding.
    fn fixed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let fixed = PyDict::new(py);
        for (name, tensor) in self.0.fixed_tensors().map_err(raised)? {
            fixed.set_item(name, copied(py, &tensor)?)?;
        }
        Ok(fixed)
    }

    /// Returns the same network with other constant tensors.
    fn with_fixed(&self, fixed: HashMap<String, Bound<'_, PyAny>>) -> PyResult<Self> {
        let tensors = fixed.iter();
        let tensors = tensors.map(|(name, array)| Ok((name.clone(), floats(array, name)?)));
        let tensors: HashMap<String, Tensor> = tensors.collect::<PyResult<_>>()?;
        let find = |name: &str| tensors.get(name).cloned();
        let network = self
            .0
            .config()
            .network_from(self.0.shape(), find, &Device::Cpu);
        Ok(Self(network.map_err(raised)?))
    }

    /// The `[field]` table of the network.
    #[getter]
    fn config<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        config_of(py, self.0.config())
    }

    #[getter]
    fn in_features(&self) -> usize {
        self.0.in_features()
    }

    #[getter]
    fn out_features(&self) -> usize {
        self.0.out_features()
    }

    /// Returns the jets `(n, c, 1 + d + K)` without anything for a backward pass.
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        params: &Bound<'py, PyAny>,
        coords: &Bound<'py, PyAny>,
        order: &str,
    ) -> PyResult<Bound<'py, PyAny>> {
        must_not_be_forked()?;
        let order = self::order(order, self.0.in_features())?;
        let (params, coords) = (
            floats(params, "parameters")?,
            floats(coords, "coordinates")?,
        );
        let jets = py.detach(|| {
            let prepared = self.0.prepare(&params, Gradients::Untracked)?;
            Ok(prepared.evaluate(&coords, &order)?.packed().clone())
        });
        handed_over(py, jets.map_err(raised)?)
    }

    /// Returns the jets with what a backward pass needs.
    fn forward<'py>(
        &self,
        py: Python<'py>,
        params: &Bound<'py, PyAny>,
        coords: &Bound<'py, PyAny>,
        order: &str,
    ) -> PyResult<(PyForwardPass, Bound<'py, PyAny>)> {
        must_not_be_forked()?;
        let order = self::order(order, self.0.in_features())?;
        let (params, coords) = (
            floats(params, "parameters")?,
            floats(coords, "coordinates")?,
        );
        let pass = py.detach(|| self.0.forward(&params, &coords, &order));
        let pass = pass.map_err(raised)?;
        let jets = copied(py, pass.jet().packed())?;
        Ok((PyForwardPass(pass), jets))
    }

    /// Writes the network with parameters `(P,)` to a `.safetensors` file.
    fn save(&self, params: &Bound<'_, PyAny>, path: std::path::PathBuf) -> PyResult<()> {
        let params = floats(params, "parameters")?;
        let field = Siren::new(self.0.clone(), &params).map_err(raised)?;
        field.save(path).map_err(raised)
    }

    /// Reads a file of a field: the network, and its parameters `(P,)`.
    #[staticmethod]
    fn open(py: Python<'_>, path: std::path::PathBuf) -> PyResult<(Self, Bound<'_, PyAny>)> {
        let field = Siren::open(path).map_err(raised)?;
        Self::of_field(py, &field)
    }
}

impl PyNetwork {
    /// Returns the network of a field and a copy of its parameters `(P,)`, without unknown coefficients.
    pub fn of_field<'py>(py: Python<'py>, field: &Siren) -> PyResult<(Self, Bound<'py, PyAny>)> {
        let network = field.network().clone();
        let count = network.layout().len();
        let flat = field.parameters().flat().map_err(raised)?;
        let flat = flat.narrow(0, 0, count).map_err(crate::errors::of_candle)?;
        Ok((Self(network), copied(py, &flat)?))
    }
}

/// Returns a `[field]` table as a dictionary.
pub fn config_of<'py>(py: Python<'py>, config: &SirenConfig) -> PyResult<Bound<'py, PyDict>> {
    let table = toml::Table::try_from(config);
    let table = table.map_err(|error| PyValueError::new_err(error.to_string()))?;
    dictionary(py, &table)
}

/// Jets with what a backward pass needs.
#[pyclass(frozen, name = "ForwardPass", module = "siren._siren")]
pub struct PyForwardPass(field::ForwardPass);

#[pymethods]
impl PyForwardPass {
    /// Returns the gradient with respect to the parameters `(P,)`, given that with respect to the jets.
    fn backward<'py>(
        &self,
        py: Python<'py>,
        d_jets: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        must_not_be_forked()?;
        let d_jets = floats(d_jets, "gradient with respect to jets")?;
        let gradient = py.detach(|| self.0.backward(&d_jets)?.tensor());
        handed_over(py, gradient.map_err(raised)?)
    }
}

/// Returns the type of the parameters of a field.
pub fn dtype(field: &Siren) -> DType {
    field.parameters().dtype()
}
