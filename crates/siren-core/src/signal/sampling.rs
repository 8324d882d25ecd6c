//! The `signal.sampling` key of a config.

use rand::Rng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{Points, Sample, Sampler, Stream, SubsetSampler, WholeSampler};
use crate::error::{Error, Result};

/// Which of the signal's points each training step uses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sampling {
    /// All points in every step, the authors' recipe.
    #[default]
    Whole,
    /// A new random subset in every step.
    Subset(SubsetSampling),
    /// A new random subset in every step, of this share of the points, above 0 and at most 1, without replacement.
    Share(f64),
}

/// A new random subset in every step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubsetSampling {
    /// Number of points per step.
    pub points: usize,
    /// Draws with replacement: a point may come twice in a step (the authors' `randint`).
    #[serde(default)]
    pub replacement: bool,
}

/// Of more points for each that is drawn, sorting the drawn ones takes less time than a pass over bits of all.
const SPARSE: usize = 256;

/// Draws `count` of `points` indices, each subset with the same probability (Floyd's algorithm: Bentley & Floyd 1987), in ascending order.
fn dense_subset(points: usize, count: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut words = vec![0_u64; points.div_ceil(64)];
    for last in points - count..points {
        let index = rng.random_range(0..=last as u64) as usize;
        let is_drawn = words[index / 64] >> (index % 64) & 1 == 1;
        let new = if is_drawn { last } else { index };
        words[new / 64] |= 1 << (new % 64);
    }
    let mut drawn = Vec::with_capacity(count);
    for (place, mut word) in words.into_iter().enumerate() {
        while word != 0 {
            drawn.push(64 * place + word.trailing_zeros() as usize);
            word &= word - 1;
        }
    }
    drawn
}

impl SubsetSampling {
    /// Draws the indices of one step among `points` points: `self.points` of them, but without replacement at most all. They ascend, so that
    /// data are read in the sequence in which they are stored.
    #[must_use]
    pub fn indices(&self, points: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
        let count = self.points.min(points);
        let mut drawn = if self.replacement {
            let any = |_| rng.random_range(0..points);
            (0..self.points).map(any).collect()
        } else if count < points / SPARSE {
            index::sample(rng, points, count).into_vec()
        } else {
            return dense_subset(points, count, rng);
        };
        drawn.sort_unstable();
        drawn
    }
}

impl SubsetSampling {
    fn sampler<P: Points>(&self, from: P, seed: u64) -> SubsetSampler<P> {
        SubsetSampler {
            from,
            subset: self.clone(),
            seed,
            stream: Stream::SUBSET,
        }
    }
}

impl Sampling {
    /// Checks every value; a step may draw at most `most` points.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] with the full key, `signal.sampling.subset.points` or `signal.sampling.share`.
    pub fn validate(&self, most: usize) -> Result<()> {
        match self {
            Self::Subset(SubsetSampling { points, .. }) if !(1..=most).contains(points) => {
                let key = "signal.sampling.subset.points";
                Err(Error::invalid(key, points, &format!("1 to {most} points")))
            }
            // A comparison with NaN is false.
            Self::Share(share) if !(*share > 0.0 && *share <= 1.0) => {
                let expected = "above 0 and at most 1, a share of the points";
                Err(Error::invalid("signal.sampling.share", share, expected))
            }
            _ => Ok(()),
        }
    }

    /// Returns the random subset of `points` points that a step draws; `None` for all of them.
    #[must_use]
    pub fn subset_of(&self, points: usize) -> Option<SubsetSampling> {
        match self {
            Self::Whole => None,
            Self::Subset(subset) => Some(subset.clone()),
            Self::Share(share) => Some(SubsetSampling {
                points: ((share * points as f64).round() as usize).clamp(1, points.max(1)),
                replacement: false,
            }),
        }
    }

    /// Returns how many of `points` points a step draws; `None` for all of them.
    #[must_use]
    pub fn points_per_step(&self, points: usize) -> Option<usize> {
        self.subset_of(points).map(|subset| subset.points)
    }

    /// Makes the sampler that draws from `sample`.
    #[must_use]
    pub fn sampler(&self, sample: Sample, seed: u64) -> Box<dyn Sampler> {
        match self.subset_of(sample.len()) {
            None => Box::new(WholeSampler::new(sample)),
            Some(subset) => Box::new(subset.sampler(sample, seed)),
        }
    }

    /// Makes the sampler that draws from points which are made when they are drawn.
    ///
    /// # Errors
    /// As [`Points::all`].
    pub fn sampler_of(&self, points: impl Points + 'static, seed: u64) -> Result<Box<dyn Sampler>> {
        Ok(match self.subset_of(points.count()) {
            None => Box::new(WholeSampler::new(points.all()?.clone())),
            Some(subset) => Box::new(subset.sampler(points, seed)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_number_of_points_of_at_least_one() {
        let of = |share: f64, points| Sampling::Share(share).subset_of(points).unwrap().points;
        assert_eq!([of(0.25, 1000), of(1.0, 9), of(1e-9, 9)], [250, 9, 1]);
        for share in [0.0, -1.0, 1.5, f64::NAN] {
            let error = Sampling::Share(share).validate(9).unwrap_err().to_string();
            assert!(error.starts_with("`signal.sampling.share` is"), "{error}");
        }
    }

    /// Each of `n` points is drawn with the probability `p = k / n`: of `N` trials its count deviates from `N p` by less than six times the
    /// deviation `√(N p (1 − p))`.
    #[test]
    fn without_replacement_every_point_is_drawn_as_often_as_any_other_and_once_a_step() {
        for (points, count) in [(70, 20), (70, 69), (130, 130), (3000, 3)] {
            let subset = SubsetSampling {
                points: count,
                replacement: false,
            };
            let trials = 4000;
            let mut times = vec![0_u32; points];
            for trial in 0..trials {
                let drawn = subset.indices(points, &mut Stream::SUBSET.rng(5, trial));
                assert_eq!(drawn.len(), count);
                assert!(drawn.is_sorted_by(|a, b| a < b), "{drawn:?}");
                for index in drawn {
                    times[index] += 1;
                }
            }
            let share = count as f64 / points as f64;
            let expected = trials as f64 * share;
            let most = 6.0 * (expected * (1.0 - share)).sqrt() + 1e-9;
            for (index, &times) in times.iter().enumerate() {
                let deviation = (f64::from(times) - expected).abs();
                assert!(deviation <= most, "{index}: {times}, expected {expected}");
            }
        }
    }

    #[test]
    fn a_number_of_points_out_of_range_is_refused_with_its_key() {
        for (points, is_good) in [(0, false), (1, true), (9, true), (10, false)] {
            let sampling = Sampling::Subset(SubsetSampling {
                points,
                replacement: false,
            });
            let checked = sampling.validate(9);
            assert_eq!(checked.is_ok(), is_good, "{points}");
            if let Err(error) = checked {
                let expected =
                    format!("`signal.sampling.subset.points` is {points}, expected 1 to 9 points");
                assert_eq!(error.to_string(), expected);
            }
        }
    }
}
