//! Configs as TOML: parsed once, checked, never guessed; errors name file, line and key.

mod locate;
mod parse;
pub(crate) mod variant;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Result;

pub use self::parse::Source;

/// A domain's own table of a config.
pub trait Table:
    Clone + Default + PartialEq + Send + Sync + Serialize + for<'de> Deserialize<'de>
{
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::InvalidValue`](crate::Error::InvalidValue) with the full key, such as `signal.crop`.
    fn validate(&self) -> Result<()>;

    /// Makes relative paths absolute, so that a run can be resumed from anywhere.
    fn resolve_paths(&mut self, _base: &Path) {}

    /// Whether there is nothing in it to write down.
    fn is_absent(&self) -> bool {
        false
    }
}

/// The table of a domain with nothing to set there.
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
