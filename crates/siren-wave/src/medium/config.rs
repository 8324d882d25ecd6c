//! The config of a medium: a name or a table.

use std::path::{Path, PathBuf};

use serde::de::MapAccess;
use serde::{Deserialize, Deserializer, Serialize};
use siren_core::config::variant::{self, Variant};
use siren_core::{Error, Result};

use self::name::MediumName;
use crate::Point;
use crate::pair::{optional_pair, pair};

/// The squared slowness `m = (c_ref / c)²` of the plane.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MediumConfig {
    /// m = 1.
    #[default]
    Uniform,
    /// A square of another squared slowness.
    Square(SquareMediumConfig),
    /// A circle of another squared slowness.
    Circle(CircleMediumConfig),
    /// A model in a file.
    File(MediumFileConfig),
}

/// A square in the background. The defaults are the paper's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SquareMediumConfig {
    /// Half the side, in coordinates.
    pub half_side: f64,
    /// Squared slowness inside; 0.25 is twice the velocity of the background.
    pub squared_slowness: f64,
    /// Center `[x, y]`.
    #[serde(deserialize_with = "pair")]
    pub center: Point,
}

impl Default for SquareMediumConfig {
    fn default() -> Self {
        Self {
            half_side: 0.3,
            squared_slowness: 0.25,
            center: [0.0; 2],
        }
    }
}

/// A circle in the background. The defaults are those of the paper's inverse problem.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CircleMediumConfig {
    /// Radius, in coordinates.
    pub radius: f64,
    /// Squared slowness inside; 0.25 is twice the velocity of the background.
    pub squared_slowness: f64,
    /// Center `[x, y]`.
    #[serde(deserialize_with = "pair")]
    pub center: Point,
}

impl Default for CircleMediumConfig {
    fn default() -> Self {
        Self {
            radius: 0.1,
            squared_slowness: 0.25,
            center: [0.0; 2],
        }
    }
}

/// A model in a file. Its first row is at the top (y = +`half_side`), its first column at the left.
///
/// Samples are nodes, of the same distance along both axes: those of the first and the last column (or row, where there are more of them) lie
/// at ±`half_side`. Along the shorter axis the model is centered. Between samples the squared slowness is bilinear; outside of the model it is
/// that of the nearest point of its border.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MediumFileConfig {
    /// A picture, a NumPy array (`.npy`), a MATLAB file (`.mat`), raw little-endian float32 (`.bin`, `.raw`, `.f32`) or a SEG-Y file (`.sgy`,
    /// `.segy`; only in programs with the feature `segy`), whose traces are columns.
    pub path: PathBuf,
    /// What the values are.
    pub quantity: MediumQuantity,
    /// Values of black and of white, for a picture.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "optional_pair"
    )]
    pub range: Option<[f64; 2]>,
    /// Name of the variable of a MATLAB file. Default: the only matrix that it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
    /// Number of rows and columns of a raw file.
    #[serde(
        skip_serializing_if = "Option::is_none",
        deserialize_with = "optional_pair"
    )]
    pub shape: Option<[usize; 2]>,
    /// Half the longer side of the model, in coordinates.
    pub half_side: f64,
}

impl Default for MediumFileConfig {
    fn default() -> Self {
        Self {
            path: PathBuf::new(),
            quantity: MediumQuantity::default(),
            range: None,
            variable: None,
            shape: None,
            half_side: 1.0,
        }
    }
}

/// What the values of a model are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediumQuantity {
    /// The velocity c, in the unit of the reference velocity (meters per second).
    #[default]
    Velocity,
    /// The slowness 1 / c, in the inverse of that unit.
    Slowness,
    /// The squared slowness m itself, relative to the background, where it is 1.
    SquaredSlowness,
}

impl MediumConfig {
    /// Checks the values. `key` is the full key, such as `signal.medium`.
    ///
    /// # Errors
    /// [`Error::InvalidValue`].
    pub fn validate(&self, key: &str) -> Result<()> {
        match self {
            Self::Uniform => Ok(()),
            Self::Square(square) => {
                let key = format!("{key}.square");
                positive(&key, "half_side", square.half_side)?;
                positive(&key, "squared_slowness", square.squared_slowness)?;
                check_center(&key, square.center)
            }
            Self::Circle(circle) => {
                let key = format!("{key}.circle");
                positive(&key, "radius", circle.radius)?;
                positive(&key, "squared_slowness", circle.squared_slowness)?;
                check_center(&key, circle.center)
            }
            Self::File(file) => file.validate(&format!("{key}.file")),
        }
    }

    /// Makes a relative path absolute with respect to `base`.
    pub fn resolve_paths(&mut self, base: &Path) {
        // Without a path, `validate` says so.
        if let Self::File(file) = self
            && !file.path.as_os_str().is_empty()
        {
            file.path = base.join(&file.path);
        }
    }
}

impl MediumFileConfig {
    fn validate(&self, key: &str) -> Result<()> {
        if self.path.as_os_str().is_empty() {
            let expected = "a path: { file = { path = \"model.npy\" } }";
            return Err(Error::invalid(&format!("{key}.path"), "missing", expected));
        }
        positive(key, "half_side", self.half_side)?;
        for value in self.range.into_iter().flatten() {
            positive(key, "range", value)?;
        }
        Ok(())
    }
}

fn positive(key: &str, name: &str, value: f64) -> Result<()> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    let key = format!("{key}.{name}");
    Err(Error::invalid(&key, value, "a number above 0"))
}

fn check_center(key: &str, center: Point) -> Result<()> {
    if center.iter().all(|value| value.abs() <= 1.0) {
        return Ok(());
    }
    let key = format!("{key}.center");
    let expected = "a point [x, y] in [-1, 1] x [-1, 1]";
    Err(Error::invalid(&key, format!("{center:?}"), expected))
}

/// Names in configs.
mod name {
    use serde::Deserialize;

    /// The names that `medium` may hold.
    #[derive(Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum MediumName {
        Uniform,
        Square,
        Circle,
        File,
    }
}

impl<'de> Variant<'de> for MediumConfig {
    type Name = MediumName;
    const EXPECTED: &'static str = "the name of a medium, such as \"circle\", or a table such as { circle = { radius = 0.2 } } or \
                                    { file = { path = \"model.npy\" } }";

    fn with_defaults(name: MediumName) -> Self {
        match name {
            MediumName::Uniform => Self::Uniform,
            MediumName::Square => Self::Square(SquareMediumConfig::default()),
            MediumName::Circle => Self::Circle(CircleMediumConfig::default()),
            MediumName::File => Self::File(MediumFileConfig::default()),
        }
    }

    fn with_settings<A: MapAccess<'de>>(
        name: MediumName,
        settings: &mut A,
    ) -> Result<Option<Self>, A::Error> {
        Ok(match name {
            MediumName::Uniform => None,
            MediumName::Square => Some(Self::Square(settings.next_value()?)),
            MediumName::Circle => Some(Self::Circle(settings.next_value()?)),
            MediumName::File => Some(Self::File(settings.next_value()?)),
        })
    }
}

impl<'de> Deserialize<'de> for MediumConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        variant::deserialize(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, Serialize)]
    struct Signal {
        medium: MediumConfig,
    }

    fn parse(value: &str) -> MediumConfig {
        let signal: Signal = toml::from_str(&format!("medium = {value}")).unwrap();
        signal.medium
    }

    #[test]
    fn names_and_tables_are_read_and_written_back() {
        let square = SquareMediumConfig::default();
        for (value, expected) in [
            ("\"uniform\"", MediumConfig::Uniform),
            ("\"square\"", MediumConfig::Square(square)),
            (
                "{ square = { half_side = 0.2, center = [0.1, -0.1] } }",
                MediumConfig::Square(SquareMediumConfig {
                    half_side: 0.2,
                    center: [0.1, -0.1],
                    ..square
                }),
            ),
            (
                "{ file = { path = \"a.png\", quantity = \"slowness\", range = [1, 2] } }",
                MediumConfig::File(MediumFileConfig {
                    path: "a.png".into(),
                    quantity: MediumQuantity::Slowness,
                    range: Some([1.0, 2.0]),
                    ..MediumFileConfig::default()
                }),
            ),
        ] {
            let medium = parse(value);
            assert_eq!(medium, expected);
            let text = toml::to_string(&Signal { medium }).unwrap();
            let again: Signal = toml::from_str(&text).unwrap();
            assert_eq!(again.medium, expected);
        }
    }

    #[test]
    fn lists_of_another_length_are_refused() {
        for value in [
            "{ square = { center = [0, 0, 0] } }",
            "{ file = { path = \"a\", shape = [1, 2, 3] } }",
            "{ file = { path = \"a\", range = [1] } }",
        ] {
            let error = toml::from_str::<Signal>(&format!("medium = {value}")).err();
            let message = error.unwrap().to_string();
            assert!(message.contains("values, expected 2"), "{message}");
        }
    }

    #[test]
    fn values_out_of_range_are_refused_with_their_key() {
        for (value, expected) in [
            (
                "{ square = { half_side = 0 } }",
                "`signal.medium.square.half_side` is 0",
            ),
            (
                "{ circle = { squared_slowness = -1 } }",
                "`signal.medium.circle.squared_slowness` is -1",
            ),
            ("{ circle = { radius = nan } }", "radius` is NaN"),
            ("{ circle = { center = [2, 0] } }", "center` is [2.0, 0.0]"),
            ("\"file\"", "`signal.medium.file.path` is missing"),
            ("{ file = { path = \"a\", range = [0, 1] } }", "range` is 0"),
        ] {
            let error = parse(value).validate("signal.medium").unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
