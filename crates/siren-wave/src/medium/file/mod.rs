//! Models in files.

mod mat;
mod npy;
mod picture;
mod raw;
#[cfg(feature = "segy")]
mod segy;
#[cfg(test)]
mod tests;

use std::path::Path;

use siren_core::file::has_extension;
use siren_core::{Error, Result};

use super::MediumFileConfig;
use super::convert::to_squared_slowness;
use super::samples::{SampleShape, Samples};

/// Most samples of a model.
const MAX_SAMPLES: usize = 100_000_000;

/// Values of a file, `(rows, columns)` row by row, the first row at the top.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Model {
    pub(super) shape: SampleShape,
    pub(super) values: Vec<f64>,
}

/// Formats of models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Picture,
    Npy,
    Mat,
    Raw,
    Segy,
}

impl Format {
    /// Returns the format by the extension.
    fn of(path: &Path) -> Option<Self> {
        const PICTURES: &[&str] = &[
            "png", "jpg", "jpeg", "webp", "bmp", "tif", "tiff", "gif", "pgm", "ppm", "pnm", "pbm",
        ];
        [
            (Self::Picture, PICTURES),
            (Self::Npy, &["npy"]),
            (Self::Mat, &["mat"]),
            (Self::Raw, &["bin", "raw", "f32"]),
            (Self::Segy, &["sgy", "segy"]),
        ]
        .into_iter()
        .find(|(_, extensions)| has_extension(path, extensions))
        .map(|(format, _)| format)
    }
}

/// Reads the model of a config. `key` is the full key of its table.
///
/// # Errors
/// [`Error::Io`]; [`Error::Signal`] with what is wrong with the file; [`Error::InvalidValue`] for a setting that the format lacks or needs.
pub(super) fn read(
    config: &MediumFileConfig,
    key: &str,
    reference_velocity: Option<f64>,
    notes: &mut Vec<String>,
) -> Result<Samples> {
    let path = &config.path;
    let Some(format) = Format::of(path) else {
        return Err(Error::signal(
            path,
            "is a model of an unknown format, expected a picture (.png, .tiff, …), .npy, .mat, raw float32 (.bin, .raw, .f32), .sgy or .segy",
        ));
    };
    check_settings(config, key, format)?;
    let mut model = match format {
        Format::Picture => {
            let range = required(config.range, key, "range", "[c_black, c_white]")?;
            picture::read(path, range, notes)
        }
        Format::Npy => npy::read(path),
        Format::Mat => mat::read(path, config.variable.as_deref()),
        Format::Raw => {
            let shape = required(config.shape, key, "shape", "[rows, columns]")?;
            raw::read(path, shape)
        }
        Format::Segy => read_segy(path),
    }?;
    to_squared_slowness(&mut model, config, reference_velocity, key)?;
    let samples = Samples::new(model.shape, config.half_side, model.values);
    notes.extend(note(&samples, config, model.shape));
    Ok(samples)
}

/// Checks that the settings are those of the format.
fn check_settings(config: &MediumFileConfig, key: &str, format: Format) -> Result<()> {
    for (name, is_given, owner, files) in [
        (
            "range",
            config.range.is_some(),
            Format::Picture,
            "a picture",
        ),
        (
            "variable",
            config.variable.is_some(),
            Format::Mat,
            "a .mat file",
        ),
        ("shape", config.shape.is_some(), Format::Raw, "a raw file"),
    ] {
        if is_given && format != owner {
            let path = config.path.display();
            let expected = format!("none: it is for {files}, and `path` is {path}");
            return Err(Error::invalid(&format!("{key}.{name}"), "given", &expected));
        }
    }
    Ok(())
}

fn required<T>(value: Option<T>, key: &str, name: &str, expected: &str) -> Result<T> {
    value.ok_or_else(|| Error::invalid(&format!("{key}.{name}"), "missing", expected))
}

/// Returns a note about a model that does not fill its square.
fn note(samples: &Samples, config: &MediumFileConfig, shape: SampleShape) -> Option<String> {
    let SampleShape { rows, columns } = shape;
    let [x, y] = samples.half_extent();
    (rows != columns).then(|| {
        format!(
            "{} is {rows} x {columns} (rows x columns): it covers |x| <= {x:.3}, |y| <= {y:.3}, and its border values continue outside",
            config.path.display()
        )
    })
}

#[cfg(feature = "segy")]
fn read_segy(path: &Path) -> Result<Model> {
    segy::read(path)
}

#[cfg(not(feature = "segy"))]
fn read_segy(path: &Path) -> Result<Model> {
    Err(Error::signal(
        path,
        "is a SEG-Y file, which this program was built without: build it with `--features segy`, or convert the model to .npy",
    ))
}

/// Returns the number of samples of a shape. The error is a message.
fn sample_count(rows: usize, columns: usize) -> Result<usize, String> {
    match rows.checked_mul(columns) {
        Some(count) if (1..=MAX_SAMPLES).contains(&count) => Ok(count),
        _ => Err(format!(
            "has {rows} x {columns} samples, expected 1 to {MAX_SAMPLES}"
        )),
    }
}

/// Reorders values whose row varies fastest.
fn by_rows(shape: SampleShape, by_columns: &[f64]) -> Vec<f64> {
    let row = |row| by_columns.iter().skip(row).step_by(shape.rows);
    (0..shape.rows).flat_map(row).copied().collect()
}
