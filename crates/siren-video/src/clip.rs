//! A clip in memory: one byte a channel, as it is shown.

use image::RgbImage;
use image::imageops::{self, FilterType};
use siren_core::run::{available_memory, console};
use siren_core::{Error, Result};
use siren_picture::picture::MAX_SIDE;

use crate::config::VideoSignal;
use crate::frames::open;

/// Most channels of a clip: red, green and blue.
pub const CHANNELS: usize = 3;

/// Frames of one size, one after the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Clip {
    /// How many.
    pub frames: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// 3 for red, green and blue, 1 for gray.
    pub channels: usize,
    /// Frames a second.
    pub rate: f64,
    /// `(frames, height, width, channels)`; 255 is full.
    pub values: Vec<u8>,
}

impl Clip {
    /// The part of the clip that a config names, cropped and resized.
    ///
    /// # Errors
    /// If the clip cannot be read, has no such part, its frames differ in size, or it does not fit into memory; the last is
    /// said before anything is decoded where the file tells how long it is.
    pub fn open(signal: &VideoSignal) -> Result<Self> {
        let mut frames = open(signal)?;
        let rate = frames.rate();
        let first = (signal.start * rate).round() as u64;
        let wanted = signal
            .length
            .map(|length| (length * rate).round().max(1.0) as u64);
        let mut clip = Self {
            frames: 0,
            height: 0,
            width: 0,
            channels: frames.channels(),
            rate: rate / signal.stride as f64,
            values: Vec::new(),
        };
        let memory = available_memory();
        if let (Some(count), Some(size)) = (frames.count(), frames.size()) {
            let (width, height) = prepared_size(signal, size)?;
            let left = (count as u64).saturating_sub(first);
            let part = wanted.map_or(left, |wanted| wanted.min(left));
            let whole = Self {
                height: height as usize,
                width: width as usize,
                ..clip.clone()
            };
            whole.fits(part.div_ceil(signal.stride as u64), memory)?;
        }
        let mut at = 0;
        while wanted.is_none_or(|wanted| at < first + wanted) {
            let Some(frame) = frames.next()? else { break };
            let is_kept = at >= first && (at - first).is_multiple_of(signal.stride as u64);
            at += 1;
            if !is_kept {
                continue;
            }
            let frame = prepared(signal, frame)?;
            if clip.frames == 0 {
                (clip.height, clip.width) = (frame.height() as usize, frame.width() as usize);
            }
            clip.push(&frame, memory)?;
        }
        if clip.frames > 0 && wanted.is_none_or(|wanted| at >= first + wanted) {
            clip.tell(signal, &frames.notes());
            return Ok(clip);
        }
        Err(no_such_part(signal, at as f64 / rate))
    }

    /// Voxels.
    #[must_use]
    pub fn voxels(&self) -> usize {
        self.frames * self.height * self.width
    }

    /// One frame, `(height, width, channels)`.
    ///
    /// # Panics
    /// If there is no such frame.
    #[must_use]
    pub fn frame(&self, at: usize) -> &[u8] {
        let len = self.height * self.width * self.channels;
        &self.values[at * len..(at + 1) * len]
    }

    /// Tells the user what was made of the file, and what it holds if that is hardly meant.
    fn tell(&self, signal: &VideoSignal, notes: &[String]) {
        let Some(path) = &signal.path else { return };
        let is_black = self.values.iter().all(|&level| level <= 1);
        let black = is_black.then_some("all its levels are 0 or 1 of 255: it is black");
        for note in notes.iter().map(String::as_str).chain(black) {
            console::note(format_args!("note: {}: {note}", path.display()));
        }
    }

    fn push(&mut self, frame: &RgbImage, memory: u64) -> Result<()> {
        let (height, width) = (frame.height() as usize, frame.width() as usize);
        if (height, width) != (self.height, self.width) {
            return Err(Error::Shape {
                what: "frames of a clip",
                expected: format!(
                    "{} × {} pixels as the first (height × width)",
                    self.height, self.width
                ),
                got: format!("{height} × {width} at frame {}", self.frames),
            });
        }
        self.fits(self.frames as u64 + 1, memory)?;
        if self.channels == CHANNELS {
            self.values.extend_from_slice(frame);
        } else {
            self.values.extend(frame.pixels().map(|pixel| pixel.0[0]));
        }
        self.frames += 1;
        Ok(())
    }

    /// An error if so many frames are more than memory holds.
    fn fits(&self, frames: u64, memory: u64) -> Result<()> {
        let bytes = frames.saturating_mul((self.height * self.width * self.channels) as u64);
        if bytes <= memory {
            return Ok(());
        }
        let mib = |bytes: u64| bytes >> 20;
        let expected = format!(
            "a clip of at most {} MiB, which is the memory that is free: {frames} frames of {} × {} pixels take {} MiB; make it \
             shorter (`signal.length`, `signal.stride`) or smaller (`signal.resize`)",
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

/// Cropped, then resized.
fn prepared(signal: &VideoSignal, frame: RgbImage) -> Result<RgbImage> {
    let (width, height) = prepared_size(signal, frame.dimensions())?;
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

/// Width and height after cropping and resizing.
fn prepared_size(signal: &VideoSignal, (width, height): (u32, u32)) -> Result<(u32, u32)> {
    let (mut width, mut height) = (width, height);
    if let Some(side) = signal.crop {
        if side > height.min(width) as usize {
            let expected =
                format!("at most the frame's {height} × {width} pixels (height × width)");
            return Err(Error::invalid("signal.crop", side, &expected));
        }
        (width, height) = (side as u32, side as u32);
    }
    let Some(side) = signal.resize else {
        return Ok((width, height));
    };
    let scaled = |length: u32| side as u64 * u64::from(length) / u64::from(height.min(width));
    let (width, height) = (scaled(width), scaled(height));
    if height.max(width) > MAX_SIDE as u64 {
        let expected =
            format!("a shorter side that does not make frames of {height} × {width} pixels");
        return Err(Error::invalid("signal.resize", side, &expected));
    }
    Ok((width as u32, height as u32))
}

fn no_such_part(signal: &VideoSignal, seconds: f64) -> Error {
    let seconds = (seconds * 1e3).floor() / 1e3;
    if signal.start > 0.0 && seconds <= signal.start {
        let expected = format!("less than the {seconds} seconds that the clip lasts");
        return Error::invalid("signal.start", signal.start, &expected);
    }
    match (&signal.path, signal.length) {
        (_, Some(length)) if seconds > 0.0 => {
            let left = ((seconds - signal.start) * 1e3).round() / 1e3;
            let expected =
                format!("at most the {left} seconds that there are after `signal.start`");
            Error::invalid("signal.length", length, &expected)
        }
        (Some(path), _) => Error::signal(path, "has not a single frame in it"),
        (None, _) => Error::invalid("signal.start", signal.start, "a time within the clip"),
    }
}
