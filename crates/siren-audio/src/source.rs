//! Reads the sound that a config selects: part, channels, sample rate.

use std::path::Path;

use siren_core::config::Table as _;
use siren_core::{Error, Result};

use crate::config::{AudioSignalConfig, Channels};
use crate::encoded;
use crate::resample::resampled;
use crate::sound::Sound;
use crate::tune::tune;
use crate::wav::WavFile;

impl Sound {
    /// Reads a whole sound file with all its channels: WAV, FLAC, MP3, Ogg Vorbis or AIFF. The format is recognized by the content.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::Signal`] if it has another format, is damaged, has a sample that is not finite, or
    /// has more than [`MAX_SAMPLES`](crate::sound::MAX_SAMPLES) samples.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        read_part(&AudioSignalConfig {
            path: Some(path.as_ref().to_path_buf()),
            ..AudioSignalConfig::default()
        })
    }

    /// Reads the part of a sound file that a config selects, with the channels mixed and the rate changed as the config says; the
    /// embedded piece if `signal.path` is not set.
    ///
    /// # Errors
    /// As [`open`](Self::open); [`Error::InvalidValue`] if a value is out of range, the part does not exist, or the rate cannot be converted;
    /// [`Error::Signal`] if every sample of the result is 0.
    pub fn from_config(signal: &AudioSignalConfig) -> Result<Self> {
        signal.validate()?;
        let unmixed = read_part(signal)?;
        if unmixed.peak() <= 0.0 {
            return Err(silent_part(signal));
        }
        let sound = match signal.channels {
            Channels::Mix if unmixed.channels() > 1 => unmixed.mixed(),
            Channels::Mix | Channels::Each => unmixed,
        };
        if sound.peak() <= 0.0 {
            return Err(silent_mix(signal));
        }
        match signal.rate {
            Some(rate) if rate != sound.rate() => resampled(&sound, rate),
            _ => Ok(sound),
        }
    }
}

/// Reads the part of a file, or of the embedded piece, with all its channels at its own rate.
fn read_part(signal: &AudioSignalConfig) -> Result<Sound> {
    match &signal.path {
        Some(path) if encoded::is_encoded(path) => encoded::read(path, signal),
        Some(path) => {
            let file = WavFile::open(path)?;
            let part = signal.part(file.rate(), file.frames())?;
            file.read(part)
        }
        None => {
            let tune = tune();
            Ok(tune.part(signal.part(tune.rate(), tune.frames())?))
        }
    }
}

/// Builds the error for a part in which every sample is 0.
fn silent_part(signal: &AudioSignalConfig) -> Error {
    let message = "nothing is heard, every sample is 0; choose another part with `signal.start` and `signal.length`";
    silent(signal, message)
}

/// Builds the error for channels whose mean is 0 everywhere, although they are not silent themselves.
fn silent_mix(signal: &AudioSignalConfig) -> Error {
    let message = "the channels cancel each other, so that their mean is silent; fit every channel with `signal.channels = \"each\"`";
    silent(signal, message)
}

fn silent(signal: &AudioSignalConfig, message: &str) -> Error {
    match &signal.path {
        Some(path) => Error::signal(path, message),
        None => Error::invalid(
            "signal.start",
            signal.start,
            "a part of the piece that is not silent",
        ),
    }
}
