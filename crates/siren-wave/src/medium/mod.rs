//! Media: the squared slowness of the plane, from closed forms and files.

mod config;
mod convert;
mod file;
mod samples;

use siren_core::{Error, Result};

use crate::Point;

pub use self::config::{
    CircleMediumConfig, MediumConfig, MediumFileConfig, MediumQuantity, SquareMediumConfig,
};
use self::samples::{SampleShape, Samples};

/// The squared slowness `m(x) = (c_ref / c(x))²`, 1 in the background.
#[derive(Clone, Debug, PartialEq)]
pub struct Medium {
    shape: MediumShape,
}

/// How the squared slowness is given.
#[derive(Clone, Debug, PartialEq)]
enum MediumShape {
    Uniform,
    /// Another value where |x − x₀| and |y − y₀| are less than half the side.
    Square(SquareMediumConfig),
    /// Another value at distances less than the radius.
    Circle(CircleMediumConfig),
    Samples(Samples),
}

impl Medium {
    /// Makes the medium of a config, and reads its file. `reference_velocity` is the velocity of the background, which files of velocities and
    /// slownesses need; `key` is the key of the config, such as `signal.medium`. What may surprise is added to `notes`.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a value of the config, or a missing one; [`Error::Io`] and [`Error::Signal`] of the file, with row and
    /// column of a value that is no velocity.
    pub fn from_config(
        config: &MediumConfig,
        key: &str,
        reference_velocity: Option<f64>,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        config.validate(key)?;
        let shape = match config {
            MediumConfig::Uniform => MediumShape::Uniform,
            MediumConfig::Square(square) => MediumShape::Square(*square),
            MediumConfig::Circle(circle) => MediumShape::Circle(*circle),
            MediumConfig::File(file) => {
                let key = format!("{key}.file");
                MediumShape::Samples(file::read(file, &key, reference_velocity, notes)?)
            }
        };
        Ok(Self { shape })
    }

    /// Returns the background alone: m = 1.
    #[must_use]
    pub fn uniform() -> Self {
        Self {
            shape: MediumShape::Uniform,
        }
    }

    /// Makes a medium of its values at the `side` × `side` points of a grid on [−1, 1]², borders included, as [`on_grid`](Self::on_grid)
    /// returns them. Between the points it is bilinear.
    ///
    /// # Errors
    /// [`Error::Shape`] for another number of values; [`Error::InvalidValue`] for a value that is not above 0.
    pub fn from_grid(side: usize, values: &[f64]) -> Result<Self> {
        if side == 0 || values.len() != side * side {
            return Err(Error::Shape {
                what: "values of a medium",
                expected: format!("{side} x {side}, at least one"),
                got: format!("{} values", values.len()),
            });
        }
        if let Some(value) = values.iter().find(|&&m| !(m > 0.0 && m.is_finite())) {
            let expected = "a number above 0";
            return Err(Error::invalid("squared slowness", value, expected));
        }
        // Samples are stored from the top.
        let from_top = values.chunks_exact(side).rev().flatten().copied().collect();
        let shape = SampleShape {
            rows: side,
            columns: side,
        };
        Ok(Self {
            shape: MediumShape::Samples(Samples::new(shape, 1.0, from_top)),
        })
    }

    /// Returns the squared slowness at a point. Outside of the samples of a file it is that of the nearest point of their border.
    #[must_use]
    pub fn squared_slowness(&self, point: Point) -> f64 {
        let offset = |center: Point| [point[0] - center[0], point[1] - center[1]];
        match &self.shape {
            MediumShape::Uniform => 1.0,
            MediumShape::Square(square) => {
                let [x, y] = offset(square.center);
                if x.abs().max(y.abs()) < square.half_side {
                    square.squared_slowness
                } else {
                    1.0
                }
            }
            MediumShape::Circle(circle) => {
                let [x, y] = offset(circle.center);
                if x.hypot(y) < circle.radius {
                    circle.squared_slowness
                } else {
                    1.0
                }
            }
            MediumShape::Samples(samples) => samples.at(point),
        }
    }

    /// Returns the squared slowness at the `side` × `side` points of a grid on [−1, 1]², borders included: index `row · side + column`, rows by
    /// ascending y, columns by ascending x.
    #[must_use]
    pub fn on_grid(&self, side: usize) -> Vec<f64> {
        let spacing = 2.0 / side.saturating_sub(1).max(1) as f64;
        let coord = |index: usize| -1.0 + spacing * index as f64;
        let row = |row| (0..side).map(move |column| [coord(column), coord(row)]);
        (0..side)
            .flat_map(row)
            .map(|point| self.squared_slowness(point))
            .collect()
    }

    /// Returns whether the squared slowness is 1 everywhere.
    #[must_use]
    pub fn is_uniform(&self) -> bool {
        let [low, high] = self.range();
        [low, high].iter().all(|m| (m - 1.0).abs() < f64::EPSILON)
    }

    /// Returns the least squared slowness: the square of the inverse of the highest velocity, relative to the background.
    #[must_use]
    pub fn min(&self) -> f64 {
        self.range()[0]
    }

    /// Returns the largest squared slowness.
    #[must_use]
    pub fn max(&self) -> f64 {
        self.range()[1]
    }

    fn range(&self) -> [f64; 2] {
        let with_background = |m: f64| [m.min(1.0), m.max(1.0)];
        match &self.shape {
            MediumShape::Uniform => [1.0, 1.0],
            MediumShape::Square(square) => with_background(square.squared_slowness),
            MediumShape::Circle(circle) => with_background(circle.squared_slowness),
            MediumShape::Samples(samples) => samples.range(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(config: &MediumConfig) -> Medium {
        Medium::from_config(config, "signal.medium", None, &mut Vec::new()).unwrap()
    }

    #[test]
    fn the_square_and_the_circle_of_the_paper_are_fast_inside_alone() {
        let square = closed(&MediumConfig::Square(SquareMediumConfig::default()));
        for (point, expected) in [
            ([0.0, 0.0], 0.25),
            ([0.29, -0.29], 0.25),
            ([0.31, 0.0], 1.0),
            ([0.0, -0.31], 1.0),
        ] {
            assert!((square.squared_slowness(point) - expected).abs() < 1e-15);
        }
        let circle = closed(&MediumConfig::Circle(CircleMediumConfig {
            center: [0.5, 0.0],
            ..CircleMediumConfig::default()
        }));
        for (point, expected) in [([0.55, 0.05], 0.25), ([0.58, 0.08], 1.0), ([0.0, 0.0], 1.0)] {
            assert!((circle.squared_slowness(point) - expected).abs() < 1e-15);
        }
        assert!((circle.min() - 0.25).abs() < 1e-15 && (circle.max() - 1.0).abs() < 1e-15);
        assert!(Medium::uniform().is_uniform() && !circle.is_uniform());
    }

    #[test]
    fn a_grid_has_rows_by_ascending_y_and_makes_the_medium_again() {
        let circle = closed(&MediumConfig::Circle(CircleMediumConfig {
            center: [0.5, -1.0],
            radius: 0.3,
            squared_slowness: 4.0,
        }));
        let grid = circle.on_grid(5);
        let mut expected = vec![1.0; 25];
        expected[3] = 4.0;
        assert_eq!(grid, expected);
        let again = Medium::from_grid(5, &grid).unwrap();
        assert_eq!(again.on_grid(5), expected);
        // Half the way to the next point: bilinear.
        assert!((again.squared_slowness([0.5, -0.75]) - 2.5).abs() < 1e-12);
        assert!(Medium::from_grid(5, &grid[1..]).is_err());
        assert!(Medium::from_grid(1, &[0.0]).is_err());
    }
}
