//! The `[field.mosaic]` table of a config.

use serde::{Deserialize, Deserializer, Serialize};

use super::tiling::{MAX_AXES, Tiling};
use crate::error::{Error, Result};
use crate::field::width::Width;

/// Number of parameters for each sample of a signal, by rule: about what published fits of photographs with small networks have.
const PARAMETERS_PER_SAMPLE: f64 = 1.5;
/// Largest overlap, in samples.
const MAX_OVERLAP: f64 = 65_536.0;
/// Key of the table.
const KEY: &str = "field.mosaic";

/// A field of many small networks, one for each tile of a sampled signal. `hidden_features` and the other keys of `[field]` are those of every
/// tile's network, and ω₀ is in radians per unit of a tile's own coordinates, in which it spans [−1, 1].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MosaicConfig {
    /// Largest side of a tile, in samples: one number for all axes, or a list with one for each. All tiles have the same size, so that the sides of
    /// the signal are divided evenly. Default: computed from `parameters`.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "one_or_many"
    )]
    pub tile: Vec<usize>,
    /// Number of parameters of all tiles together, at most, from which the side of a tile follows where `tile` is not given. Default: 1.5 for each
    /// sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<usize>,
    /// Width of the zone in which two neighbors are blended, in samples; at most the side of a tile.
    pub overlap: f64,
    /// Number of samples on each axis. A run takes it from its signal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sides: Vec<usize>,
    /// Half the extent of each axis in coordinates. A run takes it from its signal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extents: Vec<f64>,
}

/// Reads one number, or a list of numbers.
fn one_or_many<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Vec<usize>, D::Error> {
    #[derive(Deserialize)]
    #[serde(
        untagged,
        expecting = "a number of samples, or a list with one for each axis"
    )]
    enum OneOrMany {
        One(usize),
        Many(Vec<usize>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(side) => vec![side],
        OneOrMany::Many(sides) => sides,
    })
}

impl Default for MosaicConfig {
    fn default() -> Self {
        Self {
            tile: Vec::new(),
            parameters: None,
            overlap: 4.0,
            sides: Vec::new(),
            extents: Vec::new(),
        }
    }
}

impl MosaicConfig {
    /// Returns whether the side of a tile is still to be computed.
    pub(in crate::field) fn asks_for_tiles(&self) -> bool {
        self.tile.is_empty()
    }

    /// Returns whether the grid is still unknown.
    #[must_use]
    pub fn asks_for_grid(&self) -> bool {
        self.sides.is_empty()
    }

    /// Returns the number of samples of the signal.
    fn samples(&self) -> usize {
        self.sides.iter().product()
    }

    /// Returns the number of parameters of all tiles together that a config without one has, if it is not below that of one network.
    fn by_rule(&self) -> usize {
        (PARAMETERS_PER_SAMPLE * self.samples() as f64) as usize
    }

    /// Returns the width of the tiles' networks, given the number of parameters of a network of each width: that of [`Width::of_tiles`], or, where the
    /// side of a tile is given, the widest of them within the number of parameters, or the closest to it by rule.
    pub(in crate::field) fn width(
        &self,
        samples_per_step: Option<usize>,
        parameters_of: impl Fn(usize) -> usize,
    ) -> Width {
        let widest = parameters_of(Width::WIDEST);
        let by_rule = self.by_rule().max(widest);
        let most = self.parameters.unwrap_or(by_rule);
        if self.asks_for_tiles() {
            let samples = self.samples();
            let per_step = samples_per_step.unwrap_or(samples).min(samples);
            return Width::of_tiles(most, samples, per_step, parameters_of);
        }
        let axes = 0..self.sides.len();
        let counts = axes.map(|axis| self.sides[axis].div_ceil(self.tile_side(axis)));
        let tiles = counts.product::<usize>().max(1);
        match self.parameters {
            Some(most) => Width::within(most / tiles, parameters_of),
            None => Width::closest(by_rule / tiles, parameters_of),
        }
    }

    /// Computes sides of tiles that are not given, as equal as the grid allows, whose networks of `network` parameters have at most the given number
    /// of parameters together.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if not even one network has so few parameters.
    pub(in crate::field) fn resolve(&mut self, network: usize) -> Result<()> {
        if !self.asks_for_tiles() {
            return Ok(());
        }
        let most = self.parameters.unwrap_or(self.by_rule().max(network));
        if most < network {
            let expected = format!(
                "at least {network}, the parameters of one network; or a smaller `field.hidden_features`"
            );
            return Err(Error::invalid(
                &format!("{KEY}.parameters"),
                most,
                &expected,
            ));
        }
        let fits = |side: usize| {
            let tiles = self.sides.iter().map(|&n| n.div_ceil(side));
            tiles.product::<usize>().saturating_mul(network) <= most
        };
        let longest = self.sides.iter().copied().max().unwrap_or(1);
        let least = self.least_side();
        let side = (least..longest.max(least)).find(|&side| fits(side));
        let side = side.unwrap_or(longest);
        self.tile = self.sides.iter().map(|&n| side.min(n)).collect();
        Ok(())
    }

    /// Returns the smallest computed side of a tile: twice the overlap.
    fn least_side(&self) -> usize {
        (2.0 * self.overlap).ceil().max(2.0) as usize
    }

    /// Returns the side of a tile on an axis, in samples.
    pub(super) fn tile_side(&self, axis: usize) -> usize {
        match self.tile.as_slice() {
            [] => self.sides[axis],
            [side] => *side,
            sides => sides[axis],
        }
    }

    /// Returns the smallest side of a tile, in samples.
    pub(in crate::field) fn smallest_side(&self) -> usize {
        let sides = self.tile.iter().copied().filter(|&side| side > 1);
        sides.min().unwrap_or(self.least_side())
    }

    /// Returns the geometric mean, over the axes, of the factors from coordinates to those of a tile.
    pub(in crate::field) fn mean_scale(&self) -> f64 {
        let axes = self.sides.len();
        Tiling::new(self, axes).map_or(1.0, |tiling| {
            let logarithms = (0..axes).map(|axis| tiling.scale(axis).ln());
            (logarithms.sum::<f64>() / axes.max(1) as f64).exp()
        })
    }

    /// Checks what does not depend on the signal.
    pub(in crate::field) fn validate(&self) -> Result<()> {
        let sides = &self.tile;
        let tile = || format!("{KEY}.tile");
        if sides.len() > MAX_AXES {
            let expected = "a number of samples, or one for each of 1 to 3 axes";
            return Err(Error::invalid(&tile(), format!("{sides:?}"), expected));
        }
        let of_one_sample = |axis: usize| self.sides.get(axis) == Some(&1);
        let too_small = sides
            .iter()
            .enumerate()
            .find(|(axis, side)| **side < 2 && !of_one_sample(*axis));
        if let Some((_, side)) = too_small {
            return Err(Error::invalid(&tile(), side, "at least 2 samples"));
        }
        let overlap = || format!("{KEY}.overlap");
        if !(1.0..=MAX_OVERLAP).contains(&self.overlap) {
            let expected = format!("1 to {MAX_OVERLAP} samples");
            return Err(Error::invalid(&overlap(), self.overlap, &expected));
        }
        let smallest = self.smallest_side();
        if self.overlap >= smallest as f64 {
            let expected = format!(
                "below {smallest}, the smallest side of a tile: a wider overlap would blend three tiles"
            );
            return Err(Error::invalid(&overlap(), self.overlap, &expected));
        }
        let axes = self.sides.len();
        let is_grid = axes == self.extents.len()
            && self.sides.iter().all(|&side| side > 0)
            && self
                .extents
                .iter()
                .all(|extent| *extent >= 0.0 && extent.is_finite());
        if !is_grid {
            let expected = "one number of samples of at least 1, and one extent, for each axis";
            let found = format!("{:?} with extents {:?}", self.sides, self.extents);
            return Err(Error::invalid(&format!("{KEY}.sides"), found, expected));
        }
        Ok(())
    }

    /// Checks that the mosaic fits a signal of `dims` coordinates, on a grid that is known.
    pub(in crate::field) fn validate_for(&self, dims: usize) -> Result<()> {
        if self.asks_for_grid() {
            let expected = "the numbers of samples of a signal on a grid; this signal has none, so give `sides` and `extents`, or leave \
                            `field.mosaic` out";
            return Err(Error::invalid(&format!("{KEY}.sides"), "unknown", expected));
        }
        let given = match self.tile.len() {
            0 | 1 => dims,
            given => given,
        };
        if dims > MAX_AXES || self.sides.len() != dims || given != dims {
            let expected = format!(
                "sides for as many axes as the signal has, which has {dims}; a mosaic has at most {MAX_AXES}"
            );
            let found = format!("{:?} of {:?} samples", self.tile, self.sides);
            return Err(Error::invalid(KEY, found, &expected));
        }
        for (axis, &side) in self.sides.iter().enumerate() {
            let tile = self.tile_side(axis);
            if side > 1 && tile > side {
                let expected = format!(
                    "at most {side}, the number of samples on axis {axis}; give a side for each axis where they differ, such as [16, 64, 64]"
                );
                return Err(Error::invalid(&format!("{KEY}.tile"), tile, &expected));
            }
        }
        Ok(())
    }
}
