//! Runs: the one loop, the folder it leaves, and the command line that drives it.
//!
//! Only what is in here opens files, prints, or reads clocks and the environment.

mod checkpoint;
pub mod cli;
mod config;
pub mod console;
mod disk;
mod folder;
pub mod interrupt;
mod launch;
mod listing;
mod machine;
mod metadata;
pub mod metrics;
mod partial;
mod progress;
mod record;
mod reopen;
mod rows;
mod session;
mod summary;
pub mod tensorboard;
mod weights;

use std::path::Path;

use candle_core::Device;

use crate::config::Table;
use crate::error::Result;
use crate::field::FieldShape;
use crate::signal::Spectrum;
use crate::train::Model;

pub use self::config::{Config, RunConfig};
pub use self::disk::make_folder;
pub use self::folder::{RunFolder, Which};
pub use self::launch::{Outcome, check, resume, start};
pub use self::listing::{Listing, has_extension, is_hidden, natural_order};
pub use self::machine::{Machine, available_memory};
pub use self::metadata::{NoMetadata, SignalMetadata};
pub use self::partial::{PartialFile, replaceable};
pub use self::record::{Evaluation, Record};
pub use self::reopen::{FormerDefault, Restored, restore, restore_model};
pub use self::weights::{Weights, export};

/// The config of a domain.
pub type ConfigOf<D> = Config<
    <D as Domain>::Signal,
    <D as Domain>::Objective,
    <<D as Domain>::Model as Model>::Config,
>;

/// Metrics of an evaluation, in the order in which they are shown.
pub type Metrics = Vec<(String, f64)>;

/// What a domain crate gives to the loop.
pub trait Domain: Sized {
    /// The config's `kind`, and the crate's name after `siren-`.
    const KIND: &'static str;
    /// The metric that decides which checkpoint is best; higher is better.
    const HEADLINE: &'static str;
    /// What is trained: a [`Siren`](crate::field::Siren), or what makes fields.
    type Model: Model;
    /// The `[signal]` table.
    type Signal: Table;
    /// The `[objective]` table.
    type Objective: Table;
    /// What rendering a fitted model needs to know of the signal.
    type Metadata: SignalMetadata;

    /// Keys that the configs of older run folders lack, with the values by which those runs were trained.
    const FORMER_DEFAULTS: &'static [FormerDefault] = &[];

    /// Reads the signal.
    ///
    /// # Errors
    /// If the input is missing or unusable; nothing has been written by then.
    fn open(config: &ConfigOf<Self>, device: &Device) -> Result<Self>;

    /// Puts numbers that the signal gives in the place of what the config leaves to it.
    ///
    /// # Errors
    /// If the config does not suit the signal.
    fn resolve(&self, _config: &mut ConfigOf<Self>) -> Result<()> {
        Ok(())
    }

    /// Coordinates and channels.
    fn shape(&self) -> FieldShape;

    /// How fast the signal varies, for what a config leaves to `"auto"`; asked for only then. `None` if it does not vary.
    ///
    /// # Errors
    /// If the signal may not be looked at as a whole.
    fn spectrum(&self) -> Result<Option<Spectrum>>;

    /// Checksum of what was read, so that a run does not resume on another signal.
    fn checksum(&self) -> u32;

    /// Describes the signal so that `model` can be rendered without it.
    ///
    /// # Errors
    /// Only from candle.
    fn metadata(&self, model: &Self::Model) -> Result<Self::Metadata>;

    /// What the model must satisfy.
    ///
    /// # Errors
    /// If the objective does not fit the signal.
    fn constraints(&self) -> Result<Vec<<Self::Model as Model>::Constraint>>;

    /// Scores the model; the headline metric must be among the results.
    ///
    /// # Errors
    /// Only from candle.
    fn evaluate(&self, model: &Self::Model) -> Result<Metrics>;

    /// Writes what one wants to look at into `folder`.
    ///
    /// # Errors
    /// If a file cannot be written.
    fn write_artifacts(&self, model: &Self::Model, folder: &Path) -> Result<()>;
}
