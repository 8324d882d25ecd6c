//! Where frames go: one module a format, each taking one picture after the other.

mod folder;
mod gif;
#[cfg(feature = "ffmpeg")]
mod mp4;

use std::path::Path;

use siren_core::{Error, Result};
use siren_picture::Size;

use crate::clip::CHANNELS;

/// Takes frames; what it writes has its name once it is finished, and is not there at all if it never is.
pub trait Sink {
    /// The next frame, `(height, width, 3)`, or `(height, width)` if it is gray.
    ///
    /// # Errors
    /// If it cannot be written.
    fn push(&mut self, frame: &[u8]) -> Result<()>;

    /// Completes what was written.
    ///
    /// # Errors
    /// If its end cannot be written, or its name not be given.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// By the end of the name: `.gif`, `.mp4` (with FFmpeg), or none for a new folder of PNG files.
///
/// # Errors
/// If the format is not written here, or the place is taken or missing.
pub fn create(path: &Path, size: Size, rate: f64) -> Result<Box<dyn Sink>> {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    let colors: Box<dyn Sink> = match extension.as_deref() {
        None => Box::new(folder::Folder::create(path, size)?),
        Some("gif") => Box::new(gif::Gif::create(path, size, rate)?),
        Some("mp4") => mp4(path, size, rate)?,
        Some(_) => {
            let message = "cannot be written: expected a name that ends in .mp4 or .gif, or one without an ending for a folder of PNG files";
            return Err(Error::signal(path, message));
        }
    };
    Ok(Box::new(OfAnyColors { colors, size }))
}

/// Gives gray frames equal red, green and blue, which is what all formats take.
struct OfAnyColors {
    colors: Box<dyn Sink>,
    size: Size,
}

impl Sink for OfAnyColors {
    fn push(&mut self, frame: &[u8]) -> Result<()> {
        if frame.len() != self.size.height * self.size.width {
            return self.colors.push(frame);
        }
        let colored: Vec<u8> = frame.iter().flat_map(|&gray| [gray; CHANNELS]).collect();
        self.colors.push(&colored)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.colors.finish()
    }
}

#[cfg(feature = "ffmpeg")]
fn mp4(path: &Path, size: Size, rate: f64) -> Result<Box<dyn Sink>> {
    Ok(Box::new(mp4::Mp4::create(path, size, rate)?))
}

#[cfg(not(feature = "ffmpeg"))]
fn mp4(path: &Path, _size: Size, _rate: f64) -> Result<Box<dyn Sink>> {
    let message = "cannot be written: MP4 needs FFmpeg, without which this program was built; install FFmpeg's development libraries \
                   with `cargo xtask setup` and run again, or write a .gif or a folder of PNG files";
    Err(Error::signal(path, message))
}
