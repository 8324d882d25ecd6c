//! Facts of a signal that rendering needs, saved with a fitted field.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Facts of a signal from which a fitted model is rendered, such as its size, its sample rate or the scale of its values. The file that was
/// fitted is then needed for metrics only.
pub trait SignalMetadata: Send + Serialize + DeserializeOwned {
    /// Version of the format; increased when a field is added or changes its meaning.
    const VERSION: u32;
}

/// Metadata of a signal that is rendered without any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoMetadata {}

impl SignalMetadata for NoMetadata {
    const VERSION: u32 = 1;
}

/// A [`SignalMetadata`] in the form in which files hold it: its version and a TOML table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptMetadata {
    version: u32,
    fields: toml::Table,
}

impl KeptMetadata {
    /// Converts metadata to its form in a file.
    ///
    /// # Errors
    /// [`Error::Config`] if it cannot be written as TOML.
    pub fn new<T: SignalMetadata>(metadata: &T) -> Result<Self> {
        let fields = toml::Table::try_from(metadata).map_err(|error| Error::Config {
            origin: "metadata of the signal".to_owned(),
            message: error.to_string(),
        })?;
        Ok(Self {
            version: T::VERSION,
            fields,
        })
    }

    /// Returns the metadata, or `None` if it has another version or lacks a field.
    #[must_use]
    pub fn read<T: SignalMetadata>(&self) -> Option<T> {
        if self.version != T::VERSION {
            return None;
        }
        T::deserialize(self.fields.clone()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Facts {
        rate: u32,
        peak: f32,
        tone: Vec<[f32; 2]>,
    }

    impl SignalMetadata for Facts {
        const VERSION: u32 = 3;
    }

    #[test]
    fn metadata_is_read_bit_for_bit_and_refused_in_another_version() {
        let facts = Facts {
            rate: 44_100,
            peak: 0.1,
            tone: vec![[1.0 / 3.0, f32::MIN_POSITIVE], [-1e30, 0.0]],
        };
        let kept = KeptMetadata::new(&facts).unwrap();
        let text = toml::to_string(&kept).unwrap();
        let again: KeptMetadata = toml::from_str(&text).unwrap();
        assert_eq!(again.read::<Facts>(), Some(facts));
        let other = KeptMetadata {
            version: 4,
            ..again
        };
        assert_eq!(other.read::<Facts>(), None);
    }
}
