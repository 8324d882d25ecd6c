//! Waves: the Helmholtz equation, its inverse problem and the wave equation, solved by fields (Sitzmann et al. 2020, §4.3).

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
#[cfg(feature = "cli")]
mod render;
mod sampler;
mod shots;
mod signal;
pub mod source;
pub mod units;

pub use self::field::{WaveField, WaveMetadata};
pub use self::helmholtz::{AMPLITUDE_ERROR_PERCENT, RELATIVE_ERROR_PERCENT};
#[cfg(feature = "cli")]
pub use self::render::{WaveQuantity, WaveRendering};
pub use self::shots::{MediumFacts, ShotFacts};
pub use self::signal::Waves;

/// Point of the plane, `(x, y)`, in coordinates: the domain is [−1, 1]².
pub type Point = [f64; 2];
