//! The end of an encoded file: metadata tags, and packets or pages that are cut short.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// Bytes of an `ID3v1` tag.
const ID3V1_BYTES: u64 = 128;
/// Bytes of the header, and of the footer, of an APE tag.
const APE_BYTES: u64 = 32;
/// Largest length of an Ogg page in bytes.
const OGG_PAGE_BYTES: u64 = 65_307;
/// Number of bytes at the end of a file in which its last complete packet is searched.
const SEARCH_BYTES: u64 = 1 << 20;

/// Returns the length of a file in bytes without the `ID3v1` and APE tags at its end. Rewinds the file.
pub(super) fn bytes_before_tags(file: &mut File) -> io::Result<u64> {
    let mut end = file.metadata()?.len();
    let mut read_at = |position: u64| -> io::Result<[u8; APE_BYTES as usize]> {
        let mut bytes = [0; APE_BYTES as usize];
        file.seek(SeekFrom::Start(position))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    };
    if end >= ID3V1_BYTES && read_at(end - ID3V1_BYTES)?.starts_with(b"TAG") {
        end -= ID3V1_BYTES;
    }
    if end >= APE_BYTES {
        let footer = read_at(end - APE_BYTES)?;
        let integer =
            |offset: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| footer[offset + byte]));
        // The length includes the footer, but not the header. The highest flag says whether there is a header.
        let (length, has_header) = (u64::from(integer(12)), integer(20) >> 31 == 1);
        if footer.starts_with(b"APETAGEX") && length >= APE_BYTES {
            let length = length + u64::from(has_header) * APE_BYTES;
            end = end.saturating_sub(length);
        }
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(end)
}

/// Reads the last bytes of a file before its tags, at most `max_bytes` of them.
fn last_bytes(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let end = bytes_before_tags(&mut file)?;
    let start = end.saturating_sub(max_bytes);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(end - start).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Returns whether an MP3 or FLAC file ends with a partial packet: after the last decoded packet, another one begins.
pub(super) fn ends_with_partial_packet(path: &Path, last_packet: &[u8]) -> io::Result<bool> {
    let bytes = last_bytes(path, SEARCH_BYTES + last_packet.len() as u64)?;
    let start = bytes
        .windows(last_packet.len().max(1))
        .rposition(|window| window == last_packet);
    let rest = start.map_or(&[][..], |start| &bytes[start + last_packet.len()..]);
    Ok(matches!(rest, [0xFF, second, ..] if second & 0xE0 == 0xE0))
}

/// Returns whether an Ogg file ends with a complete page that has the flag of the last page.
pub(super) fn ends_with_last_ogg_page(path: &Path) -> io::Result<bool> {
    let bytes = last_bytes(path, 2 * OGG_PAGE_BYTES)?;
    let start = bytes.windows(4).rposition(|window| window == b"OggS");
    let page = start.map_or(&[][..], |start| &bytes[start..]);
    let Some(&[flags, .., segments]) = page.get(5..27) else {
        return Ok(false);
    };
    let lengths = page.get(27..27 + usize::from(segments));
    let is_complete = lengths.is_some_and(|lengths| {
        let length: usize = lengths.iter().copied().map(usize::from).sum();
        page.len() >= 27 + lengths.len() + length
    });
    Ok(is_complete && flags & 4 != 0)
}
