//! A line search for the strong Wolfe conditions.

use crate::error::Result;

/// c₁, the share of the decrease that the slope at the start promises.
pub(super) const SUFFICIENT_DECREASE: f64 = 1e-4;
/// c₂, the share of the slope at the start that may be left.
pub(super) const CURVATURE: f64 = 0.9;
/// While the search goes outward, the next length is so many times the last one.
const GROWTH: [f64; 2] = [2.0, 10.0];
/// Share of an interval that an interpolated length keeps from either end.
const MARGIN: f64 = 0.1;
/// An interval that two trials have not shortened to this share is halved.
const SHRINKAGE: f64 = 0.5;
/// Share of the loss that its rounding may reach. The residuals of a field in single precision lose digits by cancellation.
const ROUNDING: f64 = 1e-4;
/// Shortest interval, as a share of its ends.
const SHORTEST: f64 = 1e-13;

/// The loss at one place on a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Trial<T> {
    /// α, in units of the direction.
    pub(super) length: f64,
    /// `f(θ + α d)`, infinite where the loss or its gradient is not finite.
    pub(super) loss: f64,
    /// `dᵀ∇f(θ + α d)`.
    pub(super) slope: f64,
    /// What the caller keeps of the place; `None` at the start and where the loss is infinite.
    pub(super) place: Option<T>,
}

/// A search for a length α > 0 with
///
/// ```text
/// f(θ + α d) ≤ f(θ) + c₁ α dᵀ∇f(θ)        |dᵀ∇f(θ + α d)| ≤ c₂ |dᵀ∇f(θ)|
/// ```
///
/// (Nocedal & Wright, Numerical Optimization, 2006, algorithms 3.5 and 3.6 with the cubic interpolation of equation 3.59).
pub(super) struct LineSearch<'a, T> {
    /// The loss and its slope at length 0. The slope is negative.
    start: Trial<T>,
    /// Number of evaluations that are left.
    left: usize,
    evaluate: &'a mut dyn FnMut(f64) -> Result<Trial<T>>,
}

impl<'a, T> LineSearch<'a, T> {
    pub(super) fn new(
        start: Trial<T>,
        max_evaluations: usize,
        evaluate: &'a mut dyn FnMut(f64) -> Result<Trial<T>>,
    ) -> Self {
        Self {
            start,
            left: max_evaluations,
            evaluate,
        }
    }

    /// Returns the first trial that meets both conditions. If there is none before the evaluations are used up, or before an interval is too
    /// short to be divided, returns the best trial that meets the first condition, or `None`.
    ///
    /// # Errors
    /// Those of `evaluate`.
    pub(super) fn run(mut self, first: f64) -> Result<Option<T>> {
        let start = Trial {
            place: None,
            ..self.start
        };
        let mut last = start;
        let mut length = first;
        while let Some(trial) = self.trial(length)? {
            if self.is_below_rounding(&trial) {
                length = GROWTH[1] * trial.length;
                continue;
            }
            if !self.is_decrease(&trial) || (last.length > 0.0 && trial.loss >= last.loss) {
                return self.zoom(last, trial);
            }
            if self.is_flat(&trial) {
                return Ok(trial.place);
            }
            if trial.slope >= 0.0 {
                return self.zoom(trial, last);
            }
            let [least, most] = GROWTH.map(|factor| factor * trial.length);
            length = minimizer(&last, &trial).map_or(most, |length| length.clamp(least, most));
            last = trial;
        }
        Ok(last.place)
    }

    /// Searches between two trials. `low` meets the first condition and has the lower loss; its slope points to `high`.
    fn zoom(&mut self, mut low: Trial<T>, mut high: Trial<T>) -> Result<Option<T>> {
        let mut widths = [f64::INFINITY; 2];
        loop {
            let width = (high.length - low.length).abs();
            if width <= SHORTEST * low.length.max(high.length) {
                break;
            }
            let halved = width > SHRINKAGE * widths[0];
            widths = [widths[1], width];
            let length = if halved {
                0.5 * (low.length + high.length)
            } else {
                inside(&low, &high)
            };
            let Some(trial) = self.trial(length)? else {
                break;
            };
            if !self.is_decrease(&trial) || trial.loss >= low.loss {
                high = trial;
                continue;
            }
            if self.is_flat(&trial) {
                return Ok(trial.place);
            }
            if trial.slope * (high.length - low.length) >= 0.0 {
                high = low;
            }
            low = trial;
        }
        Ok(low.place)
    }

    /// Evaluates a length, unless the evaluations are used up.
    fn trial(&mut self, length: f64) -> Result<Option<Trial<T>>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        Ok(Some((self.evaluate)(length)?))
    }

    /// Returns whether a trial meets the first condition. A loss that is equal to that at the start to the last bit does not.
    fn is_decrease(&self, trial: &Trial<T>) -> bool {
        let most = self.start.loss + SUFFICIENT_DECREASE * trial.length * self.start.slope;
        trial.loss <= most && trial.loss < self.start.loss
    }

    /// Returns whether a trial is so near to the start that the rounding of the loss may hide its decrease: the loss is not lower, although it
    /// falls at both ends, and the decrease that the slope promises is small.
    fn is_below_rounding(&self, trial: &Trial<T>) -> bool {
        !self.is_decrease(trial)
            && trial.loss.is_finite()
            && trial.slope < CURVATURE * self.start.slope
            && trial.length * self.start.slope.abs() <= ROUNDING * self.start.loss.abs()
    }

    /// Returns whether a trial meets the second condition.
    fn is_flat(&self, trial: &Trial<T>) -> bool {
        trial.slope.abs() <= CURVATURE * self.start.slope.abs()
    }
}

/// Returns the minimizer of the cubic through two trials with their slopes, if it has one.
fn minimizer<T>(a: &Trial<T>, b: &Trial<T>) -> Option<f64> {
    let width = b.length - a.length;
    let sum = a.slope + b.slope - 3.0 * (b.loss - a.loss) / width;
    let root = (sum * sum - a.slope * b.slope).sqrt().copysign(width);
    let length = b.length - width * (b.slope + root - sum) / (b.slope - a.slope + 2.0 * root);
    length.is_finite().then_some(length)
}

/// Returns a length between two trials: the minimizer of the cubic, but not near to either; the middle if there is none.
fn inside<T>(low: &Trial<T>, high: &Trial<T>) -> f64 {
    let ends = [low.length.min(high.length), low.length.max(high.length)];
    let margin = MARGIN * (ends[1] - ends[0]);
    let middle = 0.5 * (ends[0] + ends[1]);
    minimizer(low, high).map_or(middle, |length| {
        length.clamp(ends[0] + margin, ends[1] - margin)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Function = fn(f64) -> [f64; 2];

    fn trial(function: Function, length: f64) -> Trial<f64> {
        let [loss, slope] = function(length);
        Trial {
            length,
            loss: if loss.is_finite() {
                loss
            } else {
                f64::INFINITY
            },
            slope,
            place: loss.is_finite().then_some(length),
        }
    }

    /// Returns the length that a search finds, and the number of evaluations.
    fn search(function: Function, first: f64, most: usize) -> (Option<f64>, usize) {
        let mut count = 0;
        let mut evaluate = |length| {
            count += 1;
            Ok(trial(function, length))
        };
        let start = trial(function, 0.0);
        let found = LineSearch::new(start, most, &mut evaluate).run(first);
        (found.unwrap(), count)
    }

    /// Moré & Thuente's first and second functions, a function with waves, and one that is infinite beyond 1.
    const FUNCTIONS: [Function; 4] = [
        |x| {
            let square = x * x + 2.0;
            [-x / square, (x * x - 2.0) / (square * square)]
        },
        |x| {
            let shifted = x + 0.004;
            [
                shifted.powi(5) - 2.0 * shifted.powi(4),
                5.0 * shifted.powi(4) - 8.0 * shifted.powi(3),
            ]
        },
        |x| {
            [
                0.1 * x * x - (3.0 * x).sin(),
                0.2 * x - 3.0 * (3.0 * x).cos(),
            ]
        },
        |x| [-(1.0 - x * x).ln() - x, 2.0 * x / (1.0 - x * x) - 1.0],
    ];

    #[test]
    fn both_conditions_hold_from_any_first_length() {
        for (index, function) in FUNCTIONS.into_iter().enumerate() {
            for first in [1e-6, 1e-3, 0.1, 1.0, 10.0, 1e3] {
                let (found, count) = search(function, first, 60);
                let found = found.unwrap();
                let ([start, start_slope], [loss, slope]) = (function(0.0), function(found));
                assert!(
                    loss <= start + SUFFICIENT_DECREASE * found * start_slope
                        && slope.abs() <= CURVATURE * start_slope.abs(),
                    "function {index} from {first}: {found} after {count}"
                );
                assert!(count <= 25, "function {index} from {first}: {count}");
            }
        }
    }

    #[test]
    fn the_minimizer_of_a_cubic_is_exact() {
        // (x − 2)² (x + 4), with its minimum at 2.
        let cubic: Function = |x| {
            [
                (x - 2.0).powi(2) * (x + 4.0),
                2.0 * (x - 2.0) * (x + 4.0) + (x - 2.0).powi(2),
            ]
        };
        for (a, b) in [(0.0, 5.0), (5.0, 0.0), (0.0, 1.0)] {
            let found = minimizer(&trial(cubic, a), &trial(cubic, b)).unwrap();
            assert!((found - 2.0).abs() < 1e-12, "{found}");
        }
    }

    #[test]
    fn lengths_too_short_for_the_precision_of_the_loss_are_left_outward() {
        // In single precision, the loss of 1001 changes by 6e-5 at least.
        let rounded: Function = |x| {
            let loss = (x - 1.0).powi(2) + 1000.0;
            [f64::from(loss as f32), 2.0 * (x - 1.0)]
        };
        for first in [1e-12, 1e-9, 1e-6, 1e-5, 1e-4] {
            let found = search(rounded, first, 25).0.unwrap();
            assert!(rounded(found)[0] < 1000.9, "{first}: {found}");
        }
    }

    #[test]
    fn a_search_ends_after_its_evaluations_with_the_best_decrease_or_with_none() {
        // It falls for ever: no length meets the second condition.
        let (found, count) = search(|x| [-x, -1.0], 1.0, 7);
        assert_eq!((found, count), (Some(1e6), 7));
        // It rises, against its slope.
        let (found, count) = search(|x| [x, -1.0], 1.0, 7);
        assert_eq!((found, count), (None, 7));
        // A decrease that the rounding of the loss hides at any length.
        let (found, count) = search(|x| [1.0, 1e-20 * (x - 1.0)], 1e-3, 25);
        assert!(found.is_none() && count <= 25);
    }
}
