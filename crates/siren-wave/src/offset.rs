//! Known parts of a field of the Helmholtz equation, which the network need not learn.

use std::f64::consts::PI;

use num_complex::Complex64;
use serde::{Deserialize, Serialize};
use siren_core::Result;

use crate::Point;
use crate::reference::hankel::{HankelField, exponential_integral};
use crate::source::PointSource;

/// What the network Φ represents: the field of the waves is `u = Φ + w` with a known offset `w`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Formulation {
    /// The whole field, `w = 0` (the authors').
    Total,
    /// The field without the logarithmic peak at its source: `w` is that of an electric charge with the shape of the source, faded out at a
    /// distance. It needs no knowledge of the waves.
    #[default]
    NearField,
    /// The field that the medium scatters: `w` is the exact field in the background. Nothing is left to learn in a uniform medium.
    Scattered,
}

/// A known offset `w` of the field of one source, and what it leaves of the source: with `g = Δw − f`, the equation `Δu + m k² u = f` becomes
/// `ΔΦ + m k² (Φ + w) + g = 0`.
#[derive(Clone, Copy, Debug)]
pub struct Offset {
    source: PointSource,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Zero,
    NearField { radius: f64 },
    Background(HankelField),
}

/// Offset `w` and remainder `g` at one point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OffsetValue {
    /// `w`.
    pub value: Complex64,
    /// `g = Δw − f`.
    pub remainder: Complex64,
}

impl Offset {
    /// Makes the offset of a source at the wavenumber `k`. `inner` is half the side of the square without absorbing layers: the near field
    /// ends inside it.
    ///
    /// # Errors
    /// As [`HankelField::new`].
    pub fn new(
        formulation: Formulation,
        source: PointSource,
        wavenumber: f64,
        inner: f64,
    ) -> Result<Self> {
        let kind = match formulation {
            Formulation::Total => Kind::Zero,
            Formulation::NearField => {
                let [x, y] = source.position;
                let radius = (inner - x.abs().max(y.abs())).min(LARGEST_NEAR_FIELD);
                Kind::NearField { radius }
            }
            Formulation::Scattered => Kind::Background(HankelField::new(source, wavenumber)?),
        };
        Ok(Self { source, kind })
    }

    /// Returns the distance from the source within which the equation has a source or a near field.
    #[must_use]
    pub fn radius(&self) -> f64 {
        match self.kind {
            Kind::NearField { radius } => radius.max(self.source.radius()),
            Kind::Zero | Kind::Background(_) => self.source.radius(),
        }
    }

    /// Returns the position of the source.
    #[must_use]
    pub fn position(&self) -> Point {
        self.source.position
    }

    /// Returns whether the network's field has no source: all of it is in the offset.
    #[must_use]
    pub fn has_no_source(&self) -> bool {
        matches!(self.kind, Kind::Background(_))
    }

    /// Returns `w` and `g` at a point outside the absorbing layers. Inside them both are zero in every formulation: the network has all of
    /// the field there, or, for scattered fields, the scattered part.
    #[must_use]
    pub fn at(&self, point: Point) -> OffsetValue {
        match &self.kind {
            Kind::Zero => OffsetValue {
                value: Complex64::ZERO,
                remainder: -self.source.value(point),
            },
            Kind::NearField { radius } => self.near_field(point, *radius),
            Kind::Background(background) => {
                let value = background.value(point);
                OffsetValue {
                    value,
                    remainder: -background.wavenumber().powi(2) * value,
                }
            }
        }
    }

    /// Returns `w = χ s` with `Δs = f`, `s = strength · (ln(z/Z) + E₁(z)) / 4π` at `z = r²/2σ`, `Z = R²/2σ`, and the fade `χ = (1 − (r/R)²)⁴`.
    /// Then `g = 2 χ' s' + s Δχ + (χ − 1) f`.
    fn near_field(&self, point: Point, radius: f64) -> OffsetValue {
        let (strength, variance) = (self.source.strength, self.source.variance);
        // A function of r²: this lower bound changes no digit.
        let r = self.source.distance(point).max(1e-9 * variance.sqrt());
        if r >= radius {
            return OffsetValue {
                value: Complex64::ZERO,
                remainder: -self.source.value(point),
            };
        }
        let z = 0.5 * r * r / variance;
        let s = ((r / radius).powi(2).ln() + exponential_integral(z)) / (4.0 * PI);
        let slope = -(-z).exp_m1() / (2.0 * PI * r);
        let q = 1.0 - (r / radius).powi(2);
        let fade = q.powi(4);
        let fade_slope = -8.0 * r / radius.powi(2) * q.powi(3);
        let fade_laplacian = 16.0 / radius.powi(2) * q.powi(2) * (3.0 * (r / radius).powi(2) - q);
        let density = (-z).exp() / (2.0 * PI * variance);
        OffsetValue {
            value: strength * (fade * s),
            remainder: strength
                * (2.0 * fade_slope * slope + s * fade_laplacian + (fade - 1.0) * density),
        }
    }
}

/// Largest radius of a near field, about a wavelength of the paper's examples.
pub(crate) const LARGEST_NEAR_FIELD: f64 = 0.4;

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(formulation: Formulation) -> Offset {
        Offset::new(formulation, PointSource::at([-0.3, 0.1]), 20.0, 0.75).unwrap()
    }

    #[test]
    fn the_remainder_is_the_laplacian_of_the_offset_minus_the_source() {
        for formulation in [Formulation::NearField, Formulation::Scattered] {
            let offset = offset(formulation);
            for point in [[-0.305, 0.112], [-0.27, 0.08], [-0.1, 0.2], [0.02, 0.25]] {
                let error = |h: f64| {
                    let at = |dx: f64, dy: f64| offset.at([point[0] + dx, point[1] + dy]).value;
                    let sum = at(h, 0.0) + at(-h, 0.0) + at(0.0, h) + at(0.0, -h);
                    let laplacian = (sum - 4.0 * at(0.0, 0.0)) / (h * h);
                    let expected = offset.at(point).remainder + offset.source.value(point);
                    (laplacian - expected).norm() / (1.0 + expected.norm())
                };
                let (coarse, fine) = (error(2e-3), error(1e-3));
                assert!(fine < 4e-3, "{formulation:?} {point:?}: {fine}");
                let ratio = coarse / fine;
                assert!(
                    (3.5..4.5).contains(&ratio),
                    "{formulation:?} {point:?}: {ratio}"
                );
            }
        }
    }

    #[test]
    fn the_near_field_ends_before_the_absorbing_layer() {
        let near = offset(Formulation::NearField);
        assert!((near.radius() - 0.4).abs() < 1e-12);
        let beyond = near.at([0.15, 0.1]);
        assert_eq!(beyond.value, Complex64::ZERO);
        assert_eq!(beyond.remainder, Complex64::ZERO);
        let close = Offset::new(
            Formulation::NearField,
            PointSource::at([0.6, 0.0]),
            20.0,
            0.75,
        );
        assert!((close.unwrap().radius() - 0.15).abs() < 1e-12);
    }
}
