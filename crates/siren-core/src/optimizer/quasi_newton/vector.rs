//! Vectors in double precision. Sums do not depend on the number of threads.

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use crate::error::Result;

/// Number of elements that a thread takes at once.
const PIECE: usize = 1 << 14;
/// Number of independent partial sums of a piece: an addition waits for the previous one of its own partial sum only.
const LANES: usize = 8;

/// Returns `Σ aᵢ bᵢ`. Every bit of the result is independent of the number of threads.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    if a.len() <= PIECE {
        return dot_piece(a, b);
    }
    let pieces = a.par_chunks(PIECE).zip(b.par_chunks(PIECE));
    let sums: Vec<f64> = pieces.map(|(a, b)| dot_piece(a, b)).collect();
    sums.iter().sum()
}

/// Returns `Σ aᵢ bᵢ`, on one thread.
pub(super) fn dot_piece(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (a_lanes, b_lanes) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a_lanes.remainder().iter().zip(b_lanes.remainder());
    let rest: f64 = rest.map(|(a, b)| a * b).sum();
    for (a, b) in a_lanes.zip(b_lanes) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    lanes.iter().sum::<f64>() + rest
}

/// Adds `factor · y` to `x`.
pub(super) fn add_scaled(x: &mut [f64], factor: f64, y: &[f64]) {
    if x.len() <= PIECE {
        return add_scaled_piece(x, factor, y);
    }
    let pieces = x.par_chunks_mut(PIECE).zip(y.par_chunks(PIECE));
    pieces.for_each(|(x, y)| add_scaled_piece(x, factor, y));
}

/// Adds `factor · y` to `x`, on one thread.
pub(super) fn add_scaled_piece(x: &mut [f64], factor: f64, y: &[f64]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x += factor * y;
    }
}

/// Returns `a − b`.
pub(super) fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// Returns `−a`.
pub(super) fn negated(a: &[f64]) -> Vec<f64> {
    a.iter().map(|a| -a).collect()
}

/// Copies the elements of a tensor `(P,)` of any type and device.
pub(super) fn from_tensor(tensor: &Tensor) -> Result<Vec<f64>> {
    let local = tensor.to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
    Ok(local.to_vec1()?)
}

/// Copies elements to a tensor `(P,)` of the type and the device of `like`.
pub(super) fn to_tensor(elements: &[f64], like: &Tensor) -> Result<Tensor> {
    let local = Tensor::from_slice(elements, elements.len(), &Device::Cpu)?;
    Ok(local.to_dtype(like.dtype())?.to_device(like.device())?)
}
