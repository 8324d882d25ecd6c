//! Sounds as fields: `Φ: time ∈ [−1, 1] → channels`, fitted to samples (Sitzmann et al. 2020, §4.1 and supplement).
//!
//! A [`Sound`] is read from a file (WAV, FLAC, MP3, Ogg Vorbis, AIFF) or made of samples in memory. [`Audio`] is the sound as a fitting
//! problem for [`siren_core::train::Fit`]. A [`SoundField`] is the fitted field: it has values and derivatives at any time, is rendered at
//! any sample rate, in memory or to a WAV file, and is one `.safetensors` file on disk.
//!
//! ```no_run
#![doc = include_str!("../examples/fit_sound.rs")]
//! ```
//!
//! # Choice of ω₀
//!
//! The authors stretch time to [−100, 100] and keep ω₀ = 30; their notebook has [−1, 1] and a first ω₀ of 3000, which is the same first
//! layer except for its biases. Coordinates are in [−1, 1] here as in every domain, and the first layer of a sound spans frequencies up to
//! `first_omega_0 / (π · seconds)` Hz. [`Audio::recipe`] chooses `first_omega_0` by the duration; in a config it must be set.
//!
//! # Config
//!
//! A config of `kind = "audio"` has these keys in `[signal]`, an [`AudioSignalConfig`]:
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `path = "music.flac"` | the embedded piece | sound file: WAV, FLAC, MP3, Ogg Vorbis or AIFF |
//! | `start = 0.5` | `0.0` | start of the part that is fitted, in seconds |
//! | `length = 2.0` | to the end | duration of that part, in seconds |
//! | `rate = 16000` | rate of the file | sample rate to which the part is resampled, in Hz |
//! | `channels = "each"` | `"mix"` | `"mix"`: the mean of the channels is fitted; `"each"`: every channel is an output of the field |
//! | `sampling = { subset = { points = 8192 } }` | `"whole"` | samples of each step: all, or a random subset of `points`, with `replacement = true` if a sample may come twice |
//!
//! `[objective]`, an [`AudioObjectiveConfig`], has no keys: the loss is the mean squared error of the amplitude. [`Audio::new`] uses
//! `sampling` alone; the other keys say what [`Sound::from_config`] reads.
//!
//! # Features
//!
//! `cli` (default) adds the program `siren-audio` and, with `siren-run`, [`Audio`] as a domain of runs. Without it the crate is a library on
//! `siren-core`.

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

#[cfg(feature = "cli")]
mod artifacts;
pub mod config;
#[cfg(feature = "cli")]
mod domain;
#[cfg(feature = "cli")]
mod draw;
mod encoded;
mod evaluate;
mod field;
#[cfg(feature = "cli")]
mod program;
pub mod render;
mod resample;
pub mod signal;
pub mod sound;
mod source;
mod tune;
pub mod wav;

pub use self::config::{AudioObjectiveConfig, AudioSignalConfig, Channels};
pub use self::field::SoundField;
#[cfg(feature = "cli")]
pub use self::program::PROGRAM;
pub use self::render::{AudioMetadata, Timeline};
pub use self::signal::Audio;
pub use self::sound::Sound;
pub use self::tune::tune;

/// The code of the README, which is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
