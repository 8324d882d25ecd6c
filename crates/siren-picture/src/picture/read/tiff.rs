//! TIFF files, whose tags say what the samples are: `image` hands neither premultiplied alpha on nor most kinds of numbers.

use std::io::Cursor;
use std::path::Path;

use image::metadata::Orientation;
use siren_core::{Error, Result};
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError, TiffResult};

use super::samples::{Alpha, Samples};
use super::{MAX_ALLOC, check_size};

/// How far float samples may leave [0, 1] and still be clamped: half a level of 8 bits, as rounding and resampling leave behind.
const OVERSHOOT: f32 = 0.5 / 255.0;
/// Values of the tag `ExtraSamples`.
const ASSOCIATED: u16 = 1;
const UNASSOCIATED: u16 = 2;
/// Value of the tag `Predictor`.
const NO_PREDICTOR: u16 = 1;
const CONVERT: &str = "convert the picture to an 8- or 16-bit PNG";

/// The first picture of a TIFF file.
pub(super) struct Tiff {
    pub(super) samples: Samples,
    pub(super) orientation: Orientation,
    /// Whether more pictures follow.
    pub(super) more: bool,
}

/// How the samples of a pixel are stored.
#[derive(Clone, Copy, Debug)]
struct Layout {
    /// Bits of a sample.
    bits: u8,
    /// Samples of a pixel that are decoded.
    decoded: usize,
    /// 1, 3, or 4 for cyan, magenta, yellow and black.
    colors: usize,
    alpha: Alpha,
}

/// Decodes the first picture.
///
/// Samples of up to 8 bits and of 16 bits are divided by the largest value they can have, float samples are scaled by
/// [`unit_scale`]. Samples that are neither color nor alpha are ignored beside red, green and blue.
///
/// # Errors
/// [`Error::Signal`] if the file is damaged, too large, or holds samples whose meaning is not known.
pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<Tiff> {
    let failed = |error: TiffError| Error::signal(path, failure(&error));
    let refused = |message: String| Error::signal(path, message);
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MAX_ALLOC as usize;
    limits.intermediate_buffer_size = MAX_ALLOC as usize;
    let decoder = Decoder::new(Cursor::new(bytes)).map_err(failed)?;
    let mut decoder = decoder.with_limits(limits);
    let size = decoder.dimensions().map_err(failed)?;
    check_size(path, size)?;
    let (width, height) = (size.0 as usize, size.1 as usize);
    let layout = layout(&mut decoder).map_err(failed)?.map_err(refused)?;
    let orientation = decoder.find_tag_unsigned(Tag::Orientation).ok().flatten();
    let mut buffer = DecodingResult::U8(Vec::new());
    let found = decoder.read_image_to_buffer(&mut buffer).map_err(failed)?;
    if buffer.as_buffer(0).as_bytes().len() < found.complete_len {
        return Err(failed(TiffError::LimitsExceeded));
    }
    let per_row = width * layout.decoded / found.planes.max(1);
    let values = match buffer {
        DecodingResult::U8(samples) => from_bits(&samples, layout.bits, per_row),
        DecodingResult::U16(samples) => samples.iter().map(|&v| f32::from(v) / 65535.0).collect(),
        other => from_floats(other, layout).map_err(refused)?,
    };
    let values = if found.planes > 1 {
        interleaved(&values, found.planes)
    } else {
        values
    };
    let kept = layout.colors + usize::from(layout.alpha != Alpha::None);
    let values = first_of_each(values, layout.decoded, kept);
    let values = if layout.colors == 4 {
        from_inks(&values)
    } else {
        values
    };
    Ok(Tiff {
        samples: Samples {
            height,
            width,
            colors: layout.colors.min(3),
            alpha: layout.alpha,
            values,
        },
        orientation: orientation
            .and_then(Orientation::from_exif)
            .unwrap_or(Orientation::NoTransforms),
        more: decoder.more_images(),
    })
}

/// What the tags say of a pixel, or why it cannot be read.
fn layout(decoder: &mut Decoder<Cursor<&[u8]>>) -> TiffResult<Result<Layout, String>> {
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
        // Without the tag, a fourth sample is what most programs mean by it.
        ColorType::RGBA(bits) if alpha == Alpha::None => (bits, 4, 3, Alpha::Straight),
        ColorType::RGBA(bits) => (bits, 4, 3, alpha),
        ColorType::CMYK(bits @ (8 | 16)) => (bits, 4, 4, Alpha::None),
        ColorType::Multiband { num_samples, .. } => {
            return Ok(Err(format!(
                "has {num_samples} samples a pixel, and does not say what they are; {CONVERT}"
            )));
        }
        other => {
            return Ok(Err(format!(
                "has pixels of type {other:?}, which are not read here; {CONVERT}"
            )));
        }
    };
    if extra
        .iter()
        .skip(1)
        .any(|e| [ASSOCIATED, UNASSOCIATED].contains(e))
    {
        return Ok(Err(format!(
            "has its transparency in another place than behind the colors; {CONVERT}"
        )));
    }
    // The decoder drops samples before it undoes the prediction, which needs them.
    if decoded < samples && predictor.is_some_and(|p| p != NO_PREDICTOR) {
        return Ok(Err(format!(
            "has {samples} samples a pixel, compressed by prediction, of which {decoded} are known; {CONVERT}"
        )));
    }
    Ok(Ok(Layout {
        bits,
        decoded,
        colors,
        alpha,
    }))
}

/// Samples of 1 to 8 bits in [0, 1], packed in bytes row by row.
fn from_bits(bytes: &[u8], bits: u8, per_row: usize) -> Vec<f32> {
    if bits >= 8 {
        return bytes.iter().map(|&v| f32::from(v) / 255.0).collect();
    }
    let bits = usize::from(bits);
    let most = (1_u16 << bits) - 1;
    let sample = |row: &[u8], at: usize| {
        let bit = |k: usize| row[k / 8] >> (7 - k % 8) & 1;
        let number = (at * bits..(at + 1) * bits).fold(0, |n, k| n << 1 | u16::from(bit(k)));
        f32::from(number) / f32::from(most)
    };
    let rows = bytes.chunks_exact((per_row * bits).div_ceil(8).max(1));
    rows.flat_map(|row| (0..per_row).map(move |at| sample(row, at)))
        .collect()
}

/// Float samples in [0, 1]; integers of other sizes are refused, because few programs use their whole range.
fn from_floats(buffer: DecodingResult, layout: Layout) -> Result<Vec<f32>, String> {
    let mut values: Vec<f32> = match buffer {
        DecodingResult::F16(samples) => samples.iter().map(|v| v.to_f32()).collect(),
        DecodingResult::F32(samples) => samples,
        DecodingResult::F64(samples) => samples.iter().map(|&v| v as f32).collect(),
        other => {
            let (least, most) = integer_range(&other);
            let bits = layout.bits;
            return Err(format!(
                "holds integers of {bits} bits from {least} to {most}, expected unsigned ones of 8 or 16 bits, or floats from \
                 0 to 1; scale them and save the picture again"
            ));
        }
    };
    let (stored, colors) = (layout.decoded, layout.colors);
    let parts = [
        ("colors", 0..colors),
        (
            "alpha",
            colors..stored.min(colors + usize::from(layout.alpha != Alpha::None)),
        ),
    ];
    for (what, part) in parts {
        let of_part = |at: usize| part.contains(&(at % stored));
        let numbers = values.iter().enumerate().filter(|(at, _)| of_part(*at));
        let scale = unit_scale(what, numbers.map(|(_, &value)| value))?;
        for (_, value) in values.iter_mut().enumerate().filter(|(at, _)| of_part(*at)) {
            *value = (*value * scale).clamp(0.0, 1.0);
        }
    }
    Ok(values)
}

/// The factor that brings float samples to [0, 1]: 1 if they are there, 1/255 for whole numbers from 0 to 255.
///
/// Any other range is refused, as is what is not a number: a guess would show as a wrong picture.
fn unit_scale(what: &str, values: impl Iterator<Item = f32>) -> Result<f32, String> {
    let (mut least, mut most, mut whole, mut bad) = (f32::INFINITY, f32::NEG_INFINITY, true, 0);
    for value in values {
        bad += usize::from(!value.is_finite());
        (least, most) = (least.min(value), most.max(value));
        whole &= value.fract() == 0.0;
    }
    if bad > 0 {
        return Err(format!(
            "{bad} float samples of its {what} are not finite numbers (NaN or infinite); replace them and save the picture again"
        ));
    }
    if least >= -OVERSHOOT && most <= 1.0 + OVERSHOOT {
        return Ok(1.0);
    }
    if whole && least >= 0.0 && most <= 255.0 {
        return Ok(1.0 / 255.0);
    }
    let from = least.min(0.0);
    let (shift, span) = (0.0 - from, most - from);
    Err(format!(
        "float samples of its {what} run from {least} to {most}, expected 0 to 1, or whole numbers from 0 to 255; scale them, for \
         example to (v + {shift}) / {span}, and save the picture again"
    ))
}

/// The least and the largest of integers.
fn integer_range(buffer: &DecodingResult) -> (i128, i128) {
    fn range<T: Copy + Into<i128>>(samples: &[T]) -> (i128, i128) {
        let numbers = || samples.iter().map(|&v| v.into());
        (numbers().min().unwrap_or(0), numbers().max().unwrap_or(0))
    }
    match buffer {
        DecodingResult::U8(v) => range(v),
        DecodingResult::U16(v) => range(v),
        DecodingResult::U32(v) => range(v),
        DecodingResult::U64(v) => range(v),
        DecodingResult::I8(v) => range(v),
        DecodingResult::I16(v) => range(v),
        DecodingResult::I32(v) => range(v),
        DecodingResult::I64(v) => range(v),
        DecodingResult::F16(_) | DecodingResult::F32(_) | DecodingResult::F64(_) => (0, 0),
    }
}

/// Pixel by pixel what was stored plane by plane.
fn interleaved(values: &[f32], planes: usize) -> Vec<f32> {
    let pixels = values.len() / planes;
    (0..pixels * planes)
        .map(|at| values[at % planes * pixels + at / planes])
        .collect()
}

/// The first `kept` of every `stored` values.
fn first_of_each(values: Vec<f32>, stored: usize, kept: usize) -> Vec<f32> {
    if stored == kept {
        return values;
    }
    let pixels = values.chunks_exact(stored);
    pixels.flat_map(|pixel| &pixel[..kept]).copied().collect()
}

/// Red, green and blue `(1 − ink) (1 − black)` of cyan, magenta, yellow and black.
fn from_inks(values: &[f32]) -> Vec<f32> {
    let pixels = values.chunks_exact(4);
    let rgb = |inks: &[f32]| [0, 1, 2].map(|k| (1.0 - inks[k]) * (1.0 - inks[3]));
    pixels.flat_map(rgb).collect()
}

fn failure(error: &TiffError) -> String {
    match error {
        TiffError::UnsupportedError(_) => {
            format!("a TIFF file of a kind that is not read here ({error}); {CONVERT}")
        }
        TiffError::LimitsExceeded => format!(
            "decoding this TIFF file would take too much memory ({error}); {CONVERT}, or reduce it"
        ),
        _ => format!(
            "cannot be decoded as TIFF ({error}): the file is damaged or cut short; copy or download it again"
        ),
    }
}

#[cfg(test)]
mod tests;
