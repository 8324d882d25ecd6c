//! Points of a step: low-discrepancy points of a square, of the layer around it, and of disks.

use std::sync::Arc;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use siren_core::Result;
use siren_core::objective::{Constraint, Objective};
use siren_core::signal::{Sample, Stream};

use crate::Point;
use crate::signal::Placement;

/// Steps of the additive recurrence whose points fill a square evenly: the inverses of the plastic number and of its square.
const PLASTIC: Point = [0.754_877_666_246_692_8, 0.569_840_290_998_053_2];

/// Returns `count` points that fill [0, 1)² more evenly than random ones, shifted at random: `frac(shift + i · α)`. Errors of means over them fall
/// nearly as 1/n.
pub(crate) fn unit_square(
    count: usize,
    rng: &mut ChaCha8Rng,
) -> impl Iterator<Item = Point> + use<> {
    let shift: Point = [rng.random(), rng.random()];
    (0..count).map(move |i| {
        let along = |axis: usize| (shift[axis] + i as f64 * PLASTIC[axis]).fract();
        [along(0), along(1)]
    })
}

/// When points are drawn anew.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draws {
    /// Seed of the fit.
    pub(crate) seed: u64,
    /// Random stream.
    pub(crate) stream: Stream,
    /// Steps in which the points stay the same; 0: all.
    pub(crate) hold: u64,
}

impl Draws {
    /// Returns the generator of a step.
    pub(crate) fn rng(&self, step: u64) -> ChaCha8Rng {
        let draw = step.checked_div(self.hold).unwrap_or(0);
        self.stream.rng(self.seed, draw)
    }
}

/// Makes constraints of a problem at points that are drawn in its steps.
pub(crate) struct PointConstraints<P> {
    /// The problem.
    pub(crate) problem: Arc<P>,
    /// Type and device of the samples.
    pub(crate) place: Placement,
    /// Seed of the fit.
    pub(crate) seed: u64,
    /// Steps in which the points stay the same; 0: all.
    pub(crate) hold: u64,
}

/// What the sample of a step is made from.
pub(crate) struct DrawnStep<'a> {
    pub(crate) step: u64,
    /// Generator of the step, of the stream of the constraint.
    pub(crate) rng: ChaCha8Rng,
    pub(crate) place: &'a Placement,
}

impl<P: Send + Sync + 'static> PointConstraints<P> {
    /// Makes a constraint from its random stream `wave.name`, which gives it its name, and from its law; `sample` draws the points of a step.
    pub(crate) fn make(
        &self,
        stream: &'static str,
        law: impl Objective + 'static,
        sample: impl Fn(&P, DrawnStep<'_>) -> Result<Sample> + Send + Sync + 'static,
    ) -> Constraint {
        let draws = Draws {
            seed: self.seed,
            stream: Stream::named(stream),
            hold: self.hold,
        };
        let (problem, place) = (Arc::clone(&self.problem), self.place.clone());
        let sampler = move |step| {
            let rng = draws.rng(step);
            let place = &place;
            sample(&problem, DrawnStep { step, rng, place })
        };
        Constraint::new(stream.trim_start_matches("wave."), sampler, law)
    }
}

/// Returns points of the square |x|, |y| ≤ `half`.
pub(crate) fn square(count: usize, half: f64, rng: &mut ChaCha8Rng) -> Vec<Point> {
    let scaled = |point: Point| point.map(|x| half * (2.0 * x - 1.0));
    unit_square(count, rng).map(scaled).collect()
}

/// Returns points of [−1, 1]² outside the square |x|, |y| ≤ `inner`.
pub(crate) fn frame(count: usize, inner: f64, rng: &mut ChaCha8Rng) -> Vec<Point> {
    // Four rectangles of equal size around the square.
    let (length, width) = (1.0 + inner, 1.0 - inner);
    let at = |[u, v]: Point| {
        let (side, along) = ((4.0 * u).floor(), length * (4.0 * u).fract() - 1.0);
        let depth = inner + width * v;
        match side as usize {
            0 => [along, depth],
            1 => [depth, -along],
            2 => [-along, -depth],
            _ => [-depth, along],
        }
    };
    unit_square(count, rng).map(at).collect()
}

/// Returns points around a center whose distances are uniform from 0 to `radius`: dense near the center.
pub(crate) fn disk(count: usize, center: Point, radius: f64, rng: &mut ChaCha8Rng) -> Vec<Point> {
    let at = |[u, v]: Point| {
        let (sin, cos) = (2.0 * std::f64::consts::PI * v).sin_cos();
        [center[0] + radius * u * cos, center[1] + radius * u * sin]
    };
    unit_square(count, rng).map(at).collect()
}

/// Moves points to the nearest of the square |x|, |y| ≤ `half`.
pub(crate) fn within(points: Vec<Point>, half: f64) -> Vec<Point> {
    let moved = |point: Point| point.map(|x| x.clamp(-half, half));
    points.into_iter().map(moved).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rng(step: u64) -> ChaCha8Rng {
        let draws = Draws {
            seed: 1,
            stream: Stream::named("test"),
            hold: 10,
        };
        draws.rng(step)
    }

    #[test]
    fn points_of_the_frame_lie_outside_the_square_on_all_four_sides_evenly() {
        let points = frame(4000, 0.75, &mut rng(0));
        assert!(points.iter().all(|[x, y]| {
            let largest = x.abs().max(y.abs());
            (0.75..=1.0).contains(&largest)
        }));
        let corners = points.iter().filter(|[x, y]| x.min(*y) > 0.75).count();
        // A corner has 1/7 of a quarter of the frame.
        assert!(
            (corners as f64 / 4000.0 - 1.0 / 28.0).abs() < 0.003,
            "{corners}"
        );
    }

    #[test]
    fn means_over_the_points_of_a_square_are_ten_times_as_exact_as_random_ones() {
        let points = square(2000, 0.5, &mut rng(0));
        let mean: f64 = points.iter().map(|[x, y]| (x * y + x).powi(2)).sum::<f64>() / 2000.0;
        let exact = 1.0 / 144.0 + 1.0 / 12.0;
        assert!((mean / exact - 1.0).abs() < 2e-3, "{mean} {exact}");
    }

    #[test]
    fn points_are_held_for_some_steps() {
        let draw = |step: u64| square(5, 1.0, &mut rng(step));
        assert_eq!(draw(0), draw(9));
        assert_ne!(draw(9), draw(10));
    }
}
