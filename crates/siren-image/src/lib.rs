//! Pictures as fields: `Φ: (row, column) ∈ [−1, 1]² → channels`, fitted on pixels (Sitzmann et al. 2020, §3 and §4.1).
//!
//! A [`Picture`](picture::Picture) becomes a signal by the [`config::ImageSignal`] table; [`Image`] is the domain that
//! the run loop drives; [`render()`](render::render) draws a fitted field, its gradient or its Laplacian at any size.

pub mod config;
mod evaluate;
mod palette;
pub mod picture;
mod png_stream;
pub mod render;
pub mod scene;
pub mod signal;

pub use self::signal::Image;
