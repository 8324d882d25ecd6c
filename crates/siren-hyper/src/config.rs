//! The `[signal]`, `[model]` and `[objective]` tables of a config.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use siren_core::config::Table;
use siren_core::{Error, Result};
use siren_picture::ColorMode;

/// Longest side of a picture after resizing: every pixel of a batch is evaluated in every step.
const MAX_SIDE: usize = 256;
/// Most pictures that are drawn or stepped on at once.
const MAX_PICTURES: usize = 1_000_000;
/// Widest layer.
const MAX_FEATURES: usize = 16_384;

/// `[signal]`: which pictures, how they are split, and what a step sees of them.
///
/// Every picture is cropped to the square in its middle and resized; values in [0, 1] become targets in [−1, 1].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HyperSignal {
    /// A folder of pictures, such as `CelebA`'s `img_align_celeba`, or of folders of pictures, one a person. Without one, the embedded
    /// pictures are drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// How many embedded pictures; of no effect beside `path`. Default: 2048.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pictures: Option<usize>,
    /// Pixels a side.
    pub size: usize,
    /// Color if any picture has it (`auto`), gray, or RGB.
    pub color: ColorMode,
    /// Which pictures are trained on.
    pub split: Split,
    /// Pictures of a step.
    pub batch: usize,
    /// Context pixels of a picture in a step: at least the first number, fewer than the second.
    pub context: [usize; 2],
    /// Pictures of each split that are scored, at most.
    pub evaluated_pictures: usize,
}

/// Which pictures are trained on, which choose the best parameters, and which are only scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Split {
    /// A text or CSV file of lines `name number` with 0 for training, 1 for validation and 2 for test: `CelebA`'s
    /// `list_eval_partition.txt`. A picture in a folder is named `folder/name`. Without a file, pictures are dealt out at random, always in
    /// the same way, and those of a folder stay together; folders named `train`, `val` and `test` are the parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Fraction for validation.
    pub validation: f64,
    /// Fraction for the test.
    pub test: f64,
    /// So many pictures in a row stay together: those of one person, say. In the order of their names numbers count by their value.
    pub together: usize,
}

impl Default for HyperSignal {
    fn default() -> Self {
        Self {
            path: None,
            pictures: None,
            size: 32,
            color: ColorMode::Auto,
            split: Split::default(),
            batch: 100,
            context: [10, 200],
            evaluated_pictures: 256,
        }
    }
}

impl Default for Split {
    fn default() -> Self {
        Self {
            file: None,
            validation: 0.1,
            test: 0.1,
            together: 1,
        }
    }
}

impl Table for HyperSignal {
    fn validate(&self) -> Result<()> {
        for (key, value, least, most) in [
            (
                "signal.pictures",
                self.pictures.unwrap_or(3),
                3,
                MAX_PICTURES,
            ),
            ("signal.size", self.size, 4, MAX_SIDE),
            ("signal.batch", self.batch, 1, 65_536),
            (
                "signal.evaluated_pictures",
                self.evaluated_pictures,
                1,
                MAX_PICTURES,
            ),
            (
                "signal.split.together",
                self.split.together,
                1,
                MAX_PICTURES,
            ),
        ] {
            within(key, value, least..=most)?;
        }
        let pixels = self.size * self.size;
        let [least, most] = self.context;
        if least == 0 || least >= most || most > pixels {
            let value = format!("{:?}", self.context);
            let expected = format!(
                "two numbers of pixels, the first at least 1 and below the second, the second at most the {pixels} that a picture of \
                 `signal.size = {}` has",
                self.size
            );
            return Err(Error::invalid("signal.context", value, &expected));
        }
        let Split {
            validation, test, ..
        } = self.split;
        for (key, fraction) in [
            ("signal.split.validation", validation),
            ("signal.split.test", test),
        ] {
            if !(fraction > 0.0 && fraction < 1.0 && validation + test < 1.0) {
                let expected =
                    "a fraction above 0 that, with the other, leaves something to train on";
                return Err(Error::invalid(key, fraction, expected));
            }
        }
        Ok(())
    }

    fn resolve_paths(&mut self, base: &Path) {
        for path in self.path.iter_mut().chain(&mut self.split.file) {
            *path = base.join(&path);
        }
    }
}

/// `[model]`: what turns context pixels into the parameters of a field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HyperModel {
    /// What makes a latent code of the context.
    pub encoder: Encoder,
    /// Width of its layers.
    pub encoder_features: usize,
    /// Hidden layers of the set encoder (default: 2), residual blocks of the convolutional ones (4).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoder_layers: Option<usize>,
    /// Of the set encoder.
    pub encoder_activation: EncoderActivation,
    /// Size of the latent code.
    pub latent_features: usize,
    /// What makes parameters of a latent code.
    pub hypernetwork: Hypernetwork,
    /// Width of the networks of `full` and `low_rank`.
    pub hyper_features: usize,
    /// Their layers between the first and the last.
    pub hyper_layers: usize,
    /// Rank of the matrices that `low_rank` adds to the shared weights.
    pub rank: usize,
    /// Steps that fit the latent code of a new picture where there is no encoder to give it.
    pub fit_steps: usize,
    /// Learning rate of these steps, taken down along a cosine.
    pub fit_learning_rate: f64,
    /// Pictures with a code of their own (`auto_decoder`). Default: the training pictures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codes: Option<usize>,
}

/// What makes a latent code of the context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoder {
    /// A network for every context pixel, whose outputs are averaged.
    #[default]
    Set,
    /// Convolutions over the picture with zeros for what is unseen.
    Conv,
    /// Convolutions that know what is unseen (Liu et al. 2018).
    PartialConv,
    /// None: the code of every training picture is a parameter, that of another is fitted.
    AutoDecoder,
}

/// Activation of the set encoder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EncoderActivation {
    /// sin 30 z.
    #[default]
    Sine,
    /// max(0, z).
    Relu,
}

/// What makes parameters of a latent code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hypernetwork {
    /// All of them: a network for every tensor of the field, as the authors'.
    #[default]
    Full,
    /// Shared ones, plus a matrix of low rank for every weight and a vector for every bias.
    LowRank,
    /// Shared ones, with shifts of the hidden biases, linear in the code (functa, COIN++).
    Shift,
}

impl Default for HyperModel {
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

impl HyperModel {
    /// Hidden layers or residual blocks of the encoder.
    #[must_use]
    pub fn layers(&self) -> usize {
        let default = if self.encoder == Encoder::Set { 2 } else { 4 };
        self.encoder_layers.unwrap_or(default)
    }
}

impl Table for HyperModel {
    fn validate(&self) -> Result<()> {
        for (key, value, least, most) in [
            (
                "model.encoder_features",
                self.encoder_features,
                2,
                MAX_FEATURES,
            ),
            ("model.encoder_layers", self.layers(), 0, 64),
            (
                "model.latent_features",
                self.latent_features,
                1,
                MAX_FEATURES,
            ),
            ("model.hyper_features", self.hyper_features, 1, MAX_FEATURES),
            ("model.hyper_layers", self.hyper_layers, 0, 64),
            ("model.rank", self.rank, 1, MAX_FEATURES),
            ("model.fit_steps", self.fit_steps, 1, 100_000),
            ("model.codes", self.codes.unwrap_or(1), 1, MAX_PICTURES),
        ] {
            within(key, value, least..=most)?;
        }
        let rate = self.fit_learning_rate;
        if !(rate > 0.0 && rate <= 1.0) {
            let expected = "above 0, at most 1";
            return Err(Error::invalid("model.fit_learning_rate", rate, expected));
        }
        Ok(())
    }
}

/// `[objective]`: the mean squared error of all pixels, plus the authors' two priors (§4.4).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HyperObjective {
    /// Weight of the mean square of the latent codes, the paper's λ₁.
    pub latent_prior: f64,
    /// Weight of the mean square of the parameters of the fields, the paper's λ₂.
    pub weight_prior: f64,
}

impl Default for HyperObjective {
    fn default() -> Self {
        Self {
            latent_prior: 1e-1,
            weight_prior: 1e2,
        }
    }
}

impl Table for HyperObjective {
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

fn within(key: &str, value: usize, range: std::ops::RangeInclusive<usize>) -> Result<()> {
    if range.contains(&value) {
        return Ok(());
    }
    let expected = format!("{} to {}", range.start(), range.end());
    Err(Error::invalid(key, value, &expected))
}
