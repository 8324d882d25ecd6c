//! Width of the hidden layers, which can be computed for the tiles of a mosaic.

use std::fmt;

use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::omega::AUTO;

/// Widths that a rule chooses from, in ascending order. Wider tiles were worse wherever they were compared.
const WIDTHS: [usize; 3] = [8, 16, 32];
/// Least number of samples of a tile, by rule.
const LEAST_SAMPLES: f64 = 1000.0;
/// Least number of samples of a tile in each step, by rule.
const LEAST_SAMPLES_PER_STEP: f64 = 300.0;

/// Width of the hidden layers: a number, or `"auto"`. A run replaces `"auto"` by a number before it draws the network and writes its config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// 8, 16 or 32: the narrowest for which a tile of the mosaic (`mosaic`) has at least 1,000 samples, 300 of them in each step; 32 if none has.
    Auto,
    /// Number of features, 1 to 16384.
    Given(usize),
}

impl From<usize> for Width {
    fn from(width: usize) -> Self {
        Self::Given(width)
    }
}

impl fmt::Display for Width {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str(AUTO),
            Self::Given(width) => width.fmt(f),
        }
    }
}

impl Width {
    /// Widest that is computed.
    pub(super) const WIDEST: usize = WIDTHS[WIDTHS.len() - 1];

    /// Returns the width of the tiles of a mosaic of `parameters` parameters for a signal of `samples` samples, of which each step sees `per_step`, given
    /// the number of parameters of a network of each width: the narrowest of 8, 16 and 32 for which a tile has at least 1,000 samples, 300 of them in
    /// each step. If none has, it is the widest of which one network is within `parameters`.
    ///
    /// The rule is measured, not derived (`docs/results/mosaic.md`): more tiles that are narrower are better in the same time, as long as each has enough
    /// to learn from.
    pub(super) fn of_tiles(
        parameters: usize,
        samples: usize,
        per_step: usize,
        parameters_of: impl Fn(usize) -> usize,
    ) -> Self {
        let has_enough = |&width: &usize| {
            let tiles = parameters as f64 / parameters_of(width) as f64;
            samples as f64 >= LEAST_SAMPLES * tiles
                && per_step as f64 >= LEAST_SAMPLES_PER_STEP * tiles
        };
        match WIDTHS.into_iter().find(has_enough) {
            Some(width) if parameters_of(width) <= parameters => Self::Given(width),
            _ => Self::within(parameters, parameters_of),
        }
    }

    /// Returns the widest of which a network has at most `most` parameters, given the number of parameters of a network of each width; 8 if none has.
    pub(super) fn within(most: usize, parameters_of: impl Fn(usize) -> usize) -> Self {
        let is_within = |&width: &usize| parameters_of(width) <= most;
        let widest = WIDTHS.into_iter().rev().find(is_within);
        Self::Given(widest.unwrap_or(WIDTHS[0]))
    }

    /// Returns the one of which a network has the number of parameters that is closest to `parameters`, as a ratio.
    pub(super) fn closest(parameters: usize, parameters_of: impl Fn(usize) -> usize) -> Self {
        let distance = |width: usize| (parameters_of(width) as f64 / parameters as f64).ln().abs();
        let closest = |&a: &usize, &b: &usize| distance(a).total_cmp(&distance(b));
        let closest = WIDTHS.into_iter().min_by(closest);
        Self::Given(closest.unwrap_or(Self::WIDEST))
    }

    /// Returns the number; `None` for `"auto"`.
    #[must_use]
    pub fn given(self) -> Option<usize> {
        match self {
            Self::Given(width) => Some(width),
            Self::Auto => None,
        }
    }
}

impl Serialize for Width {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str(AUTO),
            Self::Given(width) => serializer.serialize_u64(*width as u64),
        }
    }
}

impl<'de> Deserialize<'de> for Width {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(WidthVisitor)
    }
}

struct WidthVisitor;

impl Visitor<'_> for WidthVisitor {
    type Value = Width;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number or \"auto\"")
    }

    fn visit_i64<E: serde::de::Error>(self, width: i64) -> std::result::Result<Width, E> {
        match u64::try_from(width) {
            Ok(width) => self.visit_u64(width),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(width), &self)),
        }
    }

    fn visit_u64<E: serde::de::Error>(self, width: u64) -> std::result::Result<Width, E> {
        Ok(Width::Given(usize::try_from(width).unwrap_or(usize::MAX)))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> std::result::Result<Width, E> {
        if text == AUTO {
            return Ok(Width::Auto);
        }
        Err(E::invalid_value(Unexpected::Str(text), &self))
    }
}
