//! Fitted fields for other programs: a web page that evaluates the field at every pixel, a GLSL function, an ONNX graph, a C header.
//!
//! A field becomes a list of layers with constants, the encoding included. Each format is printed from it. Activations are expressions that
//! are differentiated symbolically, so that every format has the same derivatives. A [`Look`] says what the coordinates and the values are.
//!
//! ```
//! use siren_core::field::{FieldShape, SirenConfig};
//! use siren_export::{Axis, Direction, Look, Portable, Values, WeightPrecision, write};
//!
//! # fn main() -> siren_core::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! let config = SirenConfig { hidden_features: 16.into(), ..SirenConfig::default() };
//! let field = config.init_seeded(FieldShape::new(2, 1), 0)?;
//! let look = Look {
//!     values: Values::Intensity,
//!     axes: vec![
//!         Axis::of_samples("row", Direction::Down, 1.0, 64),
//!         Axis::of_samples("column", Direction::Right, 1.0, 64),
//!     ],
//!     tone: vec![[0.5, 0.5]],
//!     channels: Vec::new(),
//!     weights: Vec::new(),
//!     notes: Vec::new(),
//! };
//! let portable = Portable { field: &field, look };
//! write(&portable, WeightPrecision::Single, &folder.path().join("field.h"))?;
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod c;
mod dialect;
mod expression;
mod glsl;
mod look;
mod onnx;
mod page;
mod program;

use std::path::Path;

use siren_core::field::Siren;
use siren_core::file::{has_extension, write_atomically};
use siren_core::{Error, Result};

use self::program::Program;

pub use self::glsl::MAX_CONSTANTS as MAX_GLSL_CONSTANTS;
pub use self::look::{Axis, Direction, Look, Values};

/// A field with all that another program needs to show it.
#[derive(Debug)]
pub struct Portable<'a> {
    /// The field.
    pub field: &'a Siren,
    /// How it is looked at.
    pub look: Look,
}

/// Precision in which a page holds its weights. All formats compute in single precision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WeightPrecision {
    /// 32 bits.
    #[default]
    Single,
    /// 16 bits.
    Half,
}

/// Format of an exported field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `.html`: a page that draws the field.
    Page,
    /// `.glsl`: functions for shaders.
    Glsl,
    /// `.onnx`: a graph for inference engines.
    Onnx,
    /// `.h`: functions in C.
    C,
}

impl Format {
    /// Extensions of all formats.
    pub const EXTENSIONS: [&str; 4] = ["html", "glsl", "onnx", "h"];

    /// Returns the format that the extension of a path selects.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let formats = [Self::Page, Self::Glsl, Self::Onnx, Self::C];
        let is_named = |extension: &str| has_extension(path, &[extension]);
        let mut pairs = Self::EXTENSIONS.into_iter().zip(formats);
        pairs
            .find(|(extension, _)| is_named(extension))
            .map(|(_, format)| format)
    }
}

/// Writes a field to a file, whole or not at all. The extension selects the format.
///
/// # Errors
/// [`Error::Signal`] if no format has that extension; [`Error::InvalidValue`] if the format cannot hold the network; [`Error::Shape`] if the look
/// is of another field; [`Error::Io`] if the file cannot be written.
pub fn write(portable: &Portable<'_>, precision: WeightPrecision, path: &Path) -> Result<()> {
    let Some(format) = Format::of(path) else {
        let expected = Format::EXTENSIONS.map(|extension| format!(".{extension}"));
        let message = format!("expected a name that ends in {}", expected.join(", "));
        return Err(Error::signal(path, message));
    };
    write_atomically(path, &encode(portable, precision, format)?)
}

/// Returns the bytes of a file.
///
/// # Errors
/// As [`write()`], but those of the file.
pub fn encode(
    portable: &Portable<'_>,
    precision: WeightPrecision,
    format: Format,
) -> Result<Vec<u8>> {
    let Portable { field, look } = portable;
    let sizes = [look.axes.len(), look.tone.len()];
    if sizes != [field.in_features(), field.out_features()] {
        return Err(Error::Shape {
            what: "look of a field",
            expected: format!(
                "{} axes and {} tones",
                field.in_features(),
                field.out_features()
            ),
            got: format!("{} and {}", sizes[0], sizes[1]),
        });
    }
    let program = Program::new(field)?;
    Ok(match format {
        Format::Page => {
            let full = look.full_color(field)?;
            page::page(&program, look, full, precision)?.into_bytes()
        }
        Format::Onnx => onnx::model(&program, look)?,
        Format::Glsl => glsl::shader(&program, look, look.full_color(field)?.value)?.into_bytes(),
        Format::C => c::header(&program, look).into_bytes(),
    })
}

#[cfg(test)]
mod tests {
    use siren_core::field::{FieldShape, SirenConfig};

    use super::*;

    fn look(axes: usize, channels: usize) -> Look {
        let axis = Axis::of_samples("row", Direction::Down, 1.0, 9);
        Look {
            values: Values::Intensity,
            axes: vec![axis; axes],
            tone: vec![[1.0, 0.0]; channels],
            channels: Vec::new(),
            weights: Vec::new(),
            notes: Vec::new(),
        }
    }

    fn field(outputs: usize) -> Siren {
        let config = SirenConfig {
            hidden_features: 4.into(),
            hidden_layers: 1,
            ..SirenConfig::default()
        };
        config.init_seeded(FieldShape::new(2, outputs), 0).unwrap()
    }

    #[test]
    fn the_extension_selects_the_format_and_others_are_refused_with_all_of_them() {
        let of = |name: &str| Format::of(Path::new(name));
        assert_eq!(of("a/field.html"), Some(Format::Page));
        assert_eq!(of("FIELD.ONNX"), Some(Format::Onnx));
        assert_eq!([of("field"), of("field.safetensors")], [None, None]);
        let field = field(1);
        let portable = Portable {
            field: &field,
            look: look(2, 1),
        };
        let path = Path::new("field.js");
        let error = write(&portable, WeightPrecision::Single, path).unwrap_err();
        for extension in Format::EXTENSIONS {
            assert!(error.to_string().contains(extension), "{error}");
        }
    }

    #[test]
    fn a_look_of_another_field_is_refused() {
        let field = field(3);
        for (axes, channels) in [(3, 3), (2, 1)] {
            let portable = Portable {
                field: &field,
                look: look(axes, channels),
            };
            let error = encode(&portable, WeightPrecision::Single, Format::C);
            let error = error.unwrap_err().to_string();
            assert!(error.contains("2 axes and 3 tones"), "{error}");
        }
    }

    #[test]
    fn a_page_of_a_field_without_a_plane_is_refused_with_the_formats_that_hold_it() {
        let field = field(1);
        let mut look = look(2, 1);
        look.axes[1].direction = Direction::Time;
        let portable = Portable {
            field: &field,
            look,
        };
        let error = encode(&portable, WeightPrecision::Single, Format::Page).unwrap_err();
        assert!(error.to_string().contains(".onnx"), "{error}");
    }
}
