//! Pictures from their derivatives (Sitzmann et al. 2020, §4.1): a field is fitted to the gradient of a picture, or to its Laplacian, and
//! shows the picture, which it does not see. Two pictures are blended by their gradients.
//!
//! A [`Poisson`] is a fitting problem, of a [`Picture`] in memory or of a config. A [`Fit`](siren_core::train::Fit) trains a field on it,
//! and the resulting [`PictureField`] gives values, gradients, Laplacians and renderings at any points and sizes:
//!
//! ```no_run
#![doc = include_str!("../examples/from_gradients.rs")]
//! ```
//!
//! Derivatives do not determine brightness and contrast, so renderings and scores use the gain and the offset of each channel that bring
//! the field nearest to the picture. [`solver`] is a classical Poisson solver for the same targets, as a reference.
//!
//! # Config
//!
//! [`PoissonSignalConfig`](config::PoissonSignalConfig) and [`PoissonObjectiveConfig`](config::PoissonObjectiveConfig) are the tables of a
//! config file of the kind `poisson`. In Rust, take their `default()` and set fields; the names are the same.
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
//! | `sampling` | `"whole"` | points of a step: `"whole"` (all pixels), `{ subset = { points = 4096 } }` |
//! | `stencil` | `"spectral"` | derivatives of the pixels: `"spectral"` (of their cosine series), `"central"` (differences), `"sobel"` (the authors') |
//! | `scaling` | `"coordinate"` | unit of the targets: `"coordinate"` (derivatives with respect to the coordinates), `"authors"` |
//! | `blend.path` | – | second picture, whose derivatives are blended with those of the first |
//! | `blend.weight` | 0.5 | weight of the second picture, the same for all pixels |
//! | `blend.mask` | – | picture file with the weight for each pixel; not together with `blend.weight` |
//!
//! | key of `[objective]` | default | meaning |
//! |---|---|---|
//! | `gradient` | 1.0 | weight of the error of the gradient |
//! | `laplacian` | 0.0 | weight of the error of the Laplacian |
//! | `anchor.pixels` | – | pixels whose values are fitted as well: `"border"`, `{ fraction = 0.01 }` (random), `{ mask = "mask.png" }` (white) |
//! | `anchor.weight` | 1.0 | weight of the error of these values |
//!
//! [`Poisson::new`] takes a picture in memory, and ignores the keys from `path` to `resize`; [`Poisson::from_config`] obeys them all. The
//! tables `[field]` and `[train]` are [`SirenConfig`](siren_core::field::SirenConfig) and [`TrainConfig`](siren_core::train::TrainConfig).
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `cli` | yes | the program `siren-poisson`, and `Poisson` as a domain of `siren-run`; brings clap |

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod anchors;
#[cfg(feature = "cli")]
mod artifacts;
mod between;
pub mod config;
mod cosine;
#[cfg(feature = "cli")]
mod domain;
mod evaluate;
mod overlay;
#[cfg(feature = "cli")]
mod program;
pub mod signal;
pub mod solver;
mod stencil;
mod targets;

pub use siren_picture::{ColorMode, Picture, PictureField, Quantity, Size};

pub use self::overlay::Overlay;
#[cfg(feature = "cli")]
pub use self::program::PROGRAM;
pub use self::signal::Poisson;

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
