//! What a signal's spectrum says to a network: ω₀ of its first layer, and the noise of SIREN².

use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Text that leaves a number to the signal.
pub(super) const AUTO: &str = "auto";

/// ω₀ of the first layer: a number, or `"auto"`. A run replaces `"auto"` by a number before it draws the network and writes its config.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Omega {
    /// From the signal's spectrum: `ω₀ = d ω̄ / 2` with d coordinates and the centroid ω̄ of the amplitude spectrum, at most `2 / learning_rate`.
    Auto,
    /// Radians per unit of the coordinates.
    Given(f64),
}

impl From<f64> for Omega {
    fn from(omega: f64) -> Self {
        Self::Given(omega)
    }
}

impl Omega {
    /// ω₀ = d ω̄ / 2 for a signal with `dims` coordinates d and the amplitude-weighted centroid ω̄ of its spectrum, in radians per
    /// unit: the first layer's weights start from U(±1/d), so its waves have frequencies from 0 to half of the centroid along every
    /// axis, and the layers after it make the higher ones of them.
    ///
    /// At most `2 / learning_rate`: a step of Adam moves a bias by about the rate, and a phase by ω₀ times that; beyond 2 to 2.5
    /// radians a step nothing is learned.
    ///
    /// Both factors are measured, not derived: `configs/sweeps/omega_image.toml` and `omega_audio.toml` compare with fixed values.
    #[must_use]
    pub fn of_spectrum(centroid: f64, dims: usize, learning_rate: f64) -> Self {
        Self::Given((0.5 * centroid * dims as f64).min(2.0 / learning_rate))
    }

    /// The number; `None` for `"auto"`.
    #[must_use]
    pub fn given(self) -> Option<f64> {
        match self {
            Self::Given(omega) => Some(omega),
            Self::Auto => None,
        }
    }
}

impl Serialize for Omega {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str(AUTO),
            Self::Given(omega) => serializer.serialize_f64(*omega),
        }
    }
}

impl<'de> Deserialize<'de> for Omega {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(OmegaVisitor)
    }
}

struct OmegaVisitor;

impl Visitor<'_> for OmegaVisitor {
    type Value = Omega;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a number or \"auto\"")
    }

    fn visit_f64<E>(self, omega: f64) -> std::result::Result<Omega, E> {
        Ok(Omega::Given(omega))
    }

    fn visit_i64<E>(self, omega: i64) -> std::result::Result<Omega, E> {
        Ok(Omega::Given(omega as f64))
    }

    fn visit_u64<E>(self, omega: u64) -> std::result::Result<Omega, E> {
        Ok(Omega::Given(omega as f64))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> std::result::Result<Omega, E> {
        if text == AUTO {
            return Ok(Omega::Auto);
        }
        Err(E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// Noise N(0, (S/ω₀)²) that is added to the initial weights of the first two layers (SIREN², Chandravamsi et al. 2025). The network
/// starts with higher frequencies, which helps sounds most.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightNoise {
    /// S of both layers from the signal's spectrum, by the authors' rule.
    Auto,
    /// S of the first layer and of the second.
    Scales([f64; 2]),
}

impl WeightNoise {
    /// The numbers; `None` for `"auto"`.
    #[must_use]
    pub fn given(self) -> Option<[f64; 2]> {
        match self {
            Self::Scales(scales) => Some(scales),
            Self::Auto => None,
        }
    }

    /// The authors' rule for the spectral centroid `share` as a share of the highest frequency, and `channels` of a signal with
    /// `dims` coordinates, with `r = share / channels`:
    ///
    /// ```text
    /// sounds (dims = 1):    S = 3500 (1 − e^(−7 r)),  3 r
    /// pictures (and more):  S =   50 (1 − e^(−5 r)),  0.4 r
    /// ```
    #[must_use]
    pub fn of_spectrum(share: f64, channels: usize, dims: usize) -> Self {
        let r = share / channels as f64;
        Self::Scales(match dims {
            1 => [3500.0 * (1.0 - (-7.0 * r).exp()), 3.0 * r],
            _ => [50.0 * (1.0 - (-5.0 * r).exp()), 0.4 * r],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn omega_is_capped_so_that_no_step_turns_a_phase_by_more_than_two_radians() {
        assert_eq!(
            Omega::of_spectrum(33_342.0, 1, 1e-4),
            Omega::Given(16_671.0)
        );
        let capped = Omega::of_spectrum(33_342.0, 1, 4e-4).given();
        assert!((capped.unwrap() - 5_000.0).abs() < 1e-9);
    }
}
