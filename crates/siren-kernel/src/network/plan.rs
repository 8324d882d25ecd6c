//! A network as the kernel sees it: layers, ranges of the flat parameters, pointwise functions.

use std::ops::Range;

use super::encoding::Features;
use crate::function::Pointwise;

/// A fully connected layer `h ↦ σ(W h + b)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// Columns of `W`.
    pub fan_in: usize,
    /// Rows of `W`.
    pub fan_out: usize,
    /// Range of `W` `(fan_out, fan_in)`, row-major, in the flat parameters.
    pub weight: Range<usize>,
    /// Range of `b` `(fan_out,)` in the flat parameters.
    pub bias: Range<usize>,
    /// Index of the factor of ω₀ in the flat parameters, if it is learned. The kernel ignores it: it is given parameters in which the
    /// factor has been multiplied into `W` and `b`.
    pub frequency: Option<usize>,
    /// σ.
    pub pointwise: Pointwise,
}

/// A network without its parameters: an encoding of the coordinates, then layers.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Coordinates per point, `d`.
    pub in_features: usize,
    /// Channels per point, `c`.
    pub out_features: usize,
    /// Encoding of the coordinates.
    pub features: Features,
    /// Layers from the input to the output.
    pub layers: Vec<Dense>,
    /// Number of parameters, `P`.
    pub parameters: usize,
}

impl Plan {
    /// Returns the columns of the widest activation of the network, its encoding included.
    #[must_use]
    pub fn widest(&self) -> usize {
        let fans = self
            .layers
            .iter()
            .flat_map(|layer| [layer.fan_in, layer.fan_out]);
        fans.max().unwrap_or(self.in_features)
    }
}
