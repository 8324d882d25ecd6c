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

impl SubsetSampling {
    /// Draws the indices of one step among `points` points: `self.points` of them, but without replacement at most all.
    #[must_use]
    pub fn indices(&self, points: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
        if self.replacement {
            return (0..self.points)
                .map(|_| rng.random_range(0..points))
                .collect();
        }
        index::sample(rng, points, self.points.min(points)).into_vec()
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
