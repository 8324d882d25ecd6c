//! What every domain of pictures shares: files that people have, renderings of a field of two coordinates, colors of its
//! derivatives, and the embedded picture.
//!
//! A [`Picture`] is read, cropped, resized and saved; [`draw::render`] draws a fitted field on a [`Canvas`] of any size, row by row.

pub mod canvas;
pub mod cli;
pub mod draw;
mod metadata;
mod palette;
pub mod picture;
mod png_stream;
pub mod scene;
pub mod source;
pub mod stencil;

pub use self::canvas::{Canvas, Size};
pub use self::cli::RenderArgs;
pub use self::draw::Quantity;
pub use self::metadata::PictureMetadata;
pub use self::picture::{ColorMode, Picture};
pub use self::source::Source;
