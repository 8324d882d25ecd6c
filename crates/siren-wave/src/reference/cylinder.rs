//! The exact field of a point source beside a homogeneous circular cylinder.

use std::f64::consts::PI;

use complex_bessel::{Scaling, besselj, besselj_seq, hankel2, hankel2_seq};
use num_complex::Complex64;
use siren_core::{Error, Result};

use super::hankel::HankelField;
use crate::Point;

/// Most terms of the series.
const MOST_TERMS: usize = 2000;
/// Terms below this share of the largest end the series, three in a row.
const NEGLIGIBLE: f64 = 1e-16;
/// Largest share of the largest term that the last one may have if the Bessel functions leave the range of `f64` first.
const TOLERATED: f64 = 1e-9;
/// Smallest Bessel function that still has all its digits.
const SMALLEST: f64 = 1e-300;

/// A circular cylinder of squared slowness `m` in a background of 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cylinder {
    /// Center `c`.
    pub center: Point,
    /// Radius `a`.
    pub radius: f64,
    /// Squared slowness `m` inside.
    pub squared_slowness: f64,
}

/// The exact outgoing solution of `Δu + m k² u = f` for a source outside of a [`Cylinder`].
///
/// With polar coordinates `(ρ, φ)` around the center, `φ` from the direction of the source at the distance `b`, and `k' = k √m`:
///
/// * outside, `u = u₀ + (i/4) s e^{−k²σ/2} Σₙ εₙ Aₙ Hₙ(kb) Hₙ(kρ) cos nφ`, where `u₀` is the [`HankelField`] and `H = H⁽²⁾`;
/// * inside, `u = (i/4) s e^{−k²σ/2} Σₙ εₙ Bₙ Hₙ(kb) Jₙ(k'ρ) cos nφ`,
///
/// `ε₀ = 1`, `εₙ = 2`, by Graf's addition theorem. `Aₙ` and `Bₙ` follow from the continuity of `u` and `∂u/∂ρ` at the radius `a`:
/// `Dₙ = k Hₙ'(ka) Jₙ(k'a) − k' Hₙ(ka) Jₙ'(k'a)`, `Aₙ = −(k Jₙ'(ka) Jₙ(k'a) − k' Jₙ(ka) Jₙ'(k'a)) / Dₙ`, `Bₙ = −2i / (π a Dₙ)`.
/// The terms at the radius fall as `(a/b)ⁿ`. All are stored relative to the Bessel functions there, which grow and fall beyond all bounds.
#[derive(Clone, Debug)]
pub struct CylinderField {
    incident: HankelField,
    cylinder: Cylinder,
    terms: Vec<CylinderTerm>,
}

/// Coefficients of one order `n`, the factors `(i/4) s e^{−k²σ/2} εₙ` included.
#[derive(Clone, Copy, Debug)]
struct CylinderTerm {
    /// `Aₙ Hₙ(kb)` times `outer`.
    scattered: Complex64,
    /// `|Hₙ(ka)|`, the reference of `Hₙ(kρ)`.
    outer: f64,
    /// `Bₙ Hₙ(kb)` times `inner`.
    inside: Complex64,
    /// `√(Jₙ² + (k'/k)² Jₙ'²)` at `k'a`, the reference of `Jₙ(k'ρ)`.
    inner: f64,
}

/// The four Bessel functions of one order.
#[derive(Clone, Copy)]
struct Orders {
    j_outer: f64,
    h_outer: Complex64,
    j_inner: f64,
    h_source: Complex64,
}

impl CylinderField {
    /// Makes the field of a cylinder that is lit by the source of `incident`.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if the radius or the squared slowness is not positive and finite, if the disk in which the source is not zero
    /// meets the cylinder, or if the series does not converge in the range of `f64` (a large cylinder with the source next to it).
    pub fn new(incident: HankelField, cylinder: Cylinder) -> Result<Self> {
        let Cylinder {
            center,
            radius,
            squared_slowness,
        } = cylinder;
        for (key, value) in [
            ("cylinder.radius", radius),
            ("cylinder.squared_slowness", squared_slowness),
        ] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(Error::invalid(key, value, "a positive number"));
            }
        }
        let source = incident.source();
        let distance = source.distance(center);
        if distance.is_nan() || distance < radius + source.radius() {
            let found = format!("at a distance of {distance:.4} from the center of the cylinder");
            let expected = format!(
                "at least {:.4}: its radius of {radius} and the source's of {:.4}",
                radius + source.radius(),
                source.radius()
            );
            return Err(Error::invalid("source", found, &expected));
        }
        let mut field = Self {
            incident,
            cylinder,
            terms: Vec::new(),
        };
        field.add_terms(distance)?;
        Ok(field)
    }

    /// Returns the field without the cylinder.
    #[must_use]
    pub fn incident(&self) -> &HankelField {
        &self.incident
    }

    /// Returns the number of terms of the series.
    #[must_use]
    pub fn terms(&self) -> usize {
        self.terms.len()
    }

    /// Returns `u` at a point. Not a number at a distance beyond 1e9 / k.
    #[must_use]
    pub fn value(&self, point: Point) -> Complex64 {
        let center = self.cylinder.center;
        let arm = [point[0] - center[0], point[1] - center[1]];
        let rho = arm[0].hypot(arm[1]);
        let position = self.incident.source().position;
        let axis = [position[0] - center[0], position[1] - center[1]];
        let cross = axis[0] * arm[1] - axis[1] * arm[0];
        let angle = cross.atan2(axis[0] * arm[0] + axis[1] * arm[1]);
        let series = if rho < self.cylinder.radius {
            self.inside(rho, angle)
        } else {
            self.scattered(rho, angle)
                .map(|scattered| self.incident.value(point) + scattered)
        };
        series.unwrap_or(Complex64::new(f64::NAN, f64::NAN))
    }

    fn inside(&self, rho: f64, angle: f64) -> Option<Complex64> {
        let argument = Complex64::new(self.inner_wavenumber() * rho, 0.0);
        let bessel = besselj_seq(0.0, argument, self.terms.len(), Scaling::Unscaled).ok()?;
        let terms = self.terms.iter().zip(&bessel.values).enumerate();
        Some(
            terms
                .map(|(n, (term, j))| term.inside * (j.re / term.inner) * (n as f64 * angle).cos())
                .sum(),
        )
    }

    fn scattered(&self, rho: f64, angle: f64) -> Option<Complex64> {
        let argument = Complex64::new(self.incident.wavenumber() * rho, 0.0);
        let hankel = hankel2_seq(0.0, argument, self.terms.len(), Scaling::Unscaled).ok()?;
        let terms = self.terms.iter().zip(&hankel.values).enumerate();
        Some(
            terms
                .map(|(n, (term, h))| term.scattered * (h / term.outer) * (n as f64 * angle).cos())
                .sum(),
        )
    }

    fn inner_wavenumber(&self) -> f64 {
        self.incident.wavenumber() * self.cylinder.squared_slowness.sqrt()
    }

    fn orders(&self, n: usize, distance: f64) -> Option<Orders> {
        let (k, order) = (self.incident.wavenumber(), n as f64);
        let real = |x: f64| Complex64::new(x, 0.0);
        let outer = real(k * self.cylinder.radius);
        let inner = real(self.inner_wavenumber() * self.cylinder.radius);
        Some(Orders {
            j_outer: besselj(order, outer).ok()?.re,
            h_outer: hankel2(order, outer).ok()?,
            j_inner: besselj(order, inner).ok()?.re,
            h_source: hankel2(order, real(k * distance)).ok()?,
        })
    }

    /// Adds terms until three in a row are negligible.
    fn add_terms(&mut self, distance: f64) -> Result<()> {
        let (mut largest, mut last, mut negligible) = (0.0_f64, f64::INFINITY, 0);
        let mut orders = self.orders(0, distance);
        for n in 0..MOST_TERMS {
            let next = self.orders(n + 1, distance);
            let (Some(here), Some(above)) = (orders, next) else {
                break;
            };
            let Some(term) = self.term(n, here, above) else {
                break;
            };
            last = term.scattered.norm() + term.inside.norm();
            largest = largest.max(last);
            self.terms.push(term);
            negligible = if last <= NEGLIGIBLE * largest {
                negligible + 1
            } else {
                0
            };
            if negligible == 3 {
                return Ok(());
            }
            orders = next;
        }
        if last <= TOLERATED * largest {
            return Ok(());
        }
        let found = format!(
            "{} beside a source at a distance of {distance}",
            self.cylinder.radius
        );
        let expected = "a smaller cylinder or a source farther away: the series does not converge";
        Err(Error::invalid("cylinder.radius", found, expected))
    }

    /// Returns the coefficients of the order `n`, from the functions of that order and the next; none where they leave the range of `f64`.
    fn term(&self, n: usize, here: Orders, above: Orders) -> Option<CylinderTerm> {
        let (k, k_inner) = (self.incident.wavenumber(), self.inner_wavenumber());
        let a = self.cylinder.radius;
        // J' = (n/x) J − J of the next order, times the wavenumber.
        let slope = n as f64 / a;
        let d_j_outer = slope * here.j_outer - k * above.j_outer;
        let d_h_outer = slope * here.h_outer - k * above.h_outer;
        let d_j_inner = slope * here.j_inner - k_inner * above.j_inner;
        let inner = here.j_inner.hypot(d_j_inner / k);
        if inner < SMALLEST {
            return None;
        }
        // Relative values are of order 1, where the product and the quotient of complex numbers do not overflow.
        let outer = here.h_outer.norm();
        let (j, d_j) = (here.j_inner / inner, d_j_inner / inner);
        let (h, d_h) = (here.h_outer / outer, d_h_outer / outer);
        let denominator = d_h * j - h * d_j;
        let numerator = d_j_outer * j - here.j_outer * d_j;
        let weight = if n == 0 { 1.0 } else { 2.0 };
        let factor = self.incident.amplitude() * Complex64::new(0.0, 0.25 * weight);
        let term = CylinderTerm {
            scattered: -factor / denominator * (here.h_source * numerator),
            outer,
            inside: Complex64::new(0.0, -2.0 / (PI * a)) / denominator
                * factor
                * (here.h_source / outer),
            inner,
        };
        (term.scattered.is_finite() && term.inside.is_finite()).then_some(term)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::PointSource;

    fn field(source: Point, cylinder: Cylinder) -> CylinderField {
        let incident = HankelField::new(PointSource::at(source), 20.0).unwrap();
        CylinderField::new(incident, cylinder).unwrap()
    }

    const FAST: Cylinder = Cylinder {
        center: [0.05, -0.1],
        radius: 0.1,
        squared_slowness: 0.25,
    };

    /// The points of a ray from the center, at a distance from the surface.
    fn on_ray(cylinder: &Cylinder, angle: f64, distance: f64) -> Point {
        let rho = cylinder.radius + distance;
        let [x, y] = cylinder.center;
        [x + rho * angle.cos(), y + rho * angle.sin()]
    }

    #[test]
    fn the_field_and_its_radial_derivative_are_continuous() {
        let slow = Cylinder {
            squared_slowness: 4.0,
            radius: 0.3,
            ..FAST
        };
        let nearly_empty = Cylinder {
            squared_slowness: 1e-3,
            ..FAST
        };
        for cylinder in [FAST, slow, nearly_empty] {
            let field = field([-0.35, 0.0], cylinder);
            for angle in [0.0, 1.0, 2.5, 4.0] {
                let at = |distance| field.value(on_ray(&cylinder, angle, distance));
                let jump = at(1e-13) - at(-1e-13);
                assert!(jump.norm() < 1e-11, "{cylinder:?} {angle}: {jump}");
                // One-sided differences of third order, at the radius itself.
                let h = 1e-3;
                let slope = |h: f64| {
                    (57.0 * at(2.0 * h) - 26.0 * at(h) - 42.0 * at(3.0 * h) + 11.0 * at(4.0 * h))
                        / (6.0 * h)
                };
                let (outer, inner) = (slope(h), slope(-h));
                assert!(
                    (outer - inner).norm() < 2e-3 * outer.norm().max(1.0),
                    "{angle}: {outer} {inner}"
                );
            }
        }
    }

    #[test]
    fn both_sides_solve_their_helmholtz_equation() {
        let field = field([-0.35, 0.0], FAST);
        let h = 1e-3;
        for (point, m) in [
            ([0.05, -0.05], 0.25),
            ([0.02, -0.1], 0.25),
            ([0.4, 0.3], 1.0),
        ] {
            let [x, y] = point;
            let u = field.value(point);
            let ring: Complex64 = [[x + h, y], [x - h, y], [x, y + h], [x, y - h]]
                .map(|point| field.value(point))
                .iter()
                .sum();
            let residual = (ring - 4.0 * u) / (h * h) + 400.0 * m * u;
            assert!(
                residual.norm() < 1e-3 * 400.0 * u.norm(),
                "{point:?}: {residual}"
            );
        }
    }

    #[test]
    fn a_cylinder_like_its_surroundings_scatters_nothing() {
        for difference in [0.0, 1e-12, 1e-9, -1e-9] {
            let cylinder = Cylinder {
                squared_slowness: 1.0 + difference,
                ..FAST
            };
            let field = field([-0.35, 0.0], cylinder);
            for point in [[0.05, -0.1], [0.1, -0.05], [0.3, 0.2], [-0.34, 0.01]] {
                let change = field.value(point) - field.incident().value(point);
                assert!(
                    change.norm() < 1e-13 + difference.abs(),
                    "{point:?}: {change}"
                );
            }
        }
    }

    #[test]
    fn a_source_next_to_a_large_cylinder_converges_or_is_refused() {
        let incident = HankelField::new(PointSource::at([-0.5, 0.0]), 20.0).unwrap();
        let cylinder = Cylinder {
            center: [0.0, 0.0],
            radius: 0.43,
            squared_slowness: 2.0,
        };
        let field = CylinderField::new(incident, cylinder).unwrap();
        for angle in [0.0, 2.0, 3.1] {
            let at = |distance| field.value(on_ray(&cylinder, angle, distance));
            assert!((at(1e-12) - at(-1e-12)).norm() < 1e-8, "{angle}");
        }
        let touching = Cylinder {
            radius: 0.44,
            ..cylinder
        };
        assert!(CylinderField::new(incident, touching).is_err());
        for (radius, squared_slowness) in [(0.0, 2.0), (0.1, 0.0), (0.1, f64::NAN), (f64::NAN, 1.0)]
        {
            let cylinder = Cylinder {
                center: [0.0, 0.0],
                radius,
                squared_slowness,
            };
            assert!(CylinderField::new(incident, cylinder).is_err());
        }
    }
}
