//! The end of an encoded file: tags that are no sound, and a piece that is not whole.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes of a tag of `ID3v1`.
const ID3V1_BYTES: u64 = 128;
/// Bytes of the header, and of the footer, of an APE tag.
const APE_BYTES: u64 = 32;
/// Most bytes of a page of Ogg.
const OGG_PAGE_BYTES: u64 = 65_307;
/// How far before the end of a file its last whole packet is looked for.
const REACH: u64 = 1 << 20;

/// Bytes of a file without the `ID3v1` and APE tags at its end.
pub(super) fn bytes_before_tags(file: &mut File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut at = |position: u64| -> io::Result<[u8; APE_BYTES as usize]> {
        let mut bytes = [0; APE_BYTES as usize];
        file.seek(SeekFrom::Start(position))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    };
    if end >= ID3V1_BYTES && at(end - ID3V1_BYTES)?.starts_with(b"TAG") {
        end -= ID3V1_BYTES;
    }
    if end >= APE_BYTES {
        let footer = at(end - APE_BYTES)?;
        let number = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| footer[at + byte]));
        // The length counts the footer, but not the header, which the highest flag announces.
        let (length, has_header) = (u64::from(number(12)), number(20) >> 31 == 1);
        if footer.starts_with(b"APETAGEX") && length >= APE_BYTES {
            let length = length + u64::from(has_header) * APE_BYTES;
            end = end.saturating_sub(length);
        }
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(end)
}

/// The last bytes of a file before its tags, at most so many.
fn last_bytes(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let end = bytes_before_tags(&mut file)?;
    let start = end.saturating_sub(most);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(end - start).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether the last packet that was decoded is followed by the beginning of another one, of MP3 or FLAC.
pub(super) fn is_torn(path: &Path, last: &[u8]) -> io::Result<bool> {
    let bytes = last_bytes(path, REACH + last.len() as u64)?;
    let found = bytes
        .windows(last.len().max(1))
        .rposition(|window| window == last);
    let rest = found.map_or(&[][..], |at| &bytes[at + last.len()..]);
    Ok(matches!(rest, [0xFF, second, ..] if second & 0xE0 == 0xE0))
}

/// Whether an Ogg file ends with a whole page that is flagged as a last one.
pub(super) fn is_ogg_whole(path: &Path) -> io::Result<bool> {
    let bytes = last_bytes(path, 2 * OGG_PAGE_BYTES)?;
    let last = bytes.windows(4).rposition(|window| window == b"OggS");
    let page = last.map_or(&[][..], |at| &bytes[at..]);
    let Some(&[flags, .., segments]) = page.get(5..27) else {
        return Ok(false);
    };
    let lengths = page.get(27..27 + usize::from(segments));
    let is_there = lengths.is_some_and(|lengths| {
        let length: usize = lengths.iter().copied().map(usize::from).sum();
        page.len() >= 27 + lengths.len() + length
    });
    Ok(is_there && flags & 4 != 0)
}
