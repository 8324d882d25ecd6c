//! Compares tensors.

use candle_core::{DType, Tensor};

/// Computes `max |got − expected| / max |expected|` in f64. Panics if the number of elements differs or `got` is not finite.
pub fn largest_error(got: &Tensor, expected: &Tensor) -> f64 {
    let numbers = |tensor: &Tensor| {
        let flat = tensor.flatten_all().unwrap().to_dtype(DType::F64).unwrap();
        flat.to_vec1::<f64>().unwrap()
    };
    let (got, expected) = (numbers(got), numbers(expected));
    assert_eq!(got.len(), expected.len(), "number of elements");
    let scale = expected
        .iter()
        .fold(0.0, |max: f64, x| max.max(x.abs()))
        .max(f64::MIN_POSITIVE);
    let pairs = got.iter().zip(&expected);
    let largest = pairs.fold(0.0, |max: f64, (a, b)| max.max((a - b).abs()));
    assert!(got.iter().all(|x| x.is_finite()), "not finite");
    largest / scale
}
