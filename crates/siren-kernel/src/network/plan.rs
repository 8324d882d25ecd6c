//! The structure of a network: an encoding and layers, with the ranges of their parameters.

use std::ops::Range;

use super::encoding::Features;
use crate::function::Pointwise;

/// A fully connected layer `h ↦ σ(W h + b)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Dense {
    /// Number of inputs, the columns of `W`.
    pub fan_in: usize,
    /// Number of outputs, the rows of `W`.
    pub fan_out: usize,
    /// Range of `W (fan_out, fan_in)`, row-major, in the flat parameters.
    pub weight: Range<usize>,
    /// Range of `b (fan_out,)` in the flat parameters.
    pub bias: Range<usize>,
    /// Index of the factor of ω₀ in the flat parameters, if it is learned. The kernel ignores it: the caller must multiply the factor into
    /// `W` and `b`.
    pub frequency: Option<usize>,
    /// The activation σ.
    pub pointwise: Pointwise,
}

/// Structure of a multilayer perceptron, without its parameters: an encoding of the coordinates, then layers.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Number of coordinates per point, `d`.
    pub in_features: usize,
    /// Number of output channels per point, `c`.
    pub out_features: usize,
    /// Encoding of the coordinates.
    pub features: Features,
    /// Layers from the input to the output.
    pub layers: Vec<Dense>,
    /// Number of parameters, `P`.
    pub parameters: usize,
}

impl Plan {
    /// Makes a perceptron of `in_features` coordinates, without an encoding, whose layers have `widths` outputs: `hidden` is the activation of all
    /// but the last layer, which has none. The parameters are `W` and `b` of one layer after the other.
    ///
    /// # Panics
    /// If there are no widths.
    #[must_use]
    pub fn dense(in_features: usize, widths: &[usize], hidden: Pointwise) -> Self {
        let (&out_features, _) = widths.split_last().expect("a perceptron has layers");
        let mut parameters = 0;
        let mut fan_in = in_features;
        let layer = |(index, &fan_out): (usize, &usize)| {
            let weight = parameters..parameters + fan_in * fan_out;
            let bias = weight.end..weight.end + fan_out;
            let is_last = index + 1 == widths.len();
            parameters = bias.end;
            Dense {
                fan_in: std::mem::replace(&mut fan_in, fan_out),
                fan_out,
                weight,
                bias,
                frequency: None,
                pointwise: if is_last { Pointwise::Linear } else { hidden },
            }
        };
        let layers = widths.iter().enumerate().map(layer).collect();
        Self {
            in_features,
            out_features,
            features: Features::Identity,
            layers,
            parameters,
        }
    }

    /// Returns the largest number of columns of an activation, the encoding included.
    #[must_use]
    pub fn widest(&self) -> usize {
        let fans = self
            .layers
            .iter()
            .flat_map(|layer| [layer.fan_in, layer.fan_out]);
        fans.max().unwrap_or(self.in_features)
    }
}
