//! Pictures as fields: `Φ: (row, column) ∈ [−1, 1]² → channels`, fitted on pixels (Sitzmann et al. 2020, §3 and §4.1).
//!
//! A picture becomes a signal by the [`config::ImageSignalConfig`] table; [`Image`] is the domain that the run loop drives.

#[cfg(feature = "cli")]
mod artifacts;
pub mod config;
#[cfg(feature = "cli")]
mod domain;
mod evaluate;
pub mod signal;

pub use self::signal::Image;
