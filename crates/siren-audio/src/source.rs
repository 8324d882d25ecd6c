//! Opens the sound that a config names and prepares it for the fit: part, channels, sample rate.

use siren_core::{Error, Result};

use crate::config::{AudioSignal, Channels};
use crate::encoded;
use crate::resample::resampled;
use crate::sound::Sound;
use crate::tune::tune;
use crate::wav::WavFile;

/// Reads the part of the sound that is fitted, with the channels mixed and the rate changed as the config says.
///
/// # Errors
/// If the file cannot be read, the part does not exist, every sample of the result is 0, or the rate cannot be converted.
pub(crate) fn open_sound(signal: &AudioSignal) -> Result<Sound> {
    let unmixed = match &signal.path {
        Some(path) if encoded::is_encoded(path) => encoded::read(path, signal)?,
        Some(path) => {
            let file = WavFile::open(path)?;
            let part = signal.part(file.rate(), file.frames())?;
            file.read(part)?
        }
        None => {
            let tune = tune();
            tune.part(signal.part(tune.rate, tune.frames())?)
        }
    };
    if unmixed.peak() <= 0.0 {
        return Err(silent_part(signal));
    }
    let sound = match signal.channels {
        Channels::Mix if unmixed.channels > 1 => unmixed.mixed()?,
        Channels::Mix | Channels::Each => unmixed,
    };
    if sound.peak() <= 0.0 {
        return Err(silent_mix(signal));
    }
    match signal.rate {
        Some(rate) if rate != sound.rate => resampled(&sound, rate),
        _ => Ok(sound),
    }
}

/// Builds the error for a part in which every sample is 0.
fn silent_part(signal: &AudioSignal) -> Error {
    let message = "nothing is heard, every sample is 0; choose another part with `signal.start` and `signal.length`";
    silent(signal, message)
}

/// Builds the error for channels whose mean is 0 everywhere, although they are not silent themselves.
fn silent_mix(signal: &AudioSignal) -> Error {
    let message = "the channels cancel each other, so that their mean is silent; fit every channel with `signal.channels = \"each\"`";
    silent(signal, message)
}

fn silent(signal: &AudioSignal, message: &str) -> Error {
    match &signal.path {
        Some(path) => Error::signal(path, message),
        None => Error::invalid(
            "signal.start",
            signal.start,
            "a part of the piece that is not silent",
        ),
    }
}
