//! Optimizers: an [`OptimizerConfig`] becomes an [`Optimizer`], which owns its state and takes one step at a time.
//!
//! What all optimizers share is written once: [`Evaluation`] measures and clips the gradient, [`Group`] names the parameters that one of
//! them updates, `elementwise` applies a rule to every element in place and keeps the state finite, `quasi_newton` searches along directions.

mod adam;
mod elementwise;
mod evaluation;
mod gauss_newton;
mod group;
mod muon;
mod problem;
mod quasi_newton;
mod sharded;

use candle_core::{Device, Tensor};
use serde::de::MapAccess;
use serde::{Deserialize, Deserializer, Serialize};

use self::adam::{Adam, Decay};
use self::gauss_newton::GaussNewton;
use self::muon::Muon;
use self::name::OptimizerName;
use self::quasi_newton::{LimitedMemory, QuasiNewton, SelfScaledBroyden};
use crate::config::variant::{self, Variant};
use crate::error::{Error, Result};
use crate::field::Parameters;
use crate::ranks::Ranks;

pub use self::adam::AdamConfig;
pub use self::evaluation::Evaluation;
pub use self::gauss_newton::GaussNewtonConfig;
pub use self::group::Group;
pub use self::muon::{MuonConfig, OthersConfig};
pub use self::problem::{Linearization, Problem};
pub use self::quasi_newton::{LbfgsConfig, SsBroydenConfig};

/// Changes parameters so that a loss decreases; owns its state.
pub trait Optimizer: Send + Sync {
    /// Takes one step with the given learning rate. `problem` computes loss and gradient at the current values of `parameters`; a method
    /// with a line search changes them and asks again. Returns the last evaluation.
    ///
    /// # Errors
    /// [`Error::Diverged`] if gradient, state or parameters would not be finite, and the errors of `problem`. Parameters and state are
    /// then what they were before.
    fn step(
        &mut self,
        parameters: &Parameters,
        problem: &mut dyn Problem,
        learning_rate: f64,
    ) -> Result<Evaluation>;

    /// Returns a copy of the state: everything that a checkpoint must hold besides the parameters.
    ///
    /// # Errors
    /// If the device is out of memory.
    fn state(&self) -> Result<OptimizerState>;

    /// Replaces the state by a copy of `state`.
    ///
    /// # Errors
    /// [`Error::Missing`] or [`Error::Shape`] if a tensor is missing or has another shape; the state is then unchanged.
    fn restore(&mut self, state: &OptimizerState) -> Result<()>;

    /// Divides the work of later steps among ranks that all have the same parameters, gradients and state, if that is worth it.
    fn among(&mut self, _ranks: &Ranks) {}

    /// Returns whether steps leave parameters in [`FlatGradient::resting`](crate::field::FlatGradient::resting), and the state of them, as they are.
    fn lets_tiles_rest(&self) -> bool {
        false
    }

    /// Returns the same optimizer, before its first step, with the state of this rank's slice of the parameters alone, if its rule allows that.
    ///
    /// # Errors
    /// If the device is out of memory.
    fn sharded(
        &self,
        _parameters: &Parameters,
        _ranks: &Ranks,
    ) -> Result<Option<Box<dyn Optimizer>>> {
        Ok(None)
    }
}

/// State of an [`Optimizer`].
#[derive(Clone, Debug, Default)]
pub struct OptimizerState {
    /// Steps taken.
    pub step: u64,
    /// Tensors by name, such as `first_moment`.
    pub tensors: Vec<(String, Tensor)>,
}

impl OptimizerState {
    /// Returns a copy of a tensor of the given shape on a device.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is none of that name; [`Error::Shape`] if it has another shape.
    pub fn tensor(&self, name: &str, shape: &[usize], device: &Device) -> Result<Tensor> {
        let Some((_, tensor)) = self.tensors.iter().find(|(own, _)| own == name) else {
            let names = self.tensors.iter().map(|(own, _)| own.as_str());
            return Err(Error::missing("tensor of the optimizer state", name, names));
        };
        if tensor.dims() != shape {
            return Err(Error::Shape {
                what: "optimizer state",
                expected: format!("`{name}` of shape {shape:?}"),
                got: format!("{:?}", tensor.dims()),
            });
        }
        Ok(tensor.to_device(device)?.copy()?)
    }
}

/// Optimizer and its settings: a name such as `"adam"`, or a table such as `{ adamw = { weight_decay = 0.01 } }`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerConfig {
    /// Adam (Kingma & Ba 2015). Weight decay is added to the gradient.
    Adam(AdamConfig),
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019).
    AdamW(AdamConfig),
    /// Muon for the hidden weight matrices, Adam for all other parameters.
    Muon(MuonConfig),
    /// Gauss–Newton in the space of the sample, for losses that are sums of squares and networks up to some 10⁴ parameters.
    #[serde(rename = "gauss_newton")]
    GaussNewton(GaussNewtonConfig),
    /// L-BFGS (Liu & Nocedal 1989) with a line search: for samples that do not change from step to step.
    Lbfgs(LbfgsConfig),
    /// Self-scaled Broyden (Urbán, Stefanou & Pons 2025) with a line search: for small networks in double precision, and samples that do not
    /// change from step to step.
    SsBroyden(SsBroydenConfig),
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self::Adam(AdamConfig::default())
    }
}

/// Names in configs.
mod name {
    use serde::Deserialize;

    /// The names that `train.optimizer` may hold.
    #[derive(Clone, Copy, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub enum OptimizerName {
        Adam,
        AdamW,
        Muon,
        #[serde(rename = "gauss_newton")]
        GaussNewton,
        Lbfgs,
        SsBroyden,
    }
}

impl<'de> Variant<'de> for OptimizerConfig {
    type Name = OptimizerName;
    const EXPECTED: &'static str = "the name of an optimizer, such as \"adam\", or a table such as { muon = { learning_rate = 2e-3 } }";

    fn with_defaults(name: OptimizerName) -> Self {
        match name {
            OptimizerName::Adam => Self::Adam(AdamConfig::default()),
            OptimizerName::AdamW => Self::AdamW(AdamConfig::default()),
            OptimizerName::Muon => Self::Muon(MuonConfig::default()),
            OptimizerName::GaussNewton => Self::GaussNewton(GaussNewtonConfig::default()),
            OptimizerName::Lbfgs => Self::Lbfgs(LbfgsConfig::default()),
            OptimizerName::SsBroyden => Self::SsBroyden(SsBroydenConfig::default()),
        }
    }

    fn with_settings<A: MapAccess<'de>>(
        name: OptimizerName,
        settings: &mut A,
    ) -> Result<Option<Self>, A::Error> {
        Ok(Some(match name {
            OptimizerName::Adam => Self::Adam(settings.next_value()?),
            OptimizerName::AdamW => Self::AdamW(settings.next_value()?),
            OptimizerName::Muon => Self::Muon(settings.next_value()?),
            OptimizerName::GaussNewton => Self::GaussNewton(settings.next_value()?),
            OptimizerName::Lbfgs => Self::Lbfgs(settings.next_value()?),
            OptimizerName::SsBroyden => Self::SsBroyden(settings.next_value()?),
        }))
    }
}

impl<'de> Deserialize<'de> for OptimizerConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        variant::deserialize(deserializer)
    }
}

impl OptimizerConfig {
    /// Makes an optimizer of all `parameters`, with zero state. `learning_rate` is the highest of the training.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if there are more parameters than `ssbroyden` is for.
    pub fn init(&self, parameters: &Parameters, learning_rate: f64) -> Result<Box<dyn Optimizer>> {
        let all = Group::all(parameters.layout());
        Ok(match self {
            Self::Adam(config) => Box::new(Adam::new(config, Decay::Coupled, all, parameters)?),
            Self::AdamW(config) => Box::new(Adam::new(config, Decay::Decoupled, all, parameters)?),
            Self::Muon(config) => Box::new(Muon::new(config, parameters, learning_rate)?),
            Self::GaussNewton(config) => Box::new(GaussNewton::new(config, parameters)),
            Self::Lbfgs(config) => {
                let hessian = LimitedMemory::new(config, parameters.len());
                Box::new(QuasiNewton::new(hessian, config.max_evaluations))
            }
            Self::SsBroyden(config) => {
                let hessian = SelfScaledBroyden::new(parameters.len())?;
                Box::new(QuasiNewton::new(hessian, config.max_evaluations))
            }
        })
    }

    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] with the full key, such as `train.optimizer.adam.epsilon`.
    pub fn validate(&self) -> Result<()> {
        match self {
            Self::Adam(config) => config.validate("train.optimizer.adam"),
            Self::AdamW(config) => config.validate("train.optimizer.adamw"),
            Self::Muon(config) => config.validate("train.optimizer.muon"),
            Self::GaussNewton(config) => config.validate("train.optimizer.gauss_newton"),
            Self::Lbfgs(config) => config.validate("train.optimizer.lbfgs"),
            Self::SsBroyden(config) => config.validate("train.optimizer.ssbroyden"),
        }
    }

    /// Returns whether steps leave parameters of tiles at rest as they are, as [`Optimizer::lets_tiles_rest`].
    #[must_use]
    pub fn lets_tiles_rest(&self) -> bool {
        match self {
            Self::Adam(_) | Self::AdamW(_) | Self::Muon(_) => true,
            Self::Lbfgs(_) | Self::SsBroyden(_) | Self::GaussNewton(_) => false,
        }
    }

    /// Returns whether the optimizer takes a clipped gradient. A line search compares losses with the gradient of the loss itself, and
    /// Gauss–Newton uses residuals.
    #[must_use]
    pub fn allows_clipping(&self) -> bool {
        match self {
            Self::Adam(_) | Self::AdamW(_) | Self::Muon(_) => true,
            Self::Lbfgs(_) | Self::SsBroyden(_) | Self::GaussNewton(_) => false,
        }
    }
}

/// Checks a number that training rounds to `f32`, where a tiny number is 0 and a huge one infinite.
pub(crate) fn positive(key: &str, value: f64) -> Result<()> {
    let single = value as f32;
    if single.is_finite() && single >= f32::MIN_POSITIVE {
        return Ok(());
    }
    let expected = "a positive number (1.2e-38 to 3.4e38)";
    Err(Error::invalid(key, value, expected))
}
