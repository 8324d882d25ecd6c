//! Shapes as signed distance functions: `Φ: ℝ³ → ℝ` is fitted to points of a surface by the Eikonal equation (Sitzmann et al. 2020, §4.2).
//!
//! The value of Φ is the distance to the surface, negative inside, and its gradient on the surface is the outward normal. A fit sees no
//! distances: it asks that Φ = 0 at the points, that ∇Φ is their normal, and that `‖∇Φ‖ = 1` everywhere.
//!
//! [`Geometry`] reads points and meshes from files, and a [`PointCloud`] is made of points in memory. A [`Shape`] is the fitting problem for
//! [`siren_core::train::Fit`]. A [`ShapeField`] is the fitted field: it has signed distances and gradients at any position, in the unit of
//! the user, a closed [`Mesh`] of any resolution, and is one `.safetensors` file on disk.
//!
//! ```no_run
#![doc = include_str!("../examples/from_points.rs")]
//! ```
//!
//! Positions may have any unit and any offset. A [`Frame`] maps them to coordinates in the cube [−1, 1]³, in which fields are fitted; the keys
//! below that say "in coordinates", and the level and the box of an [`Extraction`], are meant there. [`truth`] computes exact distances to
//! meshes and points, [`normals`] estimates normals, and [`metrics`] compares surfaces; none of them needs a field.
//!
//! # Config
//!
//! [`ShapeSignalConfig`](config::ShapeSignalConfig) and [`ShapeObjectiveConfig`](config::ShapeObjectiveConfig) are the tables of a config file
//! of the kind `shape`. In Rust, take their `default()` and set fields; the names are the same.
//!
//! | key of `[signal]` | default | meaning |
//! |---|---|---|
//! | `path` | – | file of points (`.xyz`, `.txt`, `.csv`, `.pts`, `.npy`, `.ply`, `.las`, `.laz`) or of a mesh (`.obj`, `.ply`, `.stl`, `.glb`); the embedded shape without it |
//! | `truth` | – | mesh file with the true surface of the points of `path`, for scores and for the loss `distance`; the mesh of `path` without it |
//! | `normals` | `"given"` | `"given"` (those of the file), `"estimate"` (from the nearest points), `"none"` |
//! | `normalization` | `"box"` | `"box"`: the bounding box is centered, and its longest side spans ±0.9; `"authors"` |
//! | `samples` | 100000 | points that are drawn on a mesh or on the embedded shape |
//! | `held_out` | 0.05 | share of the points that are kept back for scores |
//! | `surface_points` | 4096 | points on the surface that a step draws |
//! | `volume_points` | 4096 | points in the volume that a step draws |
//! | `resolution` | 128 | cells along each axis of the mesh that scores are computed on |
//!
//! | key of `[objective]` | default | meaning |
//! |---|---|---|
//! | `loss` | `"siren"` | a loss of the table below, by its name or with its weights: `{ siren = { normal = 10.0 } }` |
//! | `volume` | 1.1 | half the side of the cube in which the points of the volume are drawn, in coordinates |
//! | `start` | `"sphere"` | the field before the first step: smooth and the signed distance of a sphere, `"sphere"` or `{ sphere = { radius = 0.5 } }`; `"random"` (the authors') |
//!
//! | loss | for | terms on the surface | terms in the volume |
//! |---|---|---|---|
//! | [`siren`](config::SirenLossConfig) | points with normals, the paper's | \|Φ\|, 1 − cos(∇Φ, n), \|‖∇Φ‖ − 1\| | exp(−100 \|Φ\|), \|‖∇Φ‖ − 1\| |
//! | [`digs`](config::DigsLossConfig) | points without normals | \|Φ\|, \|‖∇Φ‖ − 1\| | those of `siren`, and \|ΔΦ\|, which fades away |
//! | [`heat`](config::HeatLossConfig) | points without normals | \|Φ\|, \|‖∇Φ‖ − 1\| | ½ exp(−2λ\|Φ\|) (‖∇Φ‖² + 1), \|‖∇Φ‖ − 1\| |
//! | [`distance`](config::DistanceLossConfig) | a mesh, or points with normals | (Φ − d)² far from it and near it, where the distance d is computed | |
//!
//! [`Shape::new`] takes points in memory, and ignores the keys `path`, `truth` and `samples`; [`Shape::from_config`] obeys them all. The
//! tables `[field]` and `[train]` are [`SirenConfig`](siren_core::field::SirenConfig) and [`TrainConfig`](siren_core::train::TrainConfig);
//! [`Shape::recipe`] returns values of them that suit a shape.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `cli` | yes | the program `siren-shape`, `Shape` as a domain of `siren-run`, and pictures of shapes; brings clap and image |
//! | `las` | no | LAS and LAZ files of points |

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

#[cfg(feature = "cli")]
mod artifacts;
pub mod config;
mod disjoint_sets;
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
mod program;
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
pub use self::program::PROGRAM;
#[cfg(feature = "cli")]
pub use self::render::{RenderedShape, ShapeRendering};
pub use self::scene::Scene;
pub use self::signal::Shape;

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
