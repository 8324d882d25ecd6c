//! Writers of clips, one module per format, which take one frame after the other.

mod folder;
mod gif;
#[cfg(feature = "ffmpeg")]
mod mp4;

use std::path::Path;

use siren_core::{Error, Result};
use siren_picture::Size;

use crate::clip::CHANNELS;

/// A writer of frames. The file or folder gets its name when [`finish`](Sink::finish) succeeds; a sink that is dropped before leaves no
/// file behind.
pub trait Sink {
    /// Appends a frame of levels from 0 to 255, `(height, width, 3)`, or `(height, width)` for gray.
    ///
    /// # Errors
    /// If the frame cannot be encoded or written.
    fn push(&mut self, frame: &[u8]) -> Result<()>;

    /// Completes the file or folder and gives it its name.
    ///
    /// # Errors
    /// If the rest of the file cannot be written, or it cannot be renamed.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// Creates the sink that the extension of `path` selects: `.gif`, `.mp4` (with FFmpeg), or none for a new folder of PNG files. `rate` is in
/// frames per second.
///
/// # Errors
/// If the extension is unknown, the parent folder is missing, or the folder of PNG files exists already.
pub fn create(path: &Path, size: Size, rate: f64) -> Result<Box<dyn Sink>> {
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    let rgb: Box<dyn Sink> = match extension.as_deref() {
        None => Box::new(folder::FolderSink::create(path, size)?),
        Some("gif") => Box::new(gif::GifSink::create(path, size, rate)?),
        Some("mp4") => create_mp4(path, size, rate)?,
        Some(_) => {
            let message = "has an unknown extension: expected .mp4 or .gif, or no extension for a folder of PNG files";
            return Err(Error::signal(path, message));
        }
    };
    Ok(Box::new(GrayToRgb { rgb, size }))
}

/// Expands gray frames to equal red, green and blue, because every format's sink takes RGB; passes RGB frames on.
struct GrayToRgb {
    rgb: Box<dyn Sink>,
    size: Size,
}

impl Sink for GrayToRgb {
    fn push(&mut self, frame: &[u8]) -> Result<()> {
        if frame.len() != self.size.height * self.size.width {
            return self.rgb.push(frame);
        }
        let expanded: Vec<u8> = frame.iter().flat_map(|&gray| [gray; CHANNELS]).collect();
        self.rgb.push(&expanded)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.rgb.finish()
    }
}

#[cfg(feature = "ffmpeg")]
fn create_mp4(path: &Path, size: Size, rate: f64) -> Result<Box<dyn Sink>> {
    Ok(Box::new(mp4::Mp4Sink::create(path, size, rate)?))
}

#[cfg(not(feature = "ffmpeg"))]
fn create_mp4(path: &Path, _size: Size, _rate: f64) -> Result<Box<dyn Sink>> {
    let instead = "write a .gif or a folder of PNG files";
    Err(crate::without_ffmpeg::needs_ffmpeg(
        path,
        "cannot be written",
        instead,
    ))
}
