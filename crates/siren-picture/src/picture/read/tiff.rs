//! Decoding of TIFF files with the `tiff` crate, because `image` supports neither premultiplied alpha nor most sample formats.

pub(super) mod bands;
mod scale;

use std::io::{Cursor, Read, Seek};
use std::path::Path;

use image::metadata::Orientation;
use siren_core::{Error, Result};
use tiff::decoder::{ChunkType, Decoder, DecodingResult, Limits};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError, TiffResult};

use self::scale::{as_floats, scale_floats};
use super::samples::{Alpha, Samples, keep_first};
use super::{MAX_ALLOC, check_memory, check_size};
use crate::canvas::Size;
use crate::memory::available_memory;
use crate::picture::Values;

/// Value of the tag `ExtraSamples` for premultiplied alpha.
const ASSOCIATED: u16 = 1;
/// Value of the tag `ExtraSamples` for straight alpha.
const UNASSOCIATED: u16 = 2;
/// Value of the tag `Predictor` for samples that are stored without prediction.
const NO_PREDICTOR: u16 = 1;
const CONVERT: &str = "convert the picture to an 8- or 16-bit PNG";

/// Decoded first picture of a TIFF file.
pub(super) struct DecodedTiff {
    pub(super) samples: Samples,
    pub(super) orientation: Orientation,
    /// Whether the file contains further pictures.
    pub(super) has_more: bool,
}

/// Layout of the samples of a pixel.
#[derive(Clone, Copy, Debug)]
struct PixelLayout {
    /// Bits per sample.
    bits: u8,
    /// Number of samples per pixel that the decoder returns.
    decoded: usize,
    /// Number of color samples per pixel: 1 (gray), 3 (RGB) or 4 (CMYK).
    colors: usize,
    alpha: Alpha,
}

/// Decodes the first picture of a TIFF file.
///
/// Integer samples of up to 8 bits and of 16 bits are divided by their largest possible value, float samples are scaled by
/// [`scale_floats`]. Extra samples of an RGB picture that are not alpha are ignored.
///
/// # Errors
/// [`Error::Signal`] if the file is damaged or too large, or contains samples whose meaning is unknown.
pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<DecodedTiff> {
    let decoding_error = |error: TiffError| Error::signal(path, decoding_message(&error));
    let layout_error = |message: String| Error::signal(path, message);
    let decoder = Decoder::new(Cursor::new(bytes)).map_err(decoding_error)?;
    let mut decoder = decoder.with_limits(limits());
    let (width, height) = decoder.dimensions().map_err(decoding_error)?;
    check_size(path, height, width)?;
    let (width, height) = (width as usize, height as usize);
    let layout = read_layout(&mut decoder)
        .map_err(decoding_error)?
        .map_err(layout_error)?;
    let bits = width as u64 * height as u64 * layout.decoded as u64 * u64::from(layout.bits);
    check_memory(path, bits / 8, available_memory)?;
    let orientation = decoder.find_tag_unsigned(Tag::Orientation).ok().flatten();
    let mut buffer = DecodingResult::U8(Vec::new());
    let buffer_layout = decoder
        .read_image_to_buffer(&mut buffer)
        .map_err(decoding_error)?;
    if buffer.as_buffer(0).as_bytes().len() < buffer_layout.complete_len {
        return Err(decoding_error(TiffError::LimitsExceeded));
    }
    let per_row = width * layout.decoded / buffer_layout.planes.max(1);
    let planes = buffer_layout.planes.max(1);
    let values = match buffer {
        DecodingResult::U8(samples) => unpack(samples, layout.bits, per_row),
        DecodingResult::U16(samples) => Values::Words(samples),
        other => {
            let mut values = as_floats(other, layout).map_err(layout_error)?;
            scale_floats(&mut values, layout).map_err(layout_error)?;
            values.into()
        }
    };
    Ok(DecodedTiff {
        samples: samples(values, Size { height, width }, planes, layout),
        orientation: orientation
            .and_then(Orientation::from_exif)
            .unwrap_or(Orientation::NoTransforms),
        has_more: decoder.more_images(),
    })
}

/// Returns the limits of the decoder.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MAX_ALLOC as usize;
    limits.intermediate_buffer_size = MAX_ALLOC as usize;
    limits
}

/// Makes samples of decoded values in [0, 1], `(planes, pixels)` or `(pixels, decoded)`.
fn samples(values: Values, size: Size, planes: usize, layout: PixelLayout) -> Samples {
    let kept = layout.colors + usize::from(layout.alpha != Alpha::None);
    let decoded = layout.decoded;
    let values = match values {
        Values::Bytes(values) => Values::Bytes(pixels(values, planes, decoded, kept)),
        Values::Words(values) => Values::Words(pixels(values, planes, decoded, kept)),
        values => Values::Floats(pixels(values.into_floats(), planes, decoded, kept)),
    };
    let values = if layout.colors == 4 {
        rgb_from_cmyk(&values)
    } else {
        values
    };
    Samples {
        height: size.height,
        width: size.width,
        colors: layout.colors.min(3),
        alpha: layout.alpha,
        values,
    }
}

/// Reads the layout of a pixel from the tags. The inner error explains why the layout is not supported.
fn read_layout(decoder: &mut Decoder<impl Read + Seek>) -> TiffResult<Result<PixelLayout, String>> {
    let color = decoder.colortype()?;
    let mut tag = |tag| decoder.find_tag_unsigned_vec::<u16>(tag);
    let extra = tag(Tag::ExtraSamples)?.unwrap_or_default();
    let predictor = tag(Tag::Predictor)?.and_then(|values| values.first().copied());
    let samples = tag(Tag::SamplesPerPixel)?.and_then(|values| values.first().copied());
    let samples = samples.map_or(1, usize::from);
    let alpha = match extra.first() {
        Some(&ASSOCIATED) => Alpha::Premultiplied,
        Some(&UNASSOCIATED) => Alpha::Straight,
        _ => Alpha::None,
    };
    let (bits, decoded, colors, alpha) = match color {
        ColorType::Gray(bits) => (bits, 1, 1, Alpha::None),
        ColorType::Multiband { bit_depth, .. } if alpha != Alpha::None => {
            (bit_depth, samples, 1, alpha)
        }
        ColorType::RGB(bits) => (bits, 3, 3, Alpha::None),
        // Most programs that omit the tag `ExtraSamples` store straight alpha as the fourth sample.
        ColorType::RGBA(bits) if alpha == Alpha::None => (bits, 4, 3, Alpha::Straight),
        ColorType::RGBA(bits) => (bits, 4, 3, alpha),
        ColorType::CMYK(bits @ (8 | 16)) => (bits, 4, 4, Alpha::None),
        ColorType::Multiband { num_samples, .. } => {
            return Ok(Err(format!(
                "has {num_samples} samples per pixel of unknown meaning; {CONVERT}"
            )));
        }
        other => {
            return Ok(Err(format!(
                "has pixels of type {other:?}, which are not supported; {CONVERT}"
            )));
        }
    };
    if extra
        .iter()
        .skip(1)
        .any(|e| [ASSOCIATED, UNASSOCIATED].contains(e))
    {
        return Ok(Err(format!(
            "has an alpha sample that does not directly follow the colors; {CONVERT}"
        )));
    }
    if decoder.get_chunk_type() == ChunkType::Tile {
        let planes = decoder.image_buffer_layout()?.planes;
        let (columns, rows) = decoder.dimensions()?;
        let tile = decoder.chunk_dimensions();
        // The decoder does not find the end of the last row of tiles in the planes after the first, and writes what it skips of a tile at the
        // right edge over the next row.
        let fits = [
            columns.is_multiple_of(tile.0.max(1)),
            rows.is_multiple_of(tile.1.max(1)),
        ];
        if planes > 1 && !fits[1] || planes == 1 && decoded < samples && !fits[0] {
            let message = "has incomplete tiles at an edge, together with planes or with samples of unknown meaning, which is not supported";
            return Ok(Err(format!("{message}; {CONVERT}")));
        }
    }
    // The decoder drops extra samples before it reverses the prediction, which needs them.
    if decoded < samples && predictor.is_some_and(|p| p != NO_PREDICTOR) {
        return Ok(Err(format!(
            "has {samples} samples per pixel, stored with a predictor, of which only {decoded} have a known meaning; {CONVERT}"
        )));
    }
    Ok(Ok(PixelLayout {
        bits,
        decoded,
        colors,
        alpha,
    }))
}

/// Unpacks samples of 1 to 8 bits, packed in bytes row by row, and scales them to [0, 1].
fn unpack(bytes: Vec<u8>, bits: u8, per_row: usize) -> Values {
    if bits >= 8 {
        return Values::Bytes(bytes);
    }
    let bits = usize::from(bits);
    let max = (1_u16 << bits) - 1;
    let sample = |row: &[u8], at: usize| {
        let bit = |k: usize| row[k / 8] >> (7 - k % 8) & 1;
        let number = (at * bits..(at + 1) * bits).fold(0, |n, k| n << 1 | u16::from(bit(k)));
        f32::from(number) / f32::from(max)
    };
    let rows = bytes.chunks_exact((per_row * bits).div_ceil(8).max(1));
    rows.flat_map(|row| (0..per_row).map(move |at| sample(row, at)))
        .collect()
}

/// Converts samples from planes `(planes, pixels)` to pixels `(pixels, planes)`, and keeps the first `kept` of the `stored` ones of a pixel.
fn pixels<T: Copy>(samples: Vec<T>, planes: usize, stored: usize, kept: usize) -> Vec<T> {
    let mut samples = match planes {
        1 => samples,
        planes => {
            let pixels = samples.len() / planes;
            (0..pixels * planes)
                .map(|at| samples[at % planes * pixels + at / planes])
                .collect()
        }
    };
    keep_first(&mut samples, stored, kept);
    samples
}

/// Converts CMYK to RGB as `(1 − ink) (1 − black)`.
fn rgb_from_cmyk(values: &Values) -> Values {
    let pixels = 0..values.len() / 4;
    let paper = |pixel: usize, ink: usize| 1.0 - values.at(4 * pixel + ink);
    let rgb = |pixel: usize| [0, 1, 2].map(|k| paper(pixel, k) * paper(pixel, 3));
    pixels.flat_map(rgb).collect()
}

fn decoding_message(error: &TiffError) -> String {
    match error {
        TiffError::UnsupportedError(_) => {
            format!("this kind of TIFF file is not supported ({error}); {CONVERT}")
        }
        TiffError::LimitsExceeded => format!(
            "decoding this TIFF file would need too much memory ({error}); {CONVERT}, or reduce its size"
        ),
        _ => format!(
            "cannot be decoded as TIFF ({error}): the file is damaged or cut short; copy or download it again"
        ),
    }
}

#[cfg(test)]
pub(super) mod tests;
