//! Mosaics: a field made of many small networks on a grid of tiles.
//!
//! Every tile has parameters of its own and sees coordinates of its own, in which its support is [−1, 1]ᵈ. Where tiles overlap their values are
//! blended by a partition of unity:
//!
//! ```text
//! Φ(x) = Σₜ Wₜ(x) φₜ(s (x − cₜ))      Σₜ Wₜ = 1      Wₜ(x) = Πₐ w(xₐ)
//! ```
//!
//! where `w` rises from 0 to 1 within an overlap by the quintic `6u⁵ − 15u⁴ + 10u³`, whose first two derivatives are 0 at both ends. So `Φ` has
//! continuous second derivatives everywhere, if the activations have. Derivatives of `Φ` follow from the product rule and are exact.
//!
//! A point costs as much as in one small network, or in 2ᵈ of them at most: a picture in color of 512 × 768 samples is fitted by 247 networks of
//! 2,307 parameters each, so that a pixel meets that many instead of all 570,000. This follows MINER (arXiv 2202.03532), whose tiles neither
//! overlap nor have derivatives across their borders.

mod config;
mod tiling;

pub use self::config::MosaicConfig;
pub use self::tiling::TileAxis;
pub(super) use self::tiling::{Tiling, Weight};

/// Returns where a tile has a tensor among the flat parameters of all `tiles`, given its range among those of one tile: each tensor is stacked over
/// the tiles.
pub(super) fn range_of_tile(
    range: &std::ops::Range<usize>,
    tile: usize,
    tiles: usize,
) -> std::ops::Range<usize> {
    let start = range.start * tiles + tile * range.len();
    start..start + range.len()
}
