//! An animated GIF.

use std::fmt::Display;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use gif::DecodeOptions;
use image::codecs::gif::GifDecoder;
use image::{AnimationDecoder, RgbImage};
use siren_core::{Error, Result};

use super::clock::{Shown, Steady, Timed, Timeline};
use super::color::over_white;

/// Seconds of a tick: delays are counted in hundredths.
const TICK: f64 = 0.01;
/// How long a frame without a delay is shown, in ticks; as browsers do.
const NO_DELAY: u16 = 10;

/// The frames of a GIF as they are shown: each drawn over what the one before left.
pub(super) struct Gif {
    path: PathBuf,
    frames: image::Frames<'static>,
    size: (u32, u32),
    /// How long each frame is shown, in ticks.
    delays: std::vec::IntoIter<u16>,
    elapsed: i64,
}

impl Gif {
    pub(super) fn open(path: &Path, rate: Option<f64>) -> Result<Steady<Self>> {
        let delays = delays(path)?;
        let starts = delays.iter().scan(0, |end, &delay| {
            *end += i64::from(delay);
            Some(*end - i64::from(delay))
        });
        let last = delays.last().map(|&delay| i64::from(delay));
        let Some(timeline) = Timeline::new(starts.collect(), last, TICK) else {
            return Err(Error::signal(path, "is a GIF without a frame"));
        };
        let file = File::open(path).map_err(Error::io("open", path))?;
        let decoder =
            GifDecoder::new(BufReader::new(file)).map_err(|error| damaged(path, &error))?;
        let size = image::ImageDecoder::dimensions(&decoder);
        let gif = Self {
            path: path.to_path_buf(),
            frames: decoder.into_frames(),
            size,
            delays: delays.into_iter(),
            elapsed: 0,
        };
        Ok(Steady::on(&timeline, gif, rate, &[]))
    }
}

impl Timed for Gif {
    fn size(&self) -> Option<(u32, u32)> {
        Some(self.size)
    }

    fn next(&mut self) -> Result<Option<Shown>> {
        let Some(frame) = self.frames.next() else {
            return Ok(None);
        };
        let buffer = frame
            .map_err(|error| damaged(&self.path, &error))?
            .into_buffer();
        let mut picture = RgbImage::new(buffer.width(), buffer.height());
        for (to, from) in picture.pixels_mut().zip(buffer.pixels()) {
            let [red, green, blue, alpha] = from.0;
            to.0 = over_white([red, green, blue], alpha);
        }
        let delay = i64::from(self.delays.next().unwrap_or(NO_DELAY));
        let start = self.elapsed as f64 * TICK;
        self.elapsed += delay;
        Ok(Some(Shown {
            start,
            duration: Some(delay as f64 * TICK),
            picture,
        }))
    }
}

/// The delay of every frame, without decoding any.
fn delays(path: &Path) -> Result<Vec<u16>> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    let mut options = DecodeOptions::new();
    options.skip_frame_decoding(true);
    let mut decoder = options
        .read_info(BufReader::new(file))
        .map_err(|error| damaged(path, &error))?;
    let mut delays = Vec::new();
    while let Some(frame) = decoder
        .next_frame_info()
        .map_err(|error| damaged(path, &error))?
    {
        delays.push(if frame.delay == 0 {
            NO_DELAY
        } else {
            frame.delay
        });
    }
    Ok(delays)
}

fn damaged(path: &Path, error: &dyn Display) -> Error {
    Error::signal(
        path,
        format!("cannot be read as GIF ({error}): it is damaged or cut short; copy it again"),
    )
}

#[cfg(test)]
mod tests {
    use image::codecs::gif::GifEncoder;
    use image::{Delay, Frame, Rgba, RgbaImage};

    use super::*;
    use crate::frames::Frames;

    #[test]
    fn frames_that_last_unequally_are_shown_on_their_own_clock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.gif");
        let mut encoder = GifEncoder::new(File::create(&path).unwrap());
        let delays = [100, 500, 100, 300, 1000];
        for (at, milliseconds) in delays.into_iter().enumerate() {
            let shade = 50 * at as u8;
            let picture = RgbaImage::from_pixel(4, 3, Rgba([shade, shade, shade, 255]));
            let delay = Delay::from_numer_denom_ms(milliseconds, 1);
            encoder
                .encode_frame(Frame::from_parts(picture, 0, 0, delay))
                .unwrap();
        }
        drop(encoder);
        let mut gif = Gif::open(&path, None).unwrap();
        assert_eq!((gif.rate(), gif.count()), (10.0, Some(20)));
        assert_eq!(gif.size(), Some((4, 3)));
        let frames = std::iter::from_fn(|| gif.next().unwrap());
        let shades: Vec<u8> = frames.map(|frame| frame.get_pixel(2, 1).0[0]).collect();
        let expected = [vec![0], vec![50; 5], vec![100], vec![150; 3], vec![200; 10]].concat();
        assert_eq!(shades, expected);
        assert!(gif.notes()[0].contains("10 frames a second"));
        // Two seconds at five frames a second.
        let mut slow = Gif::open(&path, Some(5.0)).unwrap();
        assert_eq!(std::iter::from_fn(|| slow.next().unwrap()).count(), 10);
    }
}
