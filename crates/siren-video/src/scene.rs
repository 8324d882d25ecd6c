//! The embedded clip: two seconds of a rolling ball over a background of moving waves.

use std::f64::consts::TAU;

use image::{Rgb, RgbImage};
use siren_core::Result;
use siren_picture::Size;

use crate::frames::Frames;

/// Side of a frame in pixels.
const DEFAULT_SIDE: usize = 64;
/// Number of frames.
const FRAMES: usize = 32;
/// Frame rate, in frames per second.
const RATE: f64 = 16.0;

/// Reader of the embedded clip, which draws one frame at a time.
pub(crate) struct EmbeddedClip {
    side: usize,
    /// Number of frames drawn so far.
    drawn: usize,
}

impl EmbeddedClip {
    /// Creates a clip of `side` × `side` pixels, 64 by default.
    pub(crate) fn new(side: Option<usize>) -> Self {
        Self {
            side: side.unwrap_or(DEFAULT_SIDE),
            drawn: 0,
        }
    }
}

impl Frames for EmbeddedClip {
    fn rate(&self) -> f64 {
        RATE
    }

    fn count(&self) -> Option<usize> {
        Some(FRAMES)
    }

    fn size(&self) -> Option<Size> {
        Some(Size {
            height: self.side,
            width: self.side,
        })
    }

    fn read_next(&mut self) -> Result<Option<RgbImage>> {
        if self.drawn == FRAMES {
            return Ok(None);
        }
        let time = self.drawn as f64 / FRAMES as f64;
        self.drawn += 1;
        let side = self.side as f64;
        let position = |k: u32| (f64::from(k) + 0.5) / side;
        let picture = RgbImage::from_fn(self.side as u32, self.side as u32, |x, y| {
            let color = color(time, position(x), position(y), 1.0 / side);
            Rgb(color.map(|c| (255.0 * c.clamp(0.0, 1.0)).round() as u8))
        });
        Ok(Some(picture))
    }
}

/// Returns red, green and blue at a time in [0, 1) and a position in [0, 1]². Edges are `pixel` wide.
fn color(time: f64, x: f64, y: f64, pixel: f64) -> [f64; 3] {
    let wave = (TAU * (3.0 * x + 0.5 * (TAU * (y + time)).sin())).sin();
    let swell = (TAU * (2.0 * y - 2.0 * time + 0.3 * (TAU * x).cos())).sin();
    let background = [
        0.25 + 0.15 * wave,
        0.35 + 0.15 * swell,
        0.55 + 0.12 * wave * swell,
    ];
    // The ball moves once around a circle and rotates three times about its center meanwhile.
    let angle = TAU * time;
    let center = [0.5 + 0.25 * angle.cos(), 0.5 + 0.25 * angle.sin()];
    let radius = 0.18;
    let (dx, dy) = (x - center[0], y - center[1]);
    let coverage = ((radius - dx.hypot(dy)) / pixel + 0.5).clamp(0.0, 1.0);
    let ball_angle = dy.atan2(dx) - 3.0 * angle;
    let stripe = ((3.0 * ball_angle).sin() * dx.hypot(dy) / pixel).clamp(-1.0, 1.0);
    let light = 0.75 + 0.25 * (-dx - dy) / radius;
    let ball = [
        light * (0.85 + 0.1 * stripe),
        light * (0.45 + 0.4 * stripe),
        light * 0.2,
    ];
    std::array::from_fn(|k| coverage * ball[k] + (1.0 - coverage) * background[k])
}
