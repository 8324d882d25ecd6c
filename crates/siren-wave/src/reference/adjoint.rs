//! The misfit of a medium to recorded fields, and its gradient by adjoint states.

use num_complex::Complex64;
use siren_core::{Error, Result};

use super::frequency::{FrequencyGrid, FrequencySolver};
use super::sampler::PointSampler;
use crate::Point;
use crate::source::PointSource;

/// The data misfit of full waveform inversion, as a function of the squared slowness `m` on a grid:
///
/// `J(m) = ½ Σ |P uₛ − dₛ|² / Σ |dₛ|²`, `A(m) uₛ = fₛ`, summed over the shots `s`, with `P` the values at the receivers.
///
/// One factorization of `A` serves all shots and, since `Aᵀ = A`, their adjoint states: `A λₛ = Pᵀ conj(P uₛ − dₛ)`, and
/// `dJ/dmⱼ = −Re Σₛ λₛⱼ (e_x e_y k²)ⱼ uₛⱼ / Σ |d|²`.
#[derive(Debug)]
pub struct Misfit {
    grid: FrequencyGrid,
    /// Right-hand sides, one per shot.
    terms: Vec<Vec<Complex64>>,
    receivers: PointSampler,
    /// Index `shot · receivers + receiver`.
    data: Vec<Complex64>,
    /// `Σ |d|²`.
    scale: f64,
}

/// A misfit and its gradient.
#[derive(Clone, Debug, PartialEq)]
pub struct MisfitGradient {
    /// `J`.
    pub misfit: f64,
    /// `√(2J)`: the norm of the residuals over that of the data. 1 for a field of zero.
    pub residual_ratio: f64,
    /// `dJ/dm` at the nodes of the grid, zero at the border.
    pub gradient: Vec<f64>,
}

impl Misfit {
    /// Makes the misfit to data at receivers, given in the order `shot · receivers + receiver`.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if a source or receiver lies outside the domain, or all data are zero; [`Error::Shape`] if there is not one value for each
    /// pair of at least one source and one receiver; [`Error::NotFinite`] for a value that is not finite.
    pub fn new(
        grid: FrequencyGrid,
        sources: &[PointSource],
        receivers: &[Point],
        data: Vec<Complex64>,
    ) -> Result<Self> {
        if data.is_empty() || data.len() != sources.len() * receivers.len() {
            return Err(Error::Shape {
                what: "data of the misfit",
                expected: format!(
                    "one value for each of {} sources and {} receivers, at least one",
                    sources.len(),
                    receivers.len()
                ),
                got: format!("{} values", data.len()),
            });
        }
        if let Some(point) = data.iter().position(|value| !value.is_finite()) {
            let column = "data of the misfit".to_owned();
            return Err(Error::NotFinite { column, point });
        }
        let scale: f64 = data.iter().map(Complex64::norm_sqr).sum();
        if scale <= 0.0 {
            let expected = "data of which one value is not zero";
            return Err(Error::invalid("data", "zero", expected));
        }
        let terms = sources
            .iter()
            .map(|source| grid.source_terms(source))
            .collect::<Result<_>>()?;
        let receivers = PointSampler::new(grid.side(), receivers)?;
        Ok(Self {
            grid,
            terms,
            receivers,
            data,
            scale,
        })
    }

    /// Returns the grid of the squared slowness.
    #[must_use]
    pub fn grid(&self) -> &FrequencyGrid {
        &self.grid
    }

    /// Returns the number of shots.
    #[must_use]
    pub fn shots(&self) -> usize {
        self.terms.len()
    }

    /// Returns the data that a medium predicts, in the order `shot · receivers + receiver`.
    ///
    /// # Errors
    /// Those of [`FrequencyGrid::factorize`] and [`FrequencySolver::solve`].
    pub fn predict(&self, squared_slowness: &[f64]) -> Result<Vec<Complex64>> {
        let fields = self.grid.factorize(squared_slowness)?.solve(&self.terms)?;
        self.sample(&fields)
    }

    /// Returns the norm of the residuals of a medium over that of the data, without the gradient.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn residual_ratio(&self, squared_slowness: &[f64]) -> Result<f64> {
        let predicted = self.predict(squared_slowness)?;
        let pairs = predicted.iter().zip(&self.data);
        let squares: f64 = pairs.map(|(a, b)| (a - b).norm_sqr()).sum();
        Ok((squares / self.scale).sqrt())
    }

    /// Returns the misfit of a medium of `side²` values and its gradient.
    ///
    /// # Errors
    /// Those of [`FrequencyGrid::factorize`] and [`FrequencySolver::solve`].
    pub fn evaluate(&self, squared_slowness: &[f64]) -> Result<MisfitGradient> {
        let solver = self.grid.factorize(squared_slowness)?;
        let fields = solver.solve(&self.terms)?;
        let residuals: Vec<Complex64> = self
            .sample(&fields)?
            .iter()
            .zip(&self.data)
            .map(|(predicted, data)| predicted - data)
            .collect();
        let squares: f64 = residuals.iter().map(Complex64::norm_sqr).sum();
        Ok(MisfitGradient {
            misfit: 0.5 * squares / self.scale,
            residual_ratio: (squares / self.scale).sqrt(),
            gradient: self.gradient(&solver, &fields, &residuals)?,
        })
    }

    fn sample(&self, fields: &[Vec<Complex64>]) -> Result<Vec<Complex64>> {
        let mut values = Vec::with_capacity(self.data.len());
        for field in fields {
            values.extend(self.receivers.sample(field)?);
        }
        Ok(values)
    }

    fn gradient(
        &self,
        solver: &FrequencySolver<'_>,
        fields: &[Vec<Complex64>],
        residuals: &[Complex64],
    ) -> Result<Vec<f64>> {
        let sources = residuals
            .chunks_exact(self.receivers.points())
            .map(|shot| {
                let conjugates: Vec<Complex64> = shot.iter().map(Complex64::conj).collect();
                self.receivers.spread(&conjugates)
            })
            .collect::<Result<Vec<_>>>()?;
        let adjoints = solver.solve(&sources)?;
        let mut gradient = vec![0.0; self.grid.points()];
        for (adjoint, field) in adjoints.iter().zip(fields) {
            let products = adjoint.iter().zip(field).zip(self.grid.mass());
            for (sum, ((adjoint, field), mass)) in gradient.iter_mut().zip(products) {
                *sum -= (adjoint * field * mass).re / self.scale;
            }
        }
        Ok(gradient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pml::Pml;

    const RECEIVERS: [Point; 3] = [[0.4, 0.35], [-0.2, 0.41], [0.1, -0.3]];

    fn grid() -> FrequencyGrid {
        FrequencyGrid::new(41, 12.0, Pml::default()).unwrap()
    }

    /// A smooth anomaly of the squared slowness.
    fn medium(grid: &FrequencyGrid, depth: f64) -> Vec<f64> {
        (0..grid.points())
            .map(|index| {
                let [x, y] = grid.point(index);
                1.0 - depth * (-30.0 * ((x - 0.1).powi(2) + y * y)).exp()
            })
            .collect()
    }

    fn misfit() -> Misfit {
        let grid = grid();
        let sources = [PointSource::at([-0.35, 0.0]), PointSource::at([0.0, -0.4])];
        let placeholder = vec![Complex64::ONE; 6];
        let made = Misfit::new(grid, &sources, &RECEIVERS, placeholder).unwrap();
        let data = made.predict(&medium(made.grid(), 0.7)).unwrap();
        Misfit::new(made.grid, &sources, &RECEIVERS, data).unwrap()
    }

    #[test]
    fn the_gradient_is_that_of_central_differences_to_second_order() {
        let misfit = misfit();
        let m = medium(misfit.grid(), 0.2);
        let direction: Vec<f64> = (0..m.len())
            .map(|index| {
                let [x, y] = misfit.grid().point(index);
                (5.0 * x + 3.0 * y).cos()
            })
            .collect();
        let found = misfit.evaluate(&m).unwrap();
        let exact: f64 = found
            .gradient
            .iter()
            .zip(&direction)
            .map(|(g, d)| g * d)
            .sum();
        let central = |h: f64| {
            let at = |h: f64| {
                let moved: Vec<f64> = m.iter().zip(&direction).map(|(m, d)| m + h * d).collect();
                misfit.evaluate(&moved).unwrap().misfit
            };
            (at(h) - at(-h)) / (2.0 * h)
        };
        let [coarse, fine] = [8e-3, 4e-3].map(|h| ((central(h) - exact) / exact).abs());
        assert!(exact.abs() > 1e-3 && fine < 1e-3, "{exact} {fine}");
        assert!((coarse / fine / 4.0 - 1.0).abs() < 0.05, "{coarse} {fine}");
    }

    #[test]
    fn the_true_medium_has_no_misfit_and_no_gradient() {
        let misfit = misfit();
        let found = misfit.evaluate(&medium(misfit.grid(), 0.7)).unwrap();
        assert!(found.residual_ratio < 1e-13, "{}", found.residual_ratio);
        let uniform = misfit.evaluate(&medium(misfit.grid(), 0.0)).unwrap();
        assert!(uniform.residual_ratio > 0.1);
        assert!((uniform.misfit - 0.5 * uniform.residual_ratio.powi(2)).abs() < 1e-15);
        assert!(found.gradient.iter().all(|g| g.abs() < 1e-13));
    }

    #[test]
    fn data_that_do_not_fit_the_receivers_are_refused() {
        let source = [PointSource::at([0.0, 0.0])];
        let make = |data: Vec<Complex64>| Misfit::new(grid(), &source, &RECEIVERS, data);
        assert!(make(vec![Complex64::ONE; 3]).is_ok());
        assert!(make(vec![Complex64::ONE; 4]).is_err());
        assert!(make(vec![Complex64::ZERO; 3]).is_err());
        assert!(make(vec![Complex64::new(f64::NAN, 0.0); 3]).is_err());
        assert!(Misfit::new(grid(), &source, &[[0.0, 1.5]], vec![Complex64::ONE]).is_err());
        assert!(Misfit::new(grid(), &[], &RECEIVERS, Vec::new()).is_err());
    }
}
