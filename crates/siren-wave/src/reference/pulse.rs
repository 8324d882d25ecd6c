//! The wave equation in a uniform medium with a Gaussian as initial displacement: its exact solution, as an integral over wavenumbers.

use std::f64::consts::PI;

use num_complex::Complex64;
use rayon::prelude::*;
use siren_core::{Error, Result};

use crate::Point;

/// Variances for which tables are made in seconds.
const VARIANCES: std::ops::RangeInclusive<f64> = 1e-5..=10.0;
/// `2 ln 10¹⁸`: the integral ends where the Gaussian of the wavenumber is below 1e-18.
const EXPONENT: f64 = 82.9;
/// Gauss–Legendre nodes of a panel.
const PANEL_NODES: usize = 32;
/// Largest phase `κ(r + ct)` that passes within a panel, in radians: the error of its nodes is then below 1e-16.
const PANEL_PHASE: f64 = 40.0;
/// Fewest panels: the Gaussian itself needs some.
const MIN_PANELS: usize = 8;
/// Entries of a table per standard deviation of the pulse. With eight of them around a radius the error of interpolation is below 1e-11.
const ENTRIES_PER_DEVIATION: f64 = 20.0;
/// Largest distance plus path of the wave, in coordinates: more would need millions of nodes.
const MAX_PATH: f64 = 100.0;
/// Entries of a table around a radius, on each side.
const HALF_WINDOW: usize = 4;

/// A pulse in the plane: `u_tt = c² Δu` with `u = A e^{−r²/(2σ)}` and `u_t = 0` at `t = 0`, where `r` is the distance from a center.
///
/// The solution is `u(r, t) = A ∫₀^∞ σκ e^{−σκ²/2} J₀(κr) cos(cκt) dκ`: the Hankel transform of the Gaussian, with each wavenumber `κ`
/// oscillating at its own frequency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GaussianPulse {
    /// Center.
    pub center: Point,
    /// Amplitude `A`.
    pub amplitude: f64,
    /// Variance `σ` along each axis, from 1e-5 to 10.
    pub variance: f64,
    /// Speed `c` of the medium.
    pub speed: f64,
}

/// A wave at one point and time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WaveState {
    /// `u`.
    pub displacement: f64,
    /// `u_t`.
    pub velocity: f64,
}

/// A [`GaussianPulse`] at one time, tabulated in the distance from its center.
#[derive(Clone, Debug)]
pub struct PulseProfile {
    pulse: GaussianPulse,
    time: f64,
    spacing: f64,
    /// Entry `i` is at the distance `(i − 3) · spacing`: the first ones mirror those beyond the center.
    entries: Vec<WaveState>,
}

impl GaussianPulse {
    /// Returns the pulse of the paper at the origin in a medium of speed 1: amplitude 0.02, variance 5e-4.
    #[must_use]
    pub fn paper() -> Self {
        Self {
            center: [0.0, 0.0],
            amplitude: 0.02,
            variance: 5e-4,
            speed: 1.0,
        }
    }

    /// Returns the distance of a point from the center.
    #[must_use]
    pub fn distance(&self, point: Point) -> f64 {
        (point[0] - self.center[0]).hypot(point[1] - self.center[1])
    }

    /// Returns the initial displacement at a point.
    #[must_use]
    pub fn initial(&self, point: Point) -> f64 {
        self.amplitude * (-0.5 * self.distance(point).powi(2) / self.variance).exp()
    }

    /// Computes the wave at a distance from the center and a time, by quadrature. The error of `u` is below 1e-13 `A`, that of `u_t` below 1e-13
    /// `A c/√σ`. Takes up to a millisecond: [`profiles`](Self::profiles) is for many points.
    ///
    /// # Errors
    ///
    /// Returns [`Error::InvalidValue`] if a property of the pulse is out of range, or `r + ct` is not a number up to 100.
    pub fn at(&self, distance: f64, time: f64) -> Result<WaveState> {
        let nodes = self.nodes(distance, time)?;
        let spectrum = self.spectrum(&nodes, time);
        Ok(transform(&nodes, &[spectrum], distance)?[0])
    }

    /// Tabulates the wave at several times up to the farthest point of [−1, 1]². Takes about 0.2 s on two cores for the pulse of the paper up to
    /// `t = 1`, and little more for further times. Uses the threads of the current rayon pool; the tables do not depend on their number.
    ///
    /// # Errors
    ///
    /// Returns [`Error::InvalidValue`] if a property of the pulse is out of range, or `r + ct` is not a number up to 100.
    pub fn profiles(&self, times: &[f64]) -> Result<Vec<PulseProfile>> {
        self.check()?;
        let spacing = self.variance.sqrt() / ENTRIES_PER_DEVIATION;
        let reach = (1.0 + self.center[0].abs()).hypot(1.0 + self.center[1].abs());
        let count = (reach / spacing).ceil() as usize + HALF_WINDOW + 1;
        // `max` would drop a time that is not a number.
        let longest = times.iter().map(|time| time.abs()).max_by(f64::total_cmp);
        let nodes = self.nodes(spacing * count as f64, longest.unwrap_or(0.0))?;
        let spectra: Vec<Vec<WaveState>> = times
            .iter()
            .map(|&time| self.spectrum(&nodes, time))
            .collect();
        let rows: Vec<Vec<WaveState>> = (0..count)
            .into_par_iter()
            .map(|entry| transform(&nodes, &spectra, spacing * entry as f64))
            .collect::<Result<_>>()?;
        Ok(times
            .iter()
            .enumerate()
            .map(|(index, &time)| {
                let mirrored = (1..HALF_WINDOW).rev().chain(0..count);
                PulseProfile {
                    pulse: *self,
                    time,
                    spacing,
                    entries: mirrored.map(|entry| rows[entry][index]).collect(),
                }
            })
            .collect())
    }

    fn check(&self) -> Result<()> {
        if !VARIANCES.contains(&self.variance) {
            return Err(Error::invalid(
                "variance of the pulse",
                self.variance,
                "a number from 1e-5 to 10",
            ));
        }
        if !(self.speed > 0.0 && self.speed.is_finite()) {
            return Err(Error::invalid(
                "speed of the medium",
                self.speed,
                "a finite number above 0",
            ));
        }
        let [x, y] = self.center;
        for (name, value) in [
            ("amplitude of the pulse", self.amplitude),
            ("center of the pulse", x),
            ("center of the pulse", y),
        ] {
            if !value.is_finite() {
                return Err(Error::invalid(name, value, "a finite number"));
            }
        }
        Ok(())
    }

    /// Returns nodes and weights in `κ` for distances up to `reach` and times up to `time`.
    fn nodes(&self, reach: f64, time: f64) -> Result<Vec<Node>> {
        self.check()?;
        let path = reach.abs() + self.speed * time.abs();
        if path.is_nan() || path > MAX_PATH {
            return Err(Error::invalid(
                "distance from the pulse, plus speed times time,",
                path,
                "a number up to 100",
            ));
        }
        let end = (EXPONENT / self.variance).sqrt();
        let phase = end * path;
        let panels = ((phase / PANEL_PHASE).ceil() as usize).max(MIN_PANELS);
        let half = 0.5 * end / panels as f64;
        let rule = gauss_legendre(PANEL_NODES);
        Ok((0..panels)
            .flat_map(|panel| {
                let middle = half * (2 * panel + 1) as f64;
                rule.iter().map(move |node| Node {
                    position: middle + half * node.position,
                    weight: half * node.weight,
                })
            })
            .collect())
    }

    /// Returns the factors of `J₀(κr)` in the sums for `u` and `u_t`.
    fn spectrum(&self, nodes: &[Node], time: f64) -> Vec<WaveState> {
        nodes
            .iter()
            .map(|node| {
                let k = node.position;
                let gaussian = self.variance * k * (-0.5 * self.variance * k * k).exp();
                let (sine, cosine) = (self.speed * k * time).sin_cos();
                let factor = self.amplitude * node.weight * gaussian;
                WaveState {
                    displacement: factor * cosine,
                    velocity: -factor * self.speed * k * sine,
                }
            })
            .collect()
    }
}

impl PulseProfile {
    /// Returns the time of the table.
    #[must_use]
    pub fn time(&self) -> f64 {
        self.time
    }

    /// Returns the wave at a point. The error of `u` is below 1e-10 `A`, that of `u_t` below 1e-10 `A c/√σ`. Points outside the table, beyond
    /// [−1, 1]², are integrated.
    ///
    /// # Errors
    ///
    /// Returns [`Error::InvalidValue`] if the point is not finite.
    pub fn at(&self, point: Point) -> Result<WaveState> {
        let distance = self.pulse.distance(point);
        let position = distance / self.spacing;
        let first = position.floor() as usize;
        let Some(window) = self
            .entries
            .get(first..first.saturating_add(2 * HALF_WINDOW))
        else {
            return self.pulse.at(distance, self.time);
        };
        if position.is_nan() {
            return Err(Error::invalid("point", position, "finite coordinates"));
        }
        let weights = lagrange(position - first as f64);
        let sum = |part: fn(&WaveState) -> f64| {
            window
                .iter()
                .zip(&weights)
                .map(|(entry, weight)| weight * part(entry))
                .sum()
        };
        Ok(WaveState {
            displacement: sum(|entry| entry.displacement),
            velocity: sum(|entry| entry.velocity),
        })
    }
}

/// A node of a quadrature rule.
#[derive(Clone, Copy, Debug)]
struct Node {
    position: f64,
    weight: f64,
}

/// Returns the Gauss–Legendre rule on [−1, 1], from Newton's iteration on the Legendre polynomial.
fn gauss_legendre(count: usize) -> Vec<Node> {
    (0..count)
        .map(|index| {
            let mut x = -(PI * (index as f64 + 0.75) / (count as f64 + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..10 {
                let (mut before, mut value) = (1.0, x);
                for degree in 2..=count {
                    let n = degree as f64;
                    (before, value) = (
                        value,
                        ((2.0 * n - 1.0) * x * value - (n - 1.0) * before) / n,
                    );
                }
                slope = count as f64 * (x * value - before) / (x * x - 1.0);
                x -= value / slope;
            }
            Node {
                position: x,
                weight: 2.0 / ((1.0 - x * x) * slope * slope),
            }
        })
        .collect()
}

/// Sums every spectrum with `J₀(κr)`.
fn transform(nodes: &[Node], spectra: &[Vec<WaveState>], distance: f64) -> Result<Vec<WaveState>> {
    let bessel: Vec<f64> = nodes
        .iter()
        .map(|node| {
            let argument = Complex64::new(node.position * distance.abs(), 0.0);
            complex_bessel::besselj(0.0, argument)
                .map(|value| value.re)
                .map_err(|_| {
                    let key = "product of wavenumber and distance";
                    Error::invalid(key, argument.re, "an argument that a Bessel function takes")
                })
        })
        .collect::<Result<_>>()?;
    Ok(spectra
        .iter()
        .map(|spectrum| {
            let mut sum = WaveState {
                displacement: 0.0,
                velocity: 0.0,
            };
            for (factor, bessel) in spectrum.iter().zip(&bessel) {
                sum.displacement += factor.displacement * bessel;
                sum.velocity += factor.velocity * bessel;
            }
            sum
        })
        .collect())
}

/// Returns the Lagrange weights of the eight entries at −3, −2, …, 4 for a position in [0, 1].
fn lagrange(position: f64) -> [f64; 2 * HALF_WINDOW] {
    std::array::from_fn(|own| {
        (0..2 * HALF_WINDOW)
            .filter(|&other| other != own)
            .map(|other| {
                let at = position + (HALF_WINDOW - 1) as f64 - other as f64;
                at / (own as f64 - other as f64)
            })
            .product()
    })
}

#[cfg(test)]
mod tests;
