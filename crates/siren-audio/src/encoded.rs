//! FLAC, MP3, Ogg Vorbis and AIFF files.
//!
//! How long a sound is, is counted while it is decoded. What a header claims serves to recognize a file that is cut short.

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
use self::track::{Track, judge, select};
use crate::config::AudioSignal;
use crate::sound::{MAX_VALUES, Sound, ends_early};

/// What is wrong with a file without an end, to be followed by "ends after".
const CUT_SHORT: &str = "is cut short, or was never completed by the program that recorded it: it";

/// A file whose first audio track is being decoded.
struct Encoded<'a> {
    path: &'a Path,
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: Track,
}

/// What was decoded.
struct Decoded {
    sound: Sound,
    /// Frames that come before those of `sound`.
    skipped: usize,
    /// Time stamp that the next packet should have.
    next: Option<i64>,
    /// Frames of the last packet, and its bytes.
    last_frames: usize,
    last: Box<[u8]>,
}

/// Why decoding ended.
enum Ending {
    /// With the part that was asked for.
    Wanted,
    /// With the file.
    File,
    /// Because of this, which is to be followed by "ends after".
    Fault(String),
}

/// The part that a config asks for. Frames before it are not kept, and decoding ends where it ends.
///
/// # Errors
/// [`Error::Signal`] if the file has no sound that is decoded here, is damaged or cut short before the part ends, or if the
/// part is too long to be fitted.
pub(crate) fn read(path: &Path, signal: &AudioSignal) -> Result<Sound> {
    let mut encoded = Encoded::open(path)?;
    let mut decoded = Decoded::default();
    let ending = encoded.decode(signal, &mut decoded)?;
    let fault = match ending {
        Ending::Fault(why) => Some(why),
        Ending::File => encoded.fault_at_the_end(&decoded)?,
        Ending::Wanted => None,
    };
    if decoded.frames() == 0 {
        let message = format!(
            "has no sound in it: it is empty, cut short or damaged{}",
            fault.map_or(String::new(), |why| format!(" ({why} ends at once)"))
        );
        return Err(Error::signal(path, message));
    }
    encoded.part(signal, &decoded, fault)
}

impl<'a> Encoded<'a> {
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

    fn decode(&mut self, signal: &AudioSignal, decoded: &mut Decoded) -> Result<Ending> {
        loop {
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => return Ok(Ending::File),
                // Another sound follows in the same file.
                Err(Failure::ResetRequired) => {
                    (self.track, self.decoder) = select(self.path, &*self.format)?;
                    decoded.next = None;
                    continue;
                }
                Err(Failure::IoError(error)) if error.raw_os_error().is_none() => {
                    let is_ogg = self.track.format == FORMAT_ID_OGG;
                    return Ok(if is_ogg {
                        Ending::Fault(CUT_SHORT.to_owned())
                    } else {
                        Ending::File
                    });
                }
                Err(Failure::IoError(error)) => return Err(Error::io("read", self.path)(error)),
                Err(failure) => return Ok(Ending::Fault(damaged(&failure))),
            };
            if packet.track_id != self.track.id {
                continue;
            }
            if let Some(fault) = self.take(packet, signal, decoded)? {
                return Ok(Ending::Fault(fault));
            }
            let rate = f64::from(decoded.sound.rate);
            if let Some(length) = signal.length {
                // Padding is told from sound only where the file ends.
                let more = self.track.delay + self.track.padding + 1;
                let wanted = ((signal.start + length) * rate).round() + more as f64;
                if decoded.frames() as f64 >= wanted {
                    return Ok(Ending::Wanted);
                }
            }
            if decoded.sound.values.len() > MAX_VALUES {
                let message = format!(
                    "is too long to be fitted, expected at most {MAX_VALUES} samples in all; fit a part of it with \
                     `signal.length`"
                );
                return Err(Error::signal(self.path, message));
            }
        }
    }

    /// Decodes a packet, and returns what is wrong with it.
    fn take(
        &mut self,
        packet: Packet,
        signal: &AudioSignal,
        decoded: &mut Decoded,
    ) -> Result<Option<String>> {
        let start = packet.pts.get();
        if decoded.next.is_some_and(|next| start > next) {
            return Ok(Some(
                "is damaged, a piece of it is missing: what is whole".to_owned(),
            ));
        }
        let block = packet.block_dur().get();
        decoded.next = start.checked_add_unsigned(block);
        let buffer = match self.decoder.decode(&packet) {
            Ok(buffer) => buffer,
            Err(failure) => return Ok(Some(damaged(&failure))),
        };
        let (rate, channels) = (buffer.spec().rate(), buffer.spec().channels().count());
        let sound = &mut decoded.sound;
        if sound.rate == 0 {
            judge(self.path, rate, channels)?;
            (sound.rate, sound.channels) = (rate, channels);
        } else if (sound.rate, sound.channels) != (rate, channels) {
            return Ok(Some(
                "changes its rate or its number of channels: the first sound in it".to_owned(),
            ));
        }
        let mut piece: Vec<f32> = Vec::new();
        buffer.copy_to_vec_interleaved(&mut piece);
        decoded.last_frames = piece.len() / channels;
        decoded.last = packet.data;
        let first = (signal.start * f64::from(rate)).round() as usize;
        let first = first.saturating_add(self.track.delay);
        let early = first.saturating_sub(decoded.frames());
        let early = early.min(decoded.last_frames);
        decoded.skipped += early;
        decoded
            .sound
            .values
            .extend_from_slice(&piece[early * channels..]);
        Ok(None)
    }

    /// What is wrong with a file that was decoded up to its end.
    fn fault_at_the_end(&self, decoded: &Decoded) -> Result<Option<String>> {
        let ending = match self.track.format {
            FORMAT_ID_OGG => tail::is_ogg_whole(self.path).map(|is_whole| !is_whole),
            FORMAT_ID_MP3 | FORMAT_ID_FLAC => tail::is_torn(self.path, &decoded.last),
            _ => Ok(false),
        };
        let is_torn = ending.map_err(Error::io("read", self.path))?;
        let found = decoded.frames();
        // Some encoders of MP3 count their header, which is as long as a packet.
        let allowance = match self.track.format {
            FORMAT_ID_MP3 if !is_torn => decoded.last_frames,
            _ => 0,
        };
        let track = &self.track;
        Ok(match track.claimed {
            Some(claimed) if found + allowance < claimed + track.delay + track.padding => {
                Some(format!("claims {claimed} frames, but {CUT_SHORT}"))
            }
            _ if is_torn => Some(CUT_SHORT.to_owned()),
            _ => None,
        })
    }

    /// The part that is asked for, of what was decoded; an error if it reaches a fault.
    fn part(
        &self,
        signal: &AudioSignal,
        decoded: &Decoded,
        fault: Option<String>,
    ) -> Result<Sound> {
        let (found, rate) = (decoded.frames(), decoded.sound.rate);
        let Track {
            delay,
            padding,
            claimed,
            ..
        } = self.track;
        let is_as_claimed = claimed.is_some_and(|claimed| claimed + delay + padding == found);
        let frames = found.saturating_sub(delay + if is_as_claimed { padding } else { 0 });
        let part = signal.part(rate, frames);
        if let Some(why) = fault
            && (part.is_err() || signal.length.is_none())
        {
            let first = (signal.start * f64::from(rate)).round() as usize;
            return Err(ends_early(self.path, &why, first..frames, rate));
        }
        let part = part?;
        let skipped = decoded.skipped.saturating_sub(delay);
        let sound = decoded.sound.part(part.start - skipped..part.end - skipped);
        sound.check_finite(self.path, part.start)?;
        Ok(sound)
    }
}

impl Decoded {
    /// Frames that were decoded so far.
    fn frames(&self) -> usize {
        self.skipped + self.sound.frames()
    }
}

impl Default for Decoded {
    fn default() -> Self {
        Self {
            sound: Sound {
                rate: 0,
                channels: 1,
                values: Vec::new(),
            },
            skipped: 0,
            next: None,
            last_frames: 0,
            last: Box::default(),
        }
    }
}

/// What is wrong with a piece that cannot be decoded.
fn damaged(failure: &Failure) -> String {
    format!("is damaged ({failure}): what can be decoded")
}

#[cfg(test)]
mod tests;
