//! From a config to the structure of a network and the names of its parameters.

use siren_kernel::network::{Dense, Features, Plan};

use super::activation::Activation;
use super::config::{FieldShape, SirenConfig};
use super::encoding::{Encoding, nyquist_frequencies};
use super::layout::{Layout, Role};
use super::mosaic::MosaicConfig;

/// Returns the number of parameters of one network of a config, that of one tile of a mosaic.
pub(super) fn parameters_of_one(config: &SirenConfig, shape: FieldShape) -> usize {
    let matrix = match &config.encoding {
        Encoding::Fourier(fourier) => vec![0.0; fourier.features * shape.in_features],
        _ => Vec::new(),
    };
    lay_out(config, shape, &matrix).1.len()
}

/// Returns the plan of the layers for the kernel, and the layout of their parameters with the names of the authors' checkpoints.
pub(super) fn lay_out(
    config: &SirenConfig,
    shape: FieldShape,
    fourier_matrix: &[f64],
) -> (Plan, Layout) {
    let mut layout = Layout::default();
    let dims = shape.in_features;
    let features = match &config.encoding {
        Encoding::Identity => Features::Identity,
        Encoding::Nerf(nerf) => {
            let of_tile = config.mosaic.as_ref().map(MosaicConfig::smallest_side);
            let by_rule = match of_tile.or(shape.samples_per_side) {
                _ if dims == 3 => 10,
                Some(samples) => nyquist_frequencies(samples),
                None => 4,
            };
            Features::nerf(dims, nerf.frequencies.unwrap_or(by_rule))
        }
        Encoding::Fourier(_) => Features::fourier(dims, fourier_matrix),
        Encoding::Rbf(rbf) => {
            let mut tensor = |name: &str, shape: &[usize]| {
                layout.push(format!("rbf_layer.{name}"), shape, Role::Encoding)
            };
            Features::Rbf {
                centers: rbf.centers,
                first_center: tensor("centres", &[rbf.centers, dims]).start,
                first_sigma: tensor("sigmas", &[rbf.centers]).start,
            }
        }
    };
    let last = config.hidden_layers + 1;
    // `must_be_resolved` has refused `"auto"`.
    let width = config.hidden_features.given().unwrap_or_default();
    let mut layers = Vec::new();
    let mut fan_in = features.count(dims);
    for index in 0..=last {
        let (fan_out, pointwise) = if index == last {
            (shape.out_features, siren_kernel::Pointwise::Linear)
        } else {
            (width, pointwise(config, index))
        };
        let weight_role = if index == 0 || index == last {
            Role::OuterWeight
        } else {
            Role::HiddenWeight
        };
        let mut tensor = |name: &str, shape: &[usize], role| {
            layout.push(format!("net.net.{index}.{name}"), shape, role)
        };
        layers.push(Dense {
            fan_in,
            fan_out,
            weight: tensor("0.weight", &[fan_out, fan_in], weight_role),
            bias: tensor("0.bias", &[fan_out], Role::Bias),
            frequency: (config.learn_omega && index < last)
                .then(|| tensor("1.frequency", &[1], Role::Frequency).start),
            pointwise,
        });
        fan_in = fan_out;
    }
    let plan = Plan {
        in_features: dims,
        out_features: shape.out_features,
        features,
        layers,
        parameters: layout.len(),
    };
    (plan, layout)
}

/// Returns the pointwise function of hidden layer `index`.
fn pointwise(config: &SirenConfig, index: usize) -> siren_kernel::Pointwise {
    let activation: Activation = config.activation;
    if index == 0 {
        // `must_be_resolved` has refused `"auto"`.
        activation.first_pointwise(config.first_omega_0.given().unwrap_or(f64::NAN))
    } else {
        activation.hidden_pointwise(config.hidden_omega_0)
    }
}
