//! Shapes as signed distance functions (Sitzmann et al. 2020, §4.2).

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

#[cfg(feature = "cli")]
mod draw;
pub mod geometry;
mod scene;

pub use self::geometry::{Geometry, Mesh, PointCloud, Vector};
pub use self::scene::Scene;
