//! Whatever FFmpeg opens.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::media::Type;
use ffmpeg_next::software::scaling;
use ffmpeg_next::{Packet, decoder, frame};
use image::RgbImage;
use siren_core::{Error, Result};

use super::Frames;

/// More than any clip has; what a damaged header claims beyond is not believed.
const MAX_RATE: f64 = 1000.0;

/// The best video stream of a file, at its mean frame rate: where frames are not evenly spaced in time, one is shown until the next
/// one's time has come.
pub(super) struct Stream {
    path: PathBuf,
    input: ffmpeg::format::context::Input,
    decoder: decoder::Video,
    scaler: Option<scaling::Context>,
    index: usize,
    /// Seconds of a tick.
    tick: f64,
    rate: f64,
    count: Option<usize>,
    /// Decoded, with their times in seconds.
    ready: VecDeque<(f64, RgbImage)>,
    shown: Option<RgbImage>,
    start: Option<f64>,
    given: usize,
    decoded: usize,
    is_over: bool,
}

impl Stream {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let fail = |error: ffmpeg::Error| failed(path, error);
        ffmpeg::init().map_err(fail)?;
        // What goes wrong is said by us, once.
        ffmpeg::log::set_level(ffmpeg::log::Level::Quiet);
        let input = ffmpeg::format::input(path).map_err(fail)?;
        let Some(stream) = input.streams().best(Type::Video) else {
            let message = "has no pictures in it (no video stream); give a clip";
            return Err(Error::signal(path, message));
        };
        let context = ffmpeg::codec::context::Context::from_parameters(stream.parameters());
        let decoder = context
            .and_then(|context| context.decoder().video())
            .map_err(fail)?;
        let rates = [stream.avg_frame_rate(), stream.rate()].map(f64::from);
        let rate = rates
            .into_iter()
            .find(|rate| *rate > 0.0 && *rate <= MAX_RATE);
        let Some(rate) = rate else {
            return Err(Error::signal(
                path,
                "does not say how many frames a second it has; convert it, for example to MP4",
            ));
        };
        let tick = f64::from(stream.time_base());
        let seconds = match stream.duration() {
            duration if duration > 0 => duration as f64 * tick,
            _ => input.duration() as f64 / f64::from(ffmpeg::ffi::AV_TIME_BASE),
        };
        let count = (seconds > 0.0).then(|| (seconds * rate).round().max(1.0) as usize);
        Ok(Self {
            path: path.to_path_buf(),
            decoder,
            scaler: None,
            index: stream.index(),
            tick,
            rate,
            count,
            ready: VecDeque::new(),
            shown: None,
            start: None,
            given: 0,
            decoded: 0,
            is_over: false,
            input,
        })
    }

    /// Decodes until a frame is ready, or there are none left.
    fn decode(&mut self) -> Result<()> {
        while self.ready.is_empty() && !self.is_over {
            let mut packet = Packet::empty();
            match packet.read(&mut self.input) {
                Ok(()) if packet.stream() != self.index => continue,
                Ok(()) => {
                    let sent = self.decoder.send_packet(&packet);
                    sent.map_err(|error| failed(&self.path, error))?;
                }
                Err(ffmpeg::Error::Eof) => {
                    self.is_over = true;
                    let sent = self.decoder.send_eof();
                    sent.map_err(|error| failed(&self.path, error))?;
                }
                Err(error) => return Err(failed(&self.path, error)),
            }
            let mut decoded = frame::Video::empty();
            while self.decoder.receive_frame(&mut decoded).is_ok() {
                let even = self.decoded as f64 / self.rate;
                self.decoded += 1;
                let time = decoded
                    .timestamp()
                    .map_or(even, |ticks| ticks as f64 * self.tick);
                let picture = self
                    .picture(&decoded)
                    .map_err(|error| failed(&self.path, error))?;
                self.ready.push_back((time, picture));
            }
        }
        Ok(())
    }

    fn picture(&mut self, decoded: &frame::Video) -> Result<RgbImage, ffmpeg::Error> {
        let (width, height) = (decoded.width(), decoded.height());
        let is_fit = |scaler: &scaling::Context| {
            let input = scaler.input();
            (input.format, input.width, input.height) == (decoded.format(), width, height)
        };
        if !self.scaler.as_ref().is_some_and(is_fit) {
            let flags = scaling::Flags::BILINEAR;
            let format = decoded.format();
            self.scaler = Some(scaling::Context::get(
                format,
                width,
                height,
                Pixel::RGB24,
                width,
                height,
                flags,
            )?);
        }
        let mut rgb = frame::Video::empty();
        if let Some(scaler) = &mut self.scaler {
            scaler.run(decoded, &mut rgb)?;
        }
        let row = 3 * width as usize;
        let rows = rgb.data(0).chunks(rgb.stride(0)).take(height as usize);
        let bytes = rows.flat_map(|line| &line[..row]).copied().collect();
        RgbImage::from_raw(width, height, bytes).ok_or(ffmpeg::Error::InvalidData)
    }
}

impl Frames for Stream {
    fn rate(&self) -> f64 {
        self.rate
    }

    fn count(&self) -> Option<usize> {
        self.count
    }

    fn size(&self) -> Option<(u32, u32)> {
        Some((self.decoder.width(), self.decoder.height()))
    }

    fn next(&mut self) -> Result<Option<RgbImage>> {
        loop {
            self.decode()?;
            let Some((time, _)) = self.ready.front() else {
                break;
            };
            let start = *self.start.get_or_insert(*time);
            // To the nearest frame: rounded times do not lose one.
            let is_due = (time - start) * self.rate <= self.given as f64 + 0.5;
            if !is_due && self.shown.is_some() {
                self.given += 1;
                return Ok(self.shown.clone());
            }
            let newest = self.ready.pop_front().map(|(_, picture)| picture);
            self.shown = newest;
            self.decode()?;
            let is_last_due = match self.ready.front() {
                Some((next, _)) => (next - start) * self.rate > self.given as f64 + 0.5,
                None => true,
            };
            if is_last_due {
                self.given += 1;
                return Ok(self.shown.clone());
            }
        }
        if self.decoded == 0 {
            let message =
                "has not a single picture that can be decoded: it is damaged or cut short";
            return Err(Error::signal(&self.path, message));
        }
        // A header that lies by more than what rounding and a lost frame explain.
        match self.count {
            Some(count) if self.given + 2 < count && self.given * 20 < count * 19 => {
                let message = format!(
                    "claims {count} frames, but ends after {}: it is cut short; copy it again, or fit a part of what is there with \
                     `signal.length`",
                    self.given
                );
                Err(Error::signal(&self.path, message))
            }
            _ => Ok(None),
        }
    }
}

fn failed(path: &Path, error: ffmpeg::Error) -> Error {
    let message = format!(
        "FFmpeg cannot read it ({error}): it is damaged, cut short or no clip; copy it again, or try to play it with `ffplay`"
    );
    Error::signal(path, message)
}
