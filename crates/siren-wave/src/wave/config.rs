//! Settings of the wave equation.

use serde::de::MapAccess;
use serde::{Deserialize, Deserializer, Serialize};
use siren_core::config::variant::{self, Variant};
use siren_core::{Error, Result};

use self::name::InitialName;
use crate::reference::leapfrog::{Ricker, WaveBorder};

/// Most points of a constraint.
const MAX_POINTS: usize = 1 << 24;

/// The wave equation `u_tt = (1/m) Δu + s` from time zero, with coordinates `(t, x, y)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WaveEquationConfig {
    /// The last time, in coordinates: a wave of the background crosses one unit of length in one unit of time.
    pub duration: f64,
    /// Amplitude A of the excitation.
    pub amplitude: f64,
    /// What makes the waves.
    pub excitation: Excitation,
    /// How the field is made to satisfy the initial state.
    pub initial: Initial,
    /// What holds at the border of [−1, 1]².
    pub border: BorderCondition,
    /// Points of the border in each step.
    pub border_points: usize,
    /// Weight of the condition at the border in the loss.
    pub border_weight: f64,
    /// Points in each step that no wave has reached yet, where the wave must be zero. Without them nothing keeps waves from coming in at an open
    /// border, and smooth fields spread that satisfy the equation and have no source. 0: none (the authors').
    pub quiet_points: usize,
    /// Weight of the points that no wave has reached in the loss.
    pub quiet_weight: f64,
    /// Steps in which the last time grows in proportion to the step, up to `duration` (the authors': all). 0: all times from the first step.
    pub grow_steps: u64,
    /// Steps in which the variance of the source falls from 0.01 to its own, by the same factor in every step: narrow pulses are found from
    /// wide ones. 0: its own variance from the first step.
    pub sharpen_steps: u64,
}

impl Default for WaveEquationConfig {
    fn default() -> Self {
        Self {
            duration: 0.4,
            amplitude: 0.02,
            excitation: Excitation::default(),
            initial: Initial::default(),
            border: BorderCondition::default(),
            border_points: 200,
            border_weight: 1.0,
            quiet_points: 200,
            quiet_weight: 0.001,
            grow_steps: 0,
            sharpen_steps: 0,
        }
    }
}

impl WaveEquationConfig {
    /// Checks every value. `key` is the full key of the table, such as `objective.equation.wave`.
    ///
    /// # Errors
    /// [`Error::InvalidValue`].
    pub fn validate(&self, key: &str) -> Result<()> {
        positive(key, "duration", self.duration, 100.0)?;
        positive(key, "amplitude", self.amplitude, 1e9)?;
        positive(key, "border_weight", self.border_weight, 1e9)?;
        positive(key, "quiet_weight", self.quiet_weight, 1e9)?;
        count(key, "border_points", self.border_points, 1)?;
        count(key, "quiet_points", self.quiet_points, 0)?;
        if let Excitation::Ricker(ricker) = &self.excitation {
            let key = format!("{key}.excitation.ricker");
            positive(&key, "frequency", ricker.frequency, 1e6)?;
        }
        if let Initial::Soft(soft) = &self.initial {
            let key = format!("{key}.initial.soft");
            count(&key, "points", soft.points, 1)?;
            positive(&key, "displacement_weight", soft.displacement_weight, 1e9)?;
            positive(&key, "velocity_weight", soft.velocity_weight, 1e9)?;
        }
        Ok(())
    }
}

/// What makes waves at the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Excitation {
    /// The initial displacement `f = A e^{−r²/2σ}`, at rest (the authors').
    #[default]
    Pulse,
    /// The source term `s = (A/σ) e^{−r²/2σ} w(t)` with a Ricker wavelet `w`, from a state of rest.
    Ricker(RickerConfig),
}

/// Settings of a Ricker wavelet, which starts at time zero: its peak is at `1.5 / frequency`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RickerConfig {
    /// Frequency of the peak of its spectrum, in cycles per unit of time.
    pub frequency: f64,
}

impl RickerConfig {
    /// Returns the wavelet.
    #[must_use]
    pub fn wavelet(&self) -> Ricker {
        Ricker::causal(self.frequency)
    }
}

/// How a field is made to satisfy the initial state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Initial {
    /// By terms of the loss (the authors'). The wave is the field.
    Soft(SoftInitialConfig),
    /// By its form: `u = (1 − g) f + A g Φ` with `g = t²/(t² + τ²)` and `τ = √σ`, the time that the pulse takes to leave its place.
    #[default]
    Hard,
}

/// Points of time zero and their weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SoftInitialConfig {
    /// Points of time zero in each step, half of them around the source. The equation must hold there, too.
    pub points: usize,
    /// Weight of the sum of `|u − f|` over these points, in a loss that is the mean of the residual of the equation.
    pub displacement_weight: f64,
    /// Weight of the sum of `|u_t|` over these points.
    pub velocity_weight: f64,
    /// Steps at the start with the initial state alone, at times within ±0.001.
    pub start_steps: u64,
}

impl Default for SoftInitialConfig {
    fn default() -> Self {
        Self {
            points: 2000,
            displacement_weight: 0.1,
            velocity_weight: 0.01,
            start_steps: 0,
        }
    }
}

/// Names in configs.
mod name {
    use serde::Deserialize;

    /// The names that `initial` may hold.
    #[derive(Clone, Copy, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum InitialName {
        Soft,
        Hard,
    }
}

impl<'de> Variant<'de> for Initial {
    type Name = InitialName;
    const EXPECTED: &'static str =
        "\"hard\", \"soft\", or a table such as { soft = { points = 2000 } }";

    fn with_defaults(name: InitialName) -> Self {
        match name {
            InitialName::Soft => Self::Soft(SoftInitialConfig::default()),
            InitialName::Hard => Self::Hard,
        }
    }

    fn with_settings<A: MapAccess<'de>>(
        name: InitialName,
        settings: &mut A,
    ) -> Result<Option<Self>, A::Error> {
        Ok(match name {
            InitialName::Soft => Some(Self::Soft(settings.next_value()?)),
            InitialName::Hard => None,
        })
    }
}

impl<'de> Deserialize<'de> for Initial {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        variant::deserialize(deserializer)
    }
}

/// What holds for waves at the border of [−1, 1]².
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BorderCondition {
    /// Nothing: the plane goes on (the authors'). The equation does not say what comes in, so the solution is certain only where no wave
    /// from the border has arrived.
    #[default]
    Open,
    /// `u = 0`.
    Dirichlet,
    /// `∂ₙu = 0`.
    Neumann,
    /// `u_t + c ∂ₙu = 0` (Engquist and Majda 1977, first order), which reflects `(1 − cos θ)/(1 + cos θ)` of a plane wave at the angle `θ` from the
    /// normal.
    Absorbing,
}

impl BorderCondition {
    /// Returns the border of the reference solver: for an open one, a wide absorbing layer.
    #[must_use]
    pub fn of_reference(self) -> WaveBorder {
        match self {
            Self::Open => WaveBorder::Absorbing { width: 0.5 },
            Self::Dirichlet => WaveBorder::Dirichlet,
            Self::Neumann => WaveBorder::Neumann,
            Self::Absorbing => WaveBorder::Absorbing { width: 0.0 },
        }
    }
}

fn positive(key: &str, name: &str, value: f64, most: f64) -> Result<()> {
    if value > 0.0 && value <= most {
        return Ok(());
    }
    let expected = format!("above 0 and at most {most:e}");
    Err(Error::invalid(&format!("{key}.{name}"), value, &expected))
}

fn count(key: &str, name: &str, value: usize, least: usize) -> Result<()> {
    if (least..=MAX_POINTS).contains(&value) {
        return Ok(());
    }
    let expected = format!("{least} to {MAX_POINTS} points");
    Err(Error::invalid(&format!("{key}.{name}"), value, &expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<WaveEquationConfig, String> {
        let config: WaveEquationConfig = toml::from_str(text).map_err(|e| e.to_string())?;
        config.validate("wave").map_err(|e| e.to_string())?;
        Ok(config)
    }

    #[test]
    fn names_and_tables_are_read_and_written_back() {
        for text in [
            "",
            "initial = \"soft\"\nexcitation = \"pulse\"\nborder = \"neumann\"",
            "initial = { soft = { start_steps = 2000 } }\nexcitation = { ricker = { frequency = 4.0 } }",
        ] {
            let config = parse(text).unwrap();
            let again = toml::to_string(&config).unwrap();
            assert_eq!(parse(&again).unwrap(), config, "{text}");
        }
    }

    #[test]
    fn values_out_of_range_are_refused_with_their_key() {
        for (text, expected) in [
            ("duration = 0", "`wave.duration` is 0, expected above 0"),
            ("amplitude = nan", "`wave.amplitude` is NaN"),
            ("border_points = 0", "`wave.border_points` is 0"),
            ("quiet_weight = -1", "`wave.quiet_weight` is -1"),
            (
                "initial = { soft = { points = 0 } }",
                "`wave.initial.soft.points` is 0, expected 1 to",
            ),
            (
                "excitation = { ricker = { frequency = 0 } }",
                "`wave.excitation.ricker.frequency` is 0",
            ),
            ("initial = \"firm\"", "unknown variant `firm`"),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }
}
