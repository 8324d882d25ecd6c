//! The exact field of a point source in a uniform medium.

use std::f64::consts::PI;

use complex_bessel::hankel2;
use num_complex::Complex64;
use siren_core::{Error, Result};

use crate::Point;
use crate::source::PointSource;

/// Euler's constant γ.
const EULER: f64 = 0.577_215_664_901_532_9;
/// Largest `k²σ/2`: beyond it a source radiates less than 2e-9 of its strength.
const LARGEST_EXPONENT: f64 = 20.0;
/// Value of `r²/(2σ)` beyond which the source is below 1e-17 of its peak.
const OUTSIDE: f64 = 40.0;
/// Value of `r²/(2σ)` below which the gradient is that of a paraboloid: the singular terms cancel to fewer digits than that.
const CENTER: f64 = 1e-8;

/// The exact outgoing solution of `Δu + k²u = f` in a medium with `m = 1`, for a [`PointSource`] `f` of strength `s` and variance `σ`.
///
/// `u = s e^{−k²σ/2} [ (i/4) H₀⁽²⁾(kr) + 1/(4π) Σⱼ (k²σ/2)ʲ/j! Eⱼ₊₁(r²/2σ) ]`
///
/// The second term, with the exponential integrals `Eₙ`, is the difference between a Gaussian and a point: it is below 1e-8 outside the
/// source's radius, and makes the field finite at its center. It follows from `∂u/∂σ = Δu/2`. The Gaussian is that without a cutoff.
#[derive(Clone, Copy, Debug)]
pub struct HankelField {
    source: PointSource,
    wavenumber: f64,
}

impl HankelField {
    /// Makes the field of a source at the wavenumber `k`, in radians per unit of the coordinates.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if `k` is not between 0 and 1e6, if `σ` is not positive and finite, if the position or strength is not finite, or if
    /// `k²σ/2` exceeds 20: such a source does not radiate.
    pub fn new(source: PointSource, wavenumber: f64) -> Result<Self> {
        if !(wavenumber > 0.0 && wavenumber < 1e6) {
            let expected = "a positive number of radians per unit, below 1e6";
            return Err(Error::invalid("wavenumber", wavenumber, expected));
        }
        let [x, y] = source.position;
        if !(x.is_finite() && y.is_finite() && source.strength.is_finite()) {
            let found = format!("[{x}, {y}] with strength {}", source.strength);
            return Err(Error::invalid("source", found, "finite numbers"));
        }
        let exponent = 0.5 * wavenumber * wavenumber * source.variance;
        if !(source.variance > 0.0 && exponent <= LARGEST_EXPONENT) {
            let expected = "a positive variance of at most 40 / k²";
            return Err(Error::invalid("source.variance", source.variance, expected));
        }
        Ok(Self { source, wavenumber })
    }

    /// Returns the source.
    #[must_use]
    pub fn source(&self) -> &PointSource {
        &self.source
    }

    /// Returns the wavenumber `k`.
    #[must_use]
    pub fn wavenumber(&self) -> f64 {
        self.wavenumber
    }

    /// Returns `u` at a point; it is finite everywhere, the center of the source included. Not a number at a distance beyond 1e9 / k.
    #[must_use]
    pub fn value(&self, point: Point) -> Complex64 {
        // The field is a function of r²: this lower bound changes no digit.
        let smallest = 1e-9 * self.source.variance.sqrt();
        let r = self.source.distance(point).max(smallest);
        let far = Complex64::new(0.0, 0.25) * outgoing(0.0, self.wavenumber * r);
        self.amplitude() * (far + self.near_sum(1, self.squared_ratio(r)) / (4.0 * PI))
    }

    /// Returns `(u_x, u_y)` at a point; zero at the center of the source.
    #[must_use]
    pub fn gradient(&self, point: Point) -> [Complex64; 2] {
        let r = self.source.distance(point);
        let z = self.squared_ratio(r);
        // (du/dr) / r
        let slope = if z < CENTER {
            0.5 * self.laplacian(point)
        } else {
            let k = self.wavenumber;
            let far = Complex64::new(0.0, -0.25 * k / r) * outgoing(1.0, k * r);
            let near = self.near_sum(0, z) / (4.0 * PI * self.source.variance);
            self.amplitude() * (far - near)
        };
        [0, 1].map(|axis| slope * (point[axis] - self.source.position[axis]))
    }

    /// Returns `Δu = f − k²u` at a point.
    #[must_use]
    pub fn laplacian(&self, point: Point) -> Complex64 {
        let z = self.squared_ratio(self.source.distance(point));
        let gaussian = (-z).exp() / (2.0 * PI * self.source.variance);
        self.source.strength * gaussian - self.wavenumber.powi(2) * self.value(point)
    }

    /// Returns `s e^{−k²σ/2}`, the factor of the Green's function outside the source.
    pub(super) fn amplitude(&self) -> Complex64 {
        self.source.strength * self.source.spread(self.wavenumber)
    }

    fn squared_ratio(&self, r: f64) -> f64 {
        0.5 * r * r / self.source.variance
    }

    /// Returns `Σⱼ xʲ/j! E_{first + j}(z)`, `x = k²σ/2`, for `first` 0 or 1.
    fn near_sum(&self, first: u32, z: f64) -> f64 {
        if z > OUTSIDE {
            return 0.0;
        }
        let x = 0.5 * self.wavenumber.powi(2) * self.source.variance;
        let decay = (-z).exp();
        let mut integral = exponential_integral(z);
        let mut order = 1.0;
        let (mut power, mut sum) = (1.0, 0.0);
        let mut next = 1.0;
        if first == 0 {
            sum = decay / z;
            power = x;
            next = 2.0;
        }
        // Eₙ ≤ 1/(n − 1), so the terms end with those of e^x.
        for _ in 0..200 {
            let term = power * integral;
            sum += term;
            if power < 1e-18 {
                break;
            }
            integral = (decay - z * integral) / order;
            order += 1.0;
            power *= x / next;
            next += 1.0;
        }
        sum
    }
}

/// Returns `Hₙ⁽²⁾(x)` for `x > 0`; not a number where `x` is too large for any digit.
fn outgoing(order: f64, x: f64) -> Complex64 {
    hankel2(order, Complex64::new(x, 0.0)).unwrap_or(Complex64::new(f64::NAN, f64::NAN))
}

/// Returns `E₁(z) = ∫₁^∞ e^{−zt}/t dt` for `z > 0`, to about 15 digits: the power series up to 1, then the continued fraction by Lentz's algorithm,
/// which ends early for large z.
pub(crate) fn exponential_integral(z: f64) -> f64 {
    if z > 700.0 {
        return 0.0;
    }
    if z <= 1.0 {
        let (mut power, mut sum) = (1.0, -EULER - z.ln());
        for n in 1..30 {
            let n = f64::from(n);
            power *= -z / n;
            sum -= power / n;
        }
        return sum;
    }
    let mut b = z + 1.0;
    let mut c = 1e300;
    let mut d = 1.0 / b;
    let mut fraction = d;
    for i in 1..500 {
        let a = -f64::from(i * i);
        b += 2.0;
        d = 1.0 / (a * d + b);
        c = b + a / c;
        let factor = c * d;
        fraction *= factor;
        if (factor - 1.0).abs() < 1e-16 {
            break;
        }
    }
    fraction * (-z).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field() -> HankelField {
        HankelField::new(PointSource::at([0.1, -0.2]), 20.0).unwrap()
    }

    #[test]
    fn exponential_integrals_are_those_of_the_tables() {
        // Abramowitz and Stegun, table 5.1.
        for (z, expected) in [
            (0.1, 1.822_923_958_4),
            (0.5, 0.559_773_594_8),
            (0.999_999_999, 0.219_383_934_8),
            (1.0, 0.219_383_934_4),
            (2.0, 0.048_900_510_7),
            (10.0, 4.156_968_93e-6),
        ] {
            let found = exponential_integral(z);
            assert!((found / expected - 1.0).abs() < 2e-9, "{z}: {found}");
        }
    }

    #[test]
    fn outside_the_source_the_field_is_a_hankel_function_times_the_spread() {
        // H₀⁽²⁾(6) = J₀(6) − i Y₀(6), from tables: r = 0.3, k = 20.
        let hankel = Complex64::new(0.150_645_257_3, 0.288_194_683_6);
        let expected =
            Complex64::new(0.0, 0.25) * Complex64::new(1.0, 1.0) * (-0.02_f64).exp() * hankel;
        let found = field().value([0.4, -0.2]);
        assert!((found - expected).norm() < 1e-9, "{found} {expected}");
    }

    /// The equation holds inside the source too, by differences of sixth order: seven points along each axis.
    #[test]
    fn the_field_solves_the_helmholtz_equation_in_and_outside_the_source() {
        let field = field();
        let weights = [-49.0 / 18.0, 1.5, -0.15, 1.0 / 90.0];
        let h = 1e-3;
        for r in [0.0, 0.001, 0.004, 0.01, 0.02, 0.04, 0.06, 0.3] {
            let at = [0.1 + 0.6 * r, -0.2 + 0.8 * r];
            let mut laplacian = 2.0 * weights[0] * field.value(at);
            for (step, weight) in weights.iter().enumerate().skip(1) {
                let d = h * step as f64;
                for [dx, dy] in [[d, 0.0], [-d, 0.0], [0.0, d], [0.0, -d]] {
                    laplacian += weight * field.value([at[0] + dx, at[1] + dy]);
                }
            }
            let residual = laplacian / (h * h) + 400.0 * field.value(at) - field.source().value(at);
            assert!(residual.norm() < 5e-3, "{r}: {residual}");
            assert!(
                (laplacian / (h * h) - field.laplacian(at)).norm() < 5e-3,
                "{r}"
            );
        }
    }

    #[test]
    fn the_gradient_is_the_limit_of_central_differences() {
        let field = field();
        let h = 1e-5;
        for r in [0.0, 5e-7, 2e-6, 1e-3, 0.01, 0.05, 0.3] {
            let [x, y] = [0.1 - 0.8 * r, -0.2 + 0.6 * r];
            let [u_x, u_y] = field.gradient([x, y]);
            let d_x = (field.value([x + h, y]) - field.value([x - h, y])) / (2.0 * h);
            let d_y = (field.value([x, y + h]) - field.value([x, y - h])) / (2.0 * h);
            assert!(
                (u_x - d_x).norm() + (u_y - d_y).norm() < 2e-5,
                "{r}: {u_x} {d_x}"
            );
        }
        assert_eq!(field.gradient([0.1, -0.2]), [Complex64::ZERO; 2]);
    }

    #[test]
    fn sources_without_a_field_are_refused() {
        let source = PointSource::at([0.0, 0.0]);
        for k in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(HankelField::new(source, k).is_err(), "{k}");
        }
        for variance in [0.0, -1e-4, f64::NAN, 1.0] {
            let source = PointSource { variance, ..source };
            assert!(HankelField::new(source, 20.0).is_err(), "{variance}");
        }
        assert!(HankelField::new(PointSource::at([f64::NAN, 0.0]), 20.0).is_err());
    }
}
