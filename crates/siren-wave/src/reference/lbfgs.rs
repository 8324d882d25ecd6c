//! L-BFGS for the values of a grid, with a lower bound.

use std::collections::VecDeque;

use siren_core::{Error, Result};

use crate::objective::LEAST_SQUARED_SLOWNESS;

/// Share of the predicted decrease that a step must reach (Armijo).
const SUFFICIENT: f64 = 1e-4;
/// Halvings of a step before the search gives up: no lower value along the direction.
const MOST_HALVINGS: usize = 30;

/// Projected L-BFGS: minimizes a function of many variables, none of which falls below a bound. It is the optimizer of a
/// [`GridInversion`](super::inversion::GridInversion).
///
/// The direction is that of L-BFGS among the variables that are not held at the bound by the gradient. Steps are halved until they decrease the
/// function enough, and clamped to the bound (Bertsekas 1982, with the two-loop recursion of Nocedal 1980).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BoundedLbfgs {
    /// Number of pairs of steps and gradient changes that are kept.
    pub history: usize,
    /// Most iterations.
    pub iterations: usize,
    /// Lower bound of every variable.
    pub lower: f64,
    /// Largest change of a variable in the first step, which no curvature scales yet.
    pub first_change: f64,
}

impl Default for BoundedLbfgs {
    /// For the squared slowness of a grid: history 20, 30 iterations, the authors' bound of 0.001.
    fn default() -> Self {
        Self {
            history: 20,
            iterations: 30,
            lower: LEAST_SQUARED_SLOWNESS,
            first_change: 0.1,
        }
    }
}

/// A function's value and gradient at one point.
#[derive(Clone, Debug, PartialEq)]
pub struct ValueGradient {
    /// The value.
    pub value: f64,
    /// The derivative in each variable.
    pub gradient: Vec<f64>,
}

/// Where the minimization ended.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundedMinimum {
    /// The variables.
    pub position: Vec<f64>,
    /// The function's value there.
    pub value: f64,
    /// Number of iterations taken: fewer than asked for if no step along the last direction decreased the function.
    pub iterations: usize,
    /// Number of evaluations of the function.
    pub evaluations: usize,
}

/// A step and the change of the gradient over it.
struct Pair {
    step: Vec<f64>,
    change: Vec<f64>,
}

impl BoundedLbfgs {
    /// Minimizes a function from a start, which is clamped to the bound first.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if the first change is not positive or the bound not finite; [`Error::NotFinite`] if the start, a value or a
    /// gradient is not finite; [`Error::Shape`] if a gradient has another length than the start; the errors of the function.
    pub fn minimize(
        &self,
        start: &[f64],
        mut function: impl FnMut(&[f64]) -> Result<ValueGradient>,
    ) -> Result<BoundedMinimum> {
        if !(self.first_change > 0.0 && self.first_change.is_finite() && self.lower.is_finite()) {
            let found = format!("{} with the bound {}", self.first_change, self.lower);
            let expected = "a positive change and a finite bound";
            return Err(Error::invalid("first_change", found, expected));
        }
        check_finite("start of the minimization", start)?;
        let mut evaluations = 0;
        let mut evaluate = |position: &[f64]| {
            evaluations += 1;
            let found = function(position)?;
            check(position, &found)?;
            Ok::<_, Error>(found)
        };
        let mut position: Vec<f64> = start.iter().map(|x| x.max(self.lower)).collect();
        let mut here = evaluate(&position)?;
        let mut pairs = VecDeque::new();
        let mut iterations = 0;
        while iterations < self.iterations {
            let mut moved = None;
            // Without curvature once more, if that of the past misleads.
            for _ in 0..2 {
                let direction = self.direction(&position, &here.gradient, &pairs);
                moved = self.search(&position, &here, &direction, &mut evaluate)?;
                if moved.is_some() || pairs.is_empty() {
                    break;
                }
                pairs.clear();
            }
            let Some((next, there)) = moved else { break };
            self.remember(
                &mut pairs,
                Pair {
                    step: difference(&next, &position),
                    change: difference(&there.gradient, &here.gradient),
                },
            );
            position = next;
            here = there;
            iterations += 1;
        }
        Ok(BoundedMinimum {
            position,
            value: here.value,
            iterations,
            evaluations,
        })
    }

    /// Returns the direction of L-BFGS, zero for variables that are held at the bound.
    fn direction(&self, position: &[f64], gradient: &[f64], pairs: &VecDeque<Pair>) -> Vec<f64> {
        let free: Vec<bool> = position
            .iter()
            .zip(gradient)
            .map(|(&x, &g)| x > self.lower || g < 0.0)
            .collect();
        let dot = |a: &[f64], b: &[f64]| -> f64 {
            let products = a.iter().zip(b).zip(&free);
            products
                .map(|((a, b), &free)| if free { a * b } else { 0.0 })
                .sum()
        };
        let mut direction: Vec<f64> = gradient
            .iter()
            .zip(&free)
            .map(|(g, &free)| if free { -g } else { 0.0 })
            .collect();
        let curved: Vec<(&Pair, f64)> = pairs
            .iter()
            .map(|pair| (pair, dot(&pair.step, &pair.change)))
            .filter(|&(_, curvature)| curvature > 0.0)
            .collect();
        let Some(&(newest, curvature)) = curved.last() else {
            let steepest = direction.iter().fold(0.0_f64, |most, d| most.max(d.abs()));
            if steepest > 0.0 {
                scale(&mut direction, self.first_change / steepest);
            }
            return direction;
        };
        let mut weights = Vec::with_capacity(curved.len());
        for &(pair, curvature) in curved.iter().rev() {
            let weight = dot(&pair.step, &direction) / curvature;
            add(&mut direction, -weight, &pair.change);
            weights.push(weight);
        }
        let inverse_curvature = curvature / dot(&newest.change, &newest.change);
        scale(&mut direction, inverse_curvature);
        for (&(pair, curvature), weight) in curved.iter().zip(weights.iter().rev()) {
            let back = dot(&pair.change, &direction) / curvature;
            add(&mut direction, weight - back, &pair.step);
        }
        for (d, &free) in direction.iter_mut().zip(&free) {
            if !free {
                *d = 0.0;
            }
        }
        direction
    }

    /// Returns the first of the halved steps that decreases the function enough; none if the direction does not descend.
    fn search(
        &self,
        position: &[f64],
        here: &ValueGradient,
        direction: &[f64],
        evaluate: &mut impl FnMut(&[f64]) -> Result<ValueGradient>,
    ) -> Result<Option<(Vec<f64>, ValueGradient)>> {
        let mut length = 1.0;
        for _ in 0..MOST_HALVINGS {
            let next: Vec<f64> = position
                .iter()
                .zip(direction)
                .map(|(x, d)| (x + length * d).max(self.lower))
                .collect();
            let slope: f64 = (here.gradient.iter().zip(&next).zip(position))
                .map(|((g, new), old)| g * (new - old))
                .sum();
            if slope >= 0.0 {
                return Ok(None);
            }
            let there = evaluate(&next)?;
            if there.value <= here.value + SUFFICIENT * slope {
                return Ok(Some((next, there)));
            }
            length *= 0.5;
        }
        Ok(None)
    }

    /// Keeps a pair of positive curvature, and drops the oldest if there are too many.
    fn remember(&self, pairs: &mut VecDeque<Pair>, pair: Pair) {
        let product = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        let curvature = product(&pair.step, &pair.change);
        if curvature
            <= 1e-10
                * product(&pair.change, &pair.change).sqrt()
                * product(&pair.step, &pair.step).sqrt()
        {
            return;
        }
        pairs.push_back(pair);
        if pairs.len() > self.history {
            pairs.pop_front();
        }
    }
}

fn check(position: &[f64], found: &ValueGradient) -> Result<()> {
    if found.gradient.len() != position.len() {
        return Err(Error::Shape {
            what: "gradient of the minimization",
            expected: format!("{}, one value per variable", position.len()),
            got: found.gradient.len().to_string(),
        });
    }
    check_finite("value of the minimization", &[found.value])?;
    check_finite("gradient of the minimization", &found.gradient)
}

fn check_finite(what: &str, values: &[f64]) -> Result<()> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(point) => Err(Error::NotFinite {
            column: what.to_owned(),
            point,
        }),
    }
}

fn add(sum: &mut [f64], weight: f64, addend: &[f64]) {
    for (sum, addend) in sum.iter_mut().zip(addend) {
        *sum += weight * addend;
    }
}

fn scale(values: &mut [f64], factor: f64) {
    for value in values {
        *value *= factor;
    }
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenbrock's function of pairs of variables, with its minimum of 0 at 1.
    #[allow(
        clippy::unnecessary_wraps,
        reason = "the signature of a function to minimize"
    )]
    fn rosenbrock(x: &[f64]) -> Result<ValueGradient> {
        let mut value = 0.0;
        let mut gradient = Vec::new();
        for pair in x.chunks_exact(2) {
            let (a, b) = (1.0 - pair[0], pair[1] - pair[0] * pair[0]);
            value += a * a + 100.0 * b * b;
            gradient.extend([-2.0 * a - 400.0 * pair[0] * b, 200.0 * b]);
        }
        Ok(ValueGradient { value, gradient })
    }

    const SETTINGS: BoundedLbfgs = BoundedLbfgs {
        history: 10,
        iterations: 200,
        lower: -10.0,
        first_change: 0.1,
    };

    #[test]
    fn the_valley_of_rosenbrock_is_followed_to_its_minimum() {
        let start = [-1.2, 1.0, 0.3, -0.5, 2.0, 2.0];
        let found = SETTINGS.minimize(&start, rosenbrock).unwrap();
        assert!(found.value < 1e-16, "{found:?}");
        assert!(
            found.position.iter().all(|x| (x - 1.0).abs() < 1e-7),
            "{found:?}"
        );
        assert!(found.evaluations < 150, "{found:?}");
    }

    /// With x ≥ 1.5 the minimum of each pair is at (1.5, 2.25), where the first gradient points to the bound.
    #[test]
    fn a_bound_is_never_crossed_and_holds_the_variables_whose_minimum_lies_beyond() {
        let settings = BoundedLbfgs {
            lower: 1.5,
            ..SETTINGS
        };
        let observed = |x: &[f64]| {
            assert!(x.iter().all(|&x| x >= 1.5), "{x:?}");
            rosenbrock(x)
        };
        let found = settings.minimize(&[-1.2, 1.0, 3.0, 4.0], observed).unwrap();
        for (value, expected) in found.position.iter().zip([1.5, 2.25, 1.5, 2.25]) {
            assert!((value - expected).abs() < 1e-6, "{found:?}");
        }
    }

    #[test]
    fn a_minimum_is_left_alone_and_values_that_are_not_finite_are_refused() {
        let found = SETTINGS.minimize(&[1.0, 1.0], rosenbrock).unwrap();
        assert_eq!((found.iterations, found.evaluations), (0, 1));
        let broken = |value, gradient| {
            move |_: &[f64]| {
                Ok(ValueGradient {
                    value,
                    gradient: vec![gradient; 2],
                })
            }
        };
        assert!(SETTINGS.minimize(&[0.0; 2], broken(f64::NAN, 1.0)).is_err());
        assert!(
            SETTINGS
                .minimize(&[0.0; 2], broken(1.0, f64::INFINITY))
                .is_err()
        );
        assert!(SETTINGS.minimize(&[0.0; 3], broken(1.0, 1.0)).is_err());
        assert!(SETTINGS.minimize(&[f64::NAN; 2], rosenbrock).is_err());
    }
}
