//! Animations of waves.

use std::path::Path;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, Frame, ImageError, Rgba, RgbaImage};
use siren_core::file::write_atomically;
use siren_core::{Error, Result};

use super::color::ColorScale;
use super::panel::{Panel, SquareGrid, shape_error, sheet};

/// Colors on each side of zero. With zero, black and the gap, a frame has fewer than the 256 colors of a GIF's palette, so that the encoder keeps
/// every color.
const COLORS_PER_SIGN: f64 = 126.0;
/// Speed of the choice of a palette, which does not matter for so few colors.
const SPEED: i32 = 10;
/// Longest side of a GIF, in pixels.
const MAX_SIDE: usize = 65_535;

/// Writes an endlessly repeated GIF. Every frame shows its grids side by side, such as the network and the reference, blue below zero and red
/// above, on the same scale from −`range` to `range` in all frames.
///
/// A frame lasts a whole number of hundredths of a second, at least one; rounding errors do not add up over the frames.
///
/// # Errors
/// [`Error::InvalidValue`] if `range` or `frames_per_second` is not positive and finite. [`Error::Shape`] without any frame or grid, if frames
/// have different numbers of grids, or if grids have different sides. [`Error::Signal`] if a frame is larger than a GIF can be. [`Error::Io`]
/// if the file cannot be written.
pub(crate) fn animation(
    frames: &[Vec<SquareGrid<'_, f64>>],
    range: f64,
    frames_per_second: f64,
    path: &Path,
) -> Result<()> {
    check(frames)?;
    for (key, value) in [("range", range), ("frames_per_second", frames_per_second)] {
        if !(value > 0.0 && value.is_finite()) {
            return Err(Error::invalid(key, value, "a finite number above 0"));
        }
    }
    let scale = ColorScale::Signed { range };
    let step = range / COLORS_PER_SIGN;
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut bytes, SPEED);
    let failed = |error: ImageError| Error::io("write", path)(std::io::Error::other(error));
    encoder.set_repeat(Repeat::Infinite).map_err(failed)?;
    let mut elapsed = 0;
    for (index, grids) in frames.iter().enumerate() {
        let panels = grids.iter().map(|&grid| {
            let color = |_, u: f64| scale.color(step * (u.clamp(-range, range) / step).round());
            Panel::new(grid, color)
        });
        let picture = sheet(&[panels.collect()]);
        if picture.height.max(picture.width) > MAX_SIDE {
            let (height, width) = (picture.height, picture.width);
            let message = format!(
                "cannot be written: a GIF has at most {MAX_SIDE} pixels a side, and the frames have {height} × {width} (height × width); \
                 choose fewer points"
            );
            return Err(Error::signal(path, message));
        }
        let end = (100.0 * (index + 1) as f64 / frames_per_second).round() as u64;
        let hundredths = end.saturating_sub(elapsed).max(1);
        elapsed += hundredths;
        let delay = Delay::from_numer_denom_ms((10 * hundredths).min(600_000) as u32, 1);
        let pixel = |x: u32, y: u32| {
            let red = 3 * (y as usize * picture.width + x as usize);
            let [r, g, b] = [0, 1, 2].map(|k| (255.0 * picture.values.at(red + k)).round() as u8);
            Rgba([r, g, b, 255])
        };
        let image = RgbaImage::from_fn(picture.width as u32, picture.height as u32, pixel);
        let frame = Frame::from_parts(image, 0, 0, delay);
        encoder.encode_frame(frame).map_err(failed)?;
    }
    drop(encoder);
    write_atomically(path, &bytes)
}

fn check(frames: &[Vec<SquareGrid<'_, f64>>]) -> Result<()> {
    let Some(first) = frames.first().filter(|grids| !grids.is_empty()) else {
        let expected = "at least one frame of at least one grid";
        return Err(shape_error(expected.into(), "none".into()));
    };
    for grids in frames {
        if grids.len() != first.len() {
            let expected = format!("{} grids in every frame", first.len());
            return Err(shape_error(expected, format!("{}", grids.len())));
        }
        for grid in grids {
            first[0].ensure_same_side(*grid)?;
        }
    }
    Ok(())
}
