//! Decoded samples of any format, and their conversion to a picture.

use std::path::Path;

use image::imageops::{flip_horizontal, flip_vertical, rotate90, rotate180, rotate270};
use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer, Luma, Pixel, Rgb};
use siren_core::{Error, Result};

use crate::canvas::Size;
use crate::picture::{Background, Picture};

/// Meaning of the last sample of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alpha {
    /// No alpha: the last sample is a color.
    None,
    /// Alpha, with colors that are not multiplied by it.
    Straight,
    /// Alpha, with colors that are multiplied by it ("associated").
    Premultiplied,
}

/// Samples of a file scaled to [0, 1], row-major `(height, width, colors + alpha)`.
pub(super) struct Samples {
    pub(super) height: usize,
    pub(super) width: usize,
    /// Number of color samples per pixel, 1 or 3.
    pub(super) colors: usize,
    pub(super) alpha: Alpha,
    pub(super) values: Vec<f32>,
}

impl Samples {
    /// Converts a decoded image: 8-bit samples are divided by 255, 16-bit samples by 65535.
    ///
    /// # Errors
    /// [`Error::Signal`] for other sample types.
    pub(super) fn from_image(path: &Path, image: &DynamicImage) -> Result<Self> {
        use DynamicImage as D;
        let (stored, values) = match image {
            D::ImageLuma8(image) => (1, from_bytes(image)),
            D::ImageLumaA8(image) => (2, from_bytes(image)),
            D::ImageRgb8(image) => (3, from_bytes(image)),
            D::ImageRgba8(image) => (4, from_bytes(image)),
            D::ImageLuma16(image) => (1, from_words(image)),
            D::ImageLumaA16(image) => (2, from_words(image)),
            D::ImageRgb16(image) => (3, from_words(image)),
            D::ImageRgba16(image) => (4, from_words(image)),
            other => {
                let message = format!(
                    "pixels of type {:?} are not supported; convert the picture to an 8- or 16-bit PNG",
                    other.color()
                );
                return Err(Error::signal(path, message));
            }
        };
        let has_alpha = stored % 2 == 0;
        Ok(Self {
            height: image.height() as usize,
            width: image.width() as usize,
            colors: if stored < 3 { 1 } else { 3 },
            alpha: [Alpha::None, Alpha::Straight][usize::from(has_alpha)],
            values,
        })
    }

    /// Composites the colors over the background, then applies the orientation.
    pub(super) fn into_picture(
        mut self,
        background: Background,
        orientation: Orientation,
    ) -> Picture {
        let backdrop = match background {
            Background::White => 1.0,
            Background::Black => 0.0,
        };
        let opaque = match self.alpha {
            Alpha::None => self.values,
            Alpha::Straight => {
                self.composite(|color, alpha| color * alpha + (1.0 - alpha) * backdrop);
                self.values
            }
            Alpha::Premultiplied => {
                self.composite(|color, alpha| (color + (1.0 - alpha) * backdrop).clamp(0.0, 1.0));
                self.values
            }
        };
        let stored = Size {
            height: self.height,
            width: self.width,
        };
        let (values, size) = if self.colors == 1 {
            orient::<Luma<f32>>(opaque, stored, orientation)
        } else {
            orient::<Rgb<f32>>(opaque, stored, orientation)
        };
        Picture {
            height: size.height,
            width: size.width,
            channels: self.colors,
            values,
        }
    }

    /// Replaces each pixel, in place, by `combine(color, alpha)` for each of its colors, and removes the alpha samples.
    fn composite(&mut self, combine: impl Fn(f32, f32) -> f32) {
        let (colors, stored) = (self.colors, self.colors + 1);
        let pixels = self.values.len() / stored;
        for pixel in 0..pixels {
            let alpha = self.values[pixel * stored + colors];
            for k in 0..colors {
                self.values[pixel * colors + k] = combine(self.values[pixel * stored + k], alpha);
            }
        }
        self.values.truncate(pixels * colors);
    }
}

fn from_bytes(samples: &[u8]) -> Vec<f32> {
    samples.iter().map(|&v| f32::from(v) / 255.0).collect()
}

fn from_words(samples: &[u16]) -> Vec<f32> {
    samples.iter().map(|&v| f32::from(v) / 65535.0).collect()
}

/// Flips and rotates pixels stored with an orientation, and returns them with their new size.
fn orient<P: Pixel<Subpixel = f32> + 'static>(
    values: Vec<f32>,
    size: Size,
    orientation: Orientation,
) -> (Vec<f32>, Size) {
    if orientation == Orientation::NoTransforms {
        return (values, size);
    }
    let (width, height) = (size.width as u32, size.height as u32);
    // The empty buffer is unreachable: sides are at most `MAX_SIDE`, and there is a value for every sample.
    let stored = ImageBuffer::<P, Vec<f32>>::from_raw(width, height, values)
        .unwrap_or_else(|| ImageBuffer::new(0, 0));
    let oriented = match orientation {
        Orientation::NoTransforms => stored,
        Orientation::FlipHorizontal => flip_horizontal(&stored),
        Orientation::FlipVertical => flip_vertical(&stored),
        Orientation::Rotate90 => rotate90(&stored),
        Orientation::Rotate180 => rotate180(&stored),
        Orientation::Rotate270 => rotate270(&stored),
        Orientation::Rotate90FlipH => flip_horizontal(&rotate90(&stored)),
        Orientation::Rotate270FlipH => flip_horizontal(&rotate270(&stored)),
    };
    let size = Size {
        height: oriented.height() as usize,
        width: oriented.width() as usize,
    };
    (oriented.into_raw(), size)
}
