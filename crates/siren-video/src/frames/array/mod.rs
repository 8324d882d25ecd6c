//! Reads a NumPy array (`.npy`) as a clip.

mod element;

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use siren_core::file::ArrayHeader;
use siren_core::{Error, Result};
use siren_picture::Size;

use self::element::{ElementType, ValueRange};
use super::Frames;
use super::color::over_white;

/// Elements per read of the check of values.
const ELEMENTS_PER_CHUNK: usize = 1 << 13;

/// A reader of arrays of shape `(frames, height, width, 3)`, as the authors store their cat clip, `(frames, height, width)` or
/// `(frames, height, width, 1)` for gray, and `(frames, height, width, 4)` with an alpha channel.
///
/// Integers of any width are levels from 0 to 255, floats in [0, 1] are multiplied by 255, and of booleans true is white. An array with
/// values outside this range is refused with its range.
pub(super) struct ArrayFrames {
    path: PathBuf,
    reader: BufReader<File>,
    /// Offset of the first element, in bytes.
    start: u64,
    element: ElementType,
    is_range_checked: bool,
    shape: Vec<usize>,
    size: Size,
    frames_read: usize,
    rate: f64,
}

impl ArrayFrames {
    pub(super) fn open(path: &Path, rate: f64) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let mut reader = BufReader::new(file);
        let fail = |message: String| Err(Error::signal(path, message));
        let Some(header) = ArrayHeader::read(&mut reader) else {
            let message =
                "the header of the NumPy array is damaged or cut short; copy the file again";
            return fail(message.to_owned());
        };
        let element = match ElementType::of(&header.element_type) {
            Ok(element) => element,
            Err(message) => return fail(message),
        };
        if let Err(message) = check_shape(&header) {
            return fail(message);
        }
        let size = Size {
            height: header.shape[1],
            width: header.shape[2],
        };
        let is_valid = |side: usize| side > 0 && u32::try_from(side).is_ok();
        if !is_valid(size.height) || !is_valid(size.width) {
            return fail(format!(
                "has the shape {:?}, expected a height and a width of 1 to {} pixels",
                header.shape,
                u32::MAX
            ));
        }
        let start = reader.stream_position().map_err(Error::io("read", path))?;
        Ok(Self {
            path: path.to_path_buf(),
            reader,
            start,
            element,
            is_range_checked: element.is_always_in_range(),
            shape: header.shape,
            size,
            frames_read: 0,
            rate,
        })
    }

    /// Returns the number of elements per pixel: 1, 3 or 4.
    fn elements_per_pixel(&self) -> usize {
        self.shape.get(3).copied().unwrap_or(1)
    }

    /// Reads all elements of the file once, returns the range of their values, and seeks back to the first one.
    fn value_range(&mut self) -> Result<ValueRange> {
        let mut range = ValueRange::default();
        let mut bytes = vec![0; ELEMENTS_PER_CHUNK * self.element.width()];
        let read_error = Error::io("read", &self.path);
        let outcome: std::io::Result<()> = loop {
            match fill(&mut self.reader, &mut bytes) {
                Ok(0) => break Ok(()),
                Ok(filled) => range.add(
                    bytes[..filled]
                        .chunks_exact(self.element.width())
                        .map(|stored| self.element.value(stored)),
                ),
                Err(error) => break Err(error),
            }
        };
        let outcome = outcome.and_then(|()| self.reader.seek(SeekFrom::Start(self.start)));
        outcome.map_err(read_error)?;
        Ok(range)
    }
}

impl Frames for ArrayFrames {
    fn rate(&self) -> f64 {
        self.rate
    }

    fn count(&self) -> Option<usize> {
        Some(self.shape[0])
    }

    fn size(&self) -> Option<Size> {
        Some(self.size)
    }

    fn channels(&self) -> usize {
        if self.elements_per_pixel() == 1 { 1 } else { 3 }
    }

    fn read_next(&mut self) -> Result<Option<RgbImage>> {
        if self.frames_read == self.shape[0] {
            return Ok(None);
        }
        if !self.is_range_checked {
            let range = self.value_range()?;
            let checked = self.element.check(range);
            checked.map_err(|message| Error::signal(&self.path, message))?;
            self.is_range_checked = true;
        }
        let Size { height, width } = self.size;
        let (element_bytes, depth) = (self.element.width(), self.elements_per_pixel());
        let mut row_bytes = vec![0; width * depth * element_bytes];
        let mut frame = RgbImage::new(width as u32, height as u32);
        for row in frame.rows_mut() {
            if self.reader.read_exact(&mut row_bytes).is_err() {
                let message = format!(
                    "claims {} frames in its header, but ends within frame {}: the file is cut short; copy it again",
                    self.shape[0], self.frames_read
                );
                return Err(Error::signal(&self.path, message));
            }
            for (pixel, bytes) in row.zip(row_bytes.chunks_exact(depth * element_bytes)) {
                let level = |index: usize| {
                    let start = index * element_bytes;
                    self.element.level(&bytes[start..start + element_bytes])
                };
                *pixel = Rgb(match depth {
                    1 => [level(0); 3],
                    3 => [0, 1, 2].map(level),
                    _ => over_white([0, 1, 2].map(level), level(3)),
                });
            }
        }
        self.frames_read += 1;
        Ok(Some(frame))
    }
}

/// Reads until the buffer is full or the file ends, and returns the number of bytes read.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Checks that the shape and the order of an array are those of a clip. The error is a message with a NumPy command that converts the array.
fn check_shape(header: &ArrayHeader) -> Result<(), String> {
    let shape = &header.shape;
    let found = format!(
        "has the shape {shape:?}, expected (frames, height, width, 3) for color or (frames, height, width) for gray"
    );
    let advice = match shape[..] {
        [_, _, 1 | 3 | 4] => {
            "; save a single picture with `numpy.save(path, clip[numpy.newaxis])`, and a gray clip with a width of 1, 3 or 4 with \
             `numpy.save(path, clip[..., numpy.newaxis])`"
        }
        [_, _, _] | [_, _, _, 1 | 3 | 4] => {
            if !header.is_fortran {
                return Ok(());
            }
            return Err(
                "is in Fortran order (the frame index varies fastest), expected C order: convert it with `numpy.save(path, \
                 numpy.ascontiguousarray(clip))`"
                    .to_owned(),
            );
        }
        [_, 1 | 3 | 4, _, _] => {
            "; if the channels are the second axis, move them to the end with `numpy.save(path, numpy.ascontiguousarray(clip.transpose(0, 2, \
             3, 1)))`"
        }
        [_, _] => "; save a single gray picture with `numpy.save(path, clip[numpy.newaxis])`",
        _ => "",
    };
    Err(format!("{found}{advice}"))
}
