//! Reads a YUV4MPEG2 file (`.y4m`): uncompressed frames of luma and chroma.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use image::{Rgb, RgbImage};
use siren_core::{Error, Result};
use siren_picture::Size;
use siren_picture::picture::MAX_SIDE;
use y4m::{Colorspace, Decoder};

use super::clock::{FrameSource, Resampled, TimedFrame};
use super::color::{ColorMatrix, ColorRange, SampleDepth, YuvToRgb};
use super::display::{DisplayTransform, PixelAspect};
use super::interlaced_note;

/// Longest header line that is read for an error message, in bytes.
const MAX_HEADER: u64 = 1024;

/// A reader of frames of 8, 10 or 12 bits in 4:2:0, 4:2:2 or 4:4:4, or of gray frames of 8 or 12 bits.
///
/// The range is limited unless the header contains `XCOLORRANGE=FULL`. The format names no matrix; [`ColorMatrix::default_for`] chooses it
/// by the size.
pub(super) struct Y4mFrames {
    path: PathBuf,
    decoder: Decoder<CountingReader>,
    /// Bytes read so far.
    bytes_read: Rc<Cell<u64>>,
    /// Offset of the end of the last complete frame, in bytes.
    last_frame_end: u64,
    chroma: ChromaSampling,
    converter: YuvToRgb,
    display: DisplayTransform,
    is_interlaced: bool,
    seconds_per_frame: f64,
    frames_read: u64,
}

impl Y4mFrames {
    /// Opens a file, to be read at `rate` frames per second, or at its own rate.
    pub(super) fn open(path: &Path, rate: Option<f64>) -> Result<Resampled<Self>> {
        let header = read_header(path)?;
        check_size(path, &header)?;
        let file = File::open(path).map_err(Error::io("open", path))?;
        let bytes_read = Rc::new(Cell::new(0));
        let reader = CountingReader {
            file: BufReader::new(file),
            bytes_read: Rc::clone(&bytes_read),
        };
        let decoder = match Decoder::new(reader) {
            Err(y4m::Error::UnknownColorspace) => return Err(unsupported_samples(path, &header)),
            decoder => decoder.map_err(|error| decode_error(path, &error))?,
        };
        let own_rate = decoder.get_framerate();
        if own_rate.num == 0 || own_rate.den == 0 {
            let message = format!(
                "has a frame rate of {}:{} according to its header, expected one above 0; copy it again if its header is damaged",
                own_rate.num, own_rate.den
            );
            return Err(Error::signal(path, message));
        }
        let own_rate = own_rate.num as f64 / own_rate.den as f64;
        let Some(chroma) = ChromaSampling::of(decoder.get_colorspace()) else {
            return Err(unsupported_samples(path, &header));
        };
        let size = Size {
            height: decoder.get_height(),
            width: decoder.get_width(),
        };
        let parameters: Vec<&[u8]> = decoder.get_raw_params().split(|&b| b == b' ').collect();
        let range = if parameters.contains(&b"XCOLORRANGE=FULL".as_slice()) {
            ColorRange::Full
        } else {
            ColorRange::Limited
        };
        let is_interlaced = parameters
            .iter()
            .any(|parameter| [b"It", b"Ib", b"Im"].iter().any(|kind| parameter == kind));
        let aspect = decoder.get_pixel_aspect();
        let depth = SampleDepth {
            bits: decoder.get_bit_depth() as u32,
            shift: 0,
        };
        let y4m = Self {
            path: path.to_path_buf(),
            last_frame_end: bytes_read.get(),
            bytes_read,
            chroma,
            converter: YuvToRgb::new(ColorMatrix::default_for(size), range, depth),
            display: DisplayTransform::new(PixelAspect {
                width: aspect.num as i64,
                height: aspect.den as i64,
            }),
            is_interlaced,
            seconds_per_frame: 1.0 / own_rate,
            frames_read: 0,
            decoder,
        };
        Ok(Resampled::new(y4m, rate.unwrap_or(own_rate), None))
    }

    fn stored_size(&self) -> Size {
        Size {
            height: self.decoder.get_height(),
            width: self.decoder.get_width(),
        }
    }
}

impl FrameSource for Y4mFrames {
    fn size(&self) -> Option<Size> {
        Some(self.display.size(self.stored_size()))
    }

    fn read_next(&mut self) -> Result<Option<TimedFrame>> {
        let Size { height, width } = self.stored_size();
        let bytes_per_sample = self.decoder.get_bytes_per_sample();
        let frame = match self.decoder.read_frame() {
            Ok(frame) => frame,
            // The decoder returns the same error for an end between two frames and for an end within a frame.
            Err(y4m::Error::EOF) if self.bytes_read.get() == self.last_frame_end => {
                return Ok(None);
            }
            Err(error) => return Err(decode_error(&self.path, &error)),
        };
        self.last_frame_end = self.bytes_read.get();
        let sample = |plane: &[u8], index: usize| match bytes_per_sample {
            1 => u16::from(plane[index]),
            _ => u16::from_le_bytes([plane[2 * index], plane[2 * index + 1]]),
        };
        let [luma, blue, red] = [
            frame.get_y_plane(),
            frame.get_u_plane(),
            frame.get_v_plane(),
        ];
        let pixel = |x: u32, y: u32| {
            let (x, y) = (x as usize, y as usize);
            let luma = sample(luma, y * width + x);
            let ChromaSampling::Subsampled {
                horizontal,
                vertical,
            } = self.chroma
            else {
                return Rgb([self.converter.gray(luma); 3]);
            };
            let index = (y / vertical) * width.div_ceil(horizontal) + x / horizontal;
            let (u, v) = (sample(blue, index), sample(red, index));
            Rgb(self.converter.rgb(luma, u, v))
        };
        let stored = RgbImage::from_fn(width as u32, height as u32, pixel);
        let picture = self.display.apply(stored);
        let start = self.frames_read as f64 * self.seconds_per_frame;
        self.frames_read += 1;
        Ok(Some(TimedFrame {
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

/// The resolution of the chroma planes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum ChromaSampling {
    /// The clip is gray and has no chroma.
    Absent,
    /// One chroma sample for every `horizontal` × `vertical` pixels.
    Subsampled { horizontal: usize, vertical: usize },
}

impl ChromaSampling {
    /// Returns the chroma sampling of a colorspace, or `None` if it is not supported.
    fn of(colorspace: Colorspace) -> Option<Self> {
        let (horizontal, vertical) = match colorspace {
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
        Some(Self::Subsampled {
            horizontal,
            vertical,
        })
    }
}

/// A reader that counts the bytes it returns.
struct CountingReader {
    file: BufReader<File>,
    bytes_read: Rc<Cell<u64>>,
}

impl Read for CountingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.bytes_read.set(self.bytes_read.get() + count as u64);
        Ok(count)
    }
}

/// Reads the first line of a file, up to [`MAX_HEADER`].
fn read_header(path: &Path) -> Result<String> {
    let mut line = Vec::new();
    let file = File::open(path).map_err(Error::io("open", path))?;
    let mut file = BufReader::new(file).take(MAX_HEADER);
    file.read_until(b'\n', &mut line)
        .map_err(Error::io("read", path))?;
    Ok(String::from_utf8_lossy(&line).into_owned())
}

/// Returns what follows a letter in a header, if it is there.
fn parameter(header: &str, letter: char) -> Option<&str> {
    let mut found = header.split_whitespace();
    found.find_map(|parameter| parameter.strip_prefix(letter))
}

/// Checks the size of frames in a header: the decoder multiplies it without a check, and takes memory for a whole frame.
fn check_size(path: &Path, header: &str) -> Result<()> {
    // Every occurrence, because the decoder takes the last one. What is no number is left to the decoder, which refuses it.
    let sides = header.split_whitespace().filter_map(|parameter| {
        let side = parameter.strip_prefix(['W', 'H'])?;
        side.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then_some(side)
    });
    let is_too_long = |side: &str| side.parse::<usize>().is_ok_and(|side| side > MAX_SIDE);
    let mut too_long = sides.filter(|side| is_too_long(side));
    let Some(side) = too_long.next() else {
        return Ok(());
    };
    let message = format!(
        "has frames with a side of {side} pixels according to its header, expected at most {MAX_SIDE}; make it smaller first, or copy it \
         again if its header is damaged"
    );
    Err(Error::signal(path, message))
}

/// Returns the error for an unsupported colorspace, with its name from the file's header.
fn unsupported_samples(path: &Path, header: &str) -> Error {
    let name = parameter(header, 'C').unwrap_or("of an unknown name");
    let message = format!(
        "has the colorspace C{name}, expected 8, 10 or 12 bits in 4:2:0, 4:2:2 or 4:4:4, or gray of 8 or 12 bits; convert the file, \
         for example with `ffmpeg -i IN -pix_fmt yuv444p OUT.y4m`"
    );
    Error::signal(path, message)
}

fn decode_error(path: &Path, error: &y4m::Error) -> Error {
    let message = format!(
        "cannot be read as Y4M ({error:?}): the file is damaged or cut short; copy it again"
    );
    Error::signal(path, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::Frames;

    /// Reads a file with this header and these bytes in each frame.
    fn read(header: &str, frames: &[&[u8]]) -> Result<Vec<RgbImage>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.y4m");
        let mut bytes = format!("YUV4MPEG2 {header}\n").into_bytes();
        for frame in frames {
            bytes.extend(b"FRAME\n");
            bytes.extend(*frame);
        }
        std::fs::write(&path, bytes).unwrap();
        let mut y4m = Y4mFrames::open(&path, None)?;
        let mut pictures = Vec::new();
        while let Some(picture) = y4m.read_next()? {
            pictures.push(picture);
        }
        Ok(pictures)
    }

    fn first_pixel(header: &str, frame: &[u8]) -> [u8; 3] {
        read(header, &[frame]).unwrap()[0].get_pixel(0, 0).0
    }

    #[test]
    fn limited_range_is_expanded_and_full_range_is_not() {
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
    fn red_is_read_as_red_for_every_chroma_sampling_and_depth() {
        // Red in limited range: of BT.601 for the small frames, and of BT.709 for the large frame below.
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
    fn errors_name_the_unsupported_colorspace() {
        for kind in ["C411", "C420p16", "C444alpha", "Cmono10"] {
            let message = read(&format!("W4 H1 F25:1 {kind}"), &[&[0; 8]]).unwrap_err();
            assert!(message.to_string().contains(kind), "{message}");
        }
    }

    #[test]
    fn sizes_whose_product_overflows_are_refused_before_they_are_decoded() {
        for header in [
            "W18446744073709551615 H2 F25:1",
            "W4 H4294967296 F25:1 C444",
            "W4 H2 H9999999 F25:1",
        ] {
            let message = read(header, &[&[0; 8]]).unwrap_err().to_string();
            assert!(message.contains("expected at most"), "{message}");
        }
    }

    #[test]
    fn pixels_that_are_not_square_are_stretched() {
        let frames = read("W4 H2 F25:1 A2:1 C444", &[&[128; 24]]).unwrap();
        assert_eq!(frames[0].dimensions(), (8, 2));
    }
}
