//! Reading a WAV file: the header is judged before any sample is read, and errors say what to do.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use siren_core::{Error, Result};
use symphonia::core::audio::Channels;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoderOptions};
use symphonia::core::errors::Error as Failure;
use symphonia::core::packet::PacketRef;
use symphonia::core::units::{Duration, Timestamp};

use super::format::{self, Format};
use super::riff::{Chunk, Riff};
use crate::sound::{MAX_VALUES, Sound, ends_early};

const ADVICE: &str = "convert it, for example with `ffmpeg -i OLD -c:a pcm_f32le NEW.wav`";
/// Frames that are read at once.
const PIECE_FRAMES: usize = 4096;

/// A WAV file whose header is known to be good.
pub struct WavFile {
    path: PathBuf,
    file: File,
    format: Format,
    /// Position of the first sample in the file.
    start: u64,
    /// Frames that are in the file.
    there: usize,
    /// Frames that the header claims; those that are there, where it does not know.
    claimed: usize,
}

impl WavFile {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::Signal`] if it is a folder, empty, no WAV file, damaged, of an
    /// encoding that is not read, or without samples.
    pub fn open(path: &Path) -> Result<Self> {
        let metadata = fs::metadata(path).map_err(Error::io("open", path))?;
        let fail = |message: &str| Err(Error::signal(path, message));
        if metadata.is_dir() {
            return fail("is a folder, expected a sound; give a WAV file");
        }
        if metadata.len() == 0 {
            return fail("the file is empty (0 bytes); give a WAV file");
        }
        let file = File::open(path).map_err(Error::io("open", path))?;
        let riff = Riff::open(file).map_err(Error::io("read", path))?;
        let Some(mut riff) = riff else {
            return fail(&format!(
                "not a WAV file, nor FLAC, MP3, Ogg Vorbis or AIFF; {ADVICE}"
            ));
        };
        let (format, data) = Self::find(path, &mut riff)?;
        let frame_bytes = format.frame_bytes as u64;
        let there = (riff.bytes - data.start) / frame_bytes;
        let length = riff.data_length(&data).map_err(Error::io("read", path))?;
        let claimed = length.map_or(there, |length| length / frame_bytes);
        if claimed == 0 {
            return fail(
                "there is not a single sample in it: the sound is empty, or the file was never completed by the program that \
                 recorded it; record or save it again",
            );
        }
        Ok(Self {
            path: path.to_path_buf(),
            file: riff.into_file(),
            format,
            start: data.start,
            there: claimed.min(there) as usize,
            claimed: claimed as usize,
        })
    }

    /// What the samples are, and the chunk that holds them.
    fn find(path: &Path, riff: &mut Riff) -> Result<(Format, Chunk)> {
        let fail = |message: String| Err(Error::signal(path, message));
        let mut format = None;
        loop {
            let chunk = riff.next_chunk().map_err(Error::io("read", path))?;
            let is_there = |chunk: &Chunk| &chunk.id == b"data" || chunk.end() <= riff.bytes;
            let Some(chunk) = chunk.filter(is_there) else {
                return fail(
                    "the file ends before its samples: it is cut short or damaged; copy or download it again"
                        .to_owned(),
                );
            };
            match (&chunk.id, format) {
                (b"fmt ", None) => {
                    let contents = riff.contents(&chunk, format::LONGEST);
                    let contents = contents.map_err(Error::io("read", path))?;
                    match Format::parse(&contents, riff.order) {
                        Ok(found) => format = Some(found),
                        Err(message) => return fail(format!("{message}; {ADVICE}")),
                    }
                }
                (b"data", Some(format)) => return Ok((format, chunk)),
                (b"data", None) => {
                    return fail(format!(
                        "the samples stand before the `fmt ` chunk, which would say what they are: the file is damaged; {ADVICE}"
                    ));
                }
                _ => {}
            }
        }
    }

    /// Frames a second.
    #[must_use]
    pub fn rate(&self) -> u32 {
        self.format.rate
    }

    /// How many frames the header claims; how many there are, where its length is that of a stream.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.claimed
    }

    /// Some of the frames, integers divided by their full scale. What comes after them is not looked at.
    ///
    /// # Errors
    /// [`Error::Signal`] if there are too many for a fit, the file ends before the last of them, or a sample is not a
    /// finite number.
    pub fn read(mut self, frames: Range<usize>) -> Result<Sound> {
        let Format { rate, channels, .. } = self.format;
        let first = frames.start;
        if frames.end > self.there {
            let why = format!(
                "the header claims {} frames, but the file is cut short, or was never completed by the program that recorded \
                 it: it",
                self.claimed
            );
            return Err(ends_early(&self.path, &why, first..self.there, rate));
        }
        if frames.len().saturating_mul(channels) > MAX_VALUES {
            let message = format!(
                "a part of {} frames of {channels} channels is too long to be fitted, expected at most {MAX_VALUES} \
                 samples in all; fit a shorter one with `signal.length`",
                frames.len()
            );
            return Err(Error::signal(&self.path, message));
        }
        let sound = Sound {
            rate,
            channels,
            values: self.values(frames)?,
        };
        sound.check_finite(&self.path, first)?;
        Ok(sound)
    }

    /// Decodes frames that are there.
    fn values(&mut self, frames: Range<usize>) -> Result<Vec<f32>> {
        let Format {
            codec,
            rate,
            channels,
            frame_bytes,
        } = self.format;
        let undecodable = |failure: Failure| {
            Error::signal(
                &self.path,
                format!("cannot be decoded ({failure}); {ADVICE}"),
            )
        };
        let mut parameters = AudioCodecParameters::new();
        parameters
            .for_codec(codec)
            .with_sample_rate(rate)
            .with_channels(Channels::Discrete(channels as u16));
        let decoder = symphonia::default::get_codecs()
            .make_audio_decoder(&parameters, &AudioDecoderOptions::default());
        let mut decoder = decoder.map_err(undecodable)?;
        let failed = |error| Error::io("read", &self.path)(error);
        let start = self.start + frames.start as u64 * frame_bytes as u64;
        self.file.seek(SeekFrom::Start(start)).map_err(failed)?;
        let mut values = Vec::with_capacity(frames.len() * channels);
        let (mut bytes, mut piece) = (vec![0; PIECE_FRAMES * frame_bytes], Vec::<f32>::new());
        for first in frames.clone().step_by(PIECE_FRAMES) {
            let count = PIECE_FRAMES.min(frames.end - first);
            let bytes = &mut bytes[..count * frame_bytes];
            self.file.read_exact(bytes).map_err(failed)?;
            let packet = PacketRef::new(0, Timestamp::ZERO, Duration::from(count as u64), bytes);
            let decoded = decoder.decode_ref(&packet).map_err(undecodable)?;
            decoded.copy_to_vec_interleaved(&mut piece);
            values.extend_from_slice(&piece);
        }
        Ok(values)
    }
}
