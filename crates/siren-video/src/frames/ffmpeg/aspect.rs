//! Reads the pixel aspect ratio that a container states for a stream.
//!
//! The container's ratio takes precedence over the codec's. FFmpeg's safe interface gives access to the codec's only, so that this module
//! parses MP4 and Matroska itself.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use super::super::display::PixelAspect;

/// Largest number of sibling elements that are searched.
const MAX_ELEMENTS: usize = 1 << 16;
/// Length of the fields before the boxes within a visual sample entry of MP4, in bytes.
const SAMPLE_ENTRY_FIELDS: u64 = 78;

/// Reads the pixel aspect ratio of stream `index`. Returns `None` if the file is not MP4, MOV or Matroska, is damaged, or states no ratio.
pub(super) fn container_aspect(path: &Path, index: usize) -> Option<PixelAspect> {
    let mut file = BufReader::new(File::open(path).ok()?);
    let len = file.seek(SeekFrom::End(0)).ok()?;
    let mut start = [0; 8];
    file.rewind().ok()?;
    file.read_exact(&mut start).ok()?;
    if start.starts_with(&EBML) {
        return matroska(
            &mut Elements {
                file,
                read_header: read_ebml_header,
            },
            len,
            index,
        );
    }
    let mut first_boxes = [b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"].iter();
    if first_boxes.any(|id| start.ends_with(*id)) {
        return mp4(
            &mut Elements {
                file,
                read_header: read_box_header,
            },
            len,
            index,
        );
    }
    None
}

/// Reads the `pasp` box in the sample description of the track.
fn mp4(file: &mut Elements, len: u64, index: usize) -> Option<PixelAspect> {
    let id = |name: &[u8; 4]| u32::from_be_bytes(*name);
    let mut body = file.nth(0..len, id(b"moov"), 0)?;
    body = file.nth(body, id(b"trak"), index)?;
    for name in [b"mdia", b"minf", b"stbl", b"stsd"] {
        body = file.nth(body, id(name), 0)?;
    }
    // The first entry follows a version and a count, of 4 bytes each.
    let (_, entry) = file.element(body.start + 8..body.end)?;
    let boxes = entry.start + SAMPLE_ENTRY_FIELDS..entry.end;
    let aspect = file.nth(boxes, id(b"pasp"), 0)?.start;
    Some(PixelAspect {
        width: file.unsigned(aspect..aspect + 4)?,
        height: file.unsigned(aspect + 4..aspect + 8)?,
    })
}

/// Computes the ratio from the display size of the track and its size in pixels.
fn matroska(file: &mut Elements, len: u64, index: usize) -> Option<PixelAspect> {
    let mut body = file.nth(0..len, SEGMENT, 0)?;
    body = file.nth(body, TRACKS, 0)?;
    body = file.nth(body, TRACK_ENTRY, index)?;
    let video = file.nth(body, VIDEO, 0)?;
    let mut field = |id| {
        let body = file.nth(video.clone(), id, 0)?;
        file.unsigned(body)
    };
    let (width, height) = (field(PIXEL_WIDTH)?, field(PIXEL_HEIGHT)?);
    let (display_width, display_height) = (field(DISPLAY_WIDTH), field(DISPLAY_HEIGHT));
    let is_stated = display_width.is_some() || display_height.is_some();
    if !is_stated || field(DISPLAY_UNIT) == Some(DISPLAY_UNIT_UNKNOWN) {
        return None;
    }
    Some(PixelAspect {
        width: display_width.unwrap_or(width).checked_mul(height)?,
        height: display_height.unwrap_or(height).checked_mul(width)?,
    })
}

/// First bytes of every Matroska file.
const EBML: [u8; 4] = [0x1a, 0x45, 0xdf, 0xa3];

// Identifiers of Matroska elements.
const SEGMENT: u32 = 0x1853_8067;
const TRACKS: u32 = 0x1654_ae6b;
const TRACK_ENTRY: u32 = 0xae;
const VIDEO: u32 = 0xe0;
const PIXEL_WIDTH: u32 = 0xb0;
const PIXEL_HEIGHT: u32 = 0xba;
const DISPLAY_WIDTH: u32 = 0x54b0;
const DISPLAY_HEIGHT: u32 = 0x54ba;
const DISPLAY_UNIT: u32 = 0x54b2;
/// Value of the display unit if the display size is unknown.
const DISPLAY_UNIT_UNKNOWN: i64 = 4;

/// A file of nested elements (boxes of MP4, elements of Matroska), each with an identifier and a length.
struct Elements {
    file: BufReader<File>,
    read_header: fn(&mut BufReader<File>) -> io::Result<ElementHeader>,
}

struct ElementHeader {
    id: u32,
    /// Length of the body in bytes; `None` if it is unknown, in which case the body extends to the end of the parent.
    len: Option<u64>,
}

impl Elements {
    /// Returns the body of the `nth` element with this identifier in a range of the file.
    fn nth(&mut self, range: Range<u64>, id: u32, nth: usize) -> Option<Range<u64>> {
        let mut remaining = range;
        let mut matches = 0;
        for _ in 0..MAX_ELEMENTS {
            let (found, body) = self.element(remaining.clone())?;
            if found == id && matches == nth {
                return Some(body);
            }
            matches += usize::from(found == id);
            remaining.start = body.end;
        }
        None
    }

    /// Returns the identifier and the body of the first element in a range of the file.
    fn element(&mut self, range: Range<u64>) -> Option<(u32, Range<u64>)> {
        if range.is_empty() {
            return None;
        }
        self.file.seek(SeekFrom::Start(range.start)).ok()?;
        let ElementHeader { id, len } = (self.read_header)(&mut self.file).ok()?;
        let start = self.file.stream_position().ok()?;
        let end = len.map_or(Some(range.end), |len| start.checked_add(len))?;
        (start <= end).then_some((id, start..end.min(range.end)))
    }

    /// Reads a big-endian unsigned integer of at most 8 bytes.
    fn unsigned(&mut self, range: Range<u64>) -> Option<i64> {
        let len = usize::try_from(range.end.checked_sub(range.start)?).ok()?;
        let mut bytes = [0; 8];
        self.file.seek(SeekFrom::Start(range.start)).ok()?;
        self.file
            .read_exact(bytes.get_mut(8_usize.checked_sub(len)?..)?)
            .ok()?;
        i64::try_from(u64::from_be_bytes(bytes)).ok()
    }
}

/// Reads the header of an MP4 box: the length, which includes the header, then the identifier.
fn read_box_header(file: &mut BufReader<File>) -> io::Result<ElementHeader> {
    let mut word = [0; 4];
    file.read_exact(&mut word)?;
    let len = u32::from_be_bytes(word);
    file.read_exact(&mut word)?;
    let id = u32::from_be_bytes(word);
    let len = match len {
        0 => None,
        1 => {
            let mut long = [0; 8];
            file.read_exact(&mut long)?;
            Some(u64::from_be_bytes(long).saturating_sub(16))
        }
        short => Some(u64::from(short).saturating_sub(8)),
    };
    Ok(ElementHeader { id, len })
}

/// Reads the header of a Matroska element: the identifier, then the length, whose value bits are all ones if it is unknown.
fn read_ebml_header(file: &mut BufReader<File>) -> io::Result<ElementHeader> {
    let id = read_variable_length(file)?;
    let len = read_variable_length(file)?;
    let is_unknown = len.marker.checked_sub(1) == Some(len.value);
    Ok(ElementHeader {
        // An identifier includes its marker bit.
        id: (id.value | id.marker) as u32,
        len: (!is_unknown).then_some(len.value),
    })
}

/// An integer of variable length: the zeros that precede its first set bit, the marker, count the bytes after the first one.
struct VariableLengthInteger {
    /// Value without the marker.
    value: u64,
    /// The marker bit; 0 if the first byte is 0.
    marker: u64,
}

fn read_variable_length(file: &mut BufReader<File>) -> io::Result<VariableLengthInteger> {
    let mut byte = [0];
    file.read_exact(&mut byte)?;
    let more = byte[0].leading_zeros();
    let mut marker = u64::from(0x80_u8.checked_shr(more).unwrap_or(0));
    let mut value = u64::from(byte[0]) & !marker;
    for _ in 0..more {
        file.read_exact(&mut byte)?;
        value = value << 8 | u64::from(byte[0]);
        marker <<= 8;
    }
    Ok(VariableLengthInteger { value, marker })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Width and height of the pixels of stream `index` of a file of these bytes.
    fn aspect(bytes: &[u8], index: usize) -> Option<(i64, i64)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, bytes).unwrap();
        container_aspect(&path, index).map(|pixel| (pixel.width, pixel.height))
    }

    fn mp4_box(id: &[u8], body: &[u8]) -> Vec<u8> {
        let len = u32::try_from(body.len() + 8).unwrap();
        [&len.to_be_bytes(), id, body].concat()
    }

    /// A track with these boxes in its sample entry.
    fn track(boxes: &[u8]) -> Vec<u8> {
        let entry = mp4_box(b"avc1", &[&[0; 78], boxes].concat());
        let mut body = mp4_box(
            b"stsd",
            &[&[0, 0, 0, 0, 0, 0, 0, 1], entry.as_slice()].concat(),
        );
        for name in [b"stbl", b"minf", b"mdia", b"trak"] {
            body = mp4_box(name, &[mp4_box(b"free", &[0; 3]), body].concat());
        }
        body
    }

    #[test]
    fn the_pixel_aspect_of_an_mp4_track_is_found_before_and_after_the_media_data() {
        let pixels = mp4_box(b"pasp", &[0, 0, 0, 64, 0, 0, 0, 45]);
        let wide = track(&[mp4_box(b"colr", &[1; 11]), pixels].concat());
        let moov = mp4_box(
            b"moov",
            &[mp4_box(b"mvhd", &[0; 100]), track(&[]), wide].concat(),
        );
        let ftyp = mp4_box(b"ftyp", b"isom");
        let long = [
            &[0, 0, 0, 1],
            b"mdat".as_slice(),
            &[0, 0, 0, 0, 0, 0, 0, 19],
            &[7; 3],
        ]
        .concat();
        for file in [
            [ftyp.clone(), moov.clone()].concat(),
            [ftyp, long, moov.clone()].concat(),
        ] {
            assert_eq!(aspect(&file, 1), Some((64, 45)));
            assert_eq!(aspect(&file, 0), None);
            assert_eq!(aspect(&file, 2), None);
            for len in 0..file.len() {
                // A truncated file never gives another ratio.
                let found = aspect(&file[..len], 1);
                assert!(matches!(found, None | Some((64, 45))));
            }
        }
    }

    #[test]
    fn the_pixel_aspect_of_a_matroska_track_follows_from_its_display_size() {
        let element = |id: &[u8], body: &[u8]| {
            let len = 0x4000 | u16::try_from(body.len()).unwrap();
            [id, &len.to_be_bytes(), body].concat()
        };
        let video = |display_fields: &[u8]| {
            let sides = [element(&[0xb0], &[96]), element(&[0xba], &[0, 64])].concat();
            let video = element(&[0xe0], &[sides.as_slice(), display_fields].concat());
            element(&[0xae], &[element(&[0xd7], &[1]), video].concat())
        };
        let tracks = [
            video(&[]),
            video(
                &[
                    element(&[0x54, 0xb0], &[192]),
                    element(&[0x54, 0xba], &[64]),
                ]
                .concat(),
            ),
            video(&element(&[0x54, 0xb0], &[0, 48])),
            video(&[element(&[0x54, 0xb0], &[192]), element(&[0x54, 0xb2], &[4])].concat()),
        ];
        let tracks = element(&[0x16, 0x54, 0xae, 0x6b], &tracks.concat());
        // A segment of unknown length.
        let segment = [
            &[0x18, 0x53, 0x80, 0x67, 0xff],
            element(&[0xec], &[0; 5]).as_slice(),
            &tracks,
        ]
        .concat();
        let file = [element(&EBML, &[1; 20]), segment].concat();
        let found: Vec<_> = (0..5).map(|index| aspect(&file, index)).collect();
        let expected = [
            None,
            Some((192 * 64, 64 * 96)),
            Some((48 * 64, 64 * 96)),
            None,
            None,
        ];
        assert_eq!(found, expected);
        assert_eq!(aspect(&file[..40], 1), None);
    }
}
