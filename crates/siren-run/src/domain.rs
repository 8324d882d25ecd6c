//! The traits that a domain crate implements.

use std::path::Path;

use siren_core::Result;
use siren_core::config::Table;
use siren_core::metrics::Metric;
use siren_core::signal::SignalMetadata;
use siren_core::train::{Model, Task};
use siren_export::Portable;
use siren_report::Exhibit;

use crate::config::Config;

/// The config of a domain.
pub type ConfigOf<D> =
    Config<<D as Domain>::Signal, <D as Domain>::Objective, <<D as Task>::Model as Model>::Config>;

/// A key that the configs of older run folders lack, with the value by which those runs were trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormerDefault {
    /// Table of the config, such as `signal`.
    pub table: &'static str,
    /// Key in that table.
    pub key: &'static str,
    /// Value of the key in those runs, a string.
    pub value: &'static str,
}

/// What a run wrote into its folder of artifacts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Artifacts {
    /// Files that the page of the run shows, in its order.
    pub exhibits: Vec<Exhibit>,
    /// Remarks for the user, such as a file that a model without a surface does not have. Each is one line.
    pub notes: Vec<String>,
}

impl Artifacts {
    /// Returns artifacts without remarks.
    #[must_use]
    pub fn shown(exhibits: Vec<Exhibit>) -> Self {
        Self {
            exhibits,
            notes: Vec::new(),
        }
    }
}

/// A task whose run can be resumed, rendered and shown: everything that a run folder contains besides config, parameters and metrics.
///
/// The training loop calls [`notes`](Self::notes) once before the first step, [`metadata`](Self::metadata) for every checkpoint, and
/// [`write_artifacts`](Self::write_artifacts) once after the last step. [`resume`](crate::resume) compares
/// [`checksum`](Self::checksum) with that of the checkpoint.
pub trait Recorded: Task {
    /// Facts of the signal from which a fitted model is rendered without the signal.
    type Metadata: SignalMetadata;

    /// Returns a checksum of the values that are fitted, so that a run does not resume on another signal.
    ///
    /// # Errors
    /// If the values are in a file that cannot be read.
    fn checksum(&self) -> Result<u32>;

    /// Returns the facts that are stored in each checkpoint for rendering `model`.
    ///
    /// # Errors
    /// Only from candle.
    fn metadata(&self, model: &Self::Model) -> Result<Self::Metadata>;

    /// Writes pictures, sounds, clips or meshes of the fitted model into the existing folder `folder`, and returns how the page of the run shows
    /// them.
    ///
    /// # Errors
    /// If a file cannot be written.
    fn write_artifacts(&self, model: &Self::Model, folder: &Path) -> Result<Artifacts>;

    /// Returns the field of a fitted model and how it is looked at, for exports that other programs evaluate.
    ///
    /// # Errors
    /// If the model is not one field. The message says what to do instead.
    fn portable<'a>(metadata: &Self::Metadata, model: &'a Self::Model) -> Result<Portable<'a>>;

    /// Returns remarks on the signal for the user, such as parts of a file that are not used. Each is one line.
    fn notes(&self) -> &[String] {
        &[]
    }
}

/// A kind of signal: its config tables, and how a config is opened as a task.
///
/// [`start`](crate::start), [`check`](crate::check) and [`resume`](crate::resume) parse the config, then call [`open`](Self::open). Only
/// [`start`](crate::start) and [`check`](crate::check) call [`resolve`](Self::resolve) next: the config of a run folder is resolved.
/// [`restore`](crate::restore) calls neither, unless an older program wrote the checkpoint.
pub trait Domain: Recorded + Sized {
    /// The config's `kind`, and the crate's name after `siren-`.
    const KIND: &'static str;
    /// The metric that decides which checkpoint is the best; [`evaluate`](Task::evaluate) returns it among others.
    const HEADLINE: Metric;
    /// The `[signal]` table.
    type Signal: Table;
    /// The `[objective]` table.
    type Objective: Table;

    /// Keys that the configs of older run folders lack.
    const FORMER_DEFAULTS: &'static [FormerDefault] = &[];

    /// Reads the signal.
    ///
    /// # Errors
    /// If the input is missing or unusable; nothing has been written by then.
    fn open(config: &ConfigOf<Self>) -> Result<Self>;

    /// Replaces the values that the config leaves to the signal, except those of `[field]`, which
    /// [`siren_core::train::resolve`] replaces afterwards.
    ///
    /// # Errors
    /// If the config does not suit the signal.
    fn resolve(&self, _config: &mut ConfigOf<Self>) -> Result<()> {
        Ok(())
    }
}
