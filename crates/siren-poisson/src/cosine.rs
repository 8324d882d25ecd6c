//! Discrete cosine and sine transforms along the axes of a picture.

use std::sync::Arc;

use rustdct::{DctPlanner, TransformType2And3};
use siren_picture::stencil::PixelShape;

/// Calls `apply` for every line of values along an axis, in place, with the planned transforms of the length of the line.
pub(crate) fn for_each_line(
    shape: PixelShape,
    values: &mut [f64],
    axis: usize,
    apply: impl Fn(&dyn TransformType2And3<f64>, &mut [f64]),
) {
    let (side, stride) = match axis {
        0 => (shape.height, shape.width * shape.channels),
        _ => (shape.width, shape.channels),
    };
    let transform: Arc<dyn TransformType2And3<f64>> = DctPlanner::new().plan_dct2(side);
    let mut line = vec![0.0; side];
    for block in values.chunks_exact_mut(side * stride) {
        for first in 0..stride {
            for (i, x) in line.iter_mut().enumerate() {
                *x = block[first + i * stride];
            }
            apply(transform.as_ref(), &mut line);
            for (i, x) in line.iter().enumerate() {
                block[first + i * stride] = *x;
            }
        }
    }
}

/// Applies the discrete cosine transform (DCT-II) along both axes, in place.
///
/// The result at `(k, l)` is the coefficient of the wave `cos(πk(i + ½)/n) cos(πl(j + ½)/m)`.
pub(crate) fn forward(shape: PixelShape, values: &mut [f64]) {
    for axis in [0, 1] {
        for_each_line(shape, values, axis, |transform, line| {
            transform.process_dct2(line);
        });
    }
}

/// Applies the inverse of [`forward`], in place.
pub(crate) fn inverse(shape: PixelShape, values: &mut [f64]) {
    for axis in [0, 1] {
        for_each_line(shape, values, axis, |transform, line| {
            let scale = 2.0 / line.len() as f64;
            transform.process_dct3(line);
            for x in line {
                *x *= scale;
            }
        });
    }
}

/// Evaluates the cosine series through the pixels at twice as many points along an axis: a quarter of a pixel before and after each pixel
/// center.
///
/// Returns the new shape and its values.
pub(crate) fn doubled(shape: PixelShape, values: &[f64], axis: usize) -> (PixelShape, Vec<f64>) {
    let PixelShape { height, width, .. } = shape;
    let (side, stride, finer) = match axis {
        0 => (
            height,
            width * shape.channels,
            PixelShape {
                height: 2 * height,
                ..shape
            },
        ),
        _ => (
            width,
            shape.channels,
            PixelShape {
                width: 2 * width,
                ..shape
            },
        ),
    };
    let mut padded = vec![0.0; 2 * values.len()];
    let blocks = values.chunks_exact(side * stride);
    for (block, padded_block) in blocks.zip(padded.chunks_exact_mut(2 * side * stride)) {
        padded_block[..block.len()].copy_from_slice(block);
    }
    for_each_line(finer, &mut padded, axis, |inverse, line| {
        let (coefficients, high_frequencies) = line.split_at_mut(side);
        DctPlanner::new().plan_dct2(side).process_dct2(coefficients);
        high_frequencies.fill(0.0);
        inverse.process_dct3(line);
        for x in line {
            *x *= 2.0 / side as f64;
        }
    });
    (finer, padded)
}
