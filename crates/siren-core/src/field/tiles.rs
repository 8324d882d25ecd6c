//! The tiles of a network, for programs that evaluate a mosaic by themselves.

use std::ops::Range;

use super::mosaic::{TileAxis, Tiling, range_of_tile};
use super::network::Network;

impl Network {
    /// Returns the tiles of a mosaic along each coordinate; `None` for a single network. Tiles are counted row-major, the first coordinate slowest.
    #[must_use]
    pub fn tile_axes(&self) -> Option<&[TileAxis]> {
        self.tiling().map(Tiling::axes)
    }

    /// Returns where a tile has, in the flat parameters `(P,)`, the tensor that has `range` in the [`plan`](Self::plan): each tensor is stacked
    /// over the tiles.
    ///
    /// ```
    /// # fn main() -> siren_core::Result<()> {
    /// use siren_core::field::{FieldShape, MosaicConfig, SirenConfig};
    ///
    /// let mosaic = MosaicConfig {
    ///     tile: vec![8],
    ///     sides: vec![16, 24],
    ///     extents: vec![1.0, 1.0],
    ///     ..MosaicConfig::default()
    /// };
    /// let config = SirenConfig { hidden_features: 4.into(), mosaic: Some(mosaic), ..SirenConfig::default() };
    /// let field = config.init_seeded(FieldShape::new(2, 1), 0)?;
    /// let network = field.network();
    /// assert_eq!(network.tiles(), 2 * 3);
    /// let weight = network.plan().layers[0].weight.clone();
    /// assert_eq!(weight, 0..8);
    /// assert_eq!(network.range_of_tile(&weight, 5), 40..48);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn range_of_tile(&self, range: &Range<usize>, tile: usize) -> Range<usize> {
        range_of_tile(range, tile, self.tiles())
    }
}
