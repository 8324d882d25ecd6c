//! Where a medium differs from the background, and the medium with smooth edges.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::Point;
use crate::medium::Medium;

/// Cells along each side of the grid on which a medium is searched for contrasts.
const CELLS: usize = 128;
/// Points of the Gaussian average.
const NODES: usize = 64;
/// Angle between successive points of a sunflower.
const GOLDEN_ANGLE: f64 = 2.399_963_229_728_653;
/// Least difference of m that counts.
const TOLERANCE: f64 = 1e-9;

/// The cells of [−1, 1]² where the medium differs from 1 or varies.
#[derive(Clone, Debug)]
pub(crate) struct Contrast {
    /// Lower left corners.
    cells: Vec<Point>,
}

impl Contrast {
    /// Finds the cells of a medium, in the square |x|, |y| ≤ `inner`.
    pub(crate) fn of(medium: &Medium, inner: f64) -> Self {
        if medium.is_uniform() {
            return Self { cells: Vec::new() };
        }
        let side = 2.0 / CELLS as f64;
        let corner = |index: usize| -1.0 + side * index as f64;
        let cells = (0..CELLS * CELLS).map(|i| [corner(i % CELLS), corner(i / CELLS)]);
        // A cell beside an edge counts too: the field bends there.
        let reach = [-0.5, 0.0, 0.5, 1.0, 1.5].map(|x| x * side);
        let differs = |&[x, y]: &Point| {
            let is_inside = [x, x + side, y, y + side].iter().all(|z| z.abs() <= inner);
            let mut around = reach
                .iter()
                .flat_map(|dx| reach.iter().map(move |dy| [x + dx, y + dy]));
            is_inside
                && around.any(|point| (medium.squared_slowness(point) - 1.0).abs() > TOLERANCE)
        };
        Self {
            cells: cells.filter(differs).collect(),
        }
    }

    /// Returns whether the medium is uniform.
    pub(crate) fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Returns random points in the cells, evenly over them.
    pub(crate) fn draw(&self, count: usize, rng: &mut ChaCha8Rng) -> Vec<Point> {
        let side = 2.0 / CELLS as f64;
        let first: f64 = rng.random();
        let at = |i: usize| {
            let share = (first + i as f64 / count as f64).fract();
            let cell = self.cells[(share * self.cells.len() as f64) as usize % self.cells.len()];
            cell.map(|x| x + side * rng.random::<f64>())
        };
        if self.cells.is_empty() {
            return Vec::new();
        }
        (0..count).map(at).collect()
    }
}

/// Returns the average of `m` over a Gaussian of the given standard deviation around a point.
pub(crate) fn smoothed(medium: &Medium, point: Point, deviation: f64) -> f64 {
    if deviation == 0.0 || medium.is_uniform() {
        return medium.squared_slowness(point);
    }
    let node = |i: usize| {
        let share = (i as f64 + 0.5) / NODES as f64;
        let r = deviation * (-2.0 * (1.0 - share).ln()).sqrt();
        let (sin, cos) = (GOLDEN_ANGLE * i as f64).sin_cos();
        medium.squared_slowness([point[0] + r * cos, point[1] + r * sin])
    };
    (0..NODES).map(node).sum::<f64>() / NODES as f64
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::medium::MediumConfig;

    fn circle() -> Medium {
        let config: MediumConfig =
            MediumConfig::Circle(crate::config::CircleMediumConfig::default());
        Medium::from_config(&config, "medium", None, &mut Vec::new()).unwrap()
    }

    #[test]
    fn points_are_drawn_in_the_circle_and_just_around_it() {
        let contrast = Contrast::of(&circle(), 0.75);
        let points = contrast.draw(4000, &mut ChaCha8Rng::seed_from_u64(1));
        let inside = points.iter().filter(|[x, y]| x.hypot(*y) < 0.1).count();
        assert!(points.iter().all(|[x, y]| x.hypot(*y) < 0.15));
        assert!((1500..3200).contains(&inside), "{inside}");
        assert!(Contrast::of(&Medium::uniform(), 0.75).is_empty());
    }

    #[test]
    fn a_smoothed_edge_is_half_way_at_the_edge_and_unchanged_beyond_three_deviations() {
        let medium = circle();
        let at = |x: f64| smoothed(&medium, [x, 0.0], 0.005);
        assert!((at(0.1) - 0.625).abs() < 0.05, "{}", at(0.1));
        assert!((at(0.08) - 0.25).abs() < 1e-12 && (at(0.12) - 1.0).abs() < 1e-12);
        assert!((smoothed(&medium, [0.1001, 0.0], 0.0) - 1.0).abs() < 1e-12);
    }
}
