//! A network laid out: which layers, which numbers of the flat parameter tensor, which pointwise functions.

use std::ops::Range;

use super::activation::Pointwise;
use super::config::{FieldShape, SirenConfig};
use super::encoding::{Encoding, Features, nyquist_frequencies};
use super::layout::Layout;

/// `h ↦ σ(W h + b)`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dense {
    pub(crate) fan_in: usize,
    pub(crate) fan_out: usize,
    pub(crate) weight: Range<usize>,
    pub(crate) bias: Range<usize>,
    /// Where the factor of ω₀ is, if it is learned.
    pub(crate) frequency: Option<usize>,
    pub(crate) pointwise: Pointwise,
}

/// Everything the operation needs to know of a network besides its parameters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) in_features: usize,
    pub(crate) out_features: usize,
    pub(crate) features: Features,
    pub(crate) layers: Vec<Dense>,
    pub(crate) layout: Layout,
}

impl Plan {
    /// `fourier_matrix` is `B` of the Gaussian Fourier encoding, row by row; empty for the others.
    pub(crate) fn new(config: &SirenConfig, shape: FieldShape, fourier_matrix: &[f64]) -> Self {
        let mut layout = Layout::default();
        let dims = shape.in_features;
        let features = match &config.encoding {
            Encoding::Identity => Features::Identity,
            Encoding::Nerf(nerf) => {
                let by_rule = match shape.samples_per_side {
                    _ if dims == 3 => 10,
                    Some(samples) => nyquist_frequencies(samples),
                    None => 4,
                };
                Features::nerf(dims, nerf.frequencies.unwrap_or(by_rule))
            }
            Encoding::Fourier(_) => Features::fourier(dims, fourier_matrix),
            Encoding::Rbf(rbf) => Features::Rbf {
                centers: rbf.centers,
                first_center: layout.push("rbf_layer.centres", &[rbf.centers, dims]).start,
                first_sigma: layout.push("rbf_layer.sigmas", &[rbf.centers]).start,
            },
        };
        let mut layers = Vec::new();
        let mut fan_in = features.count(dims);
        for index in 0..config.hidden_layers + 2 {
            let last = index == config.hidden_layers + 1;
            let fan_out = if last {
                shape.out_features
            } else {
                config.hidden_features
            };
            let mut tensor =
                |name: &str, shape: &[usize]| layout.push(format!("net.net.{index}.{name}"), shape);
            layers.push(Dense {
                fan_in,
                fan_out,
                weight: tensor("0.weight", &[fan_out, fan_in]),
                bias: tensor("0.bias", &[fan_out]),
                frequency: (config.learn_omega && !last).then(|| tensor("1.frequency", &[1]).start),
                pointwise: if last {
                    Pointwise::Linear
                } else {
                    config.activation.pointwise(config, index)
                },
            });
            fan_in = fan_out;
        }
        Self {
            in_features: dims,
            out_features: shape.out_features,
            features,
            layers,
            layout,
        }
    }

    /// Columns of the widest activation of the network, its encoding included.
    pub(crate) fn widest(&self) -> usize {
        let fans = self
            .layers
            .iter()
            .flat_map(|layer| [layer.fan_in, layer.fan_out]);
        fans.max().unwrap_or(self.in_features)
    }
}
