//! A field as a list of layers with constants: what every format is printed from.

use candle_core::DType;
use siren_core::field::{Features, Pointwise, Siren};
use siren_core::{Error, Result};

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
    /// `W (fan_out, fan_in)`, row-major.
    pub(crate) weight: Vec<f64>,
    /// `b (fan_out,)`.
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
}

impl Program {
    /// Returns the layers of a field. Learned factors of ω₀ are multiplied into weights and biases.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for a mosaic; if the device is out of memory.
    pub(crate) fn new(field: &Siren) -> Result<Self> {
        if field.network().config().mosaic.is_some() {
            let expected = "absent for this format, which holds one network; a mosaic is exported to `.safetensors`, and `render` draws it";
            return Err(Error::invalid("field.mosaic", "set", expected));
        }
        let params = field.parameters().flat()?.to_dtype(DType::F64)?;
        let params = params.to_vec1::<f64>()?;
        let plan = field.network().plan();
        let mut layers: Vec<Layer> = Vec::new();
        layers.extend(encoding(&plan.features, plan.in_features, &params));
        for dense in &plan.layers {
            let factor = dense.frequency.map_or(1.0, |index| params[index]);
            let scaled = |range: &std::ops::Range<usize>| {
                let values = params[range.clone()].iter();
                values.map(|value| factor * value).collect()
            };
            layers.push(Layer {
                fan_in: dense.fan_in,
                fan_out: dense.fan_out,
                combination: Combination::Affine,
                weight: scaled(&dense.weight),
                bias: scaled(&dense.bias),
                passed: 0,
                function: dense.pointwise,
            });
        }
        Ok(Self {
            inputs: plan.in_features,
            outputs: plan.out_features,
            layers,
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
fn encoding(features: &Features, dims: usize, params: &[f64]) -> Option<Layer> {
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
            weight: params[first_center..first_center + centers * dims].to_vec(),
            bias: params[first_sigma..first_sigma + centers].to_vec(),
            passed: 0,
            function: Pointwise::Gaussian { scale: 1.0 },
        }),
    }
}
