//! FLAC, MP3, Ogg Vorbis, AIFF and CAF files.
//!
//! How long a sound is, is counted while it is decoded. What a header claims serves to recognize a file that is cut short.

mod tail;

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use siren_core::{Error, Result};
use symphonia::core::codecs::audio::well_known as ids;
use symphonia::core::codecs::audio::{AudioCodecId, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as Failure;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::well_known::{FORMAT_ID_FLAC, FORMAT_ID_MP3, FORMAT_ID_OGG};
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{
    MediaSource, MediaSourceStream, MediaSourceStreamOptions, ReadOnlySource,
};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;

use crate::config::AudioSignal;
use crate::sound::{MAX_CHANNELS, MAX_RATE, MAX_VALUES, Sound, ends_early};

/// Codecs that people meet and that are not decoded here.
const OTHERS: [(AudioCodecId, &str); 6] = [
    (ids::CODEC_ID_AAC, "AAC"),
    (ids::CODEC_ID_ALAC, "ALAC"),
    (ids::CODEC_ID_MP1, "MPEG layer 1"),
    (ids::CODEC_ID_MP2, "MPEG layer 2"),
    (ids::CODEC_ID_OPUS, "Opus"),
    (ids::CODEC_ID_SPEEX, "Speex"),
];
const ADVICE: &str = "convert it to WAV, for example with `ffmpeg -i OLD -c:a pcm_f32le NEW.wav`";

/// A file whose first audio track is being decoded.
struct Encoded<'a> {
    path: &'a Path,
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: Track,
}

/// What the file says of the track.
struct Track {
    id: u32,
    /// Frames that are decoded in all, if a header says so.
    claimed: Option<usize>,
    /// Frames that the encoder put before the sound and behind it.
    delay: usize,
    padding: usize,
    /// Whether it is a sequence of packets that nothing holds together: the last one may be torn.
    is_bare: bool,
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
    encoded.part(signal, decoded, fault)
}

impl<'a> Encoded<'a> {
    fn open(path: &'a Path) -> Result<Self> {
        let source = source(path).map_err(Error::io("read", path))?;
        let stream = MediaSourceStream::new(source, MediaSourceStreamOptions::default());
        let formats = symphonia::default::get_probe();
        let options = (FormatOptions::default(), MetadataOptions::default());
        let format = formats.probe(&Hint::new(), stream, options.0, options.1);
        let format = format.map_err(|failure| unreadable(path, failure))?;
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
                    let why = "is cut short, or was never completed by the program that recorded it: it";
                    return Ok(Ending::Fault(why.to_owned()));
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
        decoded.sound.values.extend_from_slice(&piece[early * channels..]);
        Ok(None)
    }

    /// What is wrong with a file that was decoded up to its end.
    fn fault_at_the_end(&self, decoded: &Decoded) -> Result<Option<String>> {
        let is_torn = if self.track.is_bare {
            tail::is_torn(self.path, &decoded.last).map_err(Error::io("read", self.path))?
        } else {
            false
        };
        let found = decoded.frames();
        // Some encoders count the header, which is as long as a packet.
        let allowance = if is_torn { 0 } else { decoded.last_frames };
        Ok(match self.track.claimed {
            Some(claimed) if found + allowance < claimed => Some(format!(
                "claims {claimed} frames, but is cut short: it"
            )),
            _ if is_torn => Some("is cut short, its last piece is not whole: it".to_owned()),
            _ => None,
        })
    }

    /// The part that is asked for, of what was decoded; an error if it reaches a fault.
    fn part(&self, signal: &AudioSignal, decoded: Decoded, fault: Option<String>) -> Result<Sound> {
        let (found, rate) = (decoded.frames(), decoded.sound.rate);
        let is_as_claimed = self.track.claimed == Some(found);
        let padding = if is_as_claimed { self.track.padding } else { 0 };
        let frames = found.saturating_sub(self.track.delay + padding);
        let part = signal.part(rate, frames);
        if let Some(why) = fault
            && (part.is_err() || signal.length.is_none())
        {
            let first = (signal.start * f64::from(rate)).round() as usize;
            return Err(ends_early(self.path, &why, first..frames, rate));
        }
        let part = part?;
        let skipped = decoded.skipped.saturating_sub(self.track.delay);
        Ok(decoded.sound.part(part.start - skipped..part.end - skipped))
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

/// Formats, by how the length of a sound is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// AIFF and CAF: samples in a chunk whose length is written down.
    Chunk,
    /// FLAC, MP3 and Ogg: packets up to the end of the file.
    Packets,
}

impl Layout {
    /// Of a file that begins so; `None` if it is not decoded here.
    fn of(start: [u8; 12]) -> Option<Self> {
        match start {
            [b'F', b'O', b'R', b'M', _, _, _, _, b'A', b'I', b'F', b'F' | b'C']
            | [b'c', b'a', b'f', b'f', ..] => Some(Self::Chunk),
            [b'f', b'L', b'a', b'C', ..] | [b'O', b'g', b'g', b'S', ..] | [b'I', b'D', b'3', ..] => {
                Some(Self::Packets)
            }
            // MPEG layers; layer 0 is AAC.
            [0xFF, second, ..] if second & 0xE0 == 0xE0 && second & 0x06 != 0 => Some(Self::Packets),
            _ => None,
        }
    }

    fn of_file(file: &mut File) -> io::Result<Option<Self>> {
        let mut start = Vec::new();
        file.rewind()?;
        Read::by_ref(file).take(12).read_to_end(&mut start)?;
        start.resize(12, 0);
        file.rewind()?;
        Ok(start.try_into().ok().and_then(Self::of))
    }
}

/// Whether a file is decoded here, as its first bytes say, whatever its name does.
pub(crate) fn is_encoded(path: &Path) -> bool {
    let layout = File::open(path).and_then(|mut file| Layout::of_file(&mut file));
    layout.is_ok_and(|layout| layout.is_some())
}

/// The file without the tags at its end. Whoever can seek in packets estimates their number, and cuts off what exceeds it: a
/// source in which nobody can seek leaves only what headers claim.
fn source(path: &Path) -> io::Result<Box<dyn MediaSource>> {
    let mut file = File::open(path)?;
    if Layout::of_file(&mut file)? == Some(Layout::Chunk) {
        return Ok(Box::new(file));
    }
    let bytes = tail::bytes_before_tags(&mut file)?;
    Ok(Box::new(ReadOnlySource::new(file.take(bytes))))
}

/// The track that is decoded, and its decoder.
fn select(path: &Path, format: &dyn FormatReader) -> Result<(Track, Box<dyn AudioDecoder>)> {
    let track = format.default_track(TrackType::Audio);
    let codec = track.and_then(|track| track.codec_params.as_ref()?.audio());
    let (Some(track), Some(codec)) = (track, codec) else {
        let message = format!(
            "has no sound in it that is decoded here; give WAV, FLAC, MP3, Ogg Vorbis, AIFF or CAF; {ADVICE}"
        );
        return Err(Error::signal(path, message));
    };
    let kind = format.format_info().format;
    // What Ogg cuts off is said by the pages themselves; else, what a header says of the end is weighed where the end is known.
    let options = AudioDecoderOptions::default().gapless(kind == FORMAT_ID_OGG);
    let decoder = symphonia::default::get_codecs().make_audio_decoder(codec, &options);
    let decoder = decoder.map_err(|failure| {
        let name = OTHERS.iter().find(|other| other.0 == codec.codec);
        match name {
            Some((_, name)) => {
                Error::signal(path, format!("its sound is {name}, which is not decoded here; {ADVICE}"))
            }
            None => unreadable(path, failure),
        }
    })?;
    let [delay, padding] = [track.delay, track.padding].map(|frames| frames.unwrap_or(0) as usize);
    let (delay, padding) = if kind == FORMAT_ID_OGG { (0, 0) } else { (delay, padding) };
    let claimed = track.num_frames.filter(|_| kind != FORMAT_ID_OGG);
    let track = Track {
        id: track.id,
        claimed: claimed.map(|frames| frames as usize + delay + padding),
        delay,
        padding,
        is_bare: [FORMAT_ID_FLAC, FORMAT_ID_MP3].contains(&kind),
    };
    Ok((track, decoder))
}

/// The error for a file in which no sound is found.
fn unreadable(path: &Path, failure: Failure) -> Error {
    let message = match failure {
        Failure::IoError(error) if error.raw_os_error().is_some() => {
            return Error::io("read", path)(error);
        }
        Failure::IoError(_) => {
            "ends before its sound begins: it is cut short; copy or download it again".to_owned()
        }
        failure => format!(
            "cannot be decoded ({failure}): it is damaged, or of a kind that is not read here; {ADVICE}"
        ),
    };
    Error::signal(path, message)
}

/// What is wrong with a piece that cannot be decoded.
fn damaged(failure: &Failure) -> String {
    format!("is damaged ({failure}): what can be decoded")
}

fn judge(path: &Path, rate: u32, channels: usize) -> Result<()> {
    if (1..=MAX_RATE).contains(&rate) && (1..=MAX_CHANNELS).contains(&channels) {
        return Ok(());
    }
    let message = format!(
        "claims {channels} channels at {rate} Hz, expected 1 to {MAX_CHANNELS} at 1 to {MAX_RATE} Hz; {ADVICE}"
    );
    Err(Error::signal(path, message))
}

#[cfg(test)]
mod tests;
