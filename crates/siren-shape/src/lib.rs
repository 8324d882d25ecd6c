//! Shapes as signed distance functions (Sitzmann et al. 2020, §4.2).

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod extract;
pub mod geometry;

pub use self::geometry::{Geometry, Mesh, PointCloud, Vector};
