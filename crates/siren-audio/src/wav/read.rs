//! Reading a WAV file: the header is judged before any sample is read, and errors say what to do.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::ops::Range;
use std::path::{Path, PathBuf};

use hound::{Sample, SampleFormat, WavReader};
use siren_core::{Error, Result};

use crate::sound::{MAX_CHANNELS, MAX_RATE, MAX_VALUES, Sound};

const FORMATS: &str = "integer PCM of 8, 16, 24 or 32 bits or 32-bit float";
const ADVICE: &str = "convert it, for example with `ffmpeg -i OLD -c:a pcm_f32le NEW.wav`";

/// A WAV file whose header is known to be good.
pub struct WavFile {
    path: PathBuf,
    reader: WavReader<BufReader<File>>,
    /// In the file.
    bytes: u64,
}

impl WavFile {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::Signal`] if it is a folder, empty, no WAV file, damaged, of
    /// another encoding than integer PCM of 8, 16, 24 or 32 bits or 32-bit float, or without samples.
    pub fn open(path: &Path) -> Result<Self> {
        let metadata = fs::metadata(path).map_err(Error::io("open", path))?;
        if metadata.is_dir() {
            let message = "is a folder, expected a sound; give a WAV file";
            return Err(Error::signal(path, message));
        }
        if metadata.len() == 0 {
            let message = "the file is empty (0 bytes); give a WAV file";
            return Err(Error::signal(path, message));
        }
        let file = File::open(path).map_err(Error::io("open", path))?;
        let reader = WavReader::new(BufReader::new(file)).map_err(|error| header(path, error))?;
        let file = Self {
            path: path.to_path_buf(),
            reader,
            bytes: metadata.len(),
        };
        file.check()?;
        Ok(file)
    }

    /// Frames a second.
    #[must_use]
    pub fn rate(&self) -> u32 {
        self.reader.spec().sample_rate
    }

    /// How many frames there are, as the header says.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.reader.duration() as usize
    }

    fn check(&self) -> Result<()> {
        let spec = self.reader.spec();
        let fail = |message: String| Err(Error::signal(&self.path, message));
        let is_known = match spec.sample_format {
            SampleFormat::Int => [8, 16, 24, 32].contains(&spec.bits_per_sample),
            SampleFormat::Float => spec.bits_per_sample == 32,
        };
        if !is_known {
            let (bits, format) = (spec.bits_per_sample, spec.sample_format);
            return fail(format!(
                "samples of {bits} bits ({format:?}) are not read here, only {FORMATS}; {ADVICE}"
            ));
        }
        if !(1..=MAX_RATE).contains(&spec.sample_rate) {
            return fail(format!(
                "the header claims {} samples a second, expected 1 to {MAX_RATE}; {ADVICE}",
                spec.sample_rate
            ));
        }
        if usize::from(spec.channels) > MAX_CHANNELS {
            return fail(format!(
                "the header claims {} channels, expected 1 to {MAX_CHANNELS}; {ADVICE}",
                spec.channels
            ));
        }
        if self.frames() == 0 {
            return fail(
                "the header claims no samples at all: the sound is empty, or was never completed by the program that \
                 recorded it; save it again"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Some of the frames that the header claims, integers divided by their full scale. What comes after them is not
    /// looked at.
    ///
    /// # Errors
    /// [`Error::Signal`] if there are too many for a fit, the file ends before the last of them, or a sample is not a
    /// finite number.
    pub fn read(mut self, frames: Range<usize>) -> Result<Sound> {
        let spec = self.reader.spec();
        let channels = usize::from(spec.channels);
        let count = frames.len().saturating_mul(channels);
        if count > MAX_VALUES {
            let message = format!(
                "a part of {} frames of {channels} channels is too long to be fitted, expected at most {MAX_VALUES} \
                 samples in all; fit a shorter one with `signal.length`",
                frames.len()
            );
            return Err(Error::signal(&self.path, message));
        }
        let values = frames.start * channels..frames.end * channels;
        let values = match spec.sample_format {
            SampleFormat::Float => self.values(values, |y: f32| y)?,
            SampleFormat::Int => {
                let full_scale = 2f64.powi(i32::from(spec.bits_per_sample) - 1);
                self.values(values, |y: i32| (f64::from(y) / full_scale) as f32)?
            }
        };
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let seconds = (frames.start + at / channels) as f64 / f64::from(spec.sample_rate);
            let message = format!(
                "a sample at {seconds} seconds is {}, not a finite number; repair it in an editor, or leave it out with \
                 `signal.start` and `signal.length`",
                values[at]
            );
            return Err(Error::signal(&self.path, message));
        }
        Ok(Sound {
            rate: spec.sample_rate,
            channels,
            values,
        })
    }

    fn values<S: Sample>(
        &mut self,
        range: Range<usize>,
        amplitude: impl Fn(S) -> f32,
    ) -> Result<Vec<f32>> {
        // A header may claim what it likes; no sample is shorter than a byte.
        let capacity = range.len().min(self.bytes as usize);
        let mut values = Vec::with_capacity(capacity);
        let samples = self.reader.samples::<S>().take(range.end);
        for (at, sample) in samples.enumerate() {
            match sample {
                Ok(_) if at < range.start => {}
                Ok(sample) => values.push(amplitude(sample)),
                Err(error) => return Err(self.cut(at, error)),
            }
        }
        Ok(values)
    }

    /// The error for a sample that cannot be read.
    fn cut(&self, at: usize, error: hound::Error) -> Error {
        let spec = self.reader.spec();
        match error {
            hound::Error::IoError(error) if is_end(&error) => {
                let message = format!(
                    "the header claims {} frames, but the file ends after {}: it is cut short, or was never completed by \
                     the program that recorded it; copy it again, or fit a part of what is there with `signal.length`",
                    self.frames(),
                    at / usize::from(spec.channels)
                );
                Error::signal(&self.path, message)
            }
            hound::Error::IoError(error) => Error::io("read", &self.path)(error),
            other => {
                let message = format!(
                    "samples of this kind are not read here ({other}), only {FORMATS}; {ADVICE}"
                );
                Error::signal(&self.path, message)
            }
        }
    }
}

/// Whether the file ended; the system's own errors have a number.
fn is_end(error: &io::Error) -> bool {
    error.raw_os_error().is_none()
}

/// The error for a header that cannot be read.
fn header(path: &Path, error: hound::Error) -> Error {
    let message = match error {
        hound::Error::IoError(error) if is_end(&error) => {
            "the file ends before its samples: it is cut short; copy or download it again"
                .to_owned()
        }
        hound::Error::IoError(error) => return Error::io("read", path)(error),
        hound::Error::FormatError("no RIFF tag found" | "no WAVE tag found") => {
            format!("not a WAV file; {ADVICE}")
        }
        hound::Error::FormatError(what) if what.starts_with("data chunk") => format!(
            "the header claims a length that cannot be ({what}): it is damaged, or was never completed by the program that \
             recorded it; save it again"
        ),
        other => format!(
            "cannot be read as WAV ({other}): the header is damaged, or the samples are not {FORMATS}; {ADVICE}"
        ),
    };
    Error::signal(path, message)
}
