//! Sounds as fields: `Φ: time ∈ [−1, 1] → channels`, fitted on samples (Sitzmann et al. 2020, §4.1 and supplement).
//!
//! A [`Sound`](sound::Sound) becomes a signal by the [`config::AudioSignal`] table; [`Audio`] is the domain that the run
//! loop drives; [`render()`](render::render) writes a fitted field as a WAV file at any rate.
//!
//! The authors stretch time to [−100, 100] and keep ω₀ = 30; their notebook has [−1, 1] and a first ω₀ of 3000, which is
//! the same first layer up to its biases. Coordinates are [−1, 1] here as in every domain, so `field.first_omega_0` is
//! what tells a sound from a picture: the first layer spans frequencies up to `first_omega_0 / (π · seconds)` Hz.

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod config;
#[cfg(feature = "cli")]
mod domain;
mod draw;
mod encoded;
mod evaluate;
pub mod render;
mod resample;
pub mod signal;
pub mod sound;
mod source;
pub mod tune;
pub mod wav;

pub use self::signal::Audio;
