//! Shapes as signed distance functions (Sitzmann et al. 2020, §4.2).

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod geometry;
pub mod normals;

pub use self::geometry::{Bounds, Geometry, Mesh, PointCloud, Vector};
