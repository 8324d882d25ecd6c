//! Settings that can be computed from a signal's spectrum: ω₀ of the first layer, and the weight noise of SIREN².

use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Text of a value that is to be computed from the signal.
pub(super) const AUTO: &str = "auto";

/// ω₀ of the first layer: a number, or `"auto"`. A run replaces `"auto"` by a number before it draws the network and writes its config.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Omega {
    /// Computed from the signal's spectrum: `ω₀ = d ω̄ / 2` with d coordinates and the centroid ω̄ of the amplitude spectrum, at most
    /// `2 / learning_rate`.
    Auto,
    /// A number, in radians per unit of the coordinates.
    Given(f64),
}

impl From<f64> for Omega {
    fn from(omega: f64) -> Self {
        Self::Given(omega)
    }
}

impl Omega {
    /// Returns ω₀ = d ω̄ / 2, at most `2 / learning_rate`, for a signal with d = `dims` coordinates whose spectrum has the
    /// amplitude-weighted `centroid` ω̄, in radians per unit of the coordinates.
    ///
    /// The weights of the first layer are drawn from U(±1/d), so the layer's sines have frequencies from 0 to ω̄ / 2 along every axis; the
    /// following layers compose higher frequencies from these. The bound has this reason: a step of Adam changes a bias by about the
    /// learning rate, and the phase of a sine by ω₀ times as much; at more than 2 to 2.5 radians per step training does not converge.
    ///
    /// Both factors are measured, not derived: `configs/sweeps/omega_image.toml` and `omega_audio.toml` compare them with fixed values.
    #[must_use]
    pub fn of_spectrum(centroid: f64, dims: usize, learning_rate: f64) -> Self {
        Self::Given((0.5 * centroid * dims as f64).min(2.0 / learning_rate))
    }

    /// Returns the number; `None` for `"auto"`.
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
    /// S of both layers, computed from the signal's spectrum by the authors' rule.
    Auto,
    /// S of the first layer and of the second.
    Scales([f64; 2]),
}

impl WeightNoise {
    /// Returns S of the first and of the second layer; `None` for `"auto"`.
    #[must_use]
    pub fn given(self) -> Option<[f64; 2]> {
        match self {
            Self::Scales(scales) => Some(scales),
            Self::Auto => None,
        }
    }

    /// Returns the noise by the authors' rule for a signal with `dims` coordinates and `channels` channels whose spectral centroid is
    /// `share` times its Nyquist frequency. With `r = share / channels`:
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
    fn omega_is_at_most_two_over_the_learning_rate() {
        assert_eq!(
            Omega::of_spectrum(33_342.0, 1, 1e-4),
            Omega::Given(16_671.0)
        );
        let capped = Omega::of_spectrum(33_342.0, 1, 4e-4).given();
        assert!((capped.unwrap() - 5_000.0).abs() < 1e-9);
    }
}
