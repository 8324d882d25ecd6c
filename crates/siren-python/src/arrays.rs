//! NumPy arrays in and out.

use numpy::ndarray::ArrayViewD;
use numpy::{
    PyArray1, PyArrayMethods as _, PyReadonlyArrayDyn, PyUntypedArray, PyUntypedArrayMethods as _,
};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use siren_core::candle_core::{CpuStorage, DType, Device, Tensor};
use siren_core::field::tensor::{Element, into_storage};

use crate::errors::of_candle;

/// Copies an array of `float32` or `float64`, of any shape and layout, to a tensor. `name` is the argument's, for messages.
pub fn floats(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Tensor> {
    if let Ok(array) = value.extract::<PyReadonlyArrayDyn<'_, f32>>() {
        return tensor(&array.as_array());
    }
    if let Ok(array) = value.extract::<PyReadonlyArrayDyn<'_, f64>>() {
        return tensor(&array.as_array());
    }
    Err(not_an_array(value, name, "float32 or float64"))
}

/// Returns the exception of an argument that is no array of one of the expected types.
pub fn not_an_array(value: &Bound<'_, PyAny>, name: &str, expected: &str) -> PyErr {
    let got = match value.cast::<PyUntypedArray>() {
        Ok(array) => format!("an array of {}: convert it with `.astype`", array.dtype()),
        Err(_) => match value.get_type().name() {
            Ok(kind) => format!("{kind}: `numpy.asarray` makes an array"),
            Err(_) => "another object".to_owned(),
        },
    };
    PyTypeError::new_err(format!(
        "{name}: expected a NumPy array of {expected}, got {got}"
    ))
}

/// Returns the elements of a view in row-major order.
pub fn elements<T: Copy>(view: &ArrayViewD<'_, T>) -> Vec<T> {
    match view.as_slice() {
        Some(slice) => slice.to_vec(),
        None => view.iter().copied().collect(),
    }
}

fn tensor<T: Element>(view: &ArrayViewD<'_, T>) -> PyResult<Tensor> {
    Tensor::from_vec(elements(view), view.shape(), &Device::Cpu).map_err(of_candle)
}

/// Returns coordinates `(n, d)` in the type of a field; `(n,)` is taken for `(n, 1)` where `d` is 1.
pub fn coordinates(value: &Bound<'_, PyAny>, dims: usize, dtype: DType) -> PyResult<Tensor> {
    let coords = floats(value, "coordinates")?;
    let coords = match *coords.dims() {
        [n] if dims == 1 => coords.reshape((n, 1)).map_err(of_candle)?,
        [_, d] if d == dims => coords,
        _ => {
            return Err(PyValueError::new_err(format!(
                "coordinates: expected an array of shape (n, {dims}), got {:?}",
                coords.dims()
            )));
        }
    };
    coords.to_dtype(dtype).map_err(of_candle)
}

/// Hands the elements of a tensor that nothing else holds to NumPy, without a copy.
pub fn handed_over(py: Python<'_>, tensor: Tensor) -> PyResult<Bound<'_, PyAny>> {
    let shape = tensor.dims().to_vec();
    let own = tensor.contiguous().map_err(of_candle)?;
    match into_storage(own).map_err(of_candle)? {
        CpuStorage::F32(elements) => array(py, elements, &shape),
        CpuStorage::F64(elements) => array(py, elements, &shape),
        _ => Err(PyTypeError::new_err("a tensor of neither f32 nor f64")),
    }
}

/// Copies a tensor to a new array.
pub fn copied<'py>(py: Python<'py>, tensor: &Tensor) -> PyResult<Bound<'py, PyAny>> {
    let flat = tensor.flatten_all().map_err(of_candle)?;
    match tensor.dtype() {
        DType::F64 => array(py, flat.to_vec1::<f64>().map_err(of_candle)?, tensor.dims()),
        _ => array(py, flat.to_vec1::<f32>().map_err(of_candle)?, tensor.dims()),
    }
}

/// Makes an array that owns `elements`.
pub fn array<'py, T: numpy::Element>(
    py: Python<'py>,
    elements: Vec<T>,
    shape: &[usize],
) -> PyResult<Bound<'py, PyAny>> {
    Ok(PyArray1::from_vec(py, elements).reshape(shape)?.into_any())
}
