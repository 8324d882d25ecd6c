//! What a domain crate supplies to a run.

use std::path::Path;

use candle_core::Device;
use siren_core::Result;
use siren_core::config::Table;
use siren_core::metrics::Metric;
use siren_core::signal::SignalMetadata;
use siren_core::train::{Model, Task};

use crate::config::Config;
use crate::reopen::FormerDefault;

/// The config of a domain.
pub type ConfigOf<D> =
    Config<<D as Domain>::Signal, <D as Domain>::Objective, <<D as Task>::Model as Model>::Config>;

/// What a run folder keeps of a task besides parameters and metrics.
pub trait Recorded: Task {
    /// Facts of the signal from which a fitted model is rendered.
    type Metadata: SignalMetadata;

    /// Returns a checksum of what was read, so that a run does not resume on another signal.
    fn checksum(&self) -> u32;

    /// Describes the signal so that `model` can be rendered without it.
    ///
    /// # Errors
    /// Only from candle.
    fn metadata(&self, model: &Self::Model) -> Result<Self::Metadata>;

    /// Writes pictures, sounds or clips of the result into `folder`.
    ///
    /// # Errors
    /// If a file cannot be written.
    fn write_artifacts(&self, model: &Self::Model, folder: &Path) -> Result<()>;

    /// Returns remarks on the signal for the user, such as what was left out of a file.
    fn notes(&self) -> &[String] {
        &[]
    }
}

/// A kind of signal, with the tables of its configs.
pub trait Domain: Recorded + Sized {
    /// The config's `kind`, and the crate's name after `siren-`.
    const KIND: &'static str;
    /// The metric that decides which checkpoint is best.
    const HEADLINE: Metric;
    /// The `[signal]` table.
    type Signal: Table;
    /// The `[objective]` table.
    type Objective: Table;

    /// Keys that the configs of older run folders lack, with the values by which those runs were trained.
    const FORMER_DEFAULTS: &'static [FormerDefault] = &[];

    /// Reads the signal.
    ///
    /// # Errors
    /// If the input is missing or unusable; nothing has been written by then.
    fn open(config: &ConfigOf<Self>, device: &Device) -> Result<Self>;

    /// Replaces values that the config leaves to the signal.
    ///
    /// # Errors
    /// If the config does not suit the signal.
    fn resolve(&self, _config: &mut ConfigOf<Self>) -> Result<()> {
        Ok(())
    }
}
