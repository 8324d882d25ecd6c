//! Types of numbers, and how the operands of products are rounded, at each step.

use candle_core::DType;
use serde::{Deserialize, Serialize};
use siren_kernel::Bfloat16;

use super::{Model, TrainConfig};
use crate::error::{Error, Result};
use crate::field::FieldEngine;
use crate::optimizer::OptimizerConfig;

/// Type of the parameters, and arithmetic on them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floating-point numbers.
    #[default]
    Single,
    /// 64-bit ones, three to six times slower: for second-order optimizers, whose errors fall below those of single precision. On the CPU alone.
    Double,
    /// 32-bit ones, but operands of products are rounded to 11 bits, for a third of the products. On CUDA devices alone, and not for `gauss_newton`.
    Fast,
    /// 32-bit ones, but operands of the products of hidden layers at least 96 wide are rounded to 8 bits (bfloat16) in all steps but the last tenth:
    /// steps take 0.6 times as long. For objectives of values alone, with `adam`, `adamw` or `muon`, on processors with `AVX512_BF16` (AMD since Zen 4,
    /// Intel's servers since Sapphire Rapids). Evaluations are as with `single`.
    Bf16,
    /// The results of `bf16` bit for bit on any processor, by an emulation that is dozens of times slower: for tests.
    #[serde(rename = "bf16_emulated")]
    EmulatedBf16,
}

impl Precision {
    /// Returns the type of tensors.
    #[must_use]
    pub fn dtype(self) -> DType {
        match self {
            Self::Single | Self::Fast | Self::Bf16 | Self::EmulatedBf16 => DType::F32,
            Self::Double => DType::F64,
        }
    }

    /// Returns what multiplies rounded operands on the CPU, if any are rounded.
    fn bfloat16(self) -> Option<Bfloat16> {
        match self {
            Self::Bf16 => Some(Bfloat16::Instructions),
            Self::EmulatedBf16 => Some(Bfloat16::Emulation),
            Self::Single | Self::Double | Self::Fast => None,
        }
    }

    /// Returns the name in a config.
    fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Double => "double",
            Self::Fast => "fast",
            Self::Bf16 => "bf16",
            Self::EmulatedBf16 => "bf16_emulated",
        }
    }

    /// Makes the error of a config that asks for this precision.
    pub(super) fn refused(self, expected: &str) -> Error {
        Error::invalid("train.precision", self.name(), expected)
    }

    /// Returns the engine that computes in this precision.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] for [`Fast`](Self::Fast) on the CPU, [`Double`](Self::Double) and [`Bf16`](Self::Bf16) on a CUDA device, and
    /// [`Bf16`](Self::Bf16) on a processor without the instructions.
    pub fn engine(self, engine: &FieldEngine) -> Result<FieldEngine> {
        match (self, engine) {
            (Self::Fast, FieldEngine::Cpu) => {
                Err(self.refused("single or double: `fast` is for CUDA devices alone"))
            }
            (_, FieldEngine::Cpu) => {
                let is_available = self.bfloat16().is_none_or(Bfloat16::is_available);
                self.on_cpu(is_available)
            }
            #[cfg(feature = "cuda")]
            (Self::Double, FieldEngine::Cuda { .. }) => Err(self.refused(
                "single or fast on a CUDA device: double precision needs the device `cpu`",
            )),
            #[cfg(feature = "cuda")]
            (Self::Bf16 | Self::EmulatedBf16, FieldEngine::Cuda { .. }) => Err(self.refused(
                "single or fast on a CUDA device: bfloat16 is for the device `cpu` alone",
            )),
            #[cfg(feature = "cuda")]
            (Self::Single | Self::Fast, FieldEngine::Cuda { device, .. }) => {
                let precision = match self {
                    Self::Fast => siren_cuda::Precision::Fast,
                    _ => siren_cuda::Precision::Exact,
                };
                let device = device.clone();
                Ok(FieldEngine::Cuda { device, precision })
            }
        }
    }

    /// Returns the engine of a CPU that multiplies operands of this precision, or not.
    fn on_cpu(self, is_available: bool) -> Result<FieldEngine> {
        if is_available {
            return Ok(FieldEngine::Cpu);
        }
        Err(self.refused("single: this processor has no instructions for bfloat16 (AVX512_BF16)"))
    }

    /// Checks that an optimizer bears the rounding.
    pub(super) fn check_optimizer(self, optimizer: &OptimizerConfig) -> Result<()> {
        let is_gauss_newton = matches!(optimizer, OptimizerConfig::GaussNewton(_));
        if is_gauss_newton && self == Self::Fast {
            return Err(self.refused(
                "single or double with `gauss_newton`, which compares losses that differ by less than `fast` rounds",
            ));
        }
        let takes_plain_steps = matches!(
            optimizer,
            OptimizerConfig::Adam(_) | OptimizerConfig::AdamW(_) | OptimizerConfig::Muon(_)
        );
        if self.bfloat16().is_some() && !takes_plain_steps {
            return Err(self.refused(
                "single or double with `gauss_newton`, `lbfgs` or `ssbroyden`, which compare losses that differ by less than bfloat16 rounds",
            ));
        }
        Ok(())
    }

    /// Checks that a model can be trained on these constraints in this precision.
    ///
    /// # Errors
    /// As [`Model::must_round`], if operands are rounded on the CPU.
    pub fn must_train<M: Model>(self, model: &M, constraints: &[M::Constraint]) -> Result<()> {
        match self.bfloat16() {
            Some(_) => model.must_round(self, constraints),
            None => Ok(()),
        }
    }

    /// Returns whether it is the default, which older run folders do not name.
    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the signature that serde asks for"
    )]
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl TrainConfig {
    /// Returns what multiplies rounded operands at a step, counted from 0. In the last tenth of the steps none are rounded, so that the training ends
    /// with exact gradients.
    #[must_use]
    pub fn rounding_at(&self, step: u64) -> Option<Bfloat16> {
        let exact_steps = self.steps.div_ceil(10);
        let is_rounded = step < self.steps.saturating_sub(exact_steps);
        self.precision.bfloat16().filter(|_| is_rounded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::{GaussNewtonConfig, LbfgsConfig, SsBroydenConfig};

    fn refused(precision: Precision, optimizer: OptimizerConfig) -> String {
        let config = TrainConfig {
            optimizer,
            precision,
            ..TrainConfig::default()
        };
        config.validate().unwrap_err().to_string()
    }

    #[test]
    fn products_of_one_half_are_for_devices_alone() {
        let error = Precision::Fast.engine(&FieldEngine::Cpu).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`train.precision` is fast, expected single or double: `fast` is for CUDA devices alone"
        );
        for precision in [
            Precision::Single,
            Precision::Double,
            Precision::EmulatedBf16,
        ] {
            precision.engine(&FieldEngine::Cpu).unwrap();
        }
        let optimizer = OptimizerConfig::GaussNewton(GaussNewtonConfig::default());
        let message = refused(Precision::Fast, optimizer);
        assert!(message.contains("gauss_newton"), "{message}");
    }

    #[test]
    fn bfloat16_needs_a_processor_that_has_it() {
        let found = Precision::Bf16.engine(&FieldEngine::Cpu);
        assert_eq!(found.is_ok(), Bfloat16::Instructions.is_available());
        Precision::Bf16.on_cpu(true).unwrap();
        assert_eq!(
            Precision::Bf16.on_cpu(false).unwrap_err().to_string(),
            "`train.precision` is bf16, expected single: this processor has no instructions for bfloat16 (AVX512_BF16)"
        );
    }

    #[test]
    fn optimizers_that_compare_losses_refuse_bfloat16() {
        for optimizer in [
            OptimizerConfig::GaussNewton(GaussNewtonConfig::default()),
            OptimizerConfig::Lbfgs(LbfgsConfig::default()),
            OptimizerConfig::SsBroyden(SsBroydenConfig::default()),
        ] {
            let message = refused(Precision::EmulatedBf16, optimizer);
            let expected = "`train.precision` is bf16_emulated, expected single or double with `gauss_newton`, `lbfgs` or `ssbroyden`";
            assert!(message.starts_with(expected), "{message}");
        }
    }

    #[test]
    fn the_last_tenth_of_the_steps_is_exact() {
        for (steps, rounded) in [(1, 0), (2, 1), (9, 8), (10, 9), (11, 9), (500, 450)] {
            let config = TrainConfig {
                steps,
                precision: Precision::Bf16,
                ..TrainConfig::default()
            };
            for step in 0..steps {
                let expected = (step < rounded).then_some(Bfloat16::Instructions);
                assert_eq!(config.rounding_at(step), expected, "{step} of {steps}");
            }
        }
        assert_eq!(TrainConfig::default().rounding_at(0), None);
    }

    #[test]
    fn precisions_have_the_names_of_a_config() {
        for precision in [
            Precision::Single,
            Precision::Double,
            Precision::Fast,
            Precision::Bf16,
            Precision::EmulatedBf16,
        ] {
            let text = format!("precision = '{}'", precision.name());
            let config: TrainConfig = toml::from_str(&text).unwrap();
            assert_eq!(config.precision, precision);
        }
    }
}
