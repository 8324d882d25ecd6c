//! The `[field]` table of a config.

use serde::{Deserialize, Serialize};

use super::activation::Activation;
use super::encoding::{Encoding, positive_single};
use super::mosaic::MosaicConfig;
use super::omega::{AUTO, Omega, WeightNoise};
use super::plan::parameters_of_one;
use super::width::Width;
use crate::error::{Error, Result};

/// Architecture and initialization of the network, an MLP whose hidden layers share one activation.
///
/// The default is the paper's: four hidden layers of 256 features, sine, ω₀ = 30, and a linear output layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SirenConfig {
    /// Activation of every layer but the last, which is linear.
    pub activation: Activation,
    /// ω₀ of the first layer, in radians per unit of the coordinates. Higher values fit finer detail. `"auto"` computes it from the
    /// signal's spectrum. Used by the activations with an ω₀: `sine`, `finer`, `h_siren`, `wire`, `sinc`.
    pub first_omega_0: Omega,
    /// ω₀ of the other hidden layers.
    pub hidden_omega_0: f64,
    /// Learns a factor s of ω₀ in every hidden layer, `sin(s ω₀ z)`; s starts at 1. For `sine` and `sinc` only.
    pub learn_omega: bool,
    /// Width of the hidden layers. `"auto"` computes that of a mosaic's tiles from their parameters and the number of samples in a step.
    pub hidden_features: Width,
    /// Number of layers between the first and the last (the authors' `num_hidden_layers`). The network has `hidden_layers + 1` activations.
    pub hidden_layers: usize,
    /// Initialization of the weights.
    pub init: WeightInit,
    /// Factor of the initial weights of every layer but the last (Yeom et al. 2025). Above 1 the field starts with higher frequencies and
    /// larger gradients, and needs a lower learning rate.
    pub weight_scale: f64,
    /// Noise on the initial weights of the first two layers (SIREN²). For `sine`, `finer` and `h_siren` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight_noise: Option<WeightNoise>,
    /// Initialization of the biases.
    pub bias: BiasInit,
    /// Bound b of the initial biases of the first layer, which are then drawn from U(±b): its waves start at many phases. Meant for
    /// `finer`. Default: the rule of `bias`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_bias: Option<f64>,
    /// Start of the biases of the last layer. Default: `"drawn"`.
    #[serde(skip_serializing_if = "LastBias::is_drawn")]
    pub last_bias: LastBias,
    /// Encoding of the coordinates before the first layer.
    pub encoding: Encoding,
    /// Many networks on a grid of tiles instead of one. Default: one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mosaic: Option<MosaicConfig>,
}

/// Initialization of the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightInit {
    /// The rule of each activation's authors.
    #[default]
    Authors,
    /// Weights for which the variances of preactivations and of gradients stay the same from layer to layer, computed by quadrature for any
    /// activation (VI³NR, Koneputugodage et al. 2025).
    Vi3nr,
}

/// Initialization of the biases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BiasInit {
    /// U(±1/√`fan_in`) in every layer, PyTorch's default, which the authors keep.
    #[default]
    Authors,
    /// Zero, as the paper's theory assumes.
    Zero,
}

/// Start of the biases of the last layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LastBias {
    /// Drawn, as `bias` says.
    #[default]
    Drawn,
    /// The mean of the signal, in a mosaic that of each tile, over at most 256 random points a tile. For pictures, sounds and clips. A run that starts
    /// from a file keeps the biases of the file.
    Mean,
}

impl LastBias {
    /// Returns whether it is the default, which older run folders do not name.
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the signature that serde asks for"
    )]
    fn is_drawn(&self) -> bool {
        *self == Self::Drawn
    }
}

impl Default for SirenConfig {
    fn default() -> Self {
        Self {
            activation: Activation::Sine,
            first_omega_0: Omega::Given(30.0),
            hidden_omega_0: 30.0,
            learn_omega: false,
            hidden_features: Width::Given(256),
            hidden_layers: 3,
            init: WeightInit::Authors,
            weight_scale: 1.0,
            weight_noise: None,
            bias: BiasInit::Authors,
            first_bias: None,
            last_bias: LastBias::Drawn,
            encoding: Encoding::Identity,
            mosaic: None,
        }
    }
}

impl SirenConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] with the full key, such as `field.hidden_features`.
    pub fn validate(&self) -> Result<()> {
        self.validate_width()?;
        if self.hidden_layers > 256 {
            let key = "field.hidden_layers";
            return Err(Error::invalid(key, self.hidden_layers, "0 to 256"));
        }
        for (key, omega) in [
            (
                "field.first_omega_0",
                self.first_omega_0.given().unwrap_or(1.0),
            ),
            ("field.hidden_omega_0", self.hidden_omega_0),
            ("field.weight_scale", self.weight_scale),
            ("field.first_bias", self.first_bias.unwrap_or(1.0)),
        ] {
            positive_single(key, omega)?;
        }
        self.activation.validate()?;
        if self.learn_omega && !self.activation.depends_on_omega_z() {
            let expected = "false: only `sine` and `sinc` are functions of ω₀ z alone";
            return Err(Error::invalid("field.learn_omega", true, expected));
        }
        if let Some(noise) = self.weight_noise {
            self.validate_noise(noise)?;
        }
        if let Some(mosaic) = &self.mosaic {
            mosaic.validate()?;
            if self.learn_omega {
                let expected = "false: the tiles of a mosaic have no learned frequencies";
                return Err(Error::invalid("field.learn_omega", true, expected));
            }
        }
        self.encoding.validate()
    }

    /// Checks `hidden_features`.
    fn validate_width(&self) -> Result<()> {
        let expected = match self.hidden_features {
            Width::Given(width) if !(1..=16_384).contains(&width) => "1 to 16384",
            Width::Auto if self.mosaic.is_none() => {
                "a number without `field.mosaic`: the width is computed for tiles alone"
            }
            _ => return Ok(()),
        };
        let key = "field.hidden_features";
        Err(Error::invalid(key, self.hidden_features, expected))
    }

    /// Checks `weight_noise`.
    fn validate_noise(&self, noise: WeightNoise) -> Result<()> {
        if !self.activation.starts_as_sine() || self.init != WeightInit::Authors {
            let expected =
                "absent: it goes with `sine`, `finer` or `h_siren` and the authors' `init`";
            return Err(Error::invalid("field.weight_noise", "set", expected));
        }
        match noise {
            WeightNoise::Scales(scales)
                if !scales.iter().all(|s| *s >= 0.0 && (*s as f32).is_finite()) =>
            {
                let key = "field.weight_noise.scales";
                let expected = "two numbers of at least 0";
                Err(Error::invalid(key, format!("{scales:?}"), expected))
            }
            _ => Ok(()),
        }
    }

    /// Returns the key of a value that is still `"auto"`.
    #[must_use]
    pub fn asks_for_spectrum(&self) -> Option<&'static str> {
        if self.first_omega_0 == Omega::Auto {
            return Some("field.first_omega_0");
        }
        (self.weight_noise == Some(WeightNoise::Auto)).then_some("field.weight_noise")
    }

    /// Replaces every `"auto"` by numbers computed from the spectrum of a signal of `shape`: its amplitude-weighted `centroid` and its
    /// Nyquist frequency `nyquist`, both in radians per unit of the coordinates. `learning_rate` is the highest of the training.
    pub fn resolve(&mut self, centroid: f64, nyquist: f64, shape: FieldShape, learning_rate: f64) {
        let dims = shape.in_features;
        if self.first_omega_0 == Omega::Auto {
            let scale = self.mosaic.as_ref().map_or(1.0, MosaicConfig::mean_scale);
            self.first_omega_0 = Omega::of_spectrum(centroid / scale, dims, learning_rate);
        }
        if self.weight_noise == Some(WeightNoise::Auto) {
            let share = centroid / nyquist;
            self.weight_noise = Some(WeightNoise::of_spectrum(share, shape.out_features, dims));
        }
    }

    /// Computes the width of a mosaic's tiles and their sides for a signal of `shape`, if they are not given. `samples_per_step` is the number of samples
    /// in a step of the training; `None` for all samples of the grid.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if there is a mosaic, and it has no grid or does not fit it.
    pub fn lay_tiles(&mut self, shape: FieldShape, samples_per_step: Option<usize>) -> Result<()> {
        let Some(mut mosaic) = self.mosaic.clone() else {
            return Ok(());
        };
        mosaic.validate_for(shape.in_features)?;
        if self.hidden_features == Width::Auto {
            let parameters_of = |width: usize| {
                let of_width = Self {
                    hidden_features: Width::Given(width),
                    ..self.clone()
                };
                parameters_of_one(&of_width, shape)
            };
            self.hidden_features = mosaic.width(samples_per_step, parameters_of);
        }
        mosaic.resolve(parameters_of_one(self, shape))?;
        mosaic.validate()?;
        self.mosaic = Some(mosaic);
        Ok(())
    }

    /// Checks that no value is still `"auto"`.
    pub(super) fn must_be_resolved(&self) -> Result<()> {
        if let Some(mosaic) = &self.mosaic
            && mosaic.asks_for_tiles()
        {
            let expected = "given before a network is made: `SirenConfig::lay_tiles` computes it";
            return Err(Error::invalid("field.mosaic.tile", "unknown", expected));
        }
        if self.hidden_features == Width::Auto {
            let expected = "a number before a network is made: `SirenConfig::lay_tiles` computes it for the tiles of a mosaic";
            return Err(Error::invalid("field.hidden_features", AUTO, expected));
        }
        let Some(key) = self.asks_for_spectrum() else {
            return Ok(());
        };
        let expected =
            "a number before a network is made: `SirenConfig::resolve` computes it from a spectrum";
        Err(Error::invalid(key, AUTO, expected))
    }
}

/// Sizes of a field that the signal determines, apart from the `[field]` table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldShape {
    /// Number of coordinates per point, `d`.
    pub in_features: usize,
    /// Number of channels per point, `c`.
    pub out_features: usize,
    /// Number of samples along the signal's shorter side, for the Nyquist rule of the positional encoding; `None` if the signal is not
    /// sampled on a grid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples_per_side: Option<usize>,
}

impl FieldShape {
    /// Makes the shape of a field of `in_features` coordinates and `out_features` channels, for a signal that is not sampled on a grid.
    #[must_use]
    pub const fn new(in_features: usize, out_features: usize) -> Self {
        Self {
            in_features,
            out_features,
            samples_per_side: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use rand::SeedableRng;

    use super::*;
    use crate::field::{FourierEncoding, RbfEncoding};

    #[test]
    fn a_network_of_too_many_parameters_is_refused_before_parameters_are_drawn() {
        let config = SirenConfig {
            hidden_features: 16_384.into(),
            hidden_layers: 256,
            ..SirenConfig::default()
        };
        let shape = FieldShape {
            in_features: 2,
            out_features: 3,
            samples_per_side: None,
        };
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
        let drawn = config.init(shape, &mut rng, DType::F32, &Device::Cpu);
        let message = drawn.err().unwrap().to_string();
        assert!(
            message.starts_with("`field.hidden_features` is 16384"),
            "{message}"
        );
    }

    #[test]
    fn numbers_out_of_the_range_of_single_precision_are_refused() {
        for value in [1e39, 1e-50, f64::NAN, -1.0, 0.0] {
            let configs = [
                SirenConfig {
                    first_omega_0: value.into(),
                    ..SirenConfig::default()
                },
                SirenConfig {
                    hidden_omega_0: value,
                    ..SirenConfig::default()
                },
                SirenConfig {
                    encoding: Encoding::Fourier(FourierEncoding {
                        scale: value,
                        ..FourierEncoding::default()
                    }),
                    ..SirenConfig::default()
                },
                SirenConfig {
                    encoding: Encoding::Rbf(RbfEncoding {
                        sigma: value,
                        ..RbfEncoding::default()
                    }),
                    ..SirenConfig::default()
                },
            ];
            for config in configs {
                assert!(config.validate().is_err(), "{config:?}");
            }
        }
    }

    #[test]
    fn resolving_replaces_auto_and_keeps_given_values() {
        let shape = FieldShape {
            in_features: 2,
            out_features: 3,
            samples_per_side: None,
        };
        let given = SirenConfig::default();
        let mut config = given.clone();
        config.resolve(100.0, 400.0, shape, 1e-3);
        assert_eq!(config, given);
        config.first_omega_0 = Omega::Auto;
        config.weight_noise = Some(WeightNoise::Auto);
        assert!(config.must_be_resolved().is_err());
        config.resolve(100.0, 400.0, shape, 1e-3);
        assert!(config.must_be_resolved().is_ok());
        assert_eq!(config.first_omega_0, Omega::Given(100.0));
        let [first, second] = config.weight_noise.unwrap().given().unwrap();
        let r: f64 = 0.25 / 3.0;
        assert!((first - 50.0 * (1.0 - (-5.0 * r).exp())).abs() < 1e-12);
        assert!((second - 0.4 * r).abs() < 1e-12);
    }
}
