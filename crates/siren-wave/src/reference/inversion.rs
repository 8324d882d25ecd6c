//! Full waveform inversion on a grid: the squared slowness of every node is a variable.

use siren_core::Result;

use super::adjoint::{Misfit, MisfitGradient};
use super::lbfgs::{BoundedLbfgs, ValueGradient};

/// Full waveform inversion on a grid, by projected L-BFGS from `m = 1`. There is no regularization but the number of iterations and the square
/// in which `m` varies: the larger it is, the more the anomaly is smeared along the paths of the waves.
///
/// No config uses it. It is public because it is the reference that inversions by fields are compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GridInversion {
    /// The optimizer, and the lower bound of `m`.
    pub optimizer: BoundedLbfgs,
    /// Half the side of the square around 0 in which `m` varies; it is 1 elsewhere. It should enclose what the receivers surround, and no more.
    pub half_width: f64,
}

impl Default for GridInversion {
    /// 30 iterations in |x|, |y| ≤ 0.4, for the authors' data, whose receivers are at 0.4. The residuals are then about 1 % of the data, less
    /// than the 1.7 % by which those data differ from the exact series; more iterations fit that difference.
    fn default() -> Self {
        Self {
            optimizer: BoundedLbfgs::default(),
            half_width: 0.4,
        }
    }
}

/// The medium found by a [`GridInversion`].
#[derive(Clone, Debug, PartialEq)]
pub struct InvertedMedium {
    /// `m` at the nodes of the grid.
    pub squared_slowness: Vec<f64>,
    /// The norm of the residuals over that of the data.
    pub residual_ratio: f64,
    /// Number of iterations taken.
    pub iterations: usize,
    /// Number of evaluations of the misfit.
    pub evaluations: usize,
}

impl GridInversion {
    /// Inverts for the medium of the least misfit. `observe` sees every evaluation, those of rejected steps included.
    ///
    /// # Errors
    /// Those of [`Misfit::evaluate`] and [`BoundedLbfgs::minimize`].
    pub fn invert(
        &self,
        misfit: &Misfit,
        mut observe: impl FnMut(&[f64], &MisfitGradient),
    ) -> Result<InvertedMedium> {
        let grid = misfit.grid();
        let varies: Vec<bool> = (0..grid.points())
            .map(|index| {
                let [x, y] = grid.point(index);
                x.abs().max(y.abs()) <= self.half_width
            })
            .collect();
        let found = self
            .optimizer
            .minimize(&vec![1.0; grid.points()], |squared_slowness| {
                let mut at = misfit.evaluate(squared_slowness)?;
                for (gradient, &varies) in at.gradient.iter_mut().zip(&varies) {
                    if !varies {
                        *gradient = 0.0;
                    }
                }
                observe(squared_slowness, &at);
                Ok(ValueGradient {
                    value: at.misfit,
                    gradient: at.gradient,
                })
            })?;
        Ok(InvertedMedium {
            squared_slowness: found.position,
            residual_ratio: (2.0 * found.value).sqrt(),
            iterations: found.iterations,
            evaluations: found.evaluations,
        })
    }
}

#[cfg(test)]
mod tests {
    use num_complex::Complex64;

    use super::*;
    use crate::Point;
    use crate::pml::Pml;
    use crate::reference::cylinder::{Cylinder, CylinderField};
    use crate::reference::frequency::FrequencyGrid;
    use crate::reference::hankel::HankelField;
    use crate::source::PointSource;

    const WAVENUMBER: f64 = 20.0;

    /// The layout of the authors' data: five sources below, thirty receivers on the three other sides.
    fn sources() -> Vec<PointSource> {
        let along = |i: i32| PointSource::at([0.1735 * f64::from(i - 2), -0.347]);
        (0..5).map(along).collect()
    }

    fn receivers() -> Vec<Point> {
        let along = |i: i32| 0.0771 * f64::from(i) - 0.347;
        let above = (0..10).map(|i| [along(i), 0.402]);
        let left = (0..10).map(|i| [-0.402, along(i)]);
        let right = (0..10).map(|i| [0.402, along(i)]);
        above.chain(left).chain(right).collect()
    }

    /// Data of the exact series, so that the inversion does not see the errors of its own scheme.
    fn exact_data(cylinder: Cylinder) -> Vec<Complex64> {
        let mut data = Vec::new();
        for source in sources() {
            let incident = HankelField::new(source, WAVENUMBER).unwrap();
            let field = CylinderField::new(incident, cylinder).unwrap();
            data.extend(receivers().into_iter().map(|point| field.value(point)));
        }
        data
    }

    #[test]
    fn a_cylinder_is_found_from_the_exact_field_around_it() {
        let cylinder = Cylinder {
            center: [0.0, 0.0],
            radius: 0.1,
            squared_slowness: 0.25,
        };
        let grid = FrequencyGrid::new(97, WAVENUMBER, Pml::default()).unwrap();
        let misfit = Misfit::new(grid, &sources(), &receivers(), exact_data(cylinder)).unwrap();
        let mut ratios = Vec::new();
        let found = GridInversion::default()
            .invert(&misfit, |_, at| ratios.push(at.residual_ratio))
            .unwrap();
        let (mut error, mut scale) = (0.0, 0.0);
        for (index, m) in found.squared_slowness.iter().enumerate() {
            let [x, y] = misfit.grid().point(index);
            let truth = if x.hypot(y) < 0.1 { 0.25 } else { 1.0 };
            if x.abs().max(y.abs()) < 0.33 {
                error += (m - truth) * (m - truth);
                scale += (1.0 - truth) * (1.0 - truth);
            }
        }
        let error: f64 = (error / scale).sqrt();
        let center = found.squared_slowness[48 * 97 + 48];
        assert!(error < 0.44, "{error}");
        assert!(center < 0.16, "{center}");
        assert!(ratios[0] > 0.3 && found.residual_ratio < 0.02);
        assert!(found.squared_slowness.iter().all(|&m| m >= 0.001));
    }
}
