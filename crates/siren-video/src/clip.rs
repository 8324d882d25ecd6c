//! A clip in memory, at 8 bits per channel.

use std::path::Path;

use image::RgbImage;
use image::imageops::{self, FilterType};
use siren_core::config::Table as _;
use siren_core::{Error, Result};
use siren_picture::Size;
use siren_picture::memory::available_memory;
use siren_picture::picture::MAX_SIDE;

use crate::config::VideoSignalConfig;
use crate::frames::{open, size_of};
use crate::render::check_rate;

/// Largest number of channels of a clip: red, green and blue.
pub const CHANNELS: usize = 3;

/// A sequence of at least one frame, all of one size.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    frames: usize,
    height: usize,
    width: usize,
    /// 3 for red, green and blue, 1 for gray.
    channels: usize,
    /// Frame rate, in frames per second.
    rate: f64,
    /// Levels from 0 to 255, `(frames, height, width, channels)`.
    levels: Vec<u8>,
    /// Remarks on the file for the user.
    notes: Vec<String>,
}

impl Clip {
    /// Makes a clip of levels from 0 to 255, `(frames, height, width, channels)`, at `rate` frames per second. It has 3 channels, red, green
    /// and blue, or 1 for gray.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if the rate is not above 0 and at most [`MAX_RATE`](crate::config::MAX_RATE), or the number of channels is not 1 or 3; [`Error::Shape`]
    /// if there is no pixel, or the number of levels is not `frames × height × width × channels`.
    pub fn new(
        frames: usize,
        height: usize,
        width: usize,
        channels: usize,
        rate: f64,
        levels: Vec<u8>,
    ) -> Result<Self> {
        check_rate(rate)?;
        if channels != 1 && channels != CHANNELS {
            let expected = "1 channel for gray, or 3 for red, green and blue";
            return Err(Error::invalid("channels", channels, expected));
        }
        let sides = [height, width, channels];
        let count = sides
            .iter()
            .try_fold(frames, |n, &side| n.checked_mul(side));
        if levels.is_empty() || count != Some(levels.len()) {
            return Err(Error::Shape {
                what: "levels of a clip",
                expected: format!(
                    "{frames} × {height} × {width} × {channels} of them (frames × height × width × channels), at least one"
                ),
                got: levels.len().to_string(),
            });
        }
        Ok(Self {
            frames,
            height,
            width,
            channels,
            rate,
            levels,
            notes: Vec::new(),
        })
    }

    /// Reads a whole clip at its own rate and size: a folder of pictures, a GIF, a Y4M file, a NumPy array, or, with the feature `ffmpeg`, any
    /// file that FFmpeg opens.
    ///
    /// # Errors
    /// As [`from_config`](Self::from_config).
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::from_config(&VideoSignalConfig {
            path: Some(path.as_ref().to_path_buf()),
            ..VideoSignalConfig::default()
        })
    }

    /// Reads the part of a clip that a config selects, and crops and resizes its frames; the embedded clip if `signal.path` is not set.
    ///
    /// # Errors
    /// If a value of the config is out of range, if the clip cannot be read, if it does not contain the selected part, if its frames differ in size, or if the result does not
    /// fit into the available memory. Where the file states its length, memory is checked before any frame is decoded.
    pub fn from_config(signal: &VideoSignalConfig) -> Result<Self> {
        signal.validate()?;
        let mut frames = open(signal)?;
        let rate = frames.rate();
        let first = (signal.start * rate).round() as u64;
        let selected = signal
            .length
            .map(|length| (length * rate).round().max(1.0) as u64);
        let mut clip = Self {
            frames: 0,
            height: 0,
            width: 0,
            channels: frames.channels(),
            rate: rate / signal.stride as f64,
            levels: Vec::new(),
            notes: Vec::new(),
        };
        let memory = Room::for_clip(frames.max_bytes());
        if let (Some(count), Some(size)) = (frames.count(), frames.size()) {
            let Size { height, width } = size_after_crop_and_resize(signal, size)?;
            let remaining = (count as u64).saturating_sub(first);
            let part = selected.map_or(remaining, |selected| selected.min(remaining));
            let whole = Self {
                height,
                width,
                ..clip.clone()
            };
            whole.check_memory(part.div_ceil(signal.stride as u64), memory)?;
        }
        let mut index = 0;
        while selected.is_none_or(|selected| index < first + selected) {
            let Some(frame) = frames.read_next()? else {
                break;
            };
            let is_kept = index >= first && (index - first).is_multiple_of(signal.stride as u64);
            index += 1;
            if !is_kept {
                continue;
            }
            let frame = crop_and_resize(signal, frame)?;
            if clip.frames == 0 {
                Size {
                    height: clip.height,
                    width: clip.width,
                } = size_of(&frame);
            }
            clip.push(&frame, memory)?;
        }
        if clip.frames > 0 && selected.is_none_or(|selected| index >= first + selected) {
            clip.note(signal, &frames.notes());
            return Ok(clip);
        }
        Err(missing_part(signal, index as f64 / rate))
    }

    /// Returns the number of frames.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Returns the height of a frame, in pixels.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Returns the width of a frame, in pixels.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns the size of a frame.
    #[must_use]
    pub fn size(&self) -> Size {
        Size {
            height: self.height,
            width: self.width,
        }
    }

    /// Returns the number of channels: 3 for red, green and blue, 1 for gray.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Returns the frame rate, in frames per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Returns the levels from 0 to 255, `(frames, height, width, channels)`.
    #[must_use]
    pub fn levels(&self) -> &[u8] {
        &self.levels
    }

    /// Returns the levels `(frames, height, width, channels)` without a copy.
    #[must_use]
    pub fn into_levels(self) -> Vec<u8> {
        self.levels
    }

    /// Returns remarks on the file for the user, such as that it is interlaced.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns the number of voxels: frames × rows × columns.
    #[must_use]
    pub fn voxels(&self) -> usize {
        self.frames * self.height * self.width
    }

    /// Returns the levels of one frame, `(height, width, channels)`.
    ///
    /// # Panics
    /// If `index` is not below the number of frames.
    #[must_use]
    pub fn frame(&self, index: usize) -> &[u8] {
        let len = self.height * self.width * self.channels;
        &self.levels[index * len..(index + 1) * len]
    }

    /// Keeps the notes of the reader, and a note of its own if the clip is black.
    fn note(&mut self, signal: &VideoSignalConfig, notes: &[String]) {
        let Some(path) = &signal.path else { return };
        let is_black = self.levels.iter().all(|&level| level <= 1);
        let black = is_black.then_some("the clip is black: all its levels are 0 or 1 of 255");
        for note in notes.iter().map(String::as_str).chain(black) {
            self.notes.push(format!("note: {}: {note}", path.display()));
        }
    }

    fn push(&mut self, frame: &RgbImage, memory: Room) -> Result<()> {
        let Size { height, width } = size_of(frame);
        if (height, width) != (self.height, self.width) {
            return Err(Error::Shape {
                what: "frames of a clip",
                expected: format!(
                    "{} × {} pixels as in the first frame (height × width)",
                    self.height, self.width
                ),
                got: format!("{height} × {width} at frame {}", self.frames),
            });
        }
        self.check_memory(self.frames as u64 + 1, memory)?;
        if self.channels == CHANNELS {
            self.levels.extend_from_slice(frame);
        } else {
            self.levels.extend(frame.pixels().map(|pixel| pixel.0[0]));
        }
        self.frames += 1;
        Ok(())
    }

    /// Returns an error if `frames` frames of this clip's size do not fit into the memory.
    fn check_memory(&self, frames: u64, memory: Room) -> Result<()> {
        let bytes = frames.saturating_mul((self.height * self.width * self.channels) as u64);
        if bytes <= memory.bytes {
            return Ok(());
        }
        let mib = |bytes: u64| bytes >> 20;
        let expected = format!(
            "a clip that fits into {} MiB, {}: {frames} frames of {} × {} pixels (height × width) take {} MiB; select \
             fewer frames (`signal.length`, `signal.stride`) or make them smaller (`signal.resize`)",
            mib(memory.bytes),
            memory.what,
            self.height,
            self.width,
            mib(bytes)
        );
        Err(Error::invalid(
            "signal.length",
            format!("{frames} frames"),
            &expected,
        ))
    }
}

/// Memory for a clip.
#[derive(Clone, Copy, Debug)]
struct Room {
    bytes: u64,
    /// What bounds it.
    what: &'static str,
}

impl Room {
    /// Returns the free memory, or what a clip of the format may take, if that is less.
    fn for_clip(max_bytes: Option<u64>) -> Self {
        let bytes = available_memory();
        match max_bytes {
            Some(most) if most < bytes => Self {
                bytes: most,
                what: "the most to which a file of this format may unfold",
            },
            _ => Self {
                bytes,
                what: "the free memory",
            },
        }
    }
}

/// Crops a frame to `signal.crop`, then resizes it to `signal.resize` by linear interpolation.
fn crop_and_resize(signal: &VideoSignalConfig, frame: RgbImage) -> Result<RgbImage> {
    let Size { height, width } = size_after_crop_and_resize(signal, size_of(&frame))?;
    let (height, width) = (height as u32, width as u32);
    let mut frame = frame;
    if let Some(side) = signal.crop {
        let side = side as u32;
        let (left, top) = ((frame.width() - side) / 2, (frame.height() - side) / 2);
        frame = imageops::crop_imm(&frame, left, top, side, side).to_image();
    }
    if frame.dimensions() == (width, height) {
        return Ok(frame);
    }
    Ok(imageops::resize(
        &frame,
        width,
        height,
        FilterType::Triangle,
    ))
}

/// Returns the size of a frame of size `original` after `signal.crop` and `signal.resize`.
fn size_after_crop_and_resize(signal: &VideoSignalConfig, original: Size) -> Result<Size> {
    let Size {
        mut height,
        mut width,
    } = original;
    if let Some(side) = signal.crop {
        if side > height.min(width) {
            let expected =
                format!("at most the frame's {height} × {width} pixels (height × width)");
            return Err(Error::invalid("signal.crop", side, &expected));
        }
        (height, width) = (side, side);
    }
    let Some(side) = signal.resize else {
        return Ok(Size { height, width });
    };
    let shorter = height.min(width) as u64;
    let scaled = |length: usize| (side as u64 * length as u64 / shorter) as usize;
    let (height, width) = (scaled(height), scaled(width));
    if height.max(width) > MAX_SIDE {
        let expected = format!(
            "a shorter side whose frames have at most {MAX_SIDE} pixels a side; this one gives {height} × {width} (height × width)"
        );
        return Err(Error::invalid("signal.resize", side, &expected));
    }
    Ok(Size { height, width })
}

/// Returns the error for a part (`signal.start`, `signal.length`) beyond the end of a clip that lasts `seconds`.
fn missing_part(signal: &VideoSignalConfig, seconds: f64) -> Error {
    let seconds = (seconds * 1e3).floor() / 1e3;
    if signal.start > 0.0 && seconds <= signal.start {
        let expected = format!("less than the clip's duration of {seconds} seconds");
        return Error::invalid("signal.start", signal.start, &expected);
    }
    match (&signal.path, signal.length) {
        (_, Some(length)) if seconds > 0.0 => {
            let remaining = ((seconds - signal.start) * 1e3).round() / 1e3;
            let expected =
                format!("at most the {remaining} seconds of the clip after `signal.start`");
            Error::invalid("signal.length", length, &expected)
        }
        (Some(path), _) => Error::signal(path, "has no frames; give a clip of at least one frame"),
        (None, _) => Error::invalid("signal.start", signal.start, "a time within the clip"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_rejects_an_invalid_rate_channel_count_or_level_count() {
        let clip = |frames, channels, rate, levels| {
            Clip::new(frames, 2, 3, channels, rate, vec![9; levels]).map_err(|e| e.to_string())
        };
        for (result, message) in [
            (clip(1, 0, 25.0, 6), "`channels` is 0, expected 1 channel"),
            (clip(1, 2, 25.0, 12), "`channels` is 2"),
            (clip(1, 1, 0.0, 6), "`rate` is 0"),
            (clip(1, 1, f64::NAN, 6), "`rate` is NaN"),
            (clip(2, 3, 25.0, 35), "2 × 2 × 3 × 3 of them"),
            (clip(0, 3, 25.0, 0), "at least one, got 0"),
            (clip(usize::MAX, 3, 25.0, 6), "got 6"),
        ] {
            let error = result.unwrap_err();
            assert!(error.contains(message), "{error}");
        }
        let clip = clip(2, 3, 25.0, 36).unwrap();
        assert_eq!((clip.frames(), clip.height(), clip.width()), (2, 2, 3));
        assert_eq!((clip.voxels(), clip.frame(1).len()), (12, 18));
    }
}
