//! Derivative targets at points between the pixels.
//!
//! Targets at the pixel centers do not constrain a field between the pixels, so the values of the fitted field drift over the
//! picture. The spectral derivative is defined everywhere. Training uses it at an offset of a quarter of a pixel from each pixel
//! center: the four possible offsets give four lattices with as many points as the picture has pixels, and each step uses one.

use candle_core::{DType, Device, Tensor};
use siren_core::Result;
use siren_core::signal::{Grid, Sample, Sampler, Sampling};
use siren_picture::Picture;
use siren_picture::stencil::PixelShape;

use crate::config::Stencil;
use crate::cosine::doubled;
use crate::solver::Targets;
use crate::targets::values;

/// Computes the spectral derivatives of a picture, per pixel, on a grid with twice as many points along each axis: a quarter of a pixel
/// before and after each pixel center.
pub(crate) fn derivatives_between(picture: &Picture) -> Targets {
    let shape = crate::targets::pixels(picture);
    let (shape, fine) = doubled(shape, &values(picture), 0);
    let (shape, fine) = doubled(shape, &fine, 1);
    // Converts from the fine spacing, half a pixel, to pixels.
    let per_pixel = |mut derivative: Vec<f64>, factor: f64| {
        for x in &mut derivative {
            *x *= factor;
        }
        derivative
    };
    let stencil = Stencil::Spectral;
    Targets {
        stencil,
        first: [0, 1].map(|axis| per_pixel(stencil.first(shape, &fine, axis), 2.0)),
        second: [0, 1].map(|axis| per_pixel(stencil.second(shape, &fine, axis), 4.0)),
    }
}

/// Repeats one weight per pixel for the four points of the fine grid around the pixel, as `(2 height, 2 width)`.
pub(crate) fn spread(shape: PixelShape, weights: &[f64]) -> Vec<f64> {
    let fine_row = |row: usize| {
        let pixels = &weights[row * shape.width..(row + 1) * shape.width];
        pixels.iter().flat_map(|&w| [w, w])
    };
    (0..2 * shape.height)
        .flat_map(|row| fine_row(row / 2))
        .collect()
}

/// Splits the fine grid into the four lattices, each with `coords (n, 2)` and `targets (n, channels, 3)`.
///
/// `targets` holds those of all points of the fine grid, row-major `(2 height, 2 width, channels, 3)`.
///
/// # Errors
/// Returns errors of candle.
pub(crate) fn lattices(
    grid: &Grid,
    channels: usize,
    targets: &[f64],
    dtype: DType,
    device: &Device,
) -> Result<Vec<Sample>> {
    let (height, width) = (grid.sides()[0], grid.sides()[1]);
    let values_per_point = 3 * channels;
    let coord = |axis: usize, fine: usize| {
        let offset = 0.5 * (fine % 2) as f64 - 0.25;
        grid.coord(axis, fine / 2) + offset * grid.spacing(axis)
    };
    let lattice = |first_row: usize, first_column: usize| {
        let (mut coords, mut lattice_targets) = (Vec::new(), Vec::new());
        for row in (first_row..2 * height).step_by(2) {
            for column in (first_column..2 * width).step_by(2) {
                coords.extend([coord(0, row), coord(1, column)]);
                let at = (row * 2 * width + column) * values_per_point;
                lattice_targets.extend_from_slice(&targets[at..at + values_per_point]);
            }
        }
        let points = height * width;
        let coords = Tensor::from_vec(coords, (points, 2), &Device::Cpu)?;
        let shape = (points, channels, 3);
        let lattice_targets = Tensor::from_vec(lattice_targets, shape, &Device::Cpu)?;
        Sample::with_targets(
            coords.to_dtype(dtype)?.to_device(device)?,
            lattice_targets.to_dtype(dtype)?.to_device(device)?,
        )
    };
    [(0, 0), (1, 1), (0, 1), (1, 0)]
        .into_iter()
        .map(|(first_row, first_column)| lattice(first_row, first_column))
        .collect()
}

/// Creates the sampler of the lattices. With [`Sampling::Whole`] it returns one lattice per step, in turn; otherwise it draws subsets of
/// the points of all lattices.
///
/// # Errors
/// Returns errors of candle.
pub(crate) fn sampler(
    lattices: Vec<Sample>,
    sampling: &Sampling,
    seed: u64,
) -> Result<Box<dyn Sampler>> {
    if *sampling == Sampling::Whole {
        return Ok(Box::new(CyclicSampler(lattices)));
    }
    let coords: Vec<&Tensor> = lattices.iter().map(Sample::coords).collect();
    let targets = lattices.iter().map(Sample::targets);
    let targets = targets.collect::<Result<Vec<_>>>()?;
    let all = Sample::with_targets(Tensor::cat(&coords, 0)?, Tensor::cat(&targets, 0)?)?;
    Ok(sampling.sampler(all, seed))
}

/// Sampler that returns one sample per step, in turn.
struct CyclicSampler(Vec<Sample>);

impl Sampler for CyclicSampler {
    fn draw(&self, step: u64) -> Result<Sample> {
        Ok(self.0[(step % self.0.len() as u64) as usize].clone())
    }
}

#[cfg(test)]
mod tests {
    use siren_core::signal::{CoordinateRule, SubsetSampling};

    use super::*;

    const SHAPE: PixelShape = PixelShape {
        height: 6,
        width: 9,
        channels: 1,
    };

    /// Returns `cos(w x) cos(v y)` with wave numbers (2, 3); x and y are in pixels, and pixel centers lie at half-integers.
    fn wave([x, y]: [f64; 2]) -> f64 {
        let [w, v] = angular_frequencies();
        (w * x).cos() * (v * y).cos()
    }

    fn angular_frequencies() -> [f64; 2] {
        [0, 1].map(|axis| SHAPE.angle(axis, [2, 3]))
    }

    fn picture() -> Picture {
        let pixels = (0..SHAPE.height * SHAPE.width).map(|at| {
            let center = [at / SHAPE.width, at % SHAPE.width].map(|i| i as f64 + 0.5);
            (0.5 + 0.5 * wave(center)) as f32
        });
        Picture {
            height: SHAPE.height,
            width: SHAPE.width,
            channels: 1,
            values: pixels.collect(),
        }
    }

    #[test]
    fn lattice_targets_are_the_derivatives_of_a_wave_at_their_coordinates() {
        let targets = derivatives_between(&picture());
        let pairs = targets.first[0].iter().zip(&targets.first[1]);
        let curvatures = targets.second[0].iter().zip(&targets.second[1]);
        let all = pairs
            .zip(curvatures)
            .flat_map(|((d, r), (a, b))| [*d, *r, a + b]);
        let all: Vec<f64> = all.collect();
        let grid = Grid::new(&[SHAPE.height, SHAPE.width], CoordinateRule::Aspect).unwrap();
        let lattices = lattices(&grid, 1, &all, DType::F32, &Device::Cpu).unwrap();
        assert_eq!(lattices.len(), 4);
        let [w, v] = angular_frequencies();
        let mut quarters = std::collections::BTreeSet::new();
        for lattice in &lattices {
            assert_eq!(lattice.len(), SHAPE.height * SHAPE.width);
            let coords = lattice.coords().to_vec2::<f32>().unwrap();
            let targets = lattice.targets().unwrap().to_vec3::<f32>().unwrap();
            for (coord, target) in coords.iter().zip(&targets) {
                // Coordinates to pixels: the center of the first pixel has the coordinate −extent.
                let pixel = [0, 1].map(|axis| {
                    (f64::from(coord[axis]) + grid.extent(axis)) / grid.spacing(axis) + 0.5
                });
                quarters.insert(pixel.map(|x| (4.0 * x).round() as i64));
                let [x, y] = pixel;
                let expected = [
                    -w * (w * x).sin() * (v * y).cos(),
                    -v * (w * x).cos() * (v * y).sin(),
                    -(w * w + v * v) * wave(pixel),
                ];
                for (target, expected) in target[0].iter().zip(expected) {
                    assert!((f64::from(*target) - expected).abs() < 1e-5);
                }
            }
        }
        // All points lie at odd multiples of a quarter of a pixel, and no two coincide.
        assert_eq!(quarters.len(), 4 * SHAPE.height * SHAPE.width);
        assert!(quarters.iter().flatten().all(|quarter| quarter % 2 == 1));
    }

    #[test]
    fn a_weight_is_repeated_for_the_four_points_around_its_pixel() {
        let shape = PixelShape {
            height: 1,
            width: 2,
            channels: 3,
        };
        let expected = [0.2, 0.2, 0.7, 0.7, 0.2, 0.2, 0.7, 0.7];
        assert_eq!(spread(shape, &[0.2, 0.7]), expected);
    }

    #[test]
    fn whole_sampling_cycles_through_lattices_and_subsets_include_all_of_them() {
        let lattice = |value: f32| {
            let coords = Tensor::full(value, (5, 2), &Device::Cpu).unwrap();
            let targets = Tensor::full(value, (5, 1, 3), &Device::Cpu).unwrap();
            Sample::with_targets(coords, targets).unwrap()
        };
        let four = || [0.0, 1.0, 2.0, 3.0].map(lattice).to_vec();
        let whole = sampler(four(), &Sampling::Whole, 0).unwrap();
        let drawn_coords = |step: u64| {
            let coords = whole.draw(step).unwrap().coords().clone();
            coords.to_vec2::<f32>().unwrap()
        };
        for step in 0..8 {
            assert_eq!(drawn_coords(step), vec![vec![(step % 4) as f32; 2]; 5]);
        }
        let subset = Sampling::Subset(SubsetSampling {
            points: 20,
            replacement: false,
        });
        let all = sampler(four(), &subset, 0).unwrap().draw(0).unwrap();
        let coords = all.coords().flatten_all().unwrap().to_vec1::<f32>();
        assert!((coords.unwrap().iter().sum::<f32>() - 60.0).abs() < 1e-6);
    }
}
