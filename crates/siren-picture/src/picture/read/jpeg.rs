//! What the decoder of JPEG files does not say: whether all of the picture is in the file.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

use image::codecs::jpeg::JpegDecoder;
use image::{DynamicImage, ImageResult};
use siren_core::{Error, Result};

/// What may follow the end of a file that is cut short: zeros, alternating bits, ones (with their stuffing).
const TAILS: [[u8; 2]; 3] = [[0x00, 0x00], [0xAA, 0xAA], [0xFF, 0x00]];
/// How often a tail repeats: longer than what a decoder reads ahead.
const REPEATS: usize = 32;
const END_OF_IMAGE: u8 = 0xD9;
/// Start of a progressive frame; [`START_OF_FRAME`] are all that are decoded.
const PROGRESSIVE: u8 = 0xC2;
const START_OF_FRAME: std::ops::RangeInclusive<u8> = 0xC0..=PROGRESSIVE;
const START_OF_SCAN: u8 = 0xDA;

/// Decodes the file. Without an end-of-image marker it is decoded only if the whole picture is there.
///
/// The decoder fills what is missing with gray. So the file is decoded with several tails in the place of what may be missing:
/// a pixel that depends on the tail is not in the file.
pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<ImageResult<DynamicImage>> {
    if segments(bytes).any(|(marker, _)| marker == END_OF_IMAGE) {
        return Ok(decoded(bytes));
    }
    let cut = |place: &str| {
        let message = format!(
            "the JPEG data stop at byte {}, {place}: the file is cut short; copy or download it again",
            bytes.len()
        );
        Err(Error::signal(path, message))
    };
    if !has_all_scans(bytes) {
        return cut("before the last scan of the picture");
    }
    // A marker may be cut in half; before a tail its first byte would be data.
    let end = bytes.iter().rposition(|&byte| byte != 0xFF);
    let data = &bytes[..end.map_or(0, |last| last + 1)];
    let with = |tail: [u8; 2]| {
        let tail = tail.repeat(REPEATS);
        decoded(&[data, &tail, &[0xFF, END_OF_IMAGE]].concat())
    };
    let whole = match with(TAILS[0]) {
        Ok(image) => image,
        Err(error) => return Ok(Err(error)),
    };
    for tail in &TAILS[1..] {
        let other = with(*tail).ok();
        let other = other.as_ref().map_or(&[][..], DynamicImage::as_bytes);
        let mut pairs = whole.as_bytes().iter().zip(other);
        if other.is_empty() {
            return cut("before the end of the picture");
        }
        if let Some(at) = pairs.position(|(a, b)| a != b) {
            let row = at * whole.height() as usize / other.len();
            let height = whole.height();
            return cut(&format!("in row {} of {height}", row + 1));
        }
    }
    Ok(Ok(whole))
}

fn decoded(bytes: &[u8]) -> ImageResult<DynamicImage> {
    DynamicImage::from_decoder(JpegDecoder::new(Cursor::new(bytes))?)
}

/// Markers with the contents of their segments, up to the end-of-image marker.
///
/// Segments are stepped over, so that the markers of a thumbnail do not count.
fn segments(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut at = 2;
    std::iter::from_fn(move || {
        loop {
            at += bytes.get(at..)?.iter().position(|&b| b == 0xFF)? + 1;
            match *bytes.get(at)? {
                END_OF_IMAGE => {
                    at = bytes.len();
                    return Some((END_OF_IMAGE, &[][..]));
                }
                // Stuffing, fill bytes and restart markers belong to the scan; markers 01 and D8 stand alone.
                0xFF => {}
                0x00 | 0x01 | 0xD0..=0xD8 => at += 1,
                marker => {
                    let length = [*bytes.get(at + 1)?, *bytes.get(at + 2)?];
                    let end = at + 1 + usize::from(u16::from_be_bytes(length));
                    let contents = bytes.get(at + 3..end)?;
                    at = end;
                    return Some((marker, contents));
                }
            }
        }
    })
}

/// Whether each component of the frame has all its coefficients, to their last bit, in some scan.
fn has_all_scans(bytes: &[u8]) -> bool {
    let mut progressive = false;
    let mut complete: BTreeMap<u8, [bool; 64]> = BTreeMap::new();
    for (marker, contents) in segments(bytes) {
        if START_OF_FRAME.contains(&marker) {
            progressive = marker == PROGRESSIVE;
            let components = contents.get(6..).unwrap_or_default().chunks_exact(3);
            complete = components.map(|c| (c[0], [false; 64])).collect();
        } else if marker == START_OF_SCAN {
            let count = usize::from(*contents.first().unwrap_or(&0));
            let Some(&[first, last, bits]) = contents.get(1 + 2 * count..) else {
                return false;
            };
            // A progressive scan may leave low bits to a later one.
            let (first, last) = match (progressive, bits & 0x0F) {
                (false, _) => (0, 63),
                (true, 0) => (usize::from(first), usize::from(last)),
                _ => continue,
            };
            for component in contents[1..].chunks_exact(2).take(count) {
                if let Some(seen) = complete.get_mut(&component[0])
                    && let Some(seen) = seen.get_mut(first..=last)
                {
                    seen.fill(true);
                }
            }
        }
    }
    !complete.is_empty() && complete.values().flatten().all(|&seen| seen)
}

#[cfg(test)]
mod tests;
