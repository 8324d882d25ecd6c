//! Reads WAV files: checks the header first, then decodes the requested frames.

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
use crate::sound::{MAX_SAMPLES, Sound, ends_early};

const ADVICE: &str = "convert it, for example with `ffmpeg -i OLD -c:a pcm_f32le NEW.wav`";
/// Number of frames that are decoded at once.
const CHUNK_FRAMES: usize = 4096;

/// A WAV file with a valid header.
pub struct WavFile {
    path: PathBuf,
    file: File,
    format: Format,
    /// Position of the first sample in the file.
    start: u64,
    /// Number of complete frames in the file.
    available: usize,
    /// Number of frames that the header claims; equal to `available` if the header has no length.
    claimed: usize,
}

impl WavFile {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::Signal`] if it is a folder, empty, not a WAV file, damaged, of an
    /// unsupported encoding, or without samples.
    pub fn open(path: &Path) -> Result<Self> {
        let metadata = fs::metadata(path).map_err(Error::io("open", path))?;
        let fail = |message: &str| Err(Error::signal(path, message));
        if metadata.is_dir() {
            return fail("is a folder, expected a sound file (WAV, FLAC, MP3, Ogg Vorbis or AIFF)");
        }
        if metadata.len() == 0 {
            return fail(
                "the file is empty (0 bytes), expected a sound file (WAV, FLAC, MP3, Ogg Vorbis or AIFF)",
            );
        }
        let file = File::open(path).map_err(Error::io("open", path))?;
        let riff = Riff::open(file).map_err(Error::io("read", path))?;
        let Some(mut riff) = riff else {
            return fail(&format!(
                "not a WAV file, nor FLAC, MP3, Ogg Vorbis or AIFF; {ADVICE}"
            ));
        };
        let (format, data) = Self::find_samples(path, &mut riff)?;
        let frame_bytes = format.frame_bytes as u64;
        let available = (riff.bytes - data.start) / frame_bytes;
        let length = riff.data_length(&data).map_err(Error::io("read", path))?;
        let claimed = length.map_or(available, |length| length / frame_bytes);
        if claimed == 0 {
            return fail(
                "the file contains no samples: the sound is empty, or the program that recorded it did not complete the file; \
                 record or save it again",
            );
        }
        Ok(Self {
            path: path.to_path_buf(),
            file: riff.into_file(),
            format,
            start: data.start,
            available: claimed.min(available) as usize,
            claimed: claimed as usize,
        })
    }

    /// Reads chunks up to the samples; returns the format of the samples and the chunk that holds them.
    fn find_samples(path: &Path, riff: &mut Riff) -> Result<(Format, Chunk)> {
        let fail = |message: String| Err(Error::signal(path, message));
        let mut format = None;
        loop {
            let chunk = riff.next_chunk().map_err(Error::io("read", path))?;
            // A `data` chunk may end beyond the file: its length is checked later.
            let is_readable = |chunk: &Chunk| &chunk.id == b"data" || chunk.end() <= riff.bytes;
            let Some(chunk) = chunk.filter(is_readable) else {
                return fail(
                    "the file ends before its samples: it is cut short or damaged; copy or download it again"
                        .to_owned(),
                );
            };
            match (&chunk.id, format) {
                (b"fmt ", None) => {
                    let contents = riff.contents(&chunk, format::EXTENSIBLE_BYTES);
                    let contents = contents.map_err(Error::io("read", path))?;
                    match Format::parse(&contents, riff.order) {
                        Ok(parsed) => format = Some(parsed),
                        Err(message) => return fail(format!("{message}; {ADVICE}")),
                    }
                }
                (b"data", Some(format)) => return Ok((format, chunk)),
                (b"data", None) => {
                    return fail(format!(
                        "the samples come before the `fmt ` chunk, which describes their encoding: the file is damaged; {ADVICE}"
                    ));
                }
                _ => {}
            }
        }
    }

    /// Returns the sample rate in Hz.
    #[must_use]
    pub fn rate(&self) -> u32 {
        self.format.rate
    }

    /// Returns the number of frames that the header claims, or of those in the file if the header has no length.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.claimed
    }

    /// Reads a range of frames. Integer samples are divided by their full scale. Samples after the range are not read.
    ///
    /// # Errors
    /// [`Error::Signal`] if the range has more than [`MAX_SAMPLES`] samples, the file ends before the range does, or a sample
    /// is not finite; [`Error::Io`] if the file cannot be read.
    pub fn read(mut self, frames: Range<usize>) -> Result<Sound> {
        let Format { rate, channels, .. } = self.format;
        let first = frames.start;
        if frames.end > self.available {
            let reason = format!(
                "the header claims {} frames, but the file is cut short, or the program that recorded it did not complete it",
                self.claimed
            );
            return Err(ends_early(&self.path, &reason, first..self.available, rate));
        }
        if frames.len().saturating_mul(channels) > MAX_SAMPLES {
            let message = format!(
                "a part of {} frames of {channels} channels is too long to be fitted, expected at most {MAX_SAMPLES} samples in \
                 all; choose a shorter part with `signal.length`",
                frames.len()
            );
            return Err(Error::signal(&self.path, message));
        }
        let sound = Sound::new(rate, channels, self.decode(frames)?)?;
        sound.check_finite(&self.path, first)?;
        Ok(sound)
    }

    /// Decodes a range of frames that the file contains; returns interleaved samples.
    fn decode(&mut self, frames: Range<usize>) -> Result<Vec<f32>> {
        let Format {
            codec,
            rate,
            channels,
            frame_bytes,
        } = self.format;
        let decode_error = |failure: Failure| {
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
        let mut decoder = decoder.map_err(decode_error)?;
        let read_error = |error| Error::io("read", &self.path)(error);
        let start = self.start + frames.start as u64 * frame_bytes as u64;
        self.file.seek(SeekFrom::Start(start)).map_err(read_error)?;
        let mut samples = Vec::with_capacity(frames.len() * channels);
        let mut bytes = vec![0; CHUNK_FRAMES * frame_bytes];
        let mut chunk = Vec::<f32>::new();
        for first in frames.clone().step_by(CHUNK_FRAMES) {
            let count = CHUNK_FRAMES.min(frames.end - first);
            let bytes = &mut bytes[..count * frame_bytes];
            self.file.read_exact(bytes).map_err(read_error)?;
            let packet = PacketRef::new(0, Timestamp::ZERO, Duration::from(count as u64), bytes);
            let decoded = decoder.decode_ref(&packet).map_err(decode_error)?;
            decoded.copy_to_vec_interleaved(&mut chunk);
            samples.extend_from_slice(&chunk);
        }
        Ok(samples)
    }
}
