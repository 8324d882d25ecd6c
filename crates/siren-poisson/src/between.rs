//! Targets between the pixels.
//!
//! A field whose gradient is right at every pixel may do as it likes between them, and its values then drift over the picture. The
//! spectral derivative is known everywhere, so training sees it a quarter of a pixel beside each pixel: four lattices of as many
//! points as the picture has, one a step.

use candle_core::{DType, Device, Tensor};
use siren_core::Result;
use siren_core::signal::{Grid, Sample, Sampler, Sampling};
use siren_picture::Picture;
use siren_picture::stencil::Shape;

use crate::config::Stencil;
use crate::cosine::doubled;
use crate::solver::Targets;
use crate::targets::values;

/// Spectral derivatives per pixel at twice as many points a side.
pub(crate) fn derivatives_between(picture: &Picture) -> Targets {
    let shape = crate::targets::pixels(picture);
    let (shape, fine) = doubled(shape, &values(picture), 0);
    let (shape, fine) = doubled(shape, &fine, 1);
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

/// One number a pixel, for the four points about it.
pub(crate) fn spread(shape: Shape, weights: &[f64]) -> Vec<f64> {
    let row = |row: usize| {
        let pixels = &weights[row * shape.width..(row + 1) * shape.width];
        pixels.iter().flat_map(|&w| [w, w])
    };
    (0..2 * shape.height)
        .flat_map(|fine| row(fine / 2))
        .collect()
}

/// The four lattices with their targets `(n, channels, 3)`, from targets of all fine points, row by row.
pub(crate) fn lattices(
    grid: &Grid,
    channels: usize,
    targets: &[f64],
    device: &Device,
) -> Result<Vec<Sample>> {
    let (height, width) = (grid.sides()[0], grid.sides()[1]);
    let numbers = 3 * channels;
    let coord = |axis: usize, fine: usize| {
        let beside = 0.5 * (fine % 2) as f64 - 0.25;
        grid.coord(axis, fine / 2) + beside * grid.spacing(axis)
    };
    let lattice = |down: usize, right: usize| {
        let (mut coords, mut wanted) = (Vec::new(), Vec::new());
        for row in (down..2 * height).step_by(2) {
            for column in (right..2 * width).step_by(2) {
                coords.extend([coord(0, row), coord(1, column)].map(|x| x as f32));
                let at = (row * 2 * width + column) * numbers;
                wanted.extend(targets[at..at + numbers].iter().map(|&x| x as f32));
            }
        }
        let points = height * width;
        let coords = Tensor::from_vec(coords, (points, 2), device)?.to_dtype(DType::F32)?;
        let wanted = Tensor::from_vec(wanted, (points, channels, 3), device)?;
        Sample::new(coords, Some(wanted), None)
    };
    [(0, 0), (1, 1), (0, 1), (1, 0)]
        .into_iter()
        .map(|(down, right)| lattice(down, right))
        .collect()
}

/// What draws from the lattices: one after the other, or a subset of all their points.
pub(crate) fn sampler(
    lattices: Vec<Sample>,
    sampling: &Sampling,
    seed: u64,
) -> Result<Box<dyn Sampler>> {
    if *sampling == Sampling::Whole {
        return Ok(Box::new(InTurn(lattices)));
    }
    let coords: Vec<&Tensor> = lattices.iter().map(Sample::coords).collect();
    let targets = lattices.iter().map(Sample::targets);
    let targets = targets.collect::<Result<Vec<_>>>()?;
    let all = Sample::new(
        Tensor::cat(&coords, 0)?,
        Some(Tensor::cat(&targets, 0)?),
        None,
    )?;
    Ok(sampling.sampler(all, seed))
}

/// One sample a step, in turn.
struct InTurn(Vec<Sample>);

impl Sampler for InTurn {
    fn draw(&self, step: u64) -> Result<Sample> {
        Ok(self.0[(step % self.0.len() as u64) as usize].clone())
    }
}

#[cfg(test)]
mod tests {
    use siren_core::signal::{CoordinateRule, SubsetSampling};

    use super::*;

    const SHAPE: Shape = Shape {
        height: 6,
        width: 9,
        channels: 1,
    };

    /// `cos(w x) cos(v y)` of the waves (2, 3) at pixels, whose centers are at halves.
    fn wave([x, y]: [f64; 2]) -> f64 {
        let [w, v] = angles();
        (w * x).cos() * (v * y).cos()
    }

    fn angles() -> [f64; 2] {
        [0, 1].map(|axis| SHAPE.angle(axis, [2, 3]))
    }

    fn picture() -> Picture {
        let pixels = (0..SHAPE.height * SHAPE.width).map(|at| {
            let place = [at / SHAPE.width, at % SHAPE.width].map(|i| i as f64 + 0.5);
            (0.5 + 0.5 * wave(place)) as f32
        });
        Picture {
            height: SHAPE.height,
            width: SHAPE.width,
            channels: 1,
            values: pixels.collect(),
        }
    }

    #[test]
    fn every_point_of_every_lattice_has_the_derivatives_of_the_wave_at_its_coordinate() {
        let targets = derivatives_between(&picture());
        let pairs = targets.first[0].iter().zip(&targets.first[1]);
        let curved = targets.second[0].iter().zip(&targets.second[1]);
        let all = pairs
            .zip(curved)
            .flat_map(|((d, r), (a, b))| [*d, *r, a + b]);
        let all: Vec<f64> = all.collect();
        let grid = Grid::new(&[SHAPE.height, SHAPE.width], CoordinateRule::Aspect).unwrap();
        let lattices = lattices(&grid, 1, &all, &Device::Cpu).unwrap();
        assert_eq!(lattices.len(), 4);
        let [w, v] = angles();
        let mut places = std::collections::BTreeSet::new();
        for lattice in &lattices {
            assert_eq!(lattice.len(), SHAPE.height * SHAPE.width);
            let coords = lattice.coords().to_vec2::<f32>().unwrap();
            let targets = lattice.targets().unwrap().to_vec3::<f32>().unwrap();
            for (coord, target) in coords.iter().zip(&targets) {
                // From coordinates to pixels: the first is at −extent.
                let pixel = [0, 1].map(|axis| {
                    (f64::from(coord[axis]) + grid.extent(axis)) / grid.spacing(axis) + 0.5
                });
                places.insert(pixel.map(|x| (4.0 * x).round() as i64));
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
        // All at odd quarters, none twice.
        assert_eq!(places.len(), 4 * SHAPE.height * SHAPE.width);
        assert!(places.iter().flatten().all(|quarter| quarter % 2 == 1));
    }

    #[test]
    fn a_weight_goes_to_the_four_points_about_its_pixel() {
        let shape = Shape {
            height: 1,
            width: 2,
            channels: 3,
        };
        let expected = [0.2, 0.2, 0.7, 0.7, 0.2, 0.2, 0.7, 0.7];
        assert_eq!(spread(shape, &[0.2, 0.7]), expected);
    }

    #[test]
    fn lattices_take_turns_and_a_subset_is_of_all() {
        let lattice = |value: f32| {
            let coords = Tensor::full(value, (5, 2), &Device::Cpu).unwrap();
            let targets = Tensor::full(value, (5, 1, 3), &Device::Cpu).unwrap();
            Sample::new(coords, Some(targets), None).unwrap()
        };
        let four = || [0.0, 1.0, 2.0, 3.0].map(lattice).to_vec();
        let whole = sampler(four(), &Sampling::Whole, 0).unwrap();
        let seen = |step: u64| {
            let coords = whole.draw(step).unwrap().coords().clone();
            coords.to_vec2::<f32>().unwrap()
        };
        for step in 0..8 {
            assert_eq!(seen(step), vec![vec![(step % 4) as f32; 2]; 5]);
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
