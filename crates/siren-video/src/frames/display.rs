//! From stored pixels to the picture that is shown: pixels that are not square, pictures that lie on their side.

use image::imageops::{self, FilterType};
use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};

/// Pixels whose sides differ by less than this part are square: some encoders name a ratio near one to fit a rounded size.
const SQUARE: f64 = 0.01;
/// A pixel that is longer than this is an error of the file.
const LONGEST: f64 = 8.0;

/// How a stored picture becomes the one that is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Display {
    /// Width of a pixel divided by its height.
    aspect: f64,
    orientation: Orientation,
}

impl Display {
    /// Pixels of `width : height`, where both are known (above zero), and a picture that lies upright.
    pub(super) fn of_pixels(width: i64, height: i64) -> Self {
        let aspect = width as f64 / height as f64;
        let is_known = width > 0 && height > 0 && aspect.max(1.0 / aspect) <= LONGEST;
        Self {
            aspect: if is_known { aspect } else { 1.0 },
            orientation: Orientation::NoTransforms,
        }
    }

    #[cfg(feature = "ffmpeg")]
    pub(super) fn turned(self, orientation: Orientation) -> Self {
        Self {
            orientation,
            ..self
        }
    }

    /// Width and height of the picture that is shown.
    pub(super) fn size(self, stored: (u32, u32)) -> (u32, u32) {
        let (width, height) = self.stretched(stored);
        match self.orientation {
            Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH => (height, width),
            _ => (width, height),
        }
    }

    /// The picture that is shown. Pixels that are not square are made so by stretching, never by shrinking: linear interpolation along
    /// the side that is too short.
    pub(super) fn apply(self, stored: RgbImage) -> RgbImage {
        let (width, height) = self.stretched(stored.dimensions());
        let mut picture = stored;
        if picture.dimensions() != (width, height) {
            picture = imageops::resize(&picture, width, height, FilterType::Triangle);
        }
        if self.orientation == Orientation::NoTransforms {
            return picture;
        }
        let mut picture = DynamicImage::ImageRgb8(picture);
        picture.apply_orientation(self.orientation);
        picture.into_rgb8()
    }

    /// What the user should know of a picture of this size.
    pub(super) fn note(self, stored: (u32, u32)) -> Option<String> {
        let (width, height) = self.stretched(stored);
        let (stored_width, stored_height) = stored;
        (stored != (width, height)).then(|| {
            format!(
                "its pixels are not square; frames of {stored_height} × {stored_width} are stretched to {height} × {width} (height × width), as \
                 players show them"
            )
        })
    }

    fn stretched(self, (width, height): (u32, u32)) -> (u32, u32) {
        let longer = |side: u32, by: f64| (f64::from(side) * by).round() as u32;
        if (self.aspect - 1.0).abs() < SQUARE {
            (width, height)
        } else if self.aspect > 1.0 {
            (longer(width, self.aspect), height)
        } else {
            (width, longer(height, 1.0 / self.aspect))
        }
    }
}

/// The orientation in which a display matrix shows a picture: a stored point `(x, y)` is shown at `(a x + c y, b x + d y)`, where x
/// grows to the right and y down. `None` if that is not a quarter turn, a reflection, or both.
#[cfg(feature = "ffmpeg")]
pub(super) fn orientation([a, b, c, d]: [i32; 4]) -> Option<Orientation> {
    // A thousandth is what the sine of a right angle may be off in a file.
    let is_none = |small: i32, large: i32| {
        u64::from(small.unsigned_abs()) * 1000 <= u64::from(large.unsigned_abs())
    };
    if a != 0 && d != 0 && is_none(b, a) && is_none(c, d) {
        return Some(match (a > 0, d > 0) {
            (true, true) => Orientation::NoTransforms,
            (false, false) => Orientation::Rotate180,
            (false, true) => Orientation::FlipHorizontal,
            (true, false) => Orientation::FlipVertical,
        });
    }
    if b != 0 && c != 0 && is_none(a, b) && is_none(d, c) {
        return Some(match (b > 0, c > 0) {
            (true, false) => Orientation::Rotate90,
            (false, true) => Orientation::Rotate270,
            (true, true) => Orientation::Rotate90FlipH,
            (false, false) => Orientation::Rotate270FlipH,
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn pixels_that_are_not_square_are_stretched_and_never_shrunk() {
        for (pixels, shown) in [
            ((1, 1), (96, 64)),
            ((0, 1), (96, 64)),
            ((0, 0), (96, 64)),
            ((359, 360), (96, 64)),
            ((64, 45), (137, 64)),
            ((8, 9), (96, 72)),
            ((100, 1), (96, 64)),
        ] {
            let display = Display::of_pixels(pixels.0, pixels.1);
            assert_eq!(display.size((96, 64)), shown, "{pixels:?}");
            let picture = display.apply(RgbImage::from_pixel(96, 64, Rgb([9, 8, 7])));
            assert_eq!(picture.dimensions(), shown);
            assert_eq!(picture.get_pixel(90, 60).0, [9, 8, 7]);
            assert_eq!(display.note((96, 64)).is_some(), shown != (96, 64));
        }
    }

    /// Each point of a picture goes where the matrix sends it.
    #[cfg(feature = "ffmpeg")]
    #[test]
    fn a_display_matrix_moves_each_pixel_where_it_says() {
        const ONE: i32 = 1 << 16;
        let (width, height) = (3, 2);
        let stored = RgbImage::from_fn(width, height, |x, y| Rgb([x as u8, y as u8, 0]));
        for (a, d) in [(ONE, ONE), (-ONE, ONE), (ONE, -ONE), (-ONE, -ONE)] {
            for [a, b, c, d] in [[a, 0, 0, d], [0, a, d, 0]] {
                let orientation = orientation([a, b, c, d]).unwrap();
                let display = Display::of_pixels(1, 1).turned(orientation);
                let shown = display.apply(stored.clone());
                assert_eq!(shown.dimensions(), display.size((width, height)));
                for (x, y, color) in stored.enumerate_pixels() {
                    let (x, y) = (x as i32, y as i32);
                    // What lies at negative places is moved into the picture.
                    let place = |place: i32, side: u32, is_flipped: bool| {
                        let first = if is_flipped { side as i32 - 1 } else { 0 };
                        (first + place / ONE) as u32
                    };
                    let x_shown = place(a * x + c * y, shown.width(), a + c < 0);
                    let y_shown = place(b * x + d * y, shown.height(), b + d < 0);
                    let [x, y] = [x_shown, y_shown];
                    assert_eq!(shown.get_pixel(x, y), color, "{:?}", [a, b, c, d]);
                }
            }
        }
        assert_eq!(orientation([46_341, 46_341, -46_341, 46_341]), None);
        assert_eq!(orientation([0; 4]), None);
        assert_eq!(
            orientation([3, -65_536, 65_536, 3]),
            Some(Orientation::Rotate270)
        );
    }
}
