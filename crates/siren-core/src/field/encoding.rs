//! Encodings of the coordinates before the first layer.

use serde::de::MapAccess;
use serde::{Deserialize, Deserializer, Serialize};

use crate::config::variant::{self, Variant};
use crate::error::{Error, Result};

/// Encoding of the coordinates before the first layer: a name such as `"nerf"` for its defaults, or a table such as
/// `{ fourier = { scale = 4.0 } }`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// None: the coordinates themselves.
    #[default]
    Identity,
    /// Positional encoding (Mildenhall et al. 2020; the authors' `PosEncodingNeRF`).
    Nerf(NerfEncoding),
    /// Gaussian Fourier features (Tancik et al. 2020).
    Fourier(FourierEncoding),
    /// Radial basis functions with learned centers and widths (the authors' `RBFLayer`).
    Rbf(RbfEncoding),
}

/// The names that `field.encoding` may hold.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EncodingName {
    Identity,
    Nerf,
    Fourier,
    Rbf,
}

impl<'de> Variant<'de> for Encoding {
    type Name = EncodingName;
    const EXPECTED: &'static str = "the name of an encoding, such as \"nerf\", or a table such as { nerf = { frequencies = 6 } }";

    fn with_defaults(name: EncodingName) -> Self {
        match name {
            EncodingName::Identity => Self::Identity,
            EncodingName::Nerf => Self::Nerf(NerfEncoding::default()),
            EncodingName::Fourier => Self::Fourier(FourierEncoding::default()),
            EncodingName::Rbf => Self::Rbf(RbfEncoding::default()),
        }
    }

    fn with_settings<A: MapAccess<'de>>(
        name: EncodingName,
        settings: &mut A,
    ) -> Result<Option<Self>, A::Error> {
        Ok(match name {
            EncodingName::Nerf => Some(Self::Nerf(settings.next_value()?)),
            EncodingName::Fourier => Some(Self::Fourier(settings.next_value()?)),
            EncodingName::Rbf => Some(Self::Rbf(settings.next_value()?)),
            EncodingName::Identity => None,
        })
    }
}

impl<'de> Deserialize<'de> for Encoding {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        variant::deserialize(deserializer)
    }
}

/// Positional encoding: x, then `sin(2ⁱπ xⱼ)` and `cos(2ⁱπ xⱼ)` for each i < L and each axis j.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NerfEncoding {
    /// Number of frequencies L. Default: 10 in three dimensions; otherwise `⌊log₂(N/4)⌋` for N samples along the signal's shorter side, as
    /// the authors do.
    pub frequencies: Option<usize>,
}

/// Gaussian Fourier features `sin 2πBx` and `cos 2πBx`; the entries of B are drawn from N(0, scale²) and stay fixed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FourierEncoding {
    /// Number of rows of B. The first layer has twice as many inputs.
    pub features: usize,
    /// Standard deviation of the entries of B, in cycles per unit of the coordinates.
    pub scale: f64,
}

impl Default for FourierEncoding {
    fn default() -> Self {
        Self {
            features: 256,
            scale: 10.0,
        }
    }
}

/// Radial basis functions `exp(−(s ‖x − c‖²)²)` with learned centers c and widths s. As in the authors' code, the squared distance is
/// squared again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RbfEncoding {
    /// Number of centers. They start from U(−1, 1) on each axis.
    pub centers: usize,
    /// Initial s of every center.
    pub sigma: f64,
}

impl Default for RbfEncoding {
    fn default() -> Self {
        Self {
            centers: 1024,
            sigma: 10.0,
        }
    }
}

impl Encoding {
    /// Checks every value.
    pub(crate) fn validate(&self) -> Result<()> {
        let positive = |key: &str, value: usize| match value {
            1..=65_536 => Ok(()),
            _ => Err(Error::invalid(key, value, "1 to 65536")),
        };
        match self {
            Self::Identity => Ok(()),
            Self::Nerf(nerf) => match nerf.frequencies {
                None | Some(1..=30) => Ok(()),
                Some(n) => Err(Error::invalid(
                    "field.encoding.nerf.frequencies",
                    n,
                    "1 to 30",
                )),
            },
            Self::Fourier(fourier) => {
                positive("field.encoding.fourier.features", fourier.features)?;
                positive_single("field.encoding.fourier.scale", fourier.scale)
            }
            Self::Rbf(rbf) => {
                positive("field.encoding.rbf.centers", rbf.centers)?;
                positive_single("field.encoding.rbf.sigma", rbf.sigma)
            }
        }
    }
}

/// Checks that `value` is finite and positive in single precision, in which networks are computed.
pub(super) fn positive_single(key: &str, value: f64) -> Result<()> {
    let single = value as f32;
    if single.is_finite() && single > 0.0 {
        return Ok(());
    }
    let expected = "a positive number within single precision";
    Err(Error::invalid(key, value, expected))
}

/// Returns the number of frequencies of a positional encoding for a side of N = `samples` points by the Nyquist rule of the authors' code,
/// `⌊log₂(1 / (2 · 2/N))⌋ = ⌊log₂(N/4)⌋`, at least 1.
#[must_use]
pub fn nyquist_frequencies(samples: usize) -> usize {
    ((samples / 4).max(2)).ilog2() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nyquist_rule_gives_the_authors_frequencies() {
        assert_eq!(nyquist_frequencies(512), 7);
        assert_eq!(nyquist_frequencies(256), 6);
        assert_eq!(nyquist_frequencies(64), 4);
    }

    #[derive(Debug, Deserialize)]
    struct Field {
        encoding: Encoding,
    }

    fn parsed(value: &str) -> Result<Encoding, String> {
        let field: Result<Field, _> = toml::from_str(&format!("encoding = {value}"));
        let field = field.map_err(|error| error.message().to_owned())?;
        Ok(field.encoding)
    }

    #[test]
    fn a_name_alone_gives_an_encoding_with_default_settings() {
        for (name, encoding) in [
            ("identity", Encoding::Identity),
            ("nerf", Encoding::Nerf(NerfEncoding::default())),
            ("fourier", Encoding::Fourier(FourierEncoding::default())),
            ("rbf", Encoding::Rbf(RbfEncoding::default())),
        ] {
            assert_eq!(parsed(&format!("\"{name}\"")).unwrap(), encoding);
            if encoding != Encoding::Identity {
                assert_eq!(parsed(&format!("{{ {name} = {{}} }}")).unwrap(), encoding);
            }
        }
        let set = parsed("{ rbf = { sigma = 3.0 } }").unwrap();
        let expected = RbfEncoding {
            sigma: 3.0,
            ..RbfEncoding::default()
        };
        assert_eq!(set, Encoding::Rbf(expected));
    }

    #[test]
    fn a_misspelled_encoding_or_key_is_refused_with_the_known_names() {
        for (value, words) in [
            ("\"neff\"", ["`neff`", "`nerf`"]),
            ("{ furier = {} }", ["`furier`", "`fourier`"]),
            ("{ rbf = { sigmas = 3.0 } }", ["`sigmas`", "`sigma`"]),
            ("{ nerf = {}, rbf = {} }", ["two names", "one"]),
            ("{}", ["empty", "nerf"]),
            ("3", ["integer", "such as"]),
        ] {
            let message = parsed(value).unwrap_err();
            for word in words {
                assert!(message.contains(word), "{value}: {message}");
            }
        }
    }
}
