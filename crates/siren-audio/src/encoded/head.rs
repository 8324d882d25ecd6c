//! The beginning of an encoded file: what it is, and whether it can be opened.

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

pub(super) const ADVICE: &str =
    "convert it to WAV, for example with `ffmpeg -i OLD -c:a pcm_f32le NEW.wav`";

/// Whether a file is decoded here, as its first bytes say. Its name is asked only where they say nothing, since an MP3 may begin
/// with anything.
pub(crate) fn is_encoded(path: &Path) -> bool {
    let mut first = Vec::new();
    let read = File::open(path).and_then(|file| file.take(12).read_to_end(&mut first));
    let mut start = [0; 12];
    start[..first.len()].copy_from_slice(&first);
    let begins = |mark: &[u8]| start.starts_with(mark);
    let is_aiff = begins(b"FORM") && start[8..].starts_with(b"AIF");
    // MPEG layers; layer 0 is AAC.
    let is_mpeg = start[0] == 0xFF && start[1] & 0xE0 == 0xE0 && start[1] & 0x06 != 0;
    let is_known = is_aiff || is_mpeg || begins(b"fLaC") || begins(b"OggS") || begins(b"ID3");
    let extension = path.extension().unwrap_or_default();
    let is_named = !first.is_empty() && extension.eq_ignore_ascii_case("mp3");
    read.is_ok() && !wav::is_wav(&start) && (is_known || is_named)
}

/// Finds the format of a file.
pub(super) fn open(path: &Path) -> Result<Box<dyn FormatReader>> {
    let source = source(path).map_err(Error::io("read", path))?;
    let stream = MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default());
    let formats = symphonia::default::get_probe();
    let options = (FormatOptions::default(), MetadataOptions::default());
    let format = formats.probe(&Hint::new(), stream, options.0, options.1);
    format.map_err(|failure| unreadable(path, failure))
}

/// The file without the tags at its end. Whoever can seek estimates the number of packets in an MP3, and cuts off what exceeds
/// it: a source in which nobody can seek leaves only what headers claim.
fn source(path: &Path) -> io::Result<ReadOnlySource<io::Take<File>>> {
    let mut file = File::open(path)?;
    let bytes = tail::bytes_before_tags(&mut file)?;
    Ok(ReadOnlySource::new(file.take(bytes)))
}

/// The error for a file in which no sound is found.
pub(super) fn unreadable(path: &Path, failure: Failure) -> Error {
    let message = match failure {
        Failure::IoError(error) if error.raw_os_error().is_some() => {
            return Error::io("read", path)(error);
        }
        Failure::IoError(_) => format!(
            "ends after {} bytes, before its sound or within a length that it claims: it is cut short, or was never completed by \
             the program that recorded it; copy it again, or {ADVICE}",
            fs::metadata(path).map_or(0, |metadata| metadata.len())
        ),
        failure => format!(
            "cannot be decoded ({failure}): it is damaged, or of a kind that is not read here; {ADVICE}"
        ),
    };
    Error::signal(path, message)
}
