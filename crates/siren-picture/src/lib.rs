//! Pictures and the fields that show them: reading and writing picture files, rendering fields of two coordinates, colors for their
//! derivatives, and an embedded picture.
//!
//! * A [`Picture`] is an image. It comes from a file ([`Picture::open`]), from the bytes of one ([`Picture::decode`]), or from
//!   pixels ([`Picture::from_rgb8`], [`Picture::from_values`]), and can be cropped, resized and saved. It is in memory, or, as
//!   [`Picture::open_large`] reads large files, in a temporary file.
//! * A [`PictureField`] is a fitted field with the size and coordinates of its picture. It gives values, gradients and Laplacians at any
//!   points, and renderings of any size in memory. [`PictureField::save`] and [`PictureField::open`] keep it in one file.
//! * [`draw::render`] renders into a file, one band of rows at a time, so that a rendering may be larger than memory.
//!
//! Fields are fitted by the crates `siren-image` (on pixels) and `siren-poisson` (on derivatives).
//!
//! ```no_run
//! use siren_picture::{PictureField, Quantity, Size};
//!
//! # fn main() -> siren_core::Result<()> {
//! let field = PictureField::open("photo.safetensors")?;
//! let large = field.render(Size { height: 2160, width: 3840 })?;
//! large.save("large.png")?;
//! let slopes = field.render_quantity(Quantity::Gradient, field.size())?;
//! slopes.save("gradient.png")?;
//! // Coordinates of the point a quarter of a pixel below the center of row 10, column 20.
//! let point = field.coords(10.25, 20.0);
//! println!("{:?} {:?}", field.values(&point)?, field.gradients(&point)?);
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `cli` | no | the command-line arguments of rendering, which the programs of `siren-image` and `siren-poisson` share |

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod canvas;
#[cfg(feature = "cli")]
pub mod cli;
pub mod draw;
mod field;
pub mod memory;
mod metadata;
pub mod palette;
pub mod picture;
mod png_stream;
pub mod scene;
pub mod source;
pub mod stencil;

pub use self::canvas::{Canvas, Size};
#[cfg(feature = "cli")]
pub use self::cli::RenderArgs;
pub use self::draw::Quantity;
pub use self::field::PictureField;
pub use self::metadata::PictureMetadata;
pub use self::picture::{ColorMode, FileValues, Picture, Values};
pub use self::png_stream::PngRows;
pub use self::source::PictureSource;

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
