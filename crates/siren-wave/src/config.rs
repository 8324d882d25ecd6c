//! The `[signal]` and `[objective]` tables of a config of the kind `wave`.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::MapAccess;
use serde::{Deserialize, Deserializer, Serialize};
use siren_core::config::Table;
use siren_core::config::variant::{self, Variant};
use siren_core::{Error, Result};

use self::name::EquationName;
pub use crate::inverse::config::{
    AdjointSolverConfig, InverseConfig, InverseSolver, NetworkSolverConfig, ShotChoice,
    UnknownMedium,
};
pub use crate::medium::{
    CircleMediumConfig, MediumConfig, MediumFileConfig, MediumQuantity, SquareMediumConfig,
};
pub use crate::objective::{ResidualNorm, SlownessMap};
pub use crate::offset::Formulation;
pub use crate::pml::Pml;
pub use crate::receivers::{LineConfig, PositionsConfig};
pub use crate::units::UnitsConfig;
pub use crate::wave::{
    BorderCondition, Excitation, Initial, RickerConfig, SoftInitialConfig, WaveEquationConfig,
};

/// Most points of a step.
const MAX_POINTS: usize = 1 << 24;

/// What is given: the medium, the sources, and what receivers recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WaveSignalConfig {
    /// The squared slowness of the plane.
    pub medium: MediumConfig,
    /// The wavenumber, in coordinates or by physical units.
    pub units: UnitsConfig,
    /// Positions of the sources. The Helmholtz equation and the wave equation have one, the inverse problem one for each shot.
    pub sources: PositionsConfig,
    /// Variance σ of the Gaussian source along each axis, in coordinates. Default: 1e-4, or 5e-4 for the wave equation (the authors').
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_variance: Option<f64>,
    /// Recorded fields, for the inverse problem: `.mat` of the authors' layout, or `.csv`. It also has the sources and the receivers. Default:
    /// the fields of `medium` at `receivers`, computed by finite differences.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recording: Option<PathBuf>,
    /// Positions of the receivers, where traces are drawn, and where the inverse problem without a `recording` has its data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receivers: Option<PositionsConfig>,
    /// Standard deviation of noise that is added to the data of the inverse problem, relative to their root mean square.
    pub noise: f64,
}

impl Default for WaveSignalConfig {
    fn default() -> Self {
        Self {
            medium: MediumConfig::default(),
            units: UnitsConfig::default(),
            sources: PositionsConfig::Points(vec![[0.0, 0.0]]),
            source_variance: None,
            recording: None,
            receivers: None,
            noise: 0.0,
        }
    }
}

impl WaveSignalConfig {
    /// Returns a note on positions that stand beside a recording, which has its own.
    pub(crate) fn ignored_positions_note(&self) -> Option<String> {
        let has_sources = self.sources != Self::default().sources;
        let given = match (has_sources, self.receivers.is_some()) {
            (true, true) => "`signal.sources` and `signal.receivers` are",
            (true, false) => "`signal.sources` is",
            (false, true) => "`signal.receivers` is",
            (false, false) => return None,
        };
        Some(format!(
            "{given} ignored: `signal.recording` has its own positions"
        ))
    }

    /// Checks that an equation uses every key that is given.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] with the key that it would ignore.
    pub(crate) fn check_used_by(&self, equation: &Equation) -> Result<()> {
        if matches!(equation, Equation::Inverse(_)) {
            return Ok(());
        }
        let only_inverse = "nothing: only the equation `inverse` has recorded waves";
        if let Some(path) = &self.recording {
            return Err(Error::invalid(
                "signal.recording",
                path.display(),
                only_inverse,
            ));
        }
        if self.noise != 0.0 {
            return Err(Error::invalid("signal.noise", self.noise, only_inverse));
        }
        if !matches!(equation, Equation::Wave(_)) {
            return Ok(());
        }
        let one_frequency =
            "nothing: only the equations `helmholtz` and `inverse` have one frequency";
        if let Some(wavenumber) = self.units.wavenumber {
            return Err(Error::invalid(
                "signal.units.wavenumber",
                wavenumber,
                one_frequency,
            ));
        }
        if let Some(frequency) = self.units.frequency_hz {
            return Err(Error::invalid(
                "signal.units.frequency_hz",
                frequency,
                one_frequency,
            ));
        }
        if self.receivers.is_some() {
            let expected = "nothing: the equation `wave` has no receivers";
            return Err(Error::invalid("signal.receivers", "given", expected));
        }
        Ok(())
    }
}

impl Table for WaveSignalConfig {
    fn validate(&self) -> Result<()> {
        self.medium.validate("signal.medium")?;
        self.units.resolve("signal.units")?;
        self.sources.validate("signal.sources")?;
        if let Some(receivers) = &self.receivers {
            receivers.validate("signal.receivers")?;
        }
        if let Some(variance) = self.source_variance
            && !(variance > 0.0 && variance <= 1.0)
        {
            let expected = "a variance above 0 and at most 1";
            return Err(Error::invalid("signal.source_variance", variance, expected));
        }
        if !(0.0..=10.0).contains(&self.noise) {
            return Err(Error::invalid("signal.noise", self.noise, "0 to 10"));
        }
        Ok(())
    }

    fn resolve_paths(&mut self, base: &Path) {
        self.medium.resolve_paths(base);
        self.sources.resolve_paths(base);
        if let Some(receivers) = &mut self.receivers {
            receivers.resolve_paths(base);
        }
        if let Some(path) = &mut self.recording {
            *path = base.join(&path);
        }
    }
}

/// The equation, and how a field is made to satisfy it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WaveObjectiveConfig {
    /// The equation and its settings.
    pub equation: Equation,
    /// Norm of the residuals.
    pub norm: ResidualNorm,
    /// Points of the domain in each step.
    pub points: usize,
    /// Further points around the sources, or, for the wave equation, where the wave is at their times. The wave equation can do without.
    pub source_points: usize,
    /// Weight of the further points in the loss; the points of the domain have a weight of 1.
    pub source_weight: f64,
    /// Steps in which the same points are drawn before others are: 1 for new points in every step, 0 for the same points in all steps, which
    /// optimizers with a memory of gradients need.
    pub hold_points: u64,
}

impl Default for WaveObjectiveConfig {
    fn default() -> Self {
        Self {
            equation: Equation::default(),
            norm: ResidualNorm::default(),
            points: 1200,
            source_points: 300,
            source_weight: 0.1,
            hold_points: 1,
        }
    }
}

impl WaveObjectiveConfig {
    /// Checks that the equation uses every key that is given: finite differences have neither points nor residuals.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] with the key that it would ignore.
    pub(crate) fn check_used(&self) -> Result<()> {
        match &self.equation {
            Equation::Inverse(inverse) if matches!(inverse.solver, InverseSolver::Adjoint(_)) => {}
            _ => return Ok(()),
        }
        let expected = "nothing: `solver = \"adjoint\"` has neither points nor residuals";
        let default = Self::default();
        let refuse = |key: &str, found: &dyn fmt::Display| {
            let key = format!("objective.{key}");
            Err(Error::invalid(&key, found, expected))
        };
        if self.norm != default.norm {
            return refuse("norm", &"l1");
        }
        for (key, found, default) in [
            ("points", self.points as u64, default.points as u64),
            (
                "source_points",
                self.source_points as u64,
                default.source_points as u64,
            ),
            ("hold_points", self.hold_points, default.hold_points),
        ] {
            if found != default {
                return refuse(key, &found);
            }
        }
        if self.source_weight.to_bits() != default.source_weight.to_bits() {
            return refuse("source_weight", &self.source_weight);
        }
        Ok(())
    }
}

impl Table for WaveObjectiveConfig {
    fn validate(&self) -> Result<()> {
        let least_at_source = match self.equation {
            Equation::Helmholtz(_) | Equation::Inverse(_) => 1,
            Equation::Wave(_) => 0,
        };
        for (key, points, least) in [
            ("objective.points", self.points, 1),
            (
                "objective.source_points",
                self.source_points,
                least_at_source,
            ),
        ] {
            if !(least..=MAX_POINTS).contains(&points) {
                let expected = format!("{least} to {MAX_POINTS} points");
                return Err(Error::invalid(key, points, &expected));
            }
        }
        if !(self.source_weight > 0.0 && self.source_weight <= 1e9) {
            let (key, expected) = ("objective.source_weight", "above 0 and at most 1e9");
            return Err(Error::invalid(key, self.source_weight, expected));
        }
        self.equation.validate()
    }
}

/// An equation of waves.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Equation {
    /// Waves of one frequency (paper §4.3).
    Helmholtz(HelmholtzConfig),
    /// Waves in time (paper §4.3).
    Wave(WaveEquationConfig),
    /// Full waveform inversion: the medium from recorded waves of one frequency (paper §4.3).
    Inverse(InverseConfig),
}

impl Default for Equation {
    fn default() -> Self {
        Self::Helmholtz(HelmholtzConfig::default())
    }
}

/// Names in configs.
mod name {
    use serde::Deserialize;

    /// The names that `objective.equation` may hold.
    #[derive(Clone, Copy, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum EquationName {
        Helmholtz,
        Wave,
        Inverse,
    }
}

impl<'de> Variant<'de> for Equation {
    type Name = EquationName;
    const EXPECTED: &'static str = "the name of an equation, such as \"helmholtz\", or a table such as { helmholtz = { formulation = \"total\" } }";

    fn with_defaults(name: EquationName) -> Self {
        match name {
            EquationName::Helmholtz => Self::Helmholtz(HelmholtzConfig::default()),
            EquationName::Wave => Self::Wave(WaveEquationConfig::default()),
            EquationName::Inverse => Self::Inverse(InverseConfig::default()),
        }
    }

    fn with_settings<A: MapAccess<'de>>(
        name: EquationName,
        settings: &mut A,
    ) -> Result<Option<Self>, A::Error> {
        Ok(Some(match name {
            EquationName::Helmholtz => Self::Helmholtz(settings.next_value()?),
            EquationName::Wave => Self::Wave(settings.next_value()?),
            EquationName::Inverse => Self::Inverse(settings.next_value()?),
        }))
    }
}

impl<'de> Deserialize<'de> for Equation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        variant::deserialize(deserializer)
    }
}

impl Equation {
    fn validate(&self) -> Result<()> {
        match self {
            Self::Wave(config) => config.validate("objective.equation.wave"),
            Self::Helmholtz(config) => {
                config.pml.validate("objective.equation.helmholtz.pml")?;
                let key = "objective.equation.helmholtz.smoothing";
                config.smoothing.validate(key)
            }
            Self::Inverse(config) => config.validate("objective.equation.inverse"),
        }
    }
}

/// Settings of the Helmholtz equation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HelmholtzConfig {
    /// What the network represents.
    pub formulation: Formulation,
    /// The absorbing layer along the border.
    pub pml: Pml,
    /// How edges of the medium sharpen during the fit.
    pub smoothing: Smoothing,
}

/// Smoothing of the medium by a Gaussian, whose standard deviation falls geometrically over the first steps.
///
/// The solution has a kink where the medium jumps, and a field is smooth: early in a fit, residuals at the jump mislead it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Smoothing {
    /// Number of steps.
    pub steps: u64,
    /// Standard deviation in the first step, in wavelengths. 0: no smoothing.
    pub first: f64,
    /// Standard deviation after these steps, in wavelengths.
    pub last: f64,
}

impl Default for Smoothing {
    fn default() -> Self {
        Self {
            steps: 25,
            first: 0.18,
            last: 0.023,
        }
    }
}

impl Smoothing {
    fn validate(&self, key: &str) -> Result<()> {
        let is_valid =
            self.first == 0.0 || (self.last > 0.0 && self.first >= self.last && self.first <= 10.0);
        if is_valid {
            return Ok(());
        }
        let found = format!("{} to {}", self.first, self.last);
        let expected = "from at most 10 wavelengths to fewer, above 0; or `first = 0.0` for none";
        Err(Error::invalid(key, found, expected))
    }

    /// Returns the standard deviation at a step, in wavelengths.
    #[must_use]
    pub fn at(&self, step: u64) -> f64 {
        if self.first == 0.0 {
            return 0.0;
        }
        let share = if step < self.steps {
            step as f64 / self.steps as f64
        } else {
            1.0
        };
        self.first * (self.last / self.first).powf(share)
    }
}
