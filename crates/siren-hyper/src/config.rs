//! The `[signal]`, `[model]` and `[objective]` tables of a config, with their defaults and checks.

use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use siren_core::config::Table;
use siren_core::{Error, Result};
use siren_picture::ColorMode;

/// Pixels per side of the pictures of a set. The upper limit exists because every step evaluates every pixel of its pictures.
pub(crate) const SIDES: RangeInclusive<usize> = 4..=256;
/// Smallest number of pictures of a set: one for each part of the split.
const MIN_PICTURES: usize = 3;
/// Largest number of pictures of a set.
const MAX_PICTURES: usize = 1_000_000;
/// Largest number of pictures of a batch.
const MAX_BATCH: usize = 65_536;
/// Largest width of a layer.
const MAX_FEATURES: usize = 16_384;
/// Largest number of layers of an encoder or a hypernetwork.
const MAX_LAYERS: usize = 64;
/// Largest number of steps that fit a latent code.
const MAX_FIT_STEPS: usize = 100_000;

/// The pictures, their split into training, validation and test, and what a step uses of them.
///
/// Every picture is cropped to the square at its center and resized. Values in [0, 1] become targets in [−1, 1].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HyperSignalConfig {
    /// The folder of pictures, such as `CelebA`'s `img_align_celeba`, or a folder with one folder of pictures per person. Default: the embedded
    /// faces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Number of embedded faces; ignored if `path` is set. Default: 2048.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pictures: Option<usize>,
    /// Pixels per side to which the pictures are resized.
    pub size: usize,
    /// Number of channels: RGB if any picture is in color (`auto`), gray, or RGB.
    pub color: ColorMode,
    /// How the pictures are split.
    pub split: SplitConfig,
    /// Number of pictures per step.
    pub batch: usize,
    /// Number of context pixels (pixels that the encoder observes) of a picture in a step: at least the first number, fewer than the second.
    pub context: [usize; 2],
    /// Largest number of pictures of a split that are evaluated.
    pub evaluated_pictures: usize,
}

/// Which pictures are trained on, which choose the best checkpoint (validation), and which are only evaluated (test).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SplitConfig {
    /// A text or CSV file of lines `name number` with 0 for training, 1 for validation and 2 for test, such as `CelebA`'s
    /// `list_eval_partition.txt`. A picture in a folder has the name `folder/name`. Default: a random split, the same in every run, which keeps
    /// the pictures of a folder together; folders named `train`, `val` and `test` are the parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Fraction of the pictures for validation.
    pub validation: f64,
    /// Fraction of the pictures for the test.
    pub test: f64,
    /// Size of groups of consecutive pictures, in natural order of their names (2 before 10), that stay in one part, such as the ten pictures
    /// of one person.
    pub together: usize,
}

impl Default for HyperSignalConfig {
    fn default() -> Self {
        Self {
            path: None,
            pictures: None,
            size: 32,
            color: ColorMode::Auto,
            split: SplitConfig::default(),
            batch: 100,
            context: [10, 200],
            evaluated_pictures: 256,
        }
    }
}

impl Default for SplitConfig {
    fn default() -> Self {
        Self {
            file: None,
            validation: 0.1,
            test: 0.1,
            together: 1,
        }
    }
}

impl Table for HyperSignalConfig {
    fn validate(&self) -> Result<()> {
        let pictures = self.pictures.unwrap_or(MIN_PICTURES);
        let evaluated = self.evaluated_pictures;
        check_range("signal.pictures", pictures, MIN_PICTURES..=MAX_PICTURES)?;
        check_range("signal.size", self.size, SIDES)?;
        check_range("signal.batch", self.batch, 1..=MAX_BATCH)?;
        check_range("signal.evaluated_pictures", evaluated, 1..=MAX_PICTURES)?;
        self.check_context(self.size)?;
        self.split.check()
    }

    fn resolve_paths(&mut self, base: &Path) {
        for path in self.path.iter_mut().chain(&mut self.split.file) {
            *path = base.join(&path);
        }
    }
}

impl HyperSignalConfig {
    /// Checks `context` for pictures with `side × side` pixels.
    pub(crate) fn check_context(&self, side: usize) -> Result<()> {
        let pixels = side * side;
        let [least, end] = self.context;
        if least >= 1 && least < end && end <= pixels {
            return Ok(());
        }
        let expected = format!(
            "two numbers of pixels, the first at least 1 and below the second, the second at most the {pixels} that a picture of \
             {side} × {side} pixels has"
        );
        let value = format!("{:?}", self.context);
        Err(Error::invalid("signal.context", value, &expected))
    }

    /// Returns the range of the number of context pixels of a picture.
    pub(crate) fn context_sizes(&self) -> Range<usize> {
        self.context[0]..self.context[1]
    }
}

impl SplitConfig {
    /// Checks that groups have a picture, both fractions are positive, and their sum is below 1.
    pub(crate) fn check(&self) -> Result<()> {
        check_range("signal.split.together", self.together, 1..=MAX_PICTURES)?;
        for (key, fraction) in [
            ("signal.split.validation", self.validation),
            ("signal.split.test", self.test),
        ] {
            if !(fraction > 0.0 && fraction < 1.0 && self.validation + self.test < 1.0) {
                let expected =
                    "a fraction above 0 that, with the other, leaves something to train on";
                return Err(Error::invalid(key, fraction, expected));
            }
        }
        Ok(())
    }
}

/// The encoder, which maps context pixels to a latent code, and the hypernetwork, which maps the code to the parameters of a field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HyperModelConfig {
    /// Encoder from context pixels to a latent code.
    pub encoder: Encoder,
    /// Width of the encoder's layers.
    pub encoder_features: usize,
    /// Number of hidden layers of the set encoder (default: 2), or of residual blocks of a convolutional encoder (default: 4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder_layers: Option<usize>,
    /// Activation of the set encoder.
    pub encoder_activation: EncoderActivation,
    /// Size of the latent code.
    pub latent_features: usize,
    /// Hypernetwork from a latent code to the parameters of a field.
    pub hypernetwork: Hypernetwork,
    /// Width of the hypernetwork's layers, for `full` and `low_rank`.
    pub hyper_features: usize,
    /// Number of the hypernetwork's layers between the first and the last, for `full` and `low_rank`.
    pub hyper_layers: usize,
    /// Rank of the matrices that are added to the shared weights, for `low_rank`.
    pub rank: usize,
    /// Number of steps that fit the latent code of a new picture, for `auto_decoder`.
    pub fit_steps: usize,
    /// Learning rate of these steps; it falls along a cosine.
    pub fit_learning_rate: f64,
    /// Number of latent codes that are parameters, for `auto_decoder`. Default: the number of training pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codes: Option<usize>,
}

/// Encoder from context pixels to a latent code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoder {
    /// Set encoder: one network is applied to every context pixel, and its outputs are averaged.
    #[default]
    Set,
    /// Convolutional encoder over the picture, with zeros for pixels outside the context.
    Conv,
    /// Partial convolutions, which take the mask of the context into account (Liu et al. 2018).
    PartialConv,
    /// No encoder: the code of every training picture is a parameter, and the code of a new picture is fitted.
    AutoDecoder,
}

/// Activation of the set encoder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EncoderActivation {
    /// `sin(30 z)`.
    #[default]
    Sine,
    /// `max(0, z)`.
    Relu,
}

/// Hypernetwork from a latent code to the parameters of a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hypernetwork {
    /// All parameters: one network for every tensor of the field, as in the authors' code.
    #[default]
    Full,
    /// Parameters that all pictures share, plus a low-rank matrix for every weight and a vector for every bias.
    LowRank,
    /// Parameters that all pictures share, with shifts of the hidden biases that are linear in the code (functa, COIN++).
    Shift,
}

impl Default for HyperModelConfig {
    fn default() -> Self {
        Self {
            encoder: Encoder::default(),
            encoder_features: 256,
            encoder_layers: None,
            encoder_activation: EncoderActivation::default(),
            latent_features: 256,
            hypernetwork: Hypernetwork::default(),
            hyper_features: 256,
            hyper_layers: 1,
            rank: 8,
            fit_steps: 200,
            fit_learning_rate: 1e-2,
            codes: None,
        }
    }
}

impl HyperModelConfig {
    /// Returns the number of hidden layers or residual blocks of the encoder.
    #[must_use]
    pub fn layers(&self) -> usize {
        let default = if self.encoder == Encoder::Set { 2 } else { 4 };
        self.encoder_layers.unwrap_or(default)
    }
}

impl Table for HyperModelConfig {
    fn validate(&self) -> Result<()> {
        let codes = self.codes.unwrap_or(1);
        check_range(
            "model.encoder_features",
            self.encoder_features,
            2..=MAX_FEATURES,
        )?;
        check_range("model.encoder_layers", self.layers(), 0..=MAX_LAYERS)?;
        check_range(
            "model.latent_features",
            self.latent_features,
            1..=MAX_FEATURES,
        )?;
        check_range(
            "model.hyper_features",
            self.hyper_features,
            1..=MAX_FEATURES,
        )?;
        check_range("model.hyper_layers", self.hyper_layers, 0..=MAX_LAYERS)?;
        check_range("model.rank", self.rank, 1..=MAX_FEATURES)?;
        check_range("model.fit_steps", self.fit_steps, 1..=MAX_FIT_STEPS)?;
        check_range("model.codes", codes, 1..=MAX_PICTURES)?;
        let rate = self.fit_learning_rate;
        if !(rate > 0.0 && rate <= 1.0) {
            let expected = "above 0, at most 1";
            return Err(Error::invalid("model.fit_learning_rate", rate, expected));
        }
        Ok(())
    }
}

/// The mean squared error of all pixels, plus the authors' two priors (§4.4 of the paper).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HyperObjectiveConfig {
    /// Weight of the mean square of the latent codes (λ₁ of the paper).
    pub latent_prior: f64,
    /// Weight of the mean square of the parameters of the fields (λ₂ of the paper).
    pub weight_prior: f64,
}

impl Default for HyperObjectiveConfig {
    fn default() -> Self {
        Self {
            latent_prior: 1e-1,
            weight_prior: 1e2,
        }
    }
}

impl Table for HyperObjectiveConfig {
    fn validate(&self) -> Result<()> {
        for (key, weight) in [
            ("objective.latent_prior", self.latent_prior),
            ("objective.weight_prior", self.weight_prior),
        ] {
            if !(weight.is_finite() && weight >= 0.0) {
                return Err(Error::invalid(key, weight, "a weight of at least 0"));
            }
        }
        Ok(())
    }
}

fn check_range(key: &str, value: usize, range: RangeInclusive<usize>) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    let expected = format!("{} to {}", range.start(), range.end());
    Err(Error::invalid(key, value, &expected))
}
