//! Core of siren.
pub mod config;
pub mod error;
pub mod field;
pub mod objective;
pub mod run;
pub mod signal;
pub mod train;

pub use error::{Error, Result};
