//! The shape of a stream's pixels as its container has it.
//!
//! FFmpeg reads it, but gives no safe access to it; the codec's own, which the container overrules, is all that its safe interface has.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

/// Most elements that are looked at in a row.
const MAX_ELEMENTS: usize = 1 << 16;
/// What stands before the boxes in a box that describes the samples of a picture, in bytes.
const SAMPLE_ENTRY: u64 = 78;

/// Width and height of the pixels of stream `index`, if the file is MP4, MOV or Matroska and says so.
pub(super) fn of_container(path: &Path, index: usize) -> Option<(i64, i64)> {
    let mut file = BufReader::new(File::open(path).ok()?);
    let len = file.seek(SeekFrom::End(0)).ok()?;
    let mut start = [0; 8];
    file.rewind().ok()?;
    file.read_exact(&mut start).ok()?;
    if start.starts_with(&EBML) {
        return matroska(
            &mut Elements {
                file,
                header: ebml_header,
            },
            len,
            index,
        );
    }
    let mut kinds = [b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip"].iter();
    if kinds.any(|kind| start.ends_with(*kind)) {
        return mp4(
            &mut Elements {
                file,
                header: box_header,
            },
            len,
            index,
        );
    }
    None
}

/// `pasp`, in the description of the samples of the track.
fn mp4(file: &mut Elements, len: u64, index: usize) -> Option<(i64, i64)> {
    let id = |name: &[u8; 4]| u32::from_be_bytes(*name);
    let mut within = file.nth(0..len, id(b"moov"), 0)?;
    within = file.nth(within, id(b"trak"), index)?;
    for name in [b"mdia", b"minf", b"stbl", b"stsd"] {
        within = file.nth(within, id(name), 0)?;
    }
    // After a version and a count.
    let (_, entry) = file.element(within.start + 8..within.end)?;
    let pixels = file.nth(entry.start + SAMPLE_ENTRY..entry.end, id(b"pasp"), 0)?;
    let (first, second) = (pixels.start, pixels.start + 4);
    Some((
        file.number(first..second)?,
        file.number(second..second + 4)?,
    ))
}

/// The size in which the track is shown, beside its own.
fn matroska(file: &mut Elements, len: u64, index: usize) -> Option<(i64, i64)> {
    let mut within = file.nth(0..len, 0x1853_8067, 0)?;
    within = file.nth(within, 0x1654_ae6b, 0)?;
    within = file.nth(within, 0xae, index)?;
    let video = file.nth(within, 0xe0, 0)?;
    let mut side = |id| {
        let found = file.nth(video.clone(), id, 0)?;
        file.number(found)
    };
    let (width, height) = (side(0xb0)?, side(0xba)?);
    let shown = (side(0x54b0), side(0x54ba));
    // 4: the size in which it is shown is unknown.
    if shown == (None, None) || side(0x54b2) == Some(4) {
        return None;
    }
    let (shown_width, shown_height) = (shown.0.unwrap_or(width), shown.1.unwrap_or(height));
    Some((
        shown_width.checked_mul(height)?,
        shown_height.checked_mul(width)?,
    ))
}

/// How every Matroska file begins.
const EBML: [u8; 4] = [0x1a, 0x45, 0xdf, 0xa3];

/// A file of elements, each with an identifier and a length.
struct Elements {
    file: BufReader<File>,
    header: fn(&mut BufReader<File>) -> io::Result<Header>,
}

/// What stands before an element.
struct Header {
    id: u32,
    /// Bytes after it; `None` if that is not known: up to the end.
    len: Option<u64>,
}

impl Elements {
    /// The `nth` element of this identifier within a range, without its header.
    fn nth(&mut self, within: Range<u64>, id: u32, nth: usize) -> Option<Range<u64>> {
        let mut left = within;
        let mut seen = 0;
        for _ in 0..MAX_ELEMENTS {
            let (own, body) = self.element(left.clone())?;
            if own == id && seen == nth {
                return Some(body);
            }
            seen += usize::from(own == id);
            left.start = body.end;
        }
        None
    }

    /// The first element within a range.
    fn element(&mut self, within: Range<u64>) -> Option<(u32, Range<u64>)> {
        if within.is_empty() {
            return None;
        }
        self.file.seek(SeekFrom::Start(within.start)).ok()?;
        let Header { id, len } = (self.header)(&mut self.file).ok()?;
        let start = self.file.stream_position().ok()?;
        let end = len.map_or(Some(within.end), |len| start.checked_add(len))?;
        (start <= end).then_some((id, start..end.min(within.end)))
    }

    /// A number without a sign, the highest byte first.
    fn number(&mut self, within: Range<u64>) -> Option<i64> {
        let len = usize::try_from(within.end.checked_sub(within.start)?).ok()?;
        let mut bytes = [0; 8];
        self.file.seek(SeekFrom::Start(within.start)).ok()?;
        self.file
            .read_exact(bytes.get_mut(8_usize.checked_sub(len)?..)?)
            .ok()?;
        i64::try_from(u64::from_be_bytes(bytes)).ok()
    }
}

/// Of MP4: the length, which counts the header, then the identifier.
fn box_header(file: &mut BufReader<File>) -> io::Result<Header> {
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
    Ok(Header { id, len })
}

/// Of Matroska: both are numbers whose first byte tells how many follow; all ones are an unknown length.
fn ebml_header(file: &mut BufReader<File>) -> io::Result<Header> {
    let mut number = |keeps_marker: bool| {
        let mut first = [0];
        file.read_exact(&mut first)?;
        let more = first[0].leading_zeros();
        let marker = if keeps_marker {
            0
        } else {
            0x80_u8.checked_shr(more).unwrap_or(0)
        };
        let mut value = u64::from(first[0] & !marker);
        let mut ones = value + 1 == u64::from(marker);
        for _ in 0..more {
            let mut byte = [0];
            file.read_exact(&mut byte)?;
            value = value << 8 | u64::from(byte[0]);
            ones &= byte[0] == 0xff;
        }
        io::Result::Ok((value, ones))
    };
    let (id, _) = number(true)?;
    let (len, is_unknown) = number(false)?;
    Ok(Header {
        id: id as u32,
        len: (!is_unknown).then_some(len),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8], index: usize) -> Option<(i64, i64)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, bytes).unwrap();
        of_container(&path, index)
    }

    fn boxed(id: &[u8], body: &[u8]) -> Vec<u8> {
        let len = u32::try_from(body.len() + 8).unwrap();
        [&len.to_be_bytes(), id, body].concat()
    }

    /// A track whose samples are described with these boxes.
    fn track(boxes: &[u8]) -> Vec<u8> {
        let entry = boxed(b"avc1", &[&[0; 78], boxes].concat());
        let mut body = boxed(
            b"stsd",
            &[&[0, 0, 0, 0, 0, 0, 0, 1], entry.as_slice()].concat(),
        );
        for name in [b"stbl", b"minf", b"mdia", b"trak"] {
            body = boxed(name, &[boxed(b"free", &[0; 3]), body].concat());
        }
        body
    }

    #[test]
    fn pixels_of_a_track_of_mp4_are_found_wherever_its_header_is() {
        let pixels = boxed(b"pasp", &[0, 0, 0, 64, 0, 0, 0, 45]);
        let wide = track(&[boxed(b"colr", &[1; 11]), pixels].concat());
        let moov = boxed(
            b"moov",
            &[boxed(b"mvhd", &[0; 100]), track(&[]), wide].concat(),
        );
        let ftyp = boxed(b"ftyp", b"isom");
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
            assert_eq!(of(&file, 1), Some((64, 45)));
            assert_eq!(of(&file, 0), None);
            assert_eq!(of(&file, 2), None);
            for len in 0..file.len() {
                // Whatever is cut off, nothing else is found.
                assert!(matches!(of(&file[..len], 1), None | Some((64, 45))));
            }
        }
    }

    #[test]
    fn pixels_of_a_track_of_matroska_are_those_of_the_size_that_is_shown() {
        let element = |id: &[u8], body: &[u8]| {
            let len = 0x4000 | u16::try_from(body.len()).unwrap();
            [id, &len.to_be_bytes(), body].concat()
        };
        let video = |shown: &[u8]| {
            let sides = [element(&[0xb0], &[96]), element(&[0xba], &[0, 64])].concat();
            let video = element(&[0xe0], &[sides.as_slice(), shown].concat());
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
        let found: Vec<_> = (0..5).map(|index| of(&file, index)).collect();
        let expected = [
            None,
            Some((192 * 64, 64 * 96)),
            Some((48 * 64, 64 * 96)),
            None,
            None,
        ];
        assert_eq!(found, expected);
        assert_eq!(of(&file[..40], 1), None);
    }
}
