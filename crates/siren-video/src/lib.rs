//! Clips as fields: `Φ: (time, row, column) ∈ [−1, 1]³ → color`, fitted to voxels (Sitzmann et al. 2020, §4.1 and supplement).
//!
//! A [`Clip`] is read from a file or made of levels in memory, 8 bits per channel. [`Video`] is the clip as a fitting problem for
//! [`siren_core::train::Fit`]; it draws voxels (pixels of frames) for every step. A [`ClipField`] is the fitted field: it has values and
//! derivatives at any time and place, is rendered at any frame rate and size, in memory or to a file, and is one `.safetensors` file on
//! disk.
//!
//! ```no_run
#![doc = include_str!("../examples/fit_clip.rs")]
//! ```
//!
//! # Config
//!
//! A config of `kind = "video"` has these keys in `[signal]`, a [`VideoSignalConfig`]:
//!
//! | key | default | meaning |
//! |---|---|---|
//! | `path = "clip.gif"` | the embedded clip | folder of pictures, GIF, Y4M file, NumPy array, or, with the feature `ffmpeg`, any video file |
//! | `size = 32` | `64` | side of the embedded clip, in pixels |
//! | `rate = 10.0` | 25 for folders and arrays, else that of the file | frame rate to which the clip is resampled, in frames per second |
//! | `start = 0.5` | `0.0` | start of the part that is fitted, in seconds |
//! | `length = 2.0` | to the end | duration of that part, in seconds |
//! | `stride = 2` | `1` | fits only every n-th frame |
//! | `crop = 128` | no cropping | side of the square at the center to which frames are cropped, in pixels |
//! | `resize = 64` | no resizing | shorter side to which frames are resized after cropping, in pixels |
//! | `coordinates = "aspect"` | `"stretch"` | `"stretch"`: every axis spans [−1, 1]; `"aspect"`: the longest axis does, and all have its spacing |
//! | `sampling = { subset = { points = 4096 } }` | `{ subset = { points = 16384, replacement = true } }` | voxels of each step: `"whole"`, or a random subset |
//! | `evaluated_frames = 8` | `16` | number of frames that are evaluated, evenly spaced |
//!
//! `[objective]`, a [`VideoObjectiveConfig`], has no keys: the loss is the mean squared error of the pixels. [`Video::new`] uses
//! `coordinates`, `sampling` and `evaluated_frames` alone; the other keys say what [`Clip::from_config`] reads.
//!
//! # Features
//!
//! `cli` (default) adds the program `siren-video` and, with `siren-run`, [`Video`] as a domain of runs. Without it the crate is a library on
//! `siren-core`. `ffmpeg` reads every clip that FFmpeg opens and writes MP4; it needs FFmpeg's development libraries.

#![forbid(unsafe_code)]
#![deny(clippy::print_stdout, clippy::print_stderr)]

#[cfg(feature = "cli")]
mod artifacts;
pub mod clip;
pub mod config;
#[cfg(feature = "cli")]
mod domain;
mod evaluate;
mod field;
pub mod frames;
#[cfg(feature = "cli")]
mod program;
pub mod render;
mod scene;
pub mod signal;
pub mod sink;
mod voxels;
#[cfg(not(feature = "ffmpeg"))]
mod without_ffmpeg;

pub use siren_picture::{ColorMode, Picture, Size};

pub use self::clip::Clip;
pub use self::config::{VideoObjectiveConfig, VideoSignalConfig};
pub use self::field::ClipField;
#[cfg(feature = "cli")]
pub use self::program::PROGRAM;
pub use self::render::{Playback, VideoMetadata};
pub use self::signal::Video;

/// The code of the README, which is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
