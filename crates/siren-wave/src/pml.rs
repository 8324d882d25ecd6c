//! Perfectly matched layers: borders of the domain that absorb outgoing waves of the Helmholtz equation.

use num_complex::Complex64;
use serde::{Deserialize, Serialize};
use siren_core::{Error, Result};

use crate::Point;

/// A perfectly matched layer along the border of [−1, 1]² (paper, supplement §5.1).
///
/// Coordinates are stretched by `e_x = 1 − i a₀ (d_x / L)²`, where `d_x = max(0, |x| − (1 − L))` is the depth in the layer, likewise in y.
/// With the time factor `e^{+iωt}` an outgoing wave `e^{−ikx}` decays by `e^{−k a₀ L / 3}` from the inner edge of the layer to the border.
/// The Helmholtz equation becomes
///
/// `∂x(e_y/e_x ∂x u) + ∂y(e_x/e_y ∂y u) + e_x e_y m k² u = f`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pml {
    /// Width `L`, in coordinates. The authors' is 0.5.
    pub width: f64,
    /// Strength `a₀`.
    pub strength: f64,
}

impl Default for Pml {
    /// Half the authors' width: the field in [−½, ½]² is the same, in 44 % fewer points.
    fn default() -> Self {
        Self {
            width: 0.25,
            strength: 5.0,
        }
    }
}

/// Coefficients of the stretched Helmholtz equation at one point, written out as `a u_xx + a_x u_x + b u_yy + b_y u_y + c m k² u = f`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretched {
    /// `a = e_y / e_x`, the factor of `u_xx`.
    pub second: [Complex64; 2],
    /// `∂x (e_y / e_x)` and `∂y (e_x / e_y)`, the factors of `u_x` and `u_y`.
    pub first: [Complex64; 2],
    /// `c = e_x e_y`, the factor of `m k² u`.
    pub zeroth: Complex64,
}

impl Pml {
    /// Largest width, in coordinates: some of the domain is left.
    pub(crate) const LARGEST_WIDTH: f64 = 0.9;

    /// Checks every value; `key` is the key of the table.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a width outside (0, 0.9], or a strength outside (0, 1000].
    pub fn validate(&self, key: &str) -> Result<()> {
        if !(self.width > 0.0 && self.width <= Self::LARGEST_WIDTH) {
            let (key, expected) = (format!("{key}.width"), "above 0 and at most 0.9");
            return Err(Error::invalid(&key, self.width, expected));
        }
        if !(self.strength > 0.0 && self.strength <= 1e3) {
            let (key, expected) = (format!("{key}.strength"), "above 0 and at most 1000");
            return Err(Error::invalid(&key, self.strength, expected));
        }
        Ok(())
    }

    /// Returns half the side of the square in which the layer does nothing, `1 − L`.
    #[must_use]
    pub fn inner(&self) -> f64 {
        1.0 - self.width
    }

    /// Returns whether a point lies in the layer.
    #[must_use]
    pub fn contains(&self, [x, y]: Point) -> bool {
        x.abs().max(y.abs()) > self.inner()
    }

    /// Returns the stretch `e(x)` of one coordinate.
    #[must_use]
    pub fn stretch(&self, x: f64) -> Complex64 {
        let depth = (x.abs() - self.inner()).max(0.0) / self.width;
        Complex64::new(1.0, -self.strength * depth * depth)
    }

    /// Returns the derivative `e'(x) = −2i a₀ d sign(x) / L²`.
    #[must_use]
    pub fn stretch_derivative(&self, x: f64) -> Complex64 {
        let depth = (x.abs() - self.inner()).max(0.0);
        let slope = 2.0 * self.strength * depth / (self.width * self.width);
        Complex64::new(0.0, -slope.copysign(x))
    }

    /// Returns the stretched coordinate `∫₀ˣ e(s) ds`.
    #[must_use]
    pub fn stretched_coordinate(&self, x: f64) -> Complex64 {
        let depth = (x.abs() - self.inner()).max(0.0);
        let imaginary = self.strength * depth.powi(3) / (3.0 * self.width * self.width);
        Complex64::new(x, -imaginary.copysign(x))
    }

    /// Returns the coefficients of the stretched equation at a point.
    #[must_use]
    pub fn at(&self, [x, y]: Point) -> Stretched {
        let (ex, ey) = (self.stretch(x), self.stretch(y));
        Stretched {
            second: [ey / ex, ex / ey],
            first: [
                -ey / (ex * ex) * self.stretch_derivative(x),
                -ex / (ey * ey) * self.stretch_derivative(y),
            ],
            zeroth: ex * ey,
        }
    }

    /// Returns the factor `e^{−k a₀ L / 3}` by which a wave decays on its way through the layer.
    #[must_use]
    pub fn one_way_decay(&self, wavenumber: f64) -> f64 {
        (-wavenumber * self.strength * self.width / 3.0).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In the layer of x alone (`e_y = 1`), `u = e^{−ik ∫ e_x dx}` has `u_x = −ik e_x u`, so `a u_x = −ik u` and the equation holds.
    #[test]
    fn the_stretched_plane_wave_has_no_residual_in_the_layer() {
        let wavenumber = 20.0;
        for width in [0.25, 0.5] {
            let pml = Pml {
                width,
                ..Pml::default()
            };
            for step in 0..=200 {
                let x = -1.0 + 0.01 * f64::from(step);
                let at = pml.at([x, 0.0]);
                let (e, slope) = (pml.stretch(x), pml.stretch_derivative(x));
                let ik = Complex64::new(0.0, wavenumber);
                let u = (-ik * pml.stretched_coordinate(x)).exp();
                let (u_x, u_xx) = (-ik * e * u, (-ik * slope - wavenumber.powi(2) * e * e) * u);
                let residual =
                    at.second[0] * u_xx + at.first[0] * u_x + at.zeroth * wavenumber.powi(2) * u;
                let scale = wavenumber.powi(2) * u.norm();
                assert!(residual.norm() <= 1e-12 * scale, "{x}: {residual}");
            }
        }
    }

    #[test]
    fn the_derivative_of_the_stretch_is_the_limit_of_central_differences() {
        let pml = Pml::default();
        for x in [-0.97, -0.8, 0.3, 0.77, 0.99] {
            let h = 1e-5;
            let difference = (pml.stretch(x + h) - pml.stretch(x - h)) / (2.0 * h);
            assert!(
                (difference - pml.stretch_derivative(x)).norm() < 1e-8,
                "{x}"
            );
            let integral =
                (pml.stretched_coordinate(x + h) - pml.stretched_coordinate(x - h)) / (2.0 * h);
            assert!((integral - pml.stretch(x)).norm() < 1e-7, "{x}");
        }
    }

    #[test]
    fn a_layer_of_a_quarter_absorbs_all_but_some_ten_millionths() {
        let decay = Pml::default().one_way_decay(20.0);
        assert!((decay / 2.4e-4 - 1.0).abs() < 0.01, "{decay}");
        let authors = Pml {
            width: 0.5,
            strength: 5.0,
        };
        assert!((authors.one_way_decay(20.0) / 5.8e-8 - 1.0).abs() < 0.02);
    }
}
