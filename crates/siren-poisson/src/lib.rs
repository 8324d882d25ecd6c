//! Pictures from their derivatives (Sitzmann et al. 2020, §4.1): a field is shown the gradient of a picture, or its Laplacian,
//! and never the picture; two pictures are merged by blending their gradients.
//!
//! The [`config::PoissonSignalConfig`] table names pictures and the unit of the targets,
//! [`Derivatives`](siren_core::objective::Derivatives) compares, and [`solver`] is what a classical solver makes of the same targets.

#[cfg(feature = "cli")]
mod artifacts;
mod between;
pub mod config;
mod cosine;
#[cfg(feature = "cli")]
mod domain;
mod evaluate;
pub mod signal;
pub mod solver;
mod stencil;
mod targets;

pub use self::signal::Poisson;
