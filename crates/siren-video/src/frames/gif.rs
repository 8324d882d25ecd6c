//! Reads an animated GIF.

use std::fmt::Display;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use gif::DecodeOptions;
use image::codecs::gif::GifDecoder;
use image::{AnimationDecoder, RgbImage};
use siren_core::{Error, Result};
use siren_picture::Size;
use siren_picture::picture::{MAX_PIXELS, MAX_SIDE};

use super::clock::{FrameSource, Resampled, TimedFrame, Timeline};
use super::color::over_white;

/// Unit of delays, in seconds.
const TICK: f64 = 0.01;
/// Delay of a frame that has none, in ticks, as in browsers.
const DEFAULT_DELAY: u16 = 10;
/// Most bytes of the levels that are kept: a frame may last eleven minutes, and is repeated for as long as it lasts.
const MAX_BYTES: u64 = 1 << 30;

/// A reader of the composited frames of a GIF: each frame is drawn over the one before as its disposal method says.
pub(super) struct GifFrames {
    path: PathBuf,
    frames: image::Frames<'static>,
    size: Size,
    /// Delays of the frames that have not been read yet, in ticks.
    delays: std::vec::IntoIter<u16>,
    /// Duration of the frames read so far, in ticks.
    elapsed: i64,
}

impl GifFrames {
    /// Opens a GIF, to be read at `rate` frames per second, or at its own rate.
    pub(super) fn open(path: &Path, rate: Option<f64>) -> Result<Resampled<Self>> {
        let delays = read_delays(path)?;
        let starts = delays.iter().scan(0, |end, &delay| {
            *end += i64::from(delay);
            Some(*end - i64::from(delay))
        });
        let last = delays.last().map(|&delay| i64::from(delay));
        let Some(timeline) = Timeline::new(starts.collect(), last, TICK) else {
            return Err(Error::signal(path, "is a GIF without frames; give a clip"));
        };
        let file = File::open(path).map_err(Error::io("open", path))?;
        let decoder =
            GifDecoder::new(BufReader::new(file)).map_err(|error| decode_error(path, &error))?;
        let (width, height) = image::ImageDecoder::dimensions(&decoder);
        let gif = Self {
            path: path.to_path_buf(),
            frames: decoder.into_frames(),
            size: Size {
                height: height as usize,
                width: width as usize,
            },
            delays: delays.into_iter(),
            elapsed: 0,
        };
        Ok(Resampled::with_timeline(gif, &timeline, rate, &[]))
    }
}

impl FrameSource for GifFrames {
    fn size(&self) -> Option<Size> {
        Some(self.size)
    }

    fn max_bytes(&self) -> Option<u64> {
        Some(MAX_BYTES)
    }

    fn read_next(&mut self) -> Result<Option<TimedFrame>> {
        let Some(frame) = self.frames.next() else {
            return Ok(None);
        };
        let buffer = frame
            .map_err(|error| decode_error(&self.path, &error))?
            .into_buffer();
        let mut picture = RgbImage::new(buffer.width(), buffer.height());
        for (pixel, rgba) in picture.pixels_mut().zip(buffer.pixels()) {
            let [red, green, blue, alpha] = rgba.0;
            pixel.0 = over_white([red, green, blue], alpha);
        }
        let delay = i64::from(self.delays.next().unwrap_or(DEFAULT_DELAY));
        let start = self.elapsed as f64 * TICK;
        self.elapsed += delay;
        Ok(Some(TimedFrame {
            start,
            duration: Some(delay as f64 * TICK),
            picture,
        }))
    }
}

/// Reads the delays of all frames, in ticks, without decoding their pixels, and checks the sizes of the picture and of the frames.
fn read_delays(path: &Path) -> Result<Vec<u16>> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    let mut options = DecodeOptions::new();
    options.skip_frame_decoding(true);
    let mut decoder = options
        .read_info(BufReader::new(file))
        .map_err(|error| decode_error(path, &error))?;
    check_size(path, "", decoder.height(), decoder.width())?;
    let mut delays = Vec::new();
    while let Some(frame) = decoder
        .next_frame_info()
        .map_err(|error| decode_error(path, &error))?
    {
        let what = format!("a frame, number {}, of ", delays.len());
        check_size(path, &what, frame.height, frame.width)?;
        delays.push(if frame.delay == 0 {
            DEFAULT_DELAY
        } else {
            frame.delay
        });
    }
    Ok(delays)
}

/// Checks a size in a header: that of the clip, or of `what`. A decoder takes memory for all pixels before it reads the first one.
fn check_size(path: &Path, what: &str, height: u16, width: u16) -> Result<()> {
    let (rows, columns) = (usize::from(height), usize::from(width));
    if rows.max(columns) <= MAX_SIDE && rows * columns <= MAX_PIXELS {
        return Ok(());
    }
    let message = format!(
        "has {what}{height} × {width} pixels (height × width) according to its header, expected at most {MAX_SIDE} per side and {} million \
         in total; make it smaller first, or copy it again if its header is damaged",
        MAX_PIXELS / 1_000_000
    );
    Err(Error::signal(path, message))
}

fn decode_error(path: &Path, error: &dyn Display) -> Error {
    Error::signal(
        path,
        format!("cannot be read as GIF ({error}): the file is damaged or cut short; copy it again"),
    )
}

#[cfg(test)]
mod tests {
    use image::codecs::gif::GifEncoder;
    use image::{Delay, Frame, Rgba, RgbaImage};

    use super::*;
    use crate::frames::Frames;

    #[test]
    fn frames_of_unequal_duration_are_repeated_for_as_long_as_they_last() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gif");
        let mut encoder = GifEncoder::new(File::create(&path).unwrap());
        let delays = [100, 500, 100, 300, 1000];
        for (index, milliseconds) in delays.into_iter().enumerate() {
            let shade = 50 * index as u8;
            let picture = RgbaImage::from_pixel(4, 3, Rgba([shade, shade, shade, 255]));
            let delay = Delay::from_numer_denom_ms(milliseconds, 1);
            encoder
                .encode_frame(Frame::from_parts(picture, 0, 0, delay))
                .unwrap();
        }
        drop(encoder);
        let mut gif = GifFrames::open(&path, None).unwrap();
        assert_eq!((gif.rate(), gif.count()), (10.0, Some(20)));
        assert_eq!(
            gif.size().map(|size| (size.height, size.width)),
            Some((3, 4))
        );
        let frames = std::iter::from_fn(|| gif.read_next().unwrap());
        let shades: Vec<u8> = frames.map(|frame| frame.get_pixel(2, 1).0[0]).collect();
        let expected = [vec![0], vec![50; 5], vec![100], vec![150; 3], vec![200; 10]].concat();
        assert_eq!(shades, expected);
        assert!(gif.notes()[0].contains("10 frames per second"));
        // The GIF lasts two seconds.
        let mut slow = GifFrames::open(&path, Some(5.0)).unwrap();
        assert_eq!(std::iter::from_fn(|| slow.read_next().unwrap()).count(), 10);
    }
}
