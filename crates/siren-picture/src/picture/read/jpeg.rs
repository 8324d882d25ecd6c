//! Detection of truncated JPEG files, which the decoder does not report.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;

use image::codecs::jpeg::JpegDecoder;
use image::{DynamicImage, ImageResult};
use siren_core::{Error, Result};

/// Byte patterns that replace the missing end of a file: zeros, alternating bits, and ones (with a stuffing byte).
const TAILS: [[u8; 2]; 3] = [[0x00, 0x00], [0xAA, 0xAA], [0xFF, 0x00]];
/// Number of repetitions of a pattern, which makes it longer than the read-ahead of a decoder.
const REPEATS: usize = 32;
const END_OF_IMAGE: u8 = 0xD9;
/// Marker of a progressive frame. [`START_OF_FRAME`] contains all frame markers that are decoded.
const PROGRESSIVE: u8 = 0xC2;
const START_OF_FRAME: std::ops::RangeInclusive<u8> = 0xC0..=PROGRESSIVE;
const START_OF_SCAN: u8 = 0xDA;

/// Decodes a JPEG file. A file without an end-of-image marker is accepted only if it contains all pixels.
///
/// The decoder fills missing pixels with gray and reports no error. Therefore a file without the marker is decoded once for each of
/// [`TAILS`] appended to it. A pixel whose value depends on the tail is missing in the file.
///
/// # Errors
/// [`Error::Signal`] if the file is truncated. The inner result is that of the decoder.
pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<ImageResult<DynamicImage>> {
    if segments(bytes).any(|(marker, _)| marker == END_OF_IMAGE) {
        return Ok(decode_bytes(bytes));
    }
    let truncated = |position: &str| {
        let message = format!(
            "the JPEG data end at byte {}, {position}: the file is cut short; copy or download it again",
            bytes.len()
        );
        Err(Error::signal(path, message))
    };
    if !has_all_scans(bytes) {
        return truncated("before the last scan of the picture");
    }
    // The file may end within a marker, whose first byte would be decoded as data if a tail followed.
    let end = bytes.iter().rposition(|&byte| byte != 0xFF);
    let data = &bytes[..end.map_or(0, |last| last + 1)];
    let decode_with_tail = |tail: [u8; 2]| {
        let tail = tail.repeat(REPEATS);
        decode_bytes(&[data, &tail, &[0xFF, END_OF_IMAGE]].concat())
    };
    let whole = match decode_with_tail(TAILS[0]) {
        Ok(image) => image,
        Err(error) => return Ok(Err(error)),
    };
    for tail in &TAILS[1..] {
        let other = decode_with_tail(*tail).ok();
        let other = other.as_ref().map_or(&[][..], DynamicImage::as_bytes);
        let mut pairs = whole.as_bytes().iter().zip(other);
        if other.is_empty() {
            return truncated("before the end of the picture");
        }
        if let Some(at) = pairs.position(|(a, b)| a != b) {
            let row = at * whole.height() as usize / other.len();
            let height = whole.height();
            return truncated(&format!("in row {} of {height}", row + 1));
        }
    }
    Ok(Ok(whole))
}

fn decode_bytes(bytes: &[u8]) -> ImageResult<DynamicImage> {
    DynamicImage::from_decoder(JpegDecoder::new(Cursor::new(bytes))?)
}

/// Iterates over the markers and the contents of their segments, up to the end-of-image marker.
///
/// The contents of a segment are skipped, so the markers of an embedded thumbnail are ignored.
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
                // Stuffing, fill bytes and restart markers are part of a scan. Markers 01 and D8 have no segment.
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

/// Returns whether the scans contain all coefficients of each component of the frame, down to their lowest bit.
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
            // A progressive scan may omit low bits, which a later scan adds.
            let (first, last) = match (progressive, bits & 0x0F) {
                (false, _) => (0, 63),
                (true, 0) => (usize::from(first), usize::from(last)),
                _ => continue,
            };
            for component in contents[1..].chunks_exact(2).take(count) {
                if let Some(coefficients) = complete.get_mut(&component[0])
                    && let Some(scanned) = coefficients.get_mut(first..=last)
                {
                    scanned.fill(true);
                }
            }
        }
    }
    !complete.is_empty() && complete.values().flatten().all(|&is_complete| is_complete)
}

#[cfg(test)]
mod tests;
