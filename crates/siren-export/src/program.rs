//! A field as a list of layers with constants: what every format is printed from.

use std::ops::Range;

use candle_core::DType;
use siren_core::Result;
use siren_core::field::{Features, Network, Pointwise, Siren, TileAxis};

/// How a layer combines its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Combination {
    /// `zⱼ = Σᵢ Wⱼᵢ hᵢ + bⱼ`.
    Affine,
    /// `zⱼ = bⱼ Σᵢ (hᵢ − Wⱼᵢ)²`: radial basis functions with centers `W` and widths `b`.
    SquaredDistance,
}

/// A layer `h ↦ σ(z)` with its constants.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) fan_in: usize,
    pub(crate) fan_out: usize,
    pub(crate) combination: Combination,
    /// Number of tiles that have constants of their own; 1 for a single network, and for an encoding that all tiles share.
    pub(crate) tiles: usize,
    /// `W (tiles, fan_out, fan_in)`, row-major.
    pub(crate) weight: Vec<f64>,
    /// `b (tiles, fan_out)`.
    pub(crate) bias: Vec<f64>,
    /// Number of outputs, from the first one, to which σ is not applied: coordinates that an encoding passes on.
    pub(crate) passed: usize,
    /// σ.
    pub(crate) function: Pointwise,
}

/// A field `ℝᵈ → ℝᶜ` as layers, the encoding of the coordinates included.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) layers: Vec<Layer>,
    /// The tiles of a mosaic along each coordinate; `None` for a single network.
    pub(crate) tiles: Option<Vec<TileAxis>>,
}

/// The parameters of a field in the sequence of its network.
struct Parameters<'a> {
    network: &'a Network,
    flat: Vec<f64>,
}

impl Parameters<'_> {
    /// Returns the tensor that has `range` in the plan, stacked over the tiles.
    fn stacked(&self, range: &Range<usize>) -> Vec<f64> {
        let tiles = 0..self.network.tiles();
        let of_tile = |tile| &self.flat[self.network.range_of_tile(range, tile)];
        tiles.flat_map(of_tile).copied().collect()
    }

    /// Returns a tensor of a layer times its factor of ω₀. The tiles of a mosaic have none.
    fn scaled(&self, range: &Range<usize>, frequency: Option<usize>) -> Vec<f64> {
        let factor = frequency.map_or(1.0, |index| self.flat[index]);
        let values = self.stacked(range).into_iter();
        values.map(|value| factor * value).collect()
    }
}

impl Program {
    /// Returns the layers of a field. Learned factors of ω₀ are multiplied into weights and biases.
    ///
    /// # Errors
    /// If the device is out of memory.
    pub(crate) fn new(field: &Siren) -> Result<Self> {
        let network = field.network();
        let flat = field.parameters().flat()?.to_dtype(DType::F64)?;
        let params = Parameters {
            network,
            flat: flat.to_vec1()?,
        };
        let plan = network.plan();
        let mut layers: Vec<Layer> = Vec::new();
        layers.extend(encoding(&plan.features, plan.in_features, &params));
        let dense = plan.layers.iter().map(|dense| Layer {
            fan_in: dense.fan_in,
            fan_out: dense.fan_out,
            combination: Combination::Affine,
            tiles: network.tiles(),
            weight: params.scaled(&dense.weight, dense.frequency),
            bias: params.scaled(&dense.bias, dense.frequency),
            passed: 0,
            function: dense.pointwise,
        });
        layers.extend(dense);
        Ok(Self {
            inputs: plan.in_features,
            outputs: plan.out_features,
            layers,
            tiles: network.tile_axes().map(<[TileAxis]>::to_vec),
        })
    }

    /// Returns the number of constants.
    pub(crate) fn constants(&self) -> usize {
        let sizes = self.layers.iter();
        sizes
            .map(|layer| layer.weight.len() + layer.bias.len())
            .sum()
    }

    /// Returns the largest number of values between two layers, coordinates included.
    pub(crate) fn widest(&self) -> usize {
        let widths = self.layers.iter().map(|layer| layer.fan_out);
        widths.fold(self.inputs, usize::max)
    }
}

/// Returns the encoding of `dims` coordinates as a layer; `None` if the coordinates are the inputs.
fn encoding(features: &Features, dims: usize, params: &Parameters<'_>) -> Option<Layer> {
    let fan_out = features.count(dims);
    match features {
        Features::Identity => None,
        Features::Sinusoids {
            include_input,
            waves,
        } => {
            let passed = if *include_input { dims } else { 0 };
            let mut weight = vec![0.0; passed * dims];
            let mut bias = vec![0.0; passed];
            for axis in 0..passed {
                weight[axis * dims + axis] = 1.0;
            }
            for feature in waves.features() {
                weight.extend(feature.angular_frequency);
                // cos u = sin(u + π/2).
                let quarter = std::f64::consts::FRAC_PI_2;
                bias.push(if feature.is_cosine { quarter } else { 0.0 });
            }
            Some(Layer {
                fan_in: dims,
                fan_out,
                combination: Combination::Affine,
                tiles: 1,
                weight,
                bias,
                passed,
                function: Pointwise::Sine { omega: 1.0 },
            })
        }
        &Features::Rbf {
            centers,
            first_center,
            first_sigma,
        } => Some(Layer {
            fan_in: dims,
            fan_out,
            combination: Combination::SquaredDistance,
            tiles: params.network.tiles(),
            weight: params.stacked(&(first_center..first_center + centers * dims)),
            bias: params.stacked(&(first_sigma..first_sigma + centers)),
            passed: 0,
            function: Pointwise::Gaussian { scale: 1.0 },
        }),
    }
}
