//! Waves: the Helmholtz equation, its inverse problem and the wave equation, solved by fields (Sitzmann et al. 2020, §4.3).
//!
//! A fit knows an equation and sees no solution: the loss is the residual of the equation at random points, computed from the exact derivatives of the
//! field. A [`Waves`] is the fitting problem for [`siren_core::train::Fit`]; a [`WaveField`] is the fitted field, with waves and media at any point,
//! and is one `.safetensors` file on disk.
//!
//! ```no_run
#![doc = include_str!("../examples/point_source.rs")]
//! ```
//!
//! The domain is [−1, 1]² in coordinates, and the medium is its squared slowness `m = (c_ref / c)²`, 1 in the background. Waves of one frequency have
//! the time factor `e^{+iωt}`.
//!
//! [`reference`](mod@reference) has solutions without a field: closed forms, finite differences, inversion by adjoint states. Every score compares with one of them.
//!
//! # Config
//!
//! [`WaveSignalConfig`](config::WaveSignalConfig) and [`WaveObjectiveConfig`](config::WaveObjectiveConfig) are the tables of a config file of the kind
//! `wave`. In Rust, take their `default()` and set fields; the names are the same.
//!
//! | key of `[signal]` | default | meaning |
//! |---|---|---|
//! | `medium` | `"uniform"` | the squared slowness: `"uniform"`, `"square"`, `"circle"`, or `{ file = { path = "model.npy" } }` |
//! | `units` | – | the wavenumber (20 without keys), or frequency, extent and velocity |
//! | `sources` | `[[0.0, 0.0]]` | positions of the sources |
//! | `source_variance` | – | variance of a Gaussian source: 1e-4, for the equation `wave` 5e-4 |
//! | `recording` | – | recorded waves of the inverse problem |
//! | `receivers` | – | positions of receivers |
//! | `noise` | `0.0` | noise that is added to the recorded waves |
//!
//! | key of `[objective]` | default | meaning |
//! |---|---|---|
//! | `equation` | `"helmholtz"` | an equation of the table below, by its name or with its settings |
//! | `norm` | `"mse"` | `"mse"`, or `"l1"`, the authors' |
//! | `points` | 1200 | points of the domain in a step |
//! | `source_points` | 300 | further points around sources, in the medium, or on the front of a wave |
//! | `source_weight` | 0.1 | weight of the further points |
//! | `hold_points` | 1 | steps in which points stay the same; 0: all |
//!
//! | equation | for | field |
//! |---|---|---|
//! | [`helmholtz`](config::HelmholtzConfig) | waves of one frequency, with an absorbing layer | (x, y) ↦ real and imaginary part |
//! | [`inverse`](config::InverseConfig) | the medium from recorded waves | (x, y) ↦ two channels a source and, unless it is in closed form, the medium; or the medium alone |
//! | [`wave`](config::WaveEquationConfig) | a pulse in time | (t, x, y) ↦ displacement |
//!
//! The tables `[field]` and `[train]` are [`SirenConfig`](siren_core::field::SirenConfig) and [`TrainConfig`](siren_core::train::TrainConfig);
//! [`Waves::recipe`] returns values of them that suit an equation.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `cli` | yes | the program `siren-wave`, `Waves` as a domain of `siren-run`, and pictures of waves; brings clap, image and kuva |
//! | `segy` | no | media in SEG-Y files |

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

#[cfg(feature = "cli")]
mod artifacts;
pub mod checks;
pub mod config;
mod contrast;
#[cfg(feature = "cli")]
mod domain;
#[cfg(feature = "cli")]
pub(crate) mod draw;
pub mod field;
mod helmholtz;
mod inverse;
#[cfg(feature = "cli")]
mod look;
mod mat;
pub mod medium;
mod numbers;
pub mod objective;
pub mod offset;
mod pair;
pub mod pml;
#[cfg(feature = "cli")]
mod program;
pub mod receivers;
pub mod recording;
pub mod reference;
#[cfg(feature = "cli")]
mod render;
mod sampler;
mod scores;
mod shots;
mod signal;
pub mod source;
pub mod units;
pub mod wave;

pub use self::field::{WaveField, WaveMetadata};
pub use self::helmholtz::AMPLITUDE_ERROR_PERCENT;
pub use self::inverse::{
    CENTROID_ERROR, DATA_ERROR_PERCENT, LEAST_MEDIUM, SIMULATED_ERROR_PERCENT,
};
#[cfg(feature = "cli")]
pub use self::program::PROGRAM;
#[cfg(feature = "cli")]
pub use self::render::{WaveQuantity, WaveRendering};
pub use self::scores::RELATIVE_ERROR_PERCENT;
pub use self::shots::{MediumFacts, ShotFacts};
pub use self::signal::Waves;

/// Point of the plane, `(x, y)`, in coordinates: the domain is [−1, 1]².
pub type Point = [f64; 2];

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
