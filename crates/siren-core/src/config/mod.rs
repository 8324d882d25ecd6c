//! Configs in TOML.
//!
//! A [`Source`] deserializes a text with overrides such as `train.steps=500`; its errors name file, line and key, and suggest the nearest
//! known name. A [`Table`] checks its values and resolves its paths. Unknown keys are errors.

mod locate;
mod parse;
pub mod variant;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Result;

pub use self::parse::Source;

/// Table of a config that a domain defines.
pub trait Table:
    Clone + Default + PartialEq + Send + Sync + Serialize + for<'de> Deserialize<'de>
{
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::InvalidValue`](crate::Error::InvalidValue) with the full key, such as `signal.crop`.
    fn validate(&self) -> Result<()>;

    /// Makes relative paths absolute with respect to `base`, so that a run can be resumed from any folder.
    fn resolve_paths(&mut self, _base: &Path) {}

    /// Returns whether the table is left out when the config is written.
    fn is_absent(&self) -> bool {
        false
    }
}

/// Table without keys, for a domain or a model without settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoTable {}

impl Table for NoTable {
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    fn is_absent(&self) -> bool {
        true
    }
}
