//! Which sound a config names, and what is done to it before it is fitted.

use siren_core::{Error, Result};

use crate::config::{AudioSignal, Channels};
use crate::encoded;
use crate::resample::resampled;
use crate::sound::Sound;
use crate::tune::tune;
use crate::wav::WavFile;

/// The part of the sound that is fitted, in the channels and at the rate that are; not silent.
pub(crate) fn open_sound(signal: &AudioSignal) -> Result<Sound> {
    let whole = match &signal.path {
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
    let is_heard = whole.peak() > 0.0;
    let sound = match signal.channels {
        Channels::Mix if whole.channels > 1 => whole.mixed(),
        Channels::Mix | Channels::Each => whole,
    };
    if sound.peak() <= 0.0 {
        return Err(silent(signal, is_heard));
    }
    match signal.rate {
        Some(rate) if rate != sound.rate => resampled(&sound, rate),
        _ => Ok(sound),
    }
}

/// The error for a sound in which nothing is heard.
fn silent(signal: &AudioSignal, is_heard_apart: bool) -> Error {
    let message = if is_heard_apart {
        "the channels cancel each other, so that their mean is silent; fit both with `signal.channels = \"each\"`"
    } else {
        "nothing is heard, every sample is 0; choose another part with `signal.start` and `signal.length`"
    };
    match &signal.path {
        Some(path) => Error::signal(path, message),
        None => Error::invalid(
            "signal.start",
            signal.start,
            "a part of the piece that is not silent",
        ),
    }
}
