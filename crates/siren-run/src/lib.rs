//! Runs: the training loop that leaves a folder, resuming it bit for bit, and the command line that the programs of all domains share.
//!
//! A domain crate offers a [`Domain`]: which configs it has, and how one of them becomes a [`Task`](siren_core::train::Task). [`start`]
//! and [`resume`] train it and keep everything in a [`RunFolder`]; a [`Hooks`] lets the caller watch and stop them. Nothing prints,
//! exits, or handles signals but [`program`], which is for `main` functions.

#![forbid(unsafe_code)]

mod checkpoint;
mod config;
mod domain;
mod folder;
mod hooks;
mod launch;
mod machine;
pub mod program;
mod record;
mod reopen;
mod rows;
mod session;
mod summary;
pub mod tensorboard;
mod upgrade;
mod weights;

pub use self::config::{Config, RunConfig};
pub use self::domain::{ConfigOf, Domain, Recorded};
pub use self::folder::{CheckpointChoice, RunFolder};
pub use self::hooks::{Hooks, RunObserver, Silent};
pub use self::launch::{Outcome, check, resume, start};
pub use self::machine::Machine;
pub use self::record::{Evaluation, Record};
pub use self::reopen::{FormerDefault, Restored, restore, restore_model};
pub use self::weights::{Weights, export};
