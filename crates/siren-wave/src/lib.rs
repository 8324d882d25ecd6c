//! Waves: the Helmholtz equation, its inverse problem and the wave equation, solved by fields (Sitzmann et al. 2020, §4.3).

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod checks;
pub mod config;
#[cfg(feature = "cli")]
mod domain;
mod helmholtz;
mod mat;
pub mod medium;
mod numbers;
pub mod objective;
pub mod offset;
mod pair;
pub mod pml;
pub mod receivers;
pub mod recording;
pub mod reference;
mod sampler;
mod signal;
pub mod source;
pub mod units;
pub mod wave;

pub use self::helmholtz::{AMPLITUDE_ERROR_PERCENT, RELATIVE_ERROR_PERCENT};
pub use self::signal::Waves;

/// Point of the plane, `(x, y)`, in coordinates: the domain is [−1, 1]².
pub type Point = [f64; 2];
