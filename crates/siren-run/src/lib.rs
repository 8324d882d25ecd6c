//! Runs: a training that writes a run folder, resumes bit for bit after it was stopped or killed, and can be rendered and exported later.
//!
//! A domain crate implements [`Domain`]: the tables of its configs, and how a config becomes a [`Task`](siren_core::train::Task).
//! [`start`] trains a task into a new [`RunFolder`] and [`resume`] continues from its last checkpoint, both under the caller's [`Hooks`].
//! [`restore`] and [`restore_model`] read the model of a run, [`Record`] reads its metrics, [`export`] writes a model to one file.
//!
//! The library prints nothing, never exits, and installs no signal handler. [`program`] does all three: it is the command line of the
//! domain programs, for `main` functions.
//!
//! # A run inside another program
//!
//! Every run has its own observer and its own stop token, so several runs may go on at once. The observer below stops its run as soon as the
//! headline metric is high enough; any other thread may hold a clone of the token too.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use siren_core::metrics::Metric;
//! use siren_core::train::StopToken;
//! use siren_run::{Domain, Hooks, Machine, Outcome, RunObserver, start};
//!
//! struct GoodEnough {
//!     target: f64,
//!     stop: StopToken,
//! }
//!
//! impl RunObserver for GoodEnough {
//!     fn evaluated(&mut self, step: u64, _loss: f64, metric: &Metric, value: f64) {
//!         println!("step {step}: {} {value:.2} {}", metric.name, metric.unit);
//!         if value >= self.target {
//!             self.stop.stop();
//!         }
//!     }
//! }
//!
//! fn fit<D: Domain>(config: &Path) -> siren_core::Result<()> {
//!     let machine = Machine::new("cpu", Some(4))?;
//!     let stop = StopToken::new();
//!     let mut observer = GoodEnough { target: 40.0, stop: stop.clone() };
//!     let overrides = ["train.steps=2000".to_owned()];
//!     let hooks = Hooks { observer: &mut observer, stop };
//!     let (folder, outcome) = start::<D>(config, &overrides, None, &machine, hooks)?;
//!     match outcome {
//!         Outcome::Interrupted { step } => println!("good enough after {step} steps"),
//!         Outcome::Finished { summary } => println!("{summary}"),
//!         Outcome::AlreadyFinished { .. } | Outcome::NotStarted => {}
//!     }
//!     println!("results in {}", folder.path().display());
//!     Ok(())
//! }
//! ```

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod config;
mod domain;
mod folder;
mod hooks;
mod machine;
pub mod program;
mod report;
mod session;

pub use self::config::{Config, RunConfig, kind_of};
pub use self::domain::{Artifacts, ConfigOf, Domain, FormerDefault, Recorded};
pub use self::folder::tensorboard;
pub use self::folder::{
    CheckpointChoice, EvaluationRow, Record, RunFolder, StepRow, Weights, export,
};
pub use self::hooks::{Hooks, RunObserver, Silent};
pub use self::machine::Machine;
pub use self::report::{made_by, report_on, run_page, write_page};
pub use self::session::{
    Checked, Outcome, Restored, check, export_run, restore, restore_model, resume, start,
};
/// Fields for other programs: formats, and how a field is looked at.
pub use siren_export as portable;
pub use siren_report::Exhibit;
