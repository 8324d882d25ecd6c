//! Points of a step in time and space: low-discrepancy points of the domain, of the front of a wave, outside its reach, and of the border.

use std::f64::consts::PI;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::ansatz::Event;
use crate::Point;

/// Steps of the additive recurrence whose points fill a cube evenly: the powers of the inverse of the root of `x⁴ = x + 1`.
const ALPHA: [f64; 3] = [
    0.819_172_513_396_164_5,
    0.671_043_606_703_789_3,
    0.549_700_477_901_970_3,
];
/// Standard deviation of distances from the front, over that of the pulse.
const FRONT_SPREAD: f64 = 1.7;
/// Distance from the front, in standard deviations of the pulse, at which the background begins.
const BACKGROUND_SPREAD: f64 = 3.0;
/// Standard deviations of the pulse beyond which its displacement is nothing.
pub(crate) const REACH: f64 = 5.0;

/// Returns `count` points that fill [0, 1)³ more evenly than random ones, shifted at random.
fn unit_cube(count: usize, rng: &mut ChaCha8Rng) -> impl Iterator<Item = Event> + use<> {
    let shift: Event = [rng.random(), rng.random(), rng.random()];
    (0..count).map(move |i| std::array::from_fn(|k| (shift[k] + i as f64 * ALPHA[k]).fract()))
}

/// Returns points of [−1, 1]² at times from 0 to `last`.
pub(crate) fn domain(count: usize, last: f64, rng: &mut ChaCha8Rng) -> Vec<Event> {
    let at = |[u, v, w]: Event| [last * u, 2.0 * v - 1.0, 2.0 * w - 1.0];
    unit_cube(count, rng).map(at).collect()
}

/// Waves that start around a center.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// Center.
    pub(crate) center: Point,
    /// Standard deviation of the pulse.
    pub(crate) deviation: f64,
    /// Largest speed.
    pub(crate) speed: f64,
    /// Where waves are.
    pub(crate) shape: SpreadShape,
}

/// Where the waves of a [`Spread`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpreadShape {
    /// Around the circle that a pulse has reached in a uniform medium.
    Front,
    /// Anywhere within it.
    Disk,
}

impl Spread {
    /// Returns points where waves are, at times from 0 to `last`: distances `|ct + z|` with a logistic `z` of 1.7 standard deviations of the
    /// pulse, or uniform ones up to the front. Points beyond the border are reflected.
    pub(crate) fn inside(&self, count: usize, last: f64, rng: &mut ChaCha8Rng) -> Vec<Event> {
        let at = |[u, v, w]: Event| {
            let time = self.time(last, u);
            let front = self.speed * time;
            let distance = match self.shape {
                SpreadShape::Front => {
                    let quantile = v.clamp(1e-6, 1.0 - 1e-6);
                    let logistic = 3_f64.sqrt() / PI * (quantile / (1.0 - quantile)).ln();
                    (front + FRONT_SPREAD * self.deviation * logistic).abs()
                }
                SpreadShape::Disk => (front + 2.0 * FRONT_SPREAD * self.deviation) * v,
            };
            self.event(time, distance, w)
        };
        unit_cube(count, rng).map(at).collect()
    }

    /// Returns points of the square that no wave has reached by their times, from 0 to `last`.
    pub(crate) fn outside(&self, count: usize, last: f64, rng: &mut ChaCha8Rng) -> Vec<Event> {
        let rim = REACH * self.deviation;
        let at = |[u, v, w]: Event| {
            let point = [2.0 * v - 1.0, 2.0 * w - 1.0];
            let [dx, dy] = [point[0] - self.center[0], point[1] - self.center[1]];
            let distance = dx.hypot(dy);
            if distance <= rim {
                return self.event(0.0, rim, w);
            }
            let arrival = (distance - rim) / self.speed;
            [u * last.min(arrival), point[0], point[1]]
        };
        unit_cube(count, rng).map(at).collect()
    }

    /// Returns the weight of the residual at a point of the domain: near zero at the front, whose points have a weight of their own in the loss.
    /// The few points of the domain that happen to lie there would otherwise outweigh them, and change from step to step.
    pub(crate) fn background(&self, [t, x, y]: Event) -> f64 {
        if self.shape == SpreadShape::Disk {
            return 1.0;
        }
        let distance = (x - self.center[0]).hypot(y - self.center[1]) - self.speed * t;
        -(-0.5 * (distance / (BACKGROUND_SPREAD * self.deviation)).powi(2)).exp_m1()
    }

    /// Returns the time at a share of the waves' whole area: a circle of growing length and of the breadth of the pulse.
    fn time(&self, last: f64, share: f64) -> f64 {
        let start = FRONT_SPREAD * self.deviation / self.speed;
        (start * start + share * last * (last + 2.0 * start)).sqrt() - start
    }

    fn event(&self, time: f64, distance: f64, turn: f64) -> Event {
        let (sin, cos) = (2.0 * PI * turn).sin_cos();
        [
            time,
            reflected(self.center[0] + distance * cos),
            reflected(self.center[1] + distance * sin),
        ]
    }
}

/// Returns the coordinate in [−1, 1] of which a coordinate is the mirror image in the borders.
fn reflected(coordinate: f64) -> f64 {
    ((coordinate + 1.0).rem_euclid(4.0) - 2.0)
        .abs()
        .mul_add(-1.0, 1.0)
}

/// Points of the border with their outward normals.
pub(crate) struct BorderPoints {
    pub(crate) events: Vec<Event>,
    pub(crate) normals: Vec<Point>,
}

/// Returns points of the border of [−1, 1]² at times from 0 to `last`.
pub(crate) fn border(count: usize, last: f64, rng: &mut ChaCha8Rng) -> BorderPoints {
    let at = |[u, v, w]: Event| {
        let along = 2.0 * v - 1.0;
        let normal = match (4.0 * w) as usize {
            0 => [1.0, 0.0],
            1 => [0.0, 1.0],
            2 => [-1.0, 0.0],
            _ => [0.0, -1.0],
        };
        let [nx, ny]: Point = normal;
        ([last * u, nx - ny * along, ny + nx * along], normal)
    };
    let (events, normals) = unit_cube(count, rng).map(at).unzip();
    BorderPoints { events, normals }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn rng() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(7)
    }

    fn spread(shape: SpreadShape) -> Spread {
        Spread {
            center: [0.3, 0.0],
            deviation: 0.02,
            speed: 2.0,
            shape,
        }
    }

    fn distance([_, x, y]: Event) -> f64 {
        (x - 0.3).hypot(y)
    }

    #[test]
    fn points_of_the_domain_fill_it_evenly() {
        let points = domain(4096, 0.4, &mut rng());
        for octant in 0..8 {
            let low = |value: f64, middle: f64, bit: usize| (value < middle) == (octant & bit == 0);
            let inside = |p: &&Event| low(p[0], 0.2, 1) && low(p[1], 0.0, 2) && low(p[2], 0.0, 4);
            let count = points.iter().filter(inside).count();
            assert!(count.abs_diff(512) < 16, "{octant}: {count}");
        }
    }

    #[test]
    fn most_points_of_a_front_lie_within_two_deviations_of_it() {
        let points = spread(SpreadShape::Front).inside(2000, 0.3, &mut rng());
        let near = |p: &&Event| (distance(**p) - 2.0 * p[0]).abs() < 2.0 * 1.7 * 0.02;
        let share = points.iter().filter(near).count() as f64 / 2000.0;
        assert!((0.9..0.99).contains(&share), "{share}");
    }

    #[test]
    fn points_out_of_reach_are_farther_than_the_front_and_disks_end_at_it() {
        let outside = spread(SpreadShape::Front).outside(2000, 0.3, &mut rng());
        assert!(outside.iter().all(|p| distance(*p) > 2.0 * p[0] + 0.0999));
        let inside = spread(SpreadShape::Disk).inside(2000, 0.3, &mut rng());
        assert!(inside.iter().all(|p| distance(*p) < 2.0 * p[0] + 0.0681));
        assert!(inside.iter().any(|p| distance(*p) > 0.9 * 2.0 * 0.3));
    }

    #[test]
    fn points_beyond_the_border_are_reflected_into_the_square() {
        for (at, expected) in [
            (0.4, 0.4),
            (1.25, 0.75),
            (-1.5, -0.5),
            (3.5, -0.5),
            (5.25, 0.75),
        ] {
            assert!((reflected(at) - expected).abs() < 1e-12, "{at}");
        }
    }

    #[test]
    fn points_of_the_border_have_outward_normals_on_all_four_sides() {
        let border = border(400, 1.0, &mut rng());
        let mut counts = [0; 2];
        for ([_, x, y], [nx, ny]) in border.events.iter().zip(&border.normals) {
            assert!((x * nx + y * ny - 1.0).abs() < 1e-12 && x.abs().max(y.abs()) <= 1.0);
            counts[usize::from(nx + ny > 0.0)] += 1;
        }
        assert!(
            counts.iter().all(|&count: &usize| count.abs_diff(200) < 10),
            "{counts:?}"
        );
    }
}
