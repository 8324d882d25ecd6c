//! Shapes as signed distance functions (Sitzmann et al. 2020, §4.2).

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

#[cfg(feature = "cli")]
mod artifacts;
pub mod config;
#[cfg(feature = "cli")]
mod domain;
#[cfg(feature = "cli")]
mod draw;
mod evaluate;
pub mod extract;
mod field;
mod frame;
pub mod geometry;
mod loss;
pub mod metrics;
mod normal_source;
pub mod normals;
pub mod objective;
mod pool;
#[cfg(feature = "cli")]
mod render;
pub mod sampler;
mod scene;
pub mod signal;
mod source;
mod start;
pub mod truth;

pub use self::extract::Extraction;
pub use self::field::ShapeField;
pub use self::frame::Frame;
pub use self::geometry::{Bounds, Geometry, Mesh, PointCloud, Vector};
#[cfg(feature = "cli")]
pub use self::render::{RenderedShape, ShapeRendering};
pub use self::scene::Scene;
pub use self::signal::Shape;
