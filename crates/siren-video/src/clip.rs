//! A clip in memory, at 8 bits per channel.

use image::RgbImage;
use image::imageops::{self, FilterType};
use siren_core::{Error, Result};
use siren_picture::Size;
use siren_picture::memory::available_memory;
use siren_picture::picture::MAX_SIDE;

use crate::config::VideoSignal;
use crate::frames::{open, size_of};

/// Largest number of channels of a clip: red, green and blue.
pub const CHANNELS: usize = 3;

/// A sequence of frames of equal size.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// Number of frames.
    pub frames: usize,
    /// Rows per frame.
    pub height: usize,
    /// Columns per frame.
    pub width: usize,
    /// 3 for red, green and blue, 1 for gray.
    pub channels: usize,
    /// Frame rate, in frames per second.
    pub rate: f64,
    /// Levels from 0 to 255, `(frames, height, width, channels)`.
    pub values: Vec<u8>,
    /// Remarks on the file for the user.
    pub notes: Vec<String>,
}

impl Clip {
    /// Reads the part of a clip that a config selects, and crops and resizes its frames.
    ///
    /// # Errors
    /// If the clip cannot be read, if it does not contain the selected part, if its frames differ in size, or if the result does not
    /// fit into the available memory. Where the file states its length, memory is checked before any frame is decoded.
    pub fn open(signal: &VideoSignal) -> Result<Self> {
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
            values: Vec::new(),
            notes: Vec::new(),
        };
        let memory = available_memory();
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
            let Some(frame) = frames.next()? else { break };
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
        &self.values[index * len..(index + 1) * len]
    }

    /// Keeps the notes of the reader, and a note of its own if the clip is black.
    fn note(&mut self, signal: &VideoSignal, notes: &[String]) {
        let Some(path) = &signal.path else { return };
        let is_black = self.values.iter().all(|&level| level <= 1);
        let black = is_black.then_some("the clip is black: all its levels are 0 or 1 of 255");
        for note in notes.iter().map(String::as_str).chain(black) {
            self.notes.push(format!("note: {}: {note}", path.display()));
        }
    }

    fn push(&mut self, frame: &RgbImage, memory: u64) -> Result<()> {
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
            self.values.extend_from_slice(frame);
        } else {
            self.values.extend(frame.pixels().map(|pixel| pixel.0[0]));
        }
        self.frames += 1;
        Ok(())
    }

    /// Returns an error if `frames` frames of this clip's size take more than `memory` bytes.
    fn check_memory(&self, frames: u64, memory: u64) -> Result<()> {
        let bytes = frames.saturating_mul((self.height * self.width * self.channels) as u64);
        if bytes <= memory {
            return Ok(());
        }
        let mib = |bytes: u64| bytes >> 20;
        let expected = format!(
            "a clip that fits into the {} MiB of free memory: {frames} frames of {} × {} pixels (height × width) take {} MiB; select \
             fewer frames (`signal.length`, `signal.stride`) or make them smaller (`signal.resize`)",
            mib(memory),
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

/// Crops a frame to `signal.crop`, then resizes it to `signal.resize` by linear interpolation.
fn crop_and_resize(signal: &VideoSignal, frame: RgbImage) -> Result<RgbImage> {
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
fn size_after_crop_and_resize(signal: &VideoSignal, original: Size) -> Result<Size> {
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
fn missing_part(signal: &VideoSignal, seconds: f64) -> Error {
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
