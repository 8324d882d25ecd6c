//! Settings of the inverse problem.

use serde::de::MapAccess;
use serde::{Deserialize, Deserializer, Serialize};
use siren_core::config::variant::{self, Variant};
use siren_core::{Error, Result};

use self::name::InverseSolverName;
use crate::objective::SlownessMap;
use crate::offset::Formulation;
use crate::pml::Pml;

/// Names in configs.
mod name {
    use serde::Deserialize;

    /// The names that `objective.equation.inverse.solver` may hold.
    #[derive(Clone, Copy, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum InverseSolverName {
        Network,
        Adjoint,
    }
}

/// Settings of the inverse problem.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InverseConfig {
    /// The absorbing layer along the border.
    pub pml: Pml,
    /// Half the side of the square in which the medium is unknown; outside of it m = 1. The authors' is 0.75. One that encloses what the receivers
    /// surround, and no more, gives sharper media.
    pub half_width: f64,
    /// What solves the Helmholtz equation.
    pub solver: InverseSolver,
}

impl Default for InverseConfig {
    fn default() -> Self {
        Self {
            pml: Pml::default(),
            half_width: 0.75,
            solver: InverseSolver::default(),
        }
    }
}

/// What solves the Helmholtz equation of the inverse problem.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InverseSolver {
    /// The network: it has the fields of all shots and the medium (the authors').
    Network(NetworkSolverConfig),
    /// Finite differences: the network is the medium alone, and gradients come from adjoint states. Needs an optimizer other than
    /// `gauss_newton`, such as `lbfgs`.
    Adjoint(AdjointSolverConfig),
}

impl Default for InverseSolver {
    fn default() -> Self {
        Self::Network(NetworkSolverConfig::default())
    }
}

impl<'de> Variant<'de> for InverseSolver {
    type Name = InverseSolverName;
    const EXPECTED: &'static str = "the name of a solver, `network` or `adjoint`, or a table such as { adjoint = { side = 129 } }";

    fn with_defaults(name: InverseSolverName) -> Self {
        match name {
            InverseSolverName::Network => Self::Network(NetworkSolverConfig::default()),
            InverseSolverName::Adjoint => Self::Adjoint(AdjointSolverConfig::default()),
        }
    }

    fn with_settings<A: MapAccess<'de>>(
        name: InverseSolverName,
        settings: &mut A,
    ) -> Result<Option<Self>, A::Error> {
        Ok(Some(match name {
            InverseSolverName::Network => Self::Network(settings.next_value()?),
            InverseSolverName::Adjoint => Self::Adjoint(settings.next_value()?),
        }))
    }
}

impl<'de> Deserialize<'de> for InverseSolver {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        variant::deserialize(deserializer)
    }
}

/// Settings of a network that solves the inverse problem alone.
///
/// It has the fields of all shots as channels `2s, 2s + 1` and, unless it is in closed form, the medium as the last one: `m = 1 + max(v, −0.999)`
/// of its value v.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkSolverConfig {
    /// What the channels of the fields represent.
    pub formulation: Formulation,
    /// Where the medium comes from.
    pub unknown: UnknownMedium,
    /// The shots for which the equation is evaluated at a point.
    pub shots: ShotChoice,
    /// Weight of the data in the loss. Too high, and the fields meet the data long before they satisfy the equation.
    pub data_weight: f64,
    /// Steps at the start in which the medium is the background and the data have no weight (the authors' first stage).
    pub forward_steps: u64,
}

impl Default for NetworkSolverConfig {
    fn default() -> Self {
        Self {
            formulation: Formulation::Scattered,
            unknown: UnknownMedium::default(),
            shots: ShotChoice::default(),
            data_weight: 0.01,
            forward_steps: 0,
        }
    }
}

/// Settings of finite differences with a network as the medium.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdjointSolverConfig {
    /// Points along each side of the grid.
    pub side: usize,
    /// Map from the value of the field to the medium.
    pub map: SlownessMap,
}

impl Default for AdjointSolverConfig {
    fn default() -> Self {
        Self {
            side: 97,
            map: SlownessMap::default(),
        }
    }
}

/// Where the medium of the inverse problem comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownMedium {
    /// The last channel of the network (the authors').
    #[default]
    Channel,
    /// The value at which the residuals of all shots at a point have the least squares.
    ClosedForm,
}

/// The shots for which the equation is evaluated at a point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShotChoice {
    /// One of them, in turn: more points for the same number of residuals.
    #[default]
    One,
    /// All.
    All,
}

impl InverseConfig {
    /// Checks every value; `key` is the key of the table.
    pub(crate) fn validate(&self, key: &str) -> Result<()> {
        self.pml.validate(&format!("{key}.pml"))?;
        let inner = self.pml.inner();
        if !(self.half_width > 0.0 && self.half_width <= inner) {
            let expected = format!("above 0 and at most {inner}, where the layer begins");
            let key = format!("{key}.half_width");
            return Err(Error::invalid(&key, self.half_width, &expected));
        }
        match &self.solver {
            InverseSolver::Network(config) => config.validate(&format!("{key}.solver.network")),
            InverseSolver::Adjoint(config) => config.validate(&format!("{key}.solver.adjoint")),
        }
    }
}

impl NetworkSolverConfig {
    fn validate(&self, key: &str) -> Result<()> {
        if !(self.data_weight > 0.0 && self.data_weight <= 1e9) {
            let (key, expected) = (format!("{key}.data_weight"), "above 0 and at most 1e9");
            return Err(Error::invalid(&key, self.data_weight, expected));
        }
        if self.unknown == UnknownMedium::ClosedForm && self.shots == ShotChoice::One {
            let expected = "\"all\" with `unknown = \"closed_form\"`, which compares the shots";
            return Err(Error::invalid(&format!("{key}.shots"), "one", expected));
        }
        Ok(())
    }
}

impl AdjointSolverConfig {
    fn validate(&self, key: &str) -> Result<()> {
        if (33..=513).contains(&self.side) {
            return Ok(());
        }
        let key = format!("{key}.side");
        Err(Error::invalid(&key, self.side, "33 to 513 points"))
    }
}
