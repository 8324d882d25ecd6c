//! Writing PNG files row by row, so that renderings may be larger than memory.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use png::{BitDepth, ColorType, Compression, Encoder, EncodingError, StreamWriter};
use siren_core::file::PartialFile;
use siren_core::{Error, Result};

/// Size in bytes of the buffer for one IDAT chunk.
const CHUNK: usize = 1 << 18;
/// The IEND chunk (length, type and checksum) that ends every complete PNG file.
const END: [u8; 12] = [0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xAE, 0x42, 0x60, 0x82];

/// Writer of an 8-bit gray or RGB PNG file that holds only a few rows in memory.
///
/// Rows are written to `<path>.tmp`, which [`finish`](Self::finish) renames to `path`, so an interrupted write leaves no incomplete file
/// under the final name. If `path` is a symbolic link, its target is replaced. Dropping the writer without calling `finish` removes
/// the temporary file.
pub struct PngRows {
    stream: Option<StreamWriter<'static, File>>,
    partial: PartialFile,
    row_values: usize,
    rows_left: usize,
    bytes: Vec<u8>,
}

impl PngRows {
    /// Starts a file of `height` × `width` pixels with 1 (gray) or 3 (RGB) `channels`.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidValue`] if a side is not from 1 to 2³¹ − 1, or for another number of channels. [`Error::Io`] if the temporary
    /// file cannot be created (missing or read-only folder).
    pub fn create(path: &Path, height: usize, width: usize, channels: usize) -> Result<Self> {
        let side = |key: &str, value: usize| {
            u32::try_from(value)
                .ok()
                .filter(|&side| side > 0 && side <= i32::MAX.cast_unsigned())
                .ok_or_else(|| Error::invalid(key, value, "1 to 2147483647 pixels for a PNG"))
        };
        let (rows, columns) = (side("height", height)?, side("width", width)?);
        let color = match channels {
            1 => ColorType::Grayscale,
            3 => ColorType::Rgb,
            _ => return Err(Error::invalid("channels", channels, "1 (gray) or 3 (RGB)")),
        };
        let (partial, file) = PartialFile::create(path)?;
        let mut encoder = Encoder::new(file, columns, rows);
        encoder.set_color(color);
        encoder.set_depth(BitDepth::Eight);
        // Ten times as fast as the default of the encoder, for files of photographs that are larger by a twentieth.
        encoder.set_compression(Compression::Fast);
        let stream = encoder
            .write_header()
            .and_then(|writer| writer.into_stream_writer_with_size(CHUNK))
            .map_err(|error| partial.write_error(error.into()))?;
        Ok(Self {
            stream: Some(stream),
            partial,
            row_values: width * channels,
            rows_left: height,
            bytes: Vec::new(),
        })
    }

    /// Appends rows `(rows, width, channels)` of values in `[0, 1]`. Values are clamped, multiplied by 255 and rounded.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if `values` is not a whole number of rows, or contains more rows than remain to be written. [`Error::Io`] if the
    /// file cannot be written (full disk).
    pub fn push_rows(&mut self, values: &[f32]) -> Result<()> {
        let rows = values.len() / self.row_values;
        if !values.len().is_multiple_of(self.row_values) || rows > self.rows_left {
            return Err(Error::Shape {
                what: "rows of a PNG",
                expected: format!(
                    "whole rows of {} values, at most {} rows",
                    self.row_values, self.rows_left
                ),
                got: format!("{} values", values.len()),
            });
        }
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        for row in values.chunks_exact(self.row_values) {
            self.bytes.clear();
            self.bytes.extend(row.iter().map(|&value| to_byte(value)));
            stream
                .write_all(&self.bytes)
                .map_err(|error| self.partial.write_error(error))?;
        }
        self.rows_left -= rows;
        Ok(())
    }

    /// Completes the file and renames it to its final name, which replaces an existing file.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if rows are missing. [`Error::Io`] if the end of the file cannot be written, or the file cannot be renamed.
    pub fn finish(mut self) -> Result<()> {
        if self.rows_left > 0 {
            return Err(Error::Shape {
                what: "rows of a PNG",
                expected: "all rows before `finish`".to_owned(),
                got: format!("{} missing rows", self.rows_left),
            });
        }
        if let Some(stream) = self.stream.take() {
            stream
                .finish()
                .map_err(|error: EncodingError| self.partial.write_error(error.into()))?;
        }
        // The encoder writes the IEND chunk when it is dropped, and cannot report an error such as a full disk there.
        self.partial.ensure_ends_with(&END)?;
        self.partial.keep()
    }
}

/// Converts a value in `[0, 1]` to a byte: clamped, multiplied by 255, rounded to nearest. NaN gives 0.
#[must_use]
pub fn to_byte(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn rows_pushed_in_several_calls_give_the_picture() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        // Values from below 0 to above 1 that are not multiples of 1/255.
        let values: Vec<f32> = (0..105_u8)
            .map(|i| (f32::from(i) * 2.6 - 6.0) / 255.0)
            .collect();
        let mut rows = PngRows::create(&path, 7, 5, 3).unwrap();
        rows.push_rows(&values[..15]).unwrap();
        rows.push_rows(&values[15..90]).unwrap();
        assert!(!path.exists());
        rows.push_rows(&values[90..]).unwrap();
        rows.finish().unwrap();
        let read = image::open(&path).unwrap();
        assert_eq!((read.height(), read.width()), (7, 5));
        for (&byte, value) in read.as_rgb8().unwrap().as_raw().iter().zip(&values) {
            assert!((f32::from(byte) / 255.0 - value.clamp(0.0, 1.0)).abs() < 0.5001 / 255.0);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_unfinished_file_is_removed_and_an_existing_file_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        fs::write(&path, b"older").unwrap();
        let mut rows = PngRows::create(&path, 2, 2, 1).unwrap();
        rows.push_rows(&[0.5; 2]).unwrap();
        assert!(rows.finish().is_err());
        drop(PngRows::create(&path, 2, 2, 1).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"older");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn partial_rows_and_too_many_rows_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let mut rows = PngRows::create(&folder.path().join("a.png"), 2, 3, 1).unwrap();
        assert!(matches!(
            rows.push_rows(&[0.0; 4]),
            Err(Error::Shape { .. })
        ));
        assert!(matches!(
            rows.push_rows(&[0.0; 9]),
            Err(Error::Shape { .. })
        ));
        rows.push_rows(&[0.0; 6]).unwrap();
        rows.finish().unwrap();
    }

    #[test]
    fn a_missing_folder_or_a_folder_as_the_target_is_an_io_error() {
        let folder = tempfile::tempdir().unwrap();
        for path in [folder.path().join("no/a.png"), folder.path().to_path_buf()] {
            let error = PngRows::create(&path, 2, 2, 1).err().unwrap();
            assert!(matches!(error, Error::Io { .. }), "{error}");
        }
        for (height, channels) in [(0, 1), (2, 4)] {
            let error = PngRows::create(&folder.path().join("a.png"), height, 2, channels).err();
            assert!(matches!(error, Some(Error::InvalidValue { .. })));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_symbolic_link_is_followed_and_a_device_is_refused() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a.png"), folder.path().join("link.png"));
        fs::write(&file, b"older").unwrap();
        symlink("a.png", &link).unwrap();
        let mut rows = PngRows::create(&link, 1, 2, 1).unwrap();
        rows.push_rows(&[0.5; 2]).unwrap();
        rows.finish().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(fs::read(&file).unwrap().starts_with(b"\x89PNG"));
        let null = folder.path().join("null.png");
        symlink("/dev/null", &null).unwrap();
        for device in ["/dev/null".as_ref(), null.as_path()] {
            let error = PngRows::create(device, 1, 2, 1).err().unwrap();
            assert!(error.to_string().contains("device"), "{error}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
