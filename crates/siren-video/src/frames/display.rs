//! Converts stored pictures to displayed ones: stretches pixels that are not square, and applies rotations and reflections.

use image::imageops::{self, FilterType};
use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};
use siren_picture::Size;

use super::size_of;

/// Largest deviation of the aspect ratio from 1 at which pixels count as square: some encoders store a ratio near 1 to fit a rounded size.
const SQUARE_TOLERANCE: f64 = 0.01;
/// Largest aspect ratio of a pixel that is believed; a larger one is an error in the file.
const MAX_ASPECT: f64 = 8.0;

/// The ratio of width and height of a pixel, as a file stores it: two numbers in any unit, zero or less if they are unknown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PixelAspect {
    pub(super) width: i64,
    pub(super) height: i64,
}

/// The transform from a stored picture to the displayed one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct DisplayTransform {
    /// Width of a pixel divided by its height.
    aspect: f64,
    orientation: Orientation,
}

impl DisplayTransform {
    /// Creates the transform for pixels of the given aspect ratio, without a rotation. An unknown or absurd ratio counts as 1.
    pub(super) fn new(pixel: PixelAspect) -> Self {
        let aspect = pixel.width as f64 / pixel.height as f64;
        let is_known =
            pixel.width > 0 && pixel.height > 0 && aspect.max(1.0 / aspect) <= MAX_ASPECT;
        Self {
            aspect: if is_known { aspect } else { 1.0 },
            orientation: Orientation::NoTransforms,
        }
    }

    #[cfg(feature = "ffmpeg")]
    pub(super) fn with_orientation(self, orientation: Orientation) -> Self {
        Self {
            orientation,
            ..self
        }
    }

    /// Returns the size of the displayed picture.
    pub(super) fn size(self, stored: Size) -> Size {
        let Size { height, width } = self.stretched(stored);
        match self.orientation {
            Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH => Size {
                height: width,
                width: height,
            },
            _ => Size { height, width },
        }
    }

    /// Returns the displayed picture. Pixels that are not square are stretched along their shorter side, by linear interpolation, and
    /// never shrunk.
    pub(super) fn apply(self, stored: RgbImage) -> RgbImage {
        let stretched = self.stretched(size_of(&stored));
        let mut picture = stored;
        if size_of(&picture) != stretched {
            let (width, height) = (stretched.width as u32, stretched.height as u32);
            picture = imageops::resize(&picture, width, height, FilterType::Triangle);
        }
        if self.orientation == Orientation::NoTransforms {
            return picture;
        }
        let mut picture = DynamicImage::ImageRgb8(picture);
        picture.apply_orientation(self.orientation);
        picture.into_rgb8()
    }

    /// Returns the note for the user if pictures of this size are stretched.
    pub(super) fn note(self, stored: Size) -> Option<String> {
        let stretched = self.stretched(stored);
        (stored != stretched).then(|| {
            format!(
                "its pixels are not square; frames of {} × {} are stretched to {} × {} (height × width), as players show them",
                stored.height, stored.width, stretched.height, stretched.width
            )
        })
    }

    /// Returns the size after stretching, before the rotation.
    fn stretched(self, stored: Size) -> Size {
        let Size { height, width } = stored;
        let longer = |side: usize, factor: f64| (side as f64 * factor).round() as usize;
        if (self.aspect - 1.0).abs() < SQUARE_TOLERANCE {
            stored
        } else if self.aspect > 1.0 {
            Size {
                height,
                width: longer(width, self.aspect),
            }
        } else {
            Size {
                height: longer(height, 1.0 / self.aspect),
                width,
            }
        }
    }
}

/// Returns the orientation of a display matrix, which maps a stored point `(x, y)` to the displayed point `(a x + c y, b x + d y)`; x
/// grows to the right and y down. `None` if the matrix is not a quarter turn, a reflection, or a product of both.
#[cfg(feature = "ffmpeg")]
pub(super) fn orientation_of_matrix(a: i32, b: i32, c: i32, d: i32) -> Option<Orientation> {
    // Files store rounded sines and cosines of right angles: an entry counts as zero below a thousandth of the other one.
    let is_zero_beside = |small: i32, large: i32| {
        u64::from(small.unsigned_abs()) * 1000 <= u64::from(large.unsigned_abs())
    };
    if a != 0 && d != 0 && is_zero_beside(b, a) && is_zero_beside(c, d) {
        return Some(match (a > 0, d > 0) {
            (true, true) => Orientation::NoTransforms,
            (false, false) => Orientation::Rotate180,
            (false, true) => Orientation::FlipHorizontal,
            (true, false) => Orientation::FlipVertical,
        });
    }
    if b != 0 && c != 0 && is_zero_beside(a, b) && is_zero_beside(d, c) {
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

    fn transform(width: i64, height: i64) -> DisplayTransform {
        DisplayTransform::new(PixelAspect { width, height })
    }

    #[test]
    fn pixels_that_are_not_square_are_stretched_and_never_shrunk() {
        let stored = Size {
            height: 64,
            width: 96,
        };
        for (pixel_width, pixel_height, width, height) in [
            (1, 1, 96, 64),
            (0, 1, 96, 64),
            (0, 0, 96, 64),
            (359, 360, 96, 64),
            (64, 45, 137, 64),
            (8, 9, 96, 72),
            (100, 1, 96, 64),
        ] {
            let display = transform(pixel_width, pixel_height);
            let expected = Size { height, width };
            assert_eq!(
                display.size(stored),
                expected,
                "{pixel_width}:{pixel_height}"
            );
            let picture = display.apply(RgbImage::from_pixel(96, 64, Rgb([9, 8, 7])));
            assert_eq!(size_of(&picture), expected);
            assert_eq!(picture.get_pixel(90, 60).0, [9, 8, 7]);
            assert_eq!(display.note(stored).is_some(), expected != stored);
        }
    }

    #[cfg(feature = "ffmpeg")]
    #[test]
    fn a_display_matrix_moves_each_pixel_to_its_image_under_the_matrix() {
        const ONE: i32 = 1 << 16;
        let stored = RgbImage::from_fn(3, 2, |x, y| Rgb([x as u8, y as u8, 0]));
        for (a, d) in [(ONE, ONE), (-ONE, ONE), (ONE, -ONE), (-ONE, -ONE)] {
            for [a, b, c, d] in [[a, 0, 0, d], [0, a, d, 0]] {
                let orientation = orientation_of_matrix(a, b, c, d).unwrap();
                let display = transform(1, 1).with_orientation(orientation);
                let displayed = display.apply(stored.clone());
                assert_eq!(size_of(&displayed), display.size(size_of(&stored)));
                for (x, y, color) in stored.enumerate_pixels() {
                    let (x, y) = (x as i32, y as i32);
                    // A flipped axis has coordinates from −(side − 1) to 0, which are moved into the picture.
                    let index = |coordinate: i32, side: u32, direction: i32| {
                        let first = if direction < 0 { side as i32 - 1 } else { 0 };
                        (first + coordinate / ONE) as u32
                    };
                    let x_displayed = index(a * x + c * y, displayed.width(), a + c);
                    let y_displayed = index(b * x + d * y, displayed.height(), b + d);
                    let found = displayed.get_pixel(x_displayed, y_displayed);
                    assert_eq!(found, color, "{:?}", [a, b, c, d]);
                }
            }
        }
        assert_eq!(orientation_of_matrix(46_341, 46_341, -46_341, 46_341), None);
        assert_eq!(orientation_of_matrix(0, 0, 0, 0), None);
        assert_eq!(
            orientation_of_matrix(3, -65_536, 65_536, 3),
            Some(Orientation::Rotate270)
        );
    }
}
