//! A YUV4MPEG2 file: uncompressed frames in luma and chroma.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use image::{Rgb, RgbImage};
use siren_core::{Error, Result};
use y4m::{Colorspace, Decoder};

use super::Frames;

/// Frames of 8 bits, in color at full, half or quarter resolution, or gray.
pub(super) struct Y4m {
    path: PathBuf,
    decoder: Decoder<Counted>,
    /// Bytes read so far, and those up to the end of the last whole frame.
    read: Rc<Cell<u64>>,
    whole: u64,
    /// Pixels to a sample of color, to the right and down; `None` where there is no color.
    chroma: Option<(usize, usize)>,
}

impl Y4m {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let read = Rc::new(Cell::new(0));
        let counted = Counted {
            file: BufReader::new(file),
            read: Rc::clone(&read),
        };
        let decoder = Decoder::new(counted).map_err(|error| damaged(path, &error))?;
        let chroma = match decoder.get_colorspace() {
            Colorspace::C420
            | Colorspace::C420jpeg
            | Colorspace::C420paldv
            | Colorspace::C420mpeg2 => Some((2, 2)),
            Colorspace::C422 => Some((2, 1)),
            Colorspace::C444 => Some((1, 1)),
            Colorspace::Cmono => None,
            other => {
                let message = format!(
                    "has samples of the kind {other:?}, expected 8 bits in 4:2:0, 4:2:2, 4:4:4 or gray"
                );
                return Err(Error::signal(path, message));
            }
        };
        let rate = decoder.get_framerate();
        if rate.num == 0 || rate.den == 0 || decoder.get_width() == 0 || decoder.get_height() == 0 {
            return Err(Error::signal(
                path,
                "claims no frames a second, or frames without pixels",
            ));
        }
        Ok(Self {
            path: path.to_path_buf(),
            decoder,
            whole: read.get(),
            read,
            chroma,
        })
    }
}

impl Frames for Y4m {
    fn rate(&self) -> f64 {
        let rate = self.decoder.get_framerate();
        rate.num as f64 / rate.den as f64
    }

    fn count(&self) -> Option<usize> {
        None
    }

    fn size(&self) -> Option<(u32, u32)> {
        Some((
            self.decoder.get_width() as u32,
            self.decoder.get_height() as u32,
        ))
    }

    fn next(&mut self) -> Result<Option<RgbImage>> {
        let (width, height) = (self.decoder.get_width(), self.decoder.get_height());
        let frame = match self.decoder.read_frame() {
            Ok(frame) => frame,
            // The decoder tells an end between frames and one within a frame alike.
            Err(y4m::Error::EOF) if self.read.get() == self.whole => return Ok(None),
            Err(error) => return Err(damaged(&self.path, &error)),
        };
        self.whole = self.read.get();
        let planes = [
            frame.get_y_plane(),
            frame.get_u_plane(),
            frame.get_v_plane(),
        ];
        let pixel = |x: u32, y: u32| {
            let (x, y) = (x as usize, y as usize);
            let luma = planes[0][y * width + x];
            let Some((right, down)) = self.chroma else {
                return rgb([luma, 128, 128]);
            };
            let at = (y / down) * width.div_ceil(right) + x / right;
            rgb([luma, planes[1][at], planes[2][at]])
        };
        Ok(Some(RgbImage::from_fn(width as u32, height as u32, pixel)))
    }
}

/// Counts the bytes that are read.
struct Counted {
    file: BufReader<File>,
    read: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read.set(self.read.get() + count as u64);
        Ok(count)
    }
}

/// BT.601 in its studio range, which is what the format means where nothing else is said.
fn rgb([y, u, v]: [u8; 3]) -> Rgb<u8> {
    let y = 255.0 / 219.0 * (f64::from(y) - 16.0);
    let [u, v] = [u, v].map(|c| 255.0 / 224.0 * (f64::from(c) - 128.0));
    let channels = [
        y + 1.402 * v,
        y - 0.344_136 * u - 0.714_136 * v,
        y + 1.772 * u,
    ];
    Rgb(channels.map(|c| c.round().clamp(0.0, 255.0) as u8))
}

fn damaged(path: &Path, error: &y4m::Error) -> Error {
    let message =
        format!("cannot be read as Y4M ({error:?}): it is damaged or cut short; copy it again");
    Error::signal(path, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn studio_levels_become_full_ones() {
        for (yuv, expected) in [
            ([16, 128, 128], [0, 0, 0]),
            ([235, 128, 128], [255, 255, 255]),
            // BT.601's red, green and blue at full strength.
            ([81, 90, 240], [254, 0, 0]),
            ([145, 54, 34], [0, 255, 1]),
            ([41, 240, 110], [0, 0, 255]),
        ] {
            let found = rgb(yuv).0;
            for (a, b) in found.iter().zip(expected) {
                assert!(a.abs_diff(b) <= 1, "{yuv:?} {found:?}");
            }
        }
    }
}
