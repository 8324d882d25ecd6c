//! Cosine and sine transforms along the axes of a picture.

use std::sync::Arc;

use rustdct::{DctPlanner, TransformType2And3};
use siren_picture::stencil::Shape;

/// Changes every line of numbers along an axis in place; `change` is given the transforms of the line's length.
pub(crate) fn for_each_line(
    shape: Shape,
    values: &mut [f64],
    axis: usize,
    change: impl Fn(&dyn TransformType2And3<f64>, &mut [f64]),
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
            change(transform.as_ref(), &mut line);
            for (i, x) in line.iter().enumerate() {
                block[first + i * stride] = *x;
            }
        }
    }
}

/// The cosine transform along both axes: waves `cos(πk(i + ½)/n) cos(πl(j + ½)/m)` by `k` and `l`.
pub(crate) fn forward(shape: Shape, values: &mut [f64]) {
    for axis in [0, 1] {
        for_each_line(shape, values, axis, |transform, line| {
            transform.process_dct2(line);
        });
    }
}

/// The inverse of [`forward`].
pub(crate) fn inverse(shape: Shape, values: &mut [f64]) {
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

/// The cosine series through the pixels at twice as many points along an axis: a quarter of a pixel before and after each.
pub(crate) fn doubled(shape: Shape, values: &[f64], axis: usize) -> (Shape, Vec<f64>) {
    let Shape { height, width, .. } = shape;
    let (side, stride, finer) = match axis {
        0 => (
            height,
            width * shape.channels,
            Shape {
                height: 2 * height,
                ..shape
            },
        ),
        _ => (
            width,
            shape.channels,
            Shape {
                width: 2 * width,
                ..shape
            },
        ),
    };
    let mut spread = vec![0.0; 2 * values.len()];
    let blocks = values.chunks_exact(side * stride);
    for (from, to) in blocks.zip(spread.chunks_exact_mut(2 * side * stride)) {
        to[..from.len()].copy_from_slice(from);
    }
    for_each_line(finer, &mut spread, axis, |inverse, line| {
        let (waves, finest) = line.split_at_mut(side);
        DctPlanner::new().plan_dct2(side).process_dct2(waves);
        finest.fill(0.0);
        inverse.process_dct3(line);
        for x in line {
            *x *= 2.0 / side as f64;
        }
    });
    (finer, spread)
}
