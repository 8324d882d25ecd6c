//! Where frames come from: one module a format, each giving one picture after the other.
//!
//! What a file says of its samples is honored in one place each: matrix and range in `color`, pixel aspect and rotation in `display`,
//! frames that last unequally in `clock`.

mod array;
mod clock;
mod color;
mod display;
#[cfg(feature = "ffmpeg")]
mod ffmpeg;
mod folder;
mod gif;
mod y4m;

use std::fs;
use std::path::Path;

use image::RgbImage;
use siren_core::run::console::quoted;
use siren_core::{Error, Result};

use crate::clip::CHANNELS;
use crate::config::VideoSignal;
use crate::scene::Scene;

/// Frames a second of what does not say so itself.
const DEFAULT_RATE: f64 = 25.0;

/// Pictures at equal distances in time.
pub trait Frames {
    /// Frames a second.
    fn rate(&self) -> f64;

    /// How many there are in all, as far as is known before they are read.
    fn count(&self) -> Option<usize>;

    /// Width and height, as far as they are known before a picture is read.
    fn size(&self) -> Option<(u32, u32)>;

    /// 3, or 1 for a gray clip, whose red, green and blue are equal.
    fn channels(&self) -> usize {
        CHANNELS
    }

    /// The next picture; `None` after the last.
    ///
    /// # Errors
    /// If it cannot be read, or has another size than the first.
    fn next(&mut self) -> Result<Option<RgbImage>>;

    /// What the user should know about the pictures so far, such as that they were stretched.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The whole clip that a config names.
///
/// # Errors
/// If there is no such file, or its format is not read here.
pub fn open(signal: &VideoSignal) -> Result<Box<dyn Frames>> {
    let Some(path) = &signal.path else {
        return Ok(Box::new(Scene::new(signal.size)));
    };
    let rate = signal.rate.unwrap_or(DEFAULT_RATE);
    let metadata = fs::metadata(path).map_err(Error::io("open", path))?;
    if metadata.is_dir() {
        return Ok(Box::new(folder::Folder::open(path, rate)?));
    }
    if metadata.len() == 0 {
        return Err(Error::signal(
            path,
            "the file is empty (0 bytes); give a clip",
        ));
    }
    match format(path)? {
        Format::Gif => Ok(Box::new(gif::Gif::open(path, signal.rate)?)),
        Format::Y4m => Ok(Box::new(y4m::Y4m::open(path, signal.rate)?)),
        Format::Array => Ok(Box::new(array::Array::open(path, rate)?)),
        Format::Other => other(path, signal.rate),
    }
}

enum Format {
    Gif,
    Y4m,
    Array,
    Other,
}

/// By the first bytes of the file.
fn format(path: &Path) -> Result<Format> {
    use std::io::Read;
    let mut start = Vec::new();
    let file = fs::File::open(path).map_err(Error::io("open", path))?;
    file.take(10)
        .read_to_end(&mut start)
        .map_err(Error::io("read", path))?;
    Ok(match &start {
        start if start.starts_with(b"GIF8") => Format::Gif,
        start if start.starts_with(b"YUV4MPEG2") => Format::Y4m,
        start if start.starts_with(b"\x93NUMPY") => Format::Array,
        _ => Format::Other,
    })
}

#[cfg(feature = "ffmpeg")]
fn other(path: &Path, rate: Option<f64>) -> Result<Box<dyn Frames>> {
    Ok(Box::new(ffmpeg::Stream::open(path, rate)?))
}

#[cfg(not(feature = "ffmpeg"))]
fn other(path: &Path, _rate: Option<f64>) -> Result<Box<dyn Frames>> {
    let message = "is a clip that needs FFmpeg, without which this program was built: install FFmpeg's development libraries with \
                   `cargo xtask setup` and run again, or give a folder of pictures, a GIF, a Y4M file or a NumPy array";
    Err(Error::signal(path, message))
}

/// The error for frames that differ in size.
pub(crate) fn other_size(path: &Path, first: (u32, u32), (width, height): (u32, u32)) -> Error {
    let (first_width, first_height) = first;
    let message = format!(
        "has {height} × {width} pixels (height × width), the first frame {first_height} × {first_width}: all must have the same"
    );
    Error::signal(path, message)
}

/// The note on a clip whose frames hold two fields, one in the even and one in the odd rows.
fn interlaced_note(path: &Path) -> String {
    format!(
        "it is interlaced, and the two fields of a frame are taken as one picture, so what moves has combed edges; `ffmpeg -i {} -vf \
         bwdif deinterlaced.mp4` makes a clip without them",
        quoted(path)
    )
}
