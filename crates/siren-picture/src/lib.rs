//! Image support for the domain crates: reading and writing image files, rendering fields of two coordinates, colors for their
//! derivatives, and the embedded picture.
//!
//! A [`Picture`] is an image in memory that can be cropped, resized and saved. [`draw::render`] renders a fitted field on a
//! [`Canvas`] of any size, one band of rows at a time.

#![forbid(unsafe_code)]

pub mod canvas;
#[cfg(feature = "cli")]
pub mod cli;
pub mod draw;
pub mod memory;
mod metadata;
mod palette;
pub mod picture;
mod png_stream;
pub mod scene;
pub mod source;
pub mod stencil;

pub use self::canvas::{Canvas, Size};
#[cfg(feature = "cli")]
pub use self::cli::RenderArgs;
pub use self::draw::Quantity;
pub use self::metadata::PictureMetadata;
pub use self::picture::{ColorMode, Picture};
pub use self::source::Source;
