//! Random choices of a trial. All of them come from its seed.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The random choices of one trial.
pub struct Choices(ChaCha8Rng);

impl Choices {
    /// Returns the choices of a seed.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Returns a number from 0 to `end`, without `end`; 0 if `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        match end {
            0 => 0,
            end => self.0.random_range(0..end),
        }
    }

    /// Returns a number in [0, 1).
    pub fn fraction(&mut self) -> f64 {
        self.0.random()
    }

    /// Returns a number of any size.
    pub fn number(&mut self) -> u64 {
        self.0.random()
    }

    /// Returns true once in `times` draws.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// Returns one of the items, of which there is at least one.
    pub fn of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}
