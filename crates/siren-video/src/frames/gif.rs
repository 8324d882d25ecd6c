//! An animated GIF.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use image::codecs::gif::GifDecoder;
use image::{AnimationDecoder, Frame, RgbImage};
use siren_core::{Error, Result};

use super::Frames;

/// The frames of a GIF at equal distances, as many a second as the first one's delay says.
pub(super) struct Gif {
    path: PathBuf,
    frames: image::Frames<'static>,
    first: Option<Frame>,
    rate: f64,
}

impl Gif {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let decoder =
            GifDecoder::new(BufReader::new(file)).map_err(|error| damaged(path, &error))?;
        let mut frames = decoder.into_frames();
        let first = match frames.next() {
            Some(first) => first.map_err(|error| damaged(path, &error))?,
            None => return Err(Error::signal(path, "is a GIF without a frame")),
        };
        let (milliseconds, divisor) = first.delay().numer_denom_ms();
        // As browsers do where nothing is said.
        let seconds = match f64::from(milliseconds) / f64::from(divisor.max(1)) {
            delay if delay < 1.0 => 0.1,
            delay => delay / 1e3,
        };
        Ok(Self {
            path: path.to_path_buf(),
            frames,
            first: Some(first),
            rate: 1.0 / seconds,
        })
    }
}

impl Frames for Gif {
    fn rate(&self) -> f64 {
        self.rate
    }

    fn count(&self) -> Option<usize> {
        None
    }

    fn size(&self) -> Option<(u32, u32)> {
        None
    }

    fn next(&mut self) -> Result<Option<RgbImage>> {
        let frame = match self.first.take() {
            Some(first) => first,
            None => match self.frames.next() {
                Some(frame) => frame.map_err(|error| damaged(&self.path, &error))?,
                None => return Ok(None),
            },
        };
        // What is transparent in all frames is white, as elsewhere.
        let buffer = frame.into_buffer();
        let mut picture = RgbImage::new(buffer.width(), buffer.height());
        for (to, from) in picture.pixels_mut().zip(buffer.pixels()) {
            let [red, green, blue, alpha] = from.0;
            to.0 = if alpha == 0 {
                [255; 3]
            } else {
                [red, green, blue]
            };
        }
        Ok(Some(picture))
    }
}

fn damaged(path: &Path, error: &image::ImageError) -> Error {
    Error::signal(
        path,
        format!("cannot be read as GIF ({error}): it is damaged or cut short; copy it again"),
    )
}
