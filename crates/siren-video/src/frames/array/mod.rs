//! A NumPy array.

mod element;
mod header;

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use siren_core::{Error, Result};

use self::element::{Element, Extremes};
use self::header::{Header, header};
use super::Frames;
use super::color::over_white;

/// Elements that are looked at together before any is used.
const PIECE: usize = 1 << 13;

/// `(frames, height, width, 3)`, as the authors keep their cat; `(frames, height, width)` and `(frames, height, width, 1)` are gray, and
/// `(frames, height, width, 4)` has an alpha channel.
///
/// Bytes are levels of 0 to 255, and so are wider integers of that range; floats are in [0, 1], and 255 times as many levels; of
/// booleans, true is white. Arrays whose values are in another range are refused, with the range.
pub(super) struct Array {
    path: PathBuf,
    reader: BufReader<File>,
    /// Where the elements begin, in bytes.
    start: u64,
    element: Element,
    is_looked_through: bool,
    shape: Vec<usize>,
    size: (u32, u32),
    given: usize,
    rate: f64,
}

impl Array {
    pub(super) fn open(path: &Path, rate: f64) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let mut reader = BufReader::new(file);
        let fail = |message: String| Err(Error::signal(path, message));
        let Some(header) = header(&mut reader) else {
            return fail("the header of the NumPy array is damaged or cut short".to_owned());
        };
        let element = match Element::of(&header.kind) {
            Ok(element) => element,
            Err(message) => return fail(message),
        };
        if let Err(message) = check_shape(&header) {
            return fail(message);
        }
        let side = |side: usize| u32::try_from(side).ok().filter(|&side| side > 0);
        let (Some(width), Some(height)) = (side(header.shape[2]), side(header.shape[1])) else {
            return fail(format!(
                "has the shape {:?}: a side is zero or absurd",
                header.shape
            ));
        };
        let start = reader.stream_position().map_err(Error::io("read", path))?;
        Ok(Self {
            path: path.to_path_buf(),
            reader,
            start,
            element,
            is_looked_through: element.is_always_in_range(),
            shape: header.shape,
            size: (width, height),
            given: 0,
            rate,
        })
    }

    /// Numbers of a pixel.
    fn depth(&self) -> usize {
        self.shape.get(3).copied().unwrap_or(1)
    }

    /// The extremes of all elements that the file has.
    fn look_through(&mut self) -> Result<Extremes> {
        let mut extremes = Extremes::default();
        let mut bytes = vec![0; PIECE * self.element.width()];
        let failed = Error::io("read", &self.path);
        let outcome: std::io::Result<()> = loop {
            match fill(&mut self.reader, &mut bytes) {
                Ok(0) => break Ok(()),
                Ok(filled) => extremes.add(
                    bytes[..filled]
                        .chunks_exact(self.element.width())
                        .map(|own| self.element.value(own)),
                ),
                Err(error) => break Err(error),
            }
        };
        let outcome = outcome.and_then(|()| self.reader.seek(SeekFrom::Start(self.start)));
        outcome.map_err(failed)?;
        Ok(extremes)
    }
}

impl Frames for Array {
    fn rate(&self) -> f64 {
        self.rate
    }

    fn count(&self) -> Option<usize> {
        Some(self.shape[0])
    }

    fn size(&self) -> Option<(u32, u32)> {
        Some(self.size)
    }

    fn channels(&self) -> usize {
        if self.depth() == 1 { 1 } else { 3 }
    }

    fn next(&mut self) -> Result<Option<RgbImage>> {
        if self.given == self.shape[0] {
            return Ok(None);
        }
        if !self.is_looked_through {
            let extremes = self.look_through()?;
            let checked = self.element.check(extremes);
            checked.map_err(|message| Error::signal(&self.path, message))?;
            self.is_looked_through = true;
        }
        let (columns, rows) = self.size;
        let (width, depth) = (self.element.width(), self.depth());
        let mut line = vec![0; columns as usize * depth * width];
        let mut frame = RgbImage::new(columns, rows);
        for row in frame.rows_mut() {
            if self.reader.read_exact(&mut line).is_err() {
                let message = format!(
                    "claims {} frames, but ends within frame {}: it is cut short; copy it again",
                    self.shape[0], self.given
                );
                return Err(Error::signal(&self.path, message));
            }
            for (pixel, bytes) in row.zip(line.chunks_exact(depth * width)) {
                let level = |at: usize| self.element.level(&bytes[at * width..(at + 1) * width]);
                *pixel = Rgb(match depth {
                    1 => [level(0); 3],
                    3 => [0, 1, 2].map(level),
                    _ => over_white([0, 1, 2].map(level), level(3)),
                });
            }
        }
        self.given += 1;
        Ok(Some(frame))
    }
}

/// Reads until the buffer is full or the file ends; how many bytes there were.
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

/// Refuses a shape that is no clip's, or may be something else, with the command that makes it one.
fn check_shape(header: &Header) -> Result<(), String> {
    let shape = &header.shape;
    let found = format!(
        "has the shape {shape:?}, expected (frames, height, width, 3) for color or (frames, height, width) for gray"
    );
    let advice = match shape[..] {
        [_, _, 1 | 3 | 4] => {
            "; save a single picture with `numpy.save(path, clip[numpy.newaxis])`, and a gray clip that is so narrow with \
             `numpy.save(path, clip[..., numpy.newaxis])`"
        }
        [_, _, _] | [_, _, _, 1 | 3 | 4] => {
            if !header.is_fortran {
                return Ok(());
            }
            return Err(
                "is in Fortran order (the frame number runs fastest), expected C order: save it with `numpy.save(path, \
                 numpy.ascontiguousarray(clip))`"
                    .to_owned(),
            );
        }
        [_, 1 | 3 | 4, _, _] => {
            "; it looks as if channels came before rows: save it with `numpy.save(path, numpy.ascontiguousarray(clip.transpose(0, 2, \
             3, 1)))`"
        }
        [_, _] => "; save a single gray picture with `numpy.save(path, clip[numpy.newaxis])`",
        _ => "",
    };
    Err(format!("{found}{advice}"))
}
