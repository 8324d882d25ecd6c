//! Clips as fields: `Φ: (time, row, column) ∈ [−1, 1]³ → color`, fitted on voxels (Sitzmann et al. 2020, §4.1 and supplement).
//!
//! The [`config::VideoSignal`] table names a clip; [`frames`] reads its pictures one after the other; [`Clip`](clip::Clip) holds
//! them as they are, 8 bits a channel; [`Video`] draws voxels from it for every step; [`render`] plays a fitted field at any frame
//! rate and size into a [`sink`].

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod clip;
pub mod config;
#[cfg(feature = "cli")]
mod domain;
mod evaluate;
pub mod frames;
pub mod render;
mod scene;
pub mod signal;
pub mod sink;
mod voxels;

pub use self::signal::Video;
