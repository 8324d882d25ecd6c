//! Waves as a known offset plus a known factor times the field, `u = w + g Φ`, so that the initial state holds by itself.

use serde::{Deserialize, Serialize};

use crate::Point;

/// Time and place, `(t, x, y)`.
pub type Event = [f64; 3];

/// Displacements below this share of the amplitude are zero in soft constraints: the authors set those below 1e-5 to zero, at their amplitude
/// of 0.02.
const CUTOFF: f64 = 5e-4;

/// A Gaussian displacement `f = A e^{−r²/2σ}` around a center.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitialPulse {
    /// Center.
    pub center: Point,
    /// Amplitude `A`.
    pub amplitude: f64,
    /// Variance `σ` along each axis.
    pub variance: f64,
}

impl InitialPulse {
    /// Returns `f` at a point.
    #[must_use]
    pub fn value(&self, point: Point) -> f64 {
        self.amplitude * (-0.5 * self.squared_distance(point) / self.variance).exp()
    }

    /// Returns `f`, or 0 where it is below 5e-4 of the amplitude, as the authors have it.
    #[must_use]
    pub fn cut(&self, point: Point) -> f64 {
        let value = self.value(point);
        if value.abs() < CUTOFF * self.amplitude.abs() {
            0.0
        } else {
            value
        }
    }

    fn squared_distance(&self, [x, y]: Point) -> f64 {
        (x - self.center[0]).powi(2) + (y - self.center[1]).powi(2)
    }
}

/// How a wave is made of the field Φ.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ansatz {
    /// `u = Φ`.
    Field,
    /// `u = (1 − g) f + a g Φ` with `g = t²/(t² + τ²)`: at time zero `u = f` and `u_t = 0` for every field. Near time zero it is `f + t² Φ`; later
    /// `f` fades out and the field is the wave, in units of `a`. With `f + t² Φ` itself, the field would have to be `−f/t²` where the pulse has left.
    Blend {
        /// Initial displacement `f`.
        pulse: InitialPulse,
        /// Unit `a` of the field.
        unit: f64,
        /// Time `τ` of the blend.
        time: f64,
    },
}

/// Factor and offset of a wave at one event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnsatzValue {
    /// `g`, `g'` and `g''`, times the unit of the field.
    pub factor: [f64; 3],
    /// `w`.
    pub offset: f64,
    /// `w_t`, `w_x`, `w_y`.
    pub offset_gradient: [f64; 3],
    /// `w_tt`.
    pub offset_acceleration: f64,
    /// `Δw`.
    pub offset_laplacian: f64,
}

impl Ansatz {
    /// Returns factor and offset at an event.
    #[must_use]
    pub fn at(&self, [t, x, y]: Event) -> AnsatzValue {
        let Self::Blend { pulse, unit, time } = self else {
            return AnsatzValue {
                factor: [1.0, 0.0, 0.0],
                offset: 0.0,
                offset_gradient: [0.0; 3],
                offset_acceleration: 0.0,
                offset_laplacian: 0.0,
            };
        };
        let squared_time = time * time;
        let q = t * t + squared_time;
        let g = t * t / q;
        let slope = 2.0 * t * squared_time / (q * q);
        let curvature = 2.0 * squared_time * (squared_time - 3.0 * t * t) / q.powi(3);
        let (f, variance) = (pulse.value([x, y]), pulse.variance);
        let faded = (1.0 - g) * f;
        let [dx, dy] = [x - pulse.center[0], y - pulse.center[1]];
        let laplacian = ((dx * dx + dy * dy) / variance - 2.0) / variance;
        AnsatzValue {
            factor: [unit * g, unit * slope, unit * curvature],
            offset: faded,
            offset_gradient: [-slope * f, -faded * dx / variance, -faded * dy / variance],
            offset_acceleration: -curvature * f,
            offset_laplacian: faded * laplacian,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blend() -> Ansatz {
        Ansatz::Blend {
            pulse: InitialPulse {
                center: [0.1, -0.2],
                amplitude: 0.02,
                variance: 4e-3,
            },
            unit: 0.02,
            time: 0.05,
        }
    }

    #[test]
    fn at_time_zero_the_wave_is_the_pulse_at_rest_whatever_the_field_is() {
        for point in [[0.1, -0.2], [0.15, -0.1], [0.4, 0.0]] {
            let at = blend().at([0.0, point[0], point[1]]);
            let Ansatz::Blend { pulse, .. } = blend() else {
                unreachable!()
            };
            assert_eq!(at.offset.to_bits(), pulse.value(point).to_bits());
            assert_eq!(at.factor[..2], [0.0, 0.0]);
            assert!(at.offset_gradient[0].abs() < 1e-300);
        }
    }

    #[test]
    fn derivatives_of_factor_and_offset_agree_with_differences_to_second_order() {
        let ansatz = blend();
        let events = [[0.03, 0.12, -0.15], [0.2, 0.05, -0.2], [0.01, 0.2, -0.25]];
        for event in events {
            let errors = |h: f64| {
                let moved = |axis: usize, by: f64| {
                    let mut event = event;
                    event[axis] += by;
                    ansatz.at(event)
                };
                let first = |axis: usize, f: fn(&AnsatzValue) -> f64| {
                    (f(&moved(axis, h)) - f(&moved(axis, -h))) / (2.0 * h)
                };
                let second = |axis: usize, f: fn(&AnsatzValue) -> f64| {
                    let sum = f(&moved(axis, h)) + f(&moved(axis, -h));
                    (sum - 2.0 * f(&ansatz.at(event))) / (h * h)
                };
                let at = ansatz.at(event);
                let offset = |at: &AnsatzValue| at.offset;
                let factor = |at: &AnsatzValue| at.factor[0];
                [
                    first(0, offset) - at.offset_gradient[0],
                    first(1, offset) - at.offset_gradient[1],
                    first(2, offset) - at.offset_gradient[2],
                    second(0, offset) - at.offset_acceleration,
                    second(1, offset) + second(2, offset) - at.offset_laplacian,
                    first(0, factor) - at.factor[1],
                    second(0, factor) - at.factor[2],
                ]
            };
            let (coarse, fine) = (errors(2e-3), errors(1e-3));
            for (index, (coarse, fine)) in coarse.iter().zip(fine).enumerate() {
                let ratio = coarse / fine;
                let is_exact = fine.abs() < 1e-8;
                assert!(
                    is_exact || (3.5..4.5).contains(&ratio),
                    "{event:?} {index}: {coarse} {fine}"
                );
            }
        }
    }

    #[test]
    fn the_cut_pulse_is_zero_where_the_authors_is() {
        let pulse = InitialPulse {
            center: [0.0, 0.0],
            amplitude: 0.02,
            variance: 5e-4,
        };
        // 0.02 e^{−r²/2σ} = 1e-5 at this radius.
        let radius = (2.0 * 5e-4 * 2000_f64.ln()).sqrt();
        assert!(pulse.cut([radius * 0.999, 0.0]) > 1e-5);
        assert!(pulse.cut([0.0, radius * 1.001]).abs() < 1e-300);
    }
}
