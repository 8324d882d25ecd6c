//! Shapes as signed distance functions (Sitzmann et al. 2020, §4.2).

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod config;
pub mod extract;
mod frame;
pub mod geometry;
mod loss;
pub mod metrics;
pub mod objective;
pub mod sampler;
mod start;
pub mod truth;

pub use self::frame::Frame;
pub use self::geometry::{Geometry, Mesh, PointCloud, Vector};
