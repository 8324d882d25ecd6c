//! A YUV4MPEG2 file: uncompressed frames in luma and chroma.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use image::{Rgb, RgbImage};
use siren_core::{Error, Result};
use siren_picture::picture::MAX_SIDE;
use y4m::{Colorspace, Decoder};

use super::clock::{Shown, Steady, Timed};
use super::color::{Depth, Matrix, Range, Yuv};
use super::display::Display;
use super::interlaced_note;

/// Longest first line of a file, in bytes.
const MAX_HEADER: u64 = 1024;

/// Frames of 8, 10 or 12 bits, in color at full, half or quarter resolution, or gray.
///
/// The range is limited unless the header says `XCOLORRANGE=FULL`; the matrix, which the format does not name, is that of the size.
pub(super) struct Y4m {
    path: PathBuf,
    decoder: Decoder<Counted>,
    /// Bytes read so far, and those up to the end of the last whole frame.
    read: Rc<Cell<u64>>,
    whole: u64,
    chroma: Chroma,
    colors: Yuv,
    display: Display,
    is_interlaced: bool,
    seconds_per_frame: f64,
    given: u64,
}

impl Y4m {
    pub(super) fn open(path: &Path, rate: Option<f64>) -> Result<Steady<Self>> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let read = Rc::new(Cell::new(0));
        let counted = Counted {
            file: BufReader::new(file),
            read: Rc::clone(&read),
        };
        let decoder = match Decoder::new(counted) {
            Err(y4m::Error::UnknownColorspace) => return Err(unknown_samples(path)),
            decoder => decoder.map_err(|error| damaged(path, &error))?,
        };
        let own = decoder.get_framerate();
        let longest = decoder.get_width().max(decoder.get_height());
        if own.num == 0 || own.den == 0 || longest > MAX_SIDE {
            let message =
                format!("claims no frames a second, or more than {MAX_SIDE} pixels a side");
            return Err(Error::signal(path, message));
        }
        let own = own.num as f64 / own.den as f64;
        let Some(chroma) = Chroma::of(decoder.get_colorspace()) else {
            return Err(unknown_samples(path));
        };
        let size = (decoder.get_width() as u32, decoder.get_height() as u32);
        let parameters: Vec<&[u8]> = decoder.get_raw_params().split(|&b| b == b' ').collect();
        let range = if parameters.contains(&b"XCOLORRANGE=FULL".as_slice()) {
            Range::Full
        } else {
            Range::Limited
        };
        let is_interlaced = parameters
            .iter()
            .any(|own| [b"It", b"Ib", b"Im"].iter().any(|kind| own == kind));
        let pixels = decoder.get_pixel_aspect();
        let depth = Depth {
            bits: decoder.get_bit_depth() as u32,
            shift: 0,
        };
        let y4m = Self {
            path: path.to_path_buf(),
            whole: read.get(),
            read,
            chroma,
            colors: Yuv::new(Matrix::guessed(size), range, depth),
            display: Display::of_pixels(pixels.num as i64, pixels.den as i64),
            is_interlaced,
            seconds_per_frame: 1.0 / own,
            given: 0,
            decoder,
        };
        Ok(Steady::new(y4m, rate.unwrap_or(own), None))
    }

    fn stored_size(&self) -> (u32, u32) {
        let decoder = &self.decoder;
        (decoder.get_width() as u32, decoder.get_height() as u32)
    }
}

impl Timed for Y4m {
    fn size(&self) -> Option<(u32, u32)> {
        Some(self.display.size(self.stored_size()))
    }

    fn next(&mut self) -> Result<Option<Shown>> {
        let (columns, rows) = self.stored_size();
        let width = columns as usize;
        let bytes = self.decoder.get_bytes_per_sample();
        let frame = match self.decoder.read_frame() {
            Ok(frame) => frame,
            // The decoder tells an end between frames and one within a frame alike.
            Err(y4m::Error::EOF) if self.read.get() == self.whole => return Ok(None),
            Err(error) => return Err(damaged(&self.path, &error)),
        };
        self.whole = self.read.get();
        let sample = |plane: &[u8], at: usize| match bytes {
            1 => u16::from(plane[at]),
            _ => u16::from_le_bytes([plane[2 * at], plane[2 * at + 1]]),
        };
        let [luma, blue, red] = [
            frame.get_y_plane(),
            frame.get_u_plane(),
            frame.get_v_plane(),
        ];
        let pixel = |x: u32, y: u32| {
            let (x, y) = (x as usize, y as usize);
            let luma = sample(luma, y * width + x);
            let Chroma::Every { right, down } = self.chroma else {
                return Rgb([self.colors.gray(luma); 3]);
            };
            let at = (y / down) * width.div_ceil(right) + x / right;
            Rgb(self.colors.rgb([luma, sample(blue, at), sample(red, at)]))
        };
        let picture = self.display.apply(RgbImage::from_fn(columns, rows, pixel));
        let start = self.given as f64 * self.seconds_per_frame;
        self.given += 1;
        Ok(Some(Shown {
            start,
            duration: Some(self.seconds_per_frame),
            picture,
        }))
    }

    fn notes(&self) -> Vec<String> {
        let interlaced = self.is_interlaced.then(|| interlaced_note(&self.path));
        let stretched = self.display.note(self.stored_size());
        interlaced.into_iter().chain(stretched).collect()
    }
}

/// Where there is a sample of color.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Chroma {
    /// Nowhere: the clip is gray.
    Absent,
    /// At every pixel of so many to the right and down.
    Every { right: usize, down: usize },
}

impl Chroma {
    /// `None` for samples that are not read.
    fn of(samples: Colorspace) -> Option<Self> {
        let (right, down) = match samples {
            Colorspace::C420
            | Colorspace::C420jpeg
            | Colorspace::C420paldv
            | Colorspace::C420mpeg2
            | Colorspace::C420p10
            | Colorspace::C420p12 => (2, 2),
            Colorspace::C422 | Colorspace::C422p10 | Colorspace::C422p12 => (2, 1),
            Colorspace::C444 | Colorspace::C444p10 | Colorspace::C444p12 => (1, 1),
            Colorspace::Cmono | Colorspace::Cmono12 => return Some(Self::Absent),
            _ => return None,
        };
        Some(Self::Every { right, down })
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

/// The error for samples that are not read, by their name in the file's first line.
fn unknown_samples(path: &Path) -> Error {
    let mut line = Vec::new();
    let read = File::open(path).map(|file| {
        let mut file = BufReader::new(file).take(MAX_HEADER);
        file.read_until(b'\n', &mut line)
    });
    let header = String::from_utf8_lossy(&line);
    let named = header.split_whitespace().find(|own| own.starts_with('C'));
    let name = read.ok().and(named).unwrap_or("unknown");
    let message = format!(
        "has samples of the kind {name}, expected 8, 10 or 12 bits in 4:2:0, 4:2:2 or 4:4:4, or gray of 8 or 12 bits; convert it, for \
         example with `ffmpeg -i IN -pix_fmt yuv444p OUT.y4m`"
    );
    Error::signal(path, message)
}

fn damaged(path: &Path, error: &y4m::Error) -> Error {
    let message =
        format!("cannot be read as Y4M ({error:?}): it is damaged or cut short; copy it again");
    Error::signal(path, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::Frames;

    /// The frames of a file with this header and these bytes in each frame.
    fn read(header: &str, frames: &[&[u8]]) -> Result<Vec<RgbImage>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.y4m");
        let mut bytes = format!("YUV4MPEG2 {header}\n").into_bytes();
        for frame in frames {
            bytes.extend(b"FRAME\n");
            bytes.extend(*frame);
        }
        std::fs::write(&path, bytes).unwrap();
        let mut y4m = Y4m::open(&path, None)?;
        let mut pictures = Vec::new();
        while let Some(picture) = y4m.next()? {
            pictures.push(picture);
        }
        Ok(pictures)
    }

    fn first_pixel(header: &str, frame: &[u8]) -> [u8; 3] {
        read(header, &[frame]).unwrap()[0].get_pixel(0, 0).0
    }

    #[test]
    fn full_range_is_not_stretched_and_limited_range_is() {
        let ramp: Vec<u8> = (0..16).map(|k| 17 * k).collect();
        let frame = [ramp.clone(), vec![128; 16]].concat();
        for (range, expected) in [
            ("XCOLORRANGE=FULL", ramp.clone()),
            ("XYSCSS=420JPEG XCOLORRANGE=FULL", ramp),
            (
                "XCOLORRANGE=LIMITED",
                vec![
                    0, 1, 21, 41, 61, 80, 100, 120, 140, 160, 179, 199, 219, 239, 255, 255,
                ],
            ),
        ] {
            let header = format!("W16 H1 F25:1 Ip A1:1 C420jpeg {range}");
            let frames = read(&header, &[&frame]).unwrap();
            let found: Vec<u8> = frames[0].pixels().map(|pixel| pixel.0[0]).collect();
            assert_eq!(found, expected, "{range}");
            assert!(frames[0].pixels().all(|p| p.0 == [p.0[0]; 3]));
        }
    }

    #[test]
    fn every_sampling_and_depth_gives_red() {
        // Limited red of BT.601, and of BT.709, which the size of the last one means.
        let [y, u, v] = [81_u16, 90, 240];
        let deep = |shift: u32| [y, u, v].map(|sample| (sample << shift).to_le_bytes());
        for (kind, frame) in [
            ("C420jpeg", vec![81, 90, 240]),
            ("C420mpeg2", vec![81, 90, 240]),
            ("C422", vec![81, 90, 240]),
            ("C444", vec![81, 90, 240]),
            ("C420p10", deep(2).concat()),
            ("C422p10", deep(2).concat()),
            ("C444p12", deep(4).concat()),
        ] {
            let [red, green, blue] = first_pixel(&format!("W1 H1 F25:1 {kind}"), &frame);
            assert!(
                red >= 254 && green <= 1 && blue <= 1,
                "{kind} {red} {green} {blue}"
            );
        }
        let high: Vec<u8> = [63, 102, 240].into_iter().flat_map(|s| [s; 1280]).collect();
        let [red, green, blue] = first_pixel("W1280 H1 F25:1 C444", &high);
        assert!(
            red >= 254 && green <= 1 && blue <= 1,
            "{red} {green} {blue}"
        );
        assert_eq!(first_pixel("W1 H1 F25:1 Cmono", &[235]), [255; 3]);
        assert_eq!(
            first_pixel("W1 H1 F25:1 Cmono XCOLORRANGE=FULL", &[235]),
            [235; 3]
        );
        assert_eq!(first_pixel("W1 H1 F25:1 Cmono12", &[0xb0, 0x0e]), [255; 3]);
    }

    #[test]
    fn samples_that_are_not_read_are_named() {
        for kind in ["C411", "C420p16", "C444alpha", "Cmono10"] {
            let message = read(&format!("W4 H1 F25:1 {kind}"), &[&[0; 8]]).unwrap_err();
            assert!(message.to_string().contains(kind), "{message}");
        }
    }

    #[test]
    fn pixels_that_are_not_square_are_stretched() {
        let frames = read("W4 H2 F25:1 A2:1 C444", &[&[128; 24]]).unwrap();
        assert_eq!(frames[0].dimensions(), (8, 2));
    }
}
