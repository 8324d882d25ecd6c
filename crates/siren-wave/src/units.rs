//! Units: from hertz, meters and meters per second to coordinates.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};
use siren_core::{Error, Result};

/// Wavenumber of the paper's examples, in coordinates.
const DEFAULT_WAVENUMBER: f64 = 20.0;

/// The wavenumber, in coordinates or by physical units.
///
/// Either `wavenumber`, or `frequency_hz`, `extent_m` and `reference_velocity` together: `k = 2π f R / c_ref` with `R = extent_m / 2`.
/// `reference_velocity` may also stand beside `wavenumber`: files of velocities need it, `m = (c_ref / c)²`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UnitsConfig {
    /// Wavenumber k in the background, in coordinates. Default: 20, without the keys of physical units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wavenumber: Option<f64>,
    /// Frequency f, in hertz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_hz: Option<f64>,
    /// Side of the domain [−1, 1]², layers included, in meters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extent_m: Option<f64>,
    /// Velocity of the background, where m = 1, in meters per second (or in the unit of the model's file).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference_velocity: Option<f64>,
}

/// The wavenumber, and what is known of physical units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Units {
    /// Wavenumber k in the background, in coordinates.
    pub wavenumber: f64,
    /// Velocity of the background, in meters per second.
    pub reference_velocity: Option<f64>,
}

impl UnitsConfig {
    /// Returns the wavenumber of a harmonic wave. `key` is the key of the table, such as `signal.units`.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if a value is not above 0, if `wavenumber` stands beside `frequency_hz` or `extent_m`, or if one of the three
    /// keys of physical units is missing.
    pub fn resolve(&self, key: &str) -> Result<Units> {
        self.check_values(key)?;
        if self.frequency_hz.is_none() && self.extent_m.is_none() {
            return Ok(Units {
                wavenumber: self.wavenumber.unwrap_or(DEFAULT_WAVENUMBER),
                reference_velocity: self.reference_velocity,
            });
        }
        if let Some(wavenumber) = self.wavenumber {
            return Err(Error::invalid(
                &format!("{key}.wavenumber"),
                wavenumber,
                &format!(
                    "none beside `{key}.frequency_hz` or `{key}.extent_m`: k = 2π f R / c_ref follows from `frequency_hz`, `extent_m` and \
                     `reference_velocity`; remove it, or them"
                ),
            ));
        }
        let frequency_hz = self.required(key, "frequency_hz", self.frequency_hz)?;
        let half_extent_m = 0.5 * self.required(key, "extent_m", self.extent_m)?;
        let velocity = self.required(key, "reference_velocity", self.reference_velocity)?;
        Ok(Units {
            wavenumber: 2.0 * PI * frequency_hz * half_extent_m / velocity,
            reference_velocity: Some(velocity),
        })
    }

    fn given(&self) -> [(&'static str, Option<f64>); 4] {
        [
            ("wavenumber", self.wavenumber),
            ("frequency_hz", self.frequency_hz),
            ("extent_m", self.extent_m),
            ("reference_velocity", self.reference_velocity),
        ]
    }

    fn check_values(&self, key: &str) -> Result<()> {
        for (name, value) in self.given() {
            if let Some(value) = value
                && !(value > 0.0 && value.is_finite())
            {
                let key = format!("{key}.{name}");
                return Err(Error::invalid(&key, value, "a number above 0"));
            }
        }
        Ok(())
    }

    fn required(&self, key: &str, name: &str, value: Option<f64>) -> Result<f64> {
        value.ok_or_else(|| {
            let given = self
                .given()
                .into_iter()
                .filter(|(_, value)| value.is_some());
            let given: Vec<String> = given.map(|(name, _)| format!("`{key}.{name}`")).collect();
            let expected = format!("a number above 0, because {} is given", given.join(", "));
            Error::invalid(&format!("{key}.{name}"), "missing", &expected)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn physical_units_give_the_wavenumber_in_coordinates() {
        // 10 Hz at 2000 m/s: waves of 200 m, ten of which fit into 2 km.
        let config: UnitsConfig =
            toml::from_str("frequency_hz = 10.0\nextent_m = 2000.0\nreference_velocity = 2000.0")
                .unwrap();
        let units = config.resolve("signal.units").unwrap();
        let wavelength = 2.0 * PI / units.wavenumber;
        assert!((wavelength - 2.0 / 10.0).abs() < 1e-12);
        let plain = UnitsConfig::default().resolve("signal.units").unwrap();
        assert!((plain.wavenumber - 20.0).abs() < 1e-12);
    }

    #[test]
    fn contradicting_and_incomplete_units_are_refused_with_their_keys() {
        for (text, expected) in [
            ("wavenumber = 20\nfrequency_hz = 10", "`u.wavenumber` is 20"),
            (
                "wavenumber = 20\nextent_m = 10",
                "none beside `u.frequency_hz`",
            ),
            (
                "frequency_hz = 10\nextent_m = 5",
                "`u.reference_velocity` is missing",
            ),
            (
                "frequency_hz = 10\nreference_velocity = 5",
                "`u.extent_m` is missing",
            ),
            ("extent_m = 10", "`u.frequency_hz` is missing"),
            (
                "wavenumber = 0",
                "`u.wavenumber` is 0, expected a number above 0",
            ),
            ("wavenumber = nan", "`u.wavenumber` is NaN"),
        ] {
            let config: UnitsConfig = toml::from_str(text).unwrap();
            let message = config.resolve("u").unwrap_err().to_string();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }
}
