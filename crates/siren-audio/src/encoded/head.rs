//! The beginning of an encoded file: recognizes its format and opens it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use siren_core::{Error, Result};
use symphonia::core::errors::Error as Failure;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions, ReadOnlySource};
use symphonia::core::meta::MetadataOptions;

use super::tail;
use crate::wav;

/// Advice at the end of error messages.
pub(super) const ADVICE: &str =
    "convert it to WAV, for example with `ffmpeg -i OLD -c:a pcm_f32le NEW.wav`";

/// Returns whether a file is FLAC, MP3, Ogg or AIFF, by its first bytes. The extension `.mp3` counts only if the first bytes are
/// not those of a known format, because an MP3 file may begin with arbitrary bytes.
pub(crate) fn is_encoded(path: &Path) -> bool {
    let mut first = Vec::new();
    let read = File::open(path).and_then(|file| file.take(12).read_to_end(&mut first));
    let mut start = [0; 12];
    start[..first.len()].copy_from_slice(&first);
    let begins = |magic: &[u8]| start.starts_with(magic);
    let is_aiff = begins(b"FORM") && start[8..].starts_with(b"AIF");
    // Frame sync of MPEG audio. Layer 0 is AAC, which is not supported.
    let is_mpeg = start[0] == 0xFF && start[1] & 0xE0 == 0xE0 && start[1] & 0x06 != 0;
    let is_known = is_aiff || is_mpeg || begins(b"fLaC") || begins(b"OggS") || begins(b"ID3");
    let extension = path.extension().unwrap_or_default();
    let is_named = !first.is_empty() && extension.eq_ignore_ascii_case("mp3");
    read.is_ok() && !wav::is_wav(&start) && (is_known || is_named)
}

/// Opens a file and recognizes its format.
///
/// # Errors
/// As [`unreadable`].
pub(super) fn open(path: &Path) -> Result<Box<dyn FormatReader>> {
    let source = source(path).map_err(Error::io("read", path))?;
    let stream = MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default());
    let formats = symphonia::default::get_probe();
    let format = formats.probe(
        &Hint::new(),
        stream,
        FormatOptions::default(),
        MetadataOptions::default(),
    );
    format.map_err(|failure| unreadable(path, failure))
}

/// Opens a file as a source without the tags at its end. The source is not seekable: from a seekable one, the MP3 reader
/// estimates the number of packets and drops packets beyond that estimate.
fn source(path: &Path) -> io::Result<ReadOnlySource<io::Take<File>>> {
    let mut file = File::open(path)?;
    let bytes = tail::bytes_before_tags(&mut file)?;
    Ok(ReadOnlySource::new(file.take(bytes)))
}

/// Converts a failure to open a file: [`Error::Io`] for errors of the operating system, else [`Error::Signal`].
pub(super) fn unreadable(path: &Path, failure: Failure) -> Error {
    let message = match failure {
        Failure::IoError(error) if error.raw_os_error().is_some() => {
            return Error::io("read", path)(error);
        }
        Failure::IoError(_) => format!(
            "the file ends after {} bytes, before its sound or before the end of a length that it claims: it is cut short, or the \
             program that recorded it did not complete it; copy it again, or {ADVICE}",
            fs::metadata(path).map_or(0, |metadata| metadata.len())
        ),
        failure => format!(
            "cannot be decoded ({failure}): the file is damaged, or its format is not supported; {ADVICE}"
        ),
    };
    Error::signal(path, message)
}
