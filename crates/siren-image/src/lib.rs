//! Pictures as fields: `Φ: (row, column) ∈ [−1, 1]² → channels`, fitted to pixels (Sitzmann et al. 2020, §3 and §4.1).
//!
//! An [`Image`] is a picture as a fitting problem, of a [`Picture`] in memory or of a config. A [`Fit`](siren_core::train::Fit) trains a
//! field on it, and the resulting [`PictureField`] gives values, gradients, Laplacians and renderings at any points and sizes:
//!
//! ```no_run
#![doc = include_str!("../examples/fit_picture.rs")]
//! ```
//!
//! # Config
//!
//! [`ImageSignalConfig`](config::ImageSignalConfig) and [`ImageObjectiveConfig`](config::ImageObjectiveConfig) are the tables of a config
//! file of the kind `image`. In Rust, take their `default()` and set fields; the names are the same.
//!
//! | key of `[signal]` | default | meaning |
//! |---|---|---|
//! | `path` | – | picture file; the embedded picture without it |
//! | `size` | 256 | side of the embedded picture in pixels |
//! | `color` | `"auto"` | channels: `"auto"` (as in the file), `"gray"`, `"rgb"` |
//! | `crop` | – | crops to a square of this side at the center, in pixels |
//! | `crop_box` | – | crops to `[top, left, height, width]`, in pixels; not together with `crop` |
//! | `resize` | – | resizes, after cropping, so that the shorter side has this many pixels |
//! | `coordinates` | `"stretch"` | `"stretch"`: both axes span [−1, 1]; `"aspect"`: the longer one does, and both have the same spacing |
//! | `observed` | `"all"` | pixels that are trained on: `"all"`, `"even"` (rows and columns), `{ fraction = 0.5 }` (random), `{ mask = "mask.png" }` (white) |
//! | `sampling` | `"whole"` | points of a step: `"whole"` (all observed pixels), `{ subset = { points = 4096 } }` |
//! | `score_derivatives` | `false` | also reports the PSNR of gradients and Laplacians against finite differences |
//!
//! | key of `[objective]` | default | meaning |
//! |---|---|---|
//! | `prior` | `"none"` | smoothness prior and its weight: `{ total_variation = 1e-5 }`, `{ hessian = 1e-7 }` |
//! | `prior_points` | half the pixels | random points per step at which the prior is computed |
//!
//! [`Image::new`] takes a picture in memory, and ignores the keys from `path` to `resize`; [`Image::from_config`] obeys them all. The tables
//! `[field]` and `[train]` are [`SirenConfig`](siren_core::field::SirenConfig) and [`TrainConfig`](siren_core::train::TrainConfig).
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `cli` | yes | the program `siren-image`, and `Image` as a domain of `siren-run`; brings clap |

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

#[cfg(feature = "cli")]
mod artifacts;
pub mod config;
#[cfg(feature = "cli")]
mod domain;
mod evaluate;
#[cfg(feature = "cli")]
mod program;
pub mod signal;
mod spectrum;

pub use siren_picture::{ColorMode, Picture, PictureField, Quantity, Size};

#[cfg(feature = "cli")]
pub use self::program::PROGRAM;
pub use self::signal::Image;

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
