//! Large TIFF files, strip by strip, or one row of tiles after the other.

use std::io::{BufRead, Seek};
use std::path::Path;

use siren_core::{Error, Result};
use tiff::decoder::{ChunkType, Decoder, DecodingResult};
use tiff::tags::Tag;
use tiff::{TiffError, TiffResult};

use super::scale::{FloatRanges, FloatScales, as_floats};
use super::{PixelLayout, decoding_message, limits, read_layout, samples, unpack};
use crate::canvas::Size;
use crate::picture::Values;
use crate::picture::read::bands::{BandWriter, Bands};
use crate::picture::read::{DecodedFile, check_size};

/// Bytes of samples of a row of chunks, above which a file is decoded as a whole.
const MAX_BAND: u64 = 1 << 28;
/// Value of the tag `Orientation` of pixels that are stored as they are shown.
const UPRIGHT: u8 = 1;

/// A file that is decoded in rows of chunks, which are strips or tiles.
struct Chunks<R: BufRead + Seek> {
    decoder: Decoder<R>,
    layout: PixelLayout,
    size: Size,
    /// Rows of a chunk, but the last one of a column.
    rows: usize,
    /// Chunks beside each other.
    across: u32,
    /// Chunks below each other.
    down: u32,
    /// 1 if the samples of a pixel are beside each other, or the number of samples.
    planes: u32,
}

/// Reads a large TIFF file; `None` if it is small, damaged before its pixels, has an orientation, large chunks, or planes of floats.
///
/// # Errors
/// [`Error::Signal`] if pixels are missing or damaged, floats have an unknown range, or the picture is too large; [`Error::Io`] if the temporary
/// file cannot be written.
pub(in crate::picture::read) fn read(
    path: &Path,
    file: impl BufRead + Seek,
    bands: &Bands,
) -> Result<Option<DecodedFile>> {
    let Ok(mut decoder) = Decoder::new(file).map(|decoder| decoder.with_limits(limits())) else {
        return Ok(None);
    };
    let Ok((width, height)) = decoder.dimensions() else {
        return Ok(None);
    };
    check_size(path, height, width)?;
    let size = Size {
        height: height as usize,
        width: width as usize,
    };
    let Ok(Some(mut chunks)) = Chunks::new(decoder, size, bands) else {
        return Ok(None);
    };
    let decoding_error = |error: TiffError| Error::signal(path, decoding_message(&error));
    let layout_error = |message: String| Error::signal(path, message);
    // The range of floats is known only once all were read.
    let scales = match chunks.ranges().map_err(decoding_error)? {
        Some(ranges) => Some(ranges.scales().map_err(layout_error)?),
        None => None,
    };
    let mut writer = BandWriter::new(bands, size.width)?;
    for row in 0..chunks.down {
        let band = chunks.band(row, scales).map_err(decoding_error)?;
        let rows = chunks.rows_of(row);
        let band_size = Size {
            height: rows,
            ..size
        };
        writer.push(samples(
            band,
            band_size,
            chunks.planes as usize,
            chunks.layout,
        ))?;
    }
    Ok(Some(DecodedFile {
        picture: writer.finish(),
        has_more: chunks.decoder.more_images(),
    }))
}

impl<R: BufRead + Seek> Chunks<R> {
    /// Finds the chunks of a file; `None` if it is not decoded in bands.
    fn new(mut decoder: Decoder<R>, size: Size, bands: &Bands) -> TiffResult<Option<Self>> {
        let Ok(layout) = read_layout(&mut decoder)? else {
            return Ok(None);
        };
        let orientation = decoder.find_tag_unsigned::<u8>(Tag::Orientation);
        let is_upright = orientation.ok().flatten().is_none_or(|tag| tag == UPRIGHT);
        let planes = decoder.image_buffer_layout()?.planes.max(1) as u32;
        let (columns, rows) = decoder.chunk_dimensions();
        let chunk_type = decoder.get_chunk_type();
        let (across, count) = match chunk_type {
            ChunkType::Strip => (1, decoder.strip_count()?),
            ChunkType::Tile => (
                (size.width as u32).div_ceil(columns.max(1)),
                decoder.tile_count()?,
            ),
        };
        let rows = (rows as usize).clamp(1, size.height);
        let down = size.height.div_ceil(rows) as u32;
        // Planes of samples of unknown meaning come last, and are not read.
        let per_plane = across.saturating_mul(down).max(1);
        let is_expected = count.is_multiple_of(per_plane) && count / per_plane >= planes;
        let row_bits = size.width as u64 * layout.decoded as u64 * u64::from(layout.bits.max(8));
        let is_small_band = row_bits / 8 * rows as u64 <= MAX_BAND;
        let is_large = bands.is_large(row_bits / 8 * size.height as u64);
        let mut chunks = Self {
            decoder,
            layout,
            size,
            rows,
            across,
            down,
            planes,
        };
        if !(is_upright && is_expected && is_small_band && is_large) {
            return Ok(None);
        }
        // The first chunk tells the type of the samples. Errors in it are reported by the reader of whole files.
        let is_taken = match chunks.decoder.read_chunk(0)? {
            DecodingResult::U8(_) | DecodingResult::U16(_) => true,
            DecodingResult::F16(_) | DecodingResult::F32(_) | DecodingResult::F64(_) => planes == 1,
            _ => false,
        };
        Ok(is_taken.then_some(chunks))
    }

    /// Returns the number of rows of pixels in a row of chunks.
    fn rows_of(&self, row: u32) -> usize {
        self.rows.min(self.size.height - row as usize * self.rows)
    }

    /// Returns the ranges of float samples; `None` for integers.
    fn ranges(&mut self) -> TiffResult<Option<FloatRanges>> {
        let mut ranges = FloatRanges::default();
        for chunk in 0..self.across * self.down {
            match self.decoder.read_chunk(chunk)? {
                DecodingResult::U8(_) | DecodingResult::U16(_) => return Ok(None),
                // The first chunk was of floats, so that this cannot fail.
                other => {
                    let values = as_floats(other, self.layout).unwrap_or_default();
                    ranges.add(&values, self.layout);
                }
            }
        }
        Ok(Some(ranges))
    }

    /// Decodes a row of chunks: `(planes, pixels)` or `(pixels, decoded)`.
    fn band(&mut self, row: u32, scales: Option<FloatScales>) -> TiffResult<Values> {
        let rows = self.rows_of(row);
        let mut bands = Vec::with_capacity(self.planes as usize);
        for plane in 0..self.planes {
            let first = (plane * self.down + row) * self.across;
            let mut parts = Vec::with_capacity(self.across as usize);
            for chunk in first..first + self.across {
                parts.push(self.chunk(chunk, scales)?);
            }
            bands.push(beside(parts, rows));
        }
        Ok(beside(bands, 1))
    }

    /// Decodes a chunk: values `(rows, columns, samples)`.
    fn chunk(&mut self, chunk: u32, scales: Option<FloatScales>) -> TiffResult<Values> {
        let (columns, _) = self.decoder.chunk_data_dimensions(chunk);
        let layout = self.layout;
        Ok(match self.decoder.read_chunk(chunk)? {
            DecodingResult::U8(bytes) => {
                let per_row = columns as usize * layout.decoded / self.planes as usize;
                unpack(bytes, layout.bits, per_row)
            }
            DecodingResult::U16(words) => Values::Words(words),
            // The first chunk was of floats, so that this cannot fail.
            other => {
                let mut values = as_floats(other, layout).unwrap_or_default();
                if let Some(scales) = scales {
                    scales.apply(&mut values, layout);
                }
                values.into()
            }
        })
    }
}

/// Puts parts of `rows` rows each beside each other: a row of the result has that row of each part. All are stored alike.
fn beside(mut parts: Vec<Values>, rows: usize) -> Values {
    fn joined<T: Copy>(parts: &[&[T]], rows: usize) -> Vec<T> {
        let all = parts.iter().map(|part| part.len()).sum();
        let mut values = Vec::with_capacity(all);
        for row in 0..rows {
            for part in parts {
                let len = part.len() / rows;
                values.extend_from_slice(&part[row * len..(row + 1) * len]);
            }
        }
        values
    }
    /// Returns the values of every part.
    macro_rules! join {
        ($variant:ident) => {{
            let of = |part| match part {
                &Values::$variant(ref values) => Some(values.as_slice()),
                _ => None,
            };
            let slices: Vec<_> = parts.iter().filter_map(of).collect();
            Values::$variant(joined(&slices, rows))
        }};
    }
    if parts.len() == 1 {
        return parts.remove(0);
    }
    match parts.first() {
        Some(Values::Bytes(_)) => join!(Bytes),
        Some(Values::Words(_)) => join!(Words),
        _ => join!(Floats),
    }
}
