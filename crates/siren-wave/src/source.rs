//! Point sources of the Helmholtz equation.

use num_complex::Complex64;

use crate::Point;

/// Values of the unit Gaussian below this one are set to zero, as in the authors' code.
const CUTOFF: f64 = 1e-5;

/// A source `f(x) = s · 1/(2πσ) · exp(−|x − x₀|²/(2σ))` of integral `s`, zero where the Gaussian is below 1e-5.
///
/// `σ` is the variance, as in the authors' code. The paper's source has `σ = 1e-4` and `s = 1 + i`: a peak of 1,592, zero beyond a distance of 0.0615.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PointSource {
    /// Position `x₀`.
    pub position: Point,
    /// Integral `s`.
    pub strength: Complex64,
    /// Variance `σ` along each axis.
    pub variance: f64,
}

impl PointSource {
    /// Returns the source of the paper at a position.
    #[must_use]
    pub fn at(position: Point) -> Self {
        Self {
            position,
            strength: Complex64::new(1.0, 1.0),
            variance: 1e-4,
        }
    }

    /// Returns the distance of a point from the center of the source.
    #[must_use]
    pub fn distance(&self, point: Point) -> f64 {
        (point[0] - self.position[0]).hypot(point[1] - self.position[1])
    }

    /// Returns the distance beyond which the source is zero.
    #[must_use]
    pub fn radius(&self) -> f64 {
        let peak = 1.0 / (2.0 * std::f64::consts::PI * self.variance);
        (2.0 * self.variance * (peak / CUTOFF).ln().max(0.0)).sqrt()
    }

    /// Returns `f` at a point.
    #[must_use]
    pub fn value(&self, point: Point) -> Complex64 {
        let r = self.distance(point);
        let gaussian =
            (-0.5 * r * r / self.variance).exp() / (2.0 * std::f64::consts::PI * self.variance);
        if gaussian < CUTOFF {
            return Complex64::ZERO;
        }
        self.strength * gaussian
    }

    /// Returns the factor `e^{−k²σ/2}` by which the field outside the source is that of a point: the Fourier transform of the Gaussian at
    /// the wavenumber `k`.
    #[must_use]
    pub fn spread(&self, wavenumber: f64) -> f64 {
        (-0.5 * wavenumber * wavenumber * self.variance).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_of_the_paper_has_its_peak_its_radius_and_integral_one() {
        let source = PointSource::at([0.1, -0.2]);
        let peak = source.value(source.position);
        assert!((peak.re - 1591.55).abs() < 0.01 && peak.re.to_bits() == peak.im.to_bits());
        assert!((source.radius() - 0.0615).abs() < 1e-4);
        let h = 1e-3;
        let sum: f64 = (-70..=70)
            .flat_map(|i| (-70..=70).map(move |j| (f64::from(i), f64::from(j))))
            .map(|(i, j)| source.value([0.1 + h * i, -0.2 + h * j]).re * h * h)
            .sum();
        assert!((sum - 1.0).abs() < 1e-6, "{sum}");
        assert!((source.spread(20.0) - 0.9802).abs() < 1e-4);
    }
}
