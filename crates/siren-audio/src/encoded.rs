//! FLAC, MP3, Ogg Vorbis and AIFF files.
//!
//! The length of a sound is counted while it is decoded. The length that a header claims is only used to recognize a file that
//! is cut short.

mod head;
mod tail;
mod track;

use std::path::Path;

use siren_core::{Error, Result};
use symphonia::core::codecs::audio::AudioDecoder;
use symphonia::core::errors::Error as Failure;
use symphonia::core::formats::FormatReader;
use symphonia::core::formats::well_known::{FORMAT_ID_FLAC, FORMAT_ID_MP3, FORMAT_ID_OGG};
use symphonia::core::packet::Packet;

pub(crate) use self::head::is_encoded;
use self::track::{Track, check_range, select};
use crate::config::AudioSignalConfig;
use crate::sound::{MAX_SAMPLES, Sound, ends_early};

/// Fault of a file whose end is missing.
const CUT_SHORT: &str = "is cut short, or the program that recorded it did not complete it";

/// Decoder of a file's default audio track.
struct Encoded<'a> {
    path: &'a Path,
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: Track,
}

/// Frames decoded so far.
struct Decoded {
    /// Sample rate in Hz; 0 until the first packet is decoded.
    rate: u32,
    /// Number of channels; 1 until the first packet is decoded.
    channels: usize,
    /// Interleaved samples from the requested start on.
    samples: Vec<f32>,
    /// Number of decoded frames before those of `samples`, which are discarded.
    skipped: usize,
    /// Expected time stamp of the next packet.
    next_timestamp: Option<i64>,
    /// Number of frames of the last packet.
    last_frames: usize,
    /// Bytes of the last packet.
    last_packet: Box<[u8]>,
}

/// Reason why decoding ended.
enum Ending {
    /// The requested part is decoded.
    PartDecoded,
    /// The file has no more packets.
    EndOfFile,
    /// The file is cut short, damaged or changes its format. The text completes a sentence about the file.
    Fault(String),
}

/// Reads the part of a file that a config requests. Frames before the part are discarded, and decoding stops at its end.
///
/// # Errors
/// [`Error::Signal`] if the file has no sound of a supported codec, is damaged or cut short before the part ends, or has more
/// than [`MAX_SAMPLES`] samples in the part; [`Error::InvalidValue`] if the part is outside the sound; [`Error::Io`] if the file
/// cannot be read.
pub(crate) fn read(path: &Path, signal: &AudioSignalConfig) -> Result<Sound> {
    let mut encoded = Encoded::open(path)?;
    let mut decoded = Decoded::default();
    let ending = encoded.decode(signal, &mut decoded)?;
    let fault = match ending {
        Ending::Fault(fault) => Some(fault),
        Ending::EndOfFile => encoded.fault_at_end(&decoded)?,
        Ending::PartDecoded => None,
    };
    if decoded.frames() == 0 {
        let message = format!(
            "contains no sound: the file is empty, cut short or damaged{}; copy it again, or choose another file",
            fault.map_or(String::new(), |fault| format!(" (the file {fault})"))
        );
        return Err(Error::signal(path, message));
    }
    encoded.part(signal, &decoded, fault)
}

impl<'a> Encoded<'a> {
    /// Opens a file and its decoder.
    fn open(path: &'a Path) -> Result<Self> {
        let format = head::open(path)?;
        let (track, decoder) = select(path, &*format)?;
        Ok(Self {
            path,
            format,
            decoder,
            track,
        })
    }

    /// Decodes packets up to the end of the requested part, the end of the file or a fault.
    fn decode(&mut self, signal: &AudioSignalConfig, decoded: &mut Decoded) -> Result<Ending> {
        loop {
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => return Ok(Ending::EndOfFile),
                // A chained Ogg file: another sound follows.
                Err(Failure::ResetRequired) => {
                    (self.track, self.decoder) = select(self.path, &*self.format)?;
                    decoded.next_timestamp = None;
                    continue;
                }
                // Not an error of the operating system: the file ends.
                Err(Failure::IoError(error)) if error.raw_os_error().is_none() => {
                    let is_ogg = self.track.format == FORMAT_ID_OGG;
                    return Ok(if is_ogg {
                        Ending::Fault(CUT_SHORT.to_owned())
                    } else {
                        Ending::EndOfFile
                    });
                }
                Err(Failure::IoError(error)) => return Err(Error::io("read", self.path)(error)),
                Err(failure) => return Ok(Ending::Fault(damaged(&failure))),
            };
            if packet.track_id != self.track.id {
                continue;
            }
            if let Some(fault) = self.decode_packet(packet, signal, decoded)? {
                return Ok(Ending::Fault(fault));
            }
            let rate = f64::from(decoded.rate);
            if let Some(length) = signal.length {
                // Padding can be distinguished from sound only at the end of the file.
                let margin = self.track.delay + self.track.padding + 1;
                let needed = ((signal.start + length) * rate).round() + margin as f64;
                if decoded.frames() as f64 >= needed {
                    return Ok(Ending::PartDecoded);
                }
            }
            if decoded.samples.len() > MAX_SAMPLES {
                let message = format!(
                    "the sound is too long to be fitted, expected at most {MAX_SAMPLES} samples in all; choose a part of it \
                     with `signal.length`"
                );
                return Err(Error::signal(self.path, message));
            }
        }
    }

    /// Decodes a packet and appends its frames to `decoded`; returns the fault of the file, if there is one.
    fn decode_packet(
        &mut self,
        packet: Packet,
        signal: &AudioSignalConfig,
        decoded: &mut Decoded,
    ) -> Result<Option<String>> {
        let start = packet.pts.get();
        if decoded.next_timestamp.is_some_and(|next| start > next) {
            return Ok(Some(
                "is damaged, a packet in the middle is missing".to_owned(),
            ));
        }
        let block = packet.block_dur().get();
        decoded.next_timestamp = start.checked_add_unsigned(block);
        let buffer = match self.decoder.decode(&packet) {
            Ok(buffer) => buffer,
            Err(failure) => return Ok(Some(damaged(&failure))),
        };
        let (rate, channels) = (buffer.spec().rate(), buffer.spec().channels().count());
        if decoded.rate == 0 {
            check_range(self.path, rate, channels)?;
            (decoded.rate, decoded.channels) = (rate, channels);
        } else if (decoded.rate, decoded.channels) != (rate, channels) {
            return Ok(Some(
                "changes its sample rate or its number of channels".to_owned(),
            ));
        }
        let mut samples: Vec<f32> = Vec::new();
        buffer.copy_to_vec_interleaved(&mut samples);
        decoded.last_frames = samples.len() / channels;
        decoded.last_packet = packet.data;
        let first = (signal.start * f64::from(rate)).round() as usize;
        let first = first.saturating_add(self.track.delay);
        let early = first.saturating_sub(decoded.frames());
        let early = early.min(decoded.last_frames);
        decoded.skipped += early;
        decoded
            .samples
            .extend_from_slice(&samples[early * channels..]);
        Ok(None)
    }

    /// Returns the fault of a file that was decoded up to its end: a partial last packet, or fewer frames than claimed.
    fn fault_at_end(&self, decoded: &Decoded) -> Result<Option<String>> {
        let is_partial = match self.track.format {
            FORMAT_ID_OGG => {
                tail::ends_with_last_ogg_page(self.path).map(|is_complete| !is_complete)
            }
            FORMAT_ID_MP3 | FORMAT_ID_FLAC => {
                tail::ends_with_partial_packet(self.path, &decoded.last_packet)
            }
            _ => Ok(false),
        };
        let is_partial = is_partial.map_err(Error::io("read", self.path))?;
        let found = decoded.frames();
        // Some MP3 encoders count their header packet as sound.
        let allowance = match self.track.format {
            FORMAT_ID_MP3 if !is_partial => decoded.last_frames,
            _ => 0,
        };
        let track = &self.track;
        Ok(match track.claimed {
            Some(claimed) if found + allowance < claimed + track.delay + track.padding => {
                Some(format!("claims {claimed} frames, but {CUT_SHORT}"))
            }
            _ if is_partial => Some(CUT_SHORT.to_owned()),
            _ => None,
        })
    }

    /// Returns the requested part of the decoded frames, without the encoder's delay and padding.
    ///
    /// # Errors
    /// If the part is outside the sound, extends to a fault of the file, or has a sample that is not finite.
    fn part(
        &self,
        signal: &AudioSignalConfig,
        decoded: &Decoded,
        fault: Option<String>,
    ) -> Result<Sound> {
        let (found, rate) = (decoded.frames(), decoded.rate);
        let Track {
            delay,
            padding,
            claimed,
            ..
        } = self.track;
        let is_as_claimed = claimed.is_some_and(|claimed| claimed + delay + padding == found);
        let frames = found.saturating_sub(delay + if is_as_claimed { padding } else { 0 });
        let part = signal.part(rate, frames);
        if let Some(fault) = fault
            && (part.is_err() || signal.length.is_none())
        {
            let first = (signal.start * f64::from(rate)).round() as usize;
            let reason = format!("the file {fault}");
            return Err(ends_early(self.path, &reason, first..frames, rate));
        }
        let part = part?;
        let skipped = decoded.skipped.saturating_sub(delay);
        let channels = decoded.channels;
        let samples = (part.start - skipped) * channels..(part.end - skipped) * channels;
        let sound = Sound::new(rate, channels, decoded.samples[samples].to_vec())?;
        sound.check_finite(self.path, part.start)?;
        Ok(sound)
    }
}

impl Decoded {
    /// Returns the number of frames decoded so far, with the discarded ones.
    fn frames(&self) -> usize {
        self.skipped + self.samples.len() / self.channels
    }
}

impl Default for Decoded {
    fn default() -> Self {
        Self {
            rate: 0,
            channels: 1,
            samples: Vec::new(),
            skipped: 0,
            next_timestamp: None,
            last_frames: 0,
            last_packet: Box::default(),
        }
    }
}

/// Describes the fault of a file with a packet that cannot be decoded.
fn damaged(failure: &Failure) -> String {
    format!("is damaged, a packet cannot be decoded ({failure})")
}

#[cfg(test)]
mod tests;
