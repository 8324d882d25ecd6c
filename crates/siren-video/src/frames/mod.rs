//! Readers of clips, one module per format, which return one picture after the other.
//!
//! Three modules interpret a file's metadata for all formats: `color` the matrix and the range, `display` the pixel aspect ratio and the
//! rotation, `clock` the durations of frames.

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
use siren_core::file::quoted;
use siren_core::{Error, Result};
use siren_picture::Size;

use crate::clip::CHANNELS;
use crate::config::VideoSignalConfig;
use crate::scene::EmbeddedClip;

/// Frame rate of folders and arrays, which store none, in frames per second.
const DEFAULT_RATE: f64 = 25.0;

/// A reader of pictures at equal distances in time.
pub trait Frames {
    /// Returns the frame rate, in frames per second.
    fn rate(&self) -> f64;

    /// Returns the number of frames of the whole clip, if it is known before they are read.
    fn count(&self) -> Option<usize>;

    /// Returns the size of a frame, if it is known before the first one is read.
    fn size(&self) -> Option<Size>;

    /// Returns the number of channels: 3, or 1 for a gray clip, whose red, green and blue are equal.
    fn channels(&self) -> usize {
        CHANNELS
    }

    /// Returns the most bytes that the levels of a clip of this format may take, if its files may unfold to any length.
    fn max_bytes(&self) -> Option<u64> {
        None
    }

    /// Reads the next picture. Returns `None` after the last one.
    ///
    /// # Errors
    /// If the picture cannot be read, or differs in size from the first one.
    fn read_next(&mut self) -> Result<Option<RgbImage>>;

    /// Returns notes for the user about the pictures read so far, for example that they were stretched.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Opens the whole clip that a config names, or the embedded one if `signal.path` is not set.
///
/// # Errors
/// If the file does not exist, is empty, or has a format that is not supported.
pub fn open(signal: &VideoSignalConfig) -> Result<Box<dyn Frames>> {
    let Some(path) = &signal.path else {
        return Ok(Box::new(EmbeddedClip::new(signal.size)));
    };
    let rate = signal.rate.unwrap_or(DEFAULT_RATE);
    let metadata = fs::metadata(path).map_err(Error::io("open", path))?;
    if metadata.is_dir() {
        return Ok(Box::new(folder::FolderFrames::open(path, rate)?));
    }
    if metadata.len() == 0 {
        return Err(Error::signal(
            path,
            "the file is empty (0 bytes); give a clip",
        ));
    }
    match detect_format(path)? {
        Format::Gif => Ok(Box::new(gif::GifFrames::open(path, signal.rate)?)),
        Format::Y4m => Ok(Box::new(y4m::Y4mFrames::open(path, signal.rate)?)),
        Format::Array => Ok(Box::new(array::ArrayFrames::open(path, rate)?)),
        Format::Other => open_with_ffmpeg(path, signal.rate),
    }
}

enum Format {
    Gif,
    Y4m,
    Array,
    Other,
}

/// Determines the format from the first bytes of the file.
fn detect_format(path: &Path) -> Result<Format> {
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
fn open_with_ffmpeg(path: &Path, rate: Option<f64>) -> Result<Box<dyn Frames>> {
    Ok(Box::new(ffmpeg::FfmpegFrames::open(path, rate)?))
}

#[cfg(not(feature = "ffmpeg"))]
fn open_with_ffmpeg(path: &Path, _rate: Option<f64>) -> Result<Box<dyn Frames>> {
    let instead = "give a folder of pictures, a GIF, a Y4M file or a NumPy array";
    Err(crate::without_ffmpeg::needs_ffmpeg(
        path,
        "cannot be read",
        instead,
    ))
}

/// Returns the size of a picture.
pub(crate) fn size_of(picture: &RgbImage) -> Size {
    Size {
        height: picture.height() as usize,
        width: picture.width() as usize,
    }
}

/// Returns the error for a frame whose size differs from that of the first one.
pub(crate) fn size_mismatch(path: &Path, first: Size, found: Size) -> Error {
    let message = format!(
        "has {} × {} pixels (height × width), expected {} × {} as in the first frame: all frames of a clip must have the same size",
        found.height, found.width, first.height, first.width
    );
    Error::signal(path, message)
}

/// Returns the note about an interlaced clip, whose frames hold one field in the even rows and another in the odd rows.
fn interlaced_note(path: &Path) -> String {
    format!(
        "the clip is interlaced, and the two fields of a frame are read as one picture, so that moving objects have combed edges; \
         `ffmpeg -i {} -vf bwdif deinterlaced.mp4` writes a deinterlaced clip",
        quoted(path)
    )
}
