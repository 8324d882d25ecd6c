//! Decoded samples of any format, and the picture they make.

use std::path::Path;

use image::imageops::{flip_horizontal, flip_vertical, rotate90, rotate180, rotate270};
use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer, Luma, Pixel, Rgb};
use siren_core::{Error, Result};

use crate::picture::{Background, Picture};

/// What the last sample of a pixel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alpha {
    /// A color, as all others.
    None,
    /// Opacity; colors are stored as if opaque.
    Straight,
    /// Opacity; colors are stored multiplied by it ("associated").
    Premultiplied,
}

/// Samples in [0, 1] as a file stores them, row-major `(height, width, colors and alpha)`.
pub(super) struct Samples {
    pub(super) height: usize,
    pub(super) width: usize,
    /// 1 or 3 colors a pixel.
    pub(super) colors: usize,
    pub(super) alpha: Alpha,
    pub(super) values: Vec<f32>,
}

impl Samples {
    /// Takes what `image` decodes: 8-bit samples are divided by 255, 16-bit ones by 65535.
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
                    "pixels of type {:?} are not read here; convert the picture to an 8- or 16-bit PNG",
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

    /// Flattens transparency over the background, then turns the picture upright.
    pub(super) fn into_picture(
        mut self,
        background: Background,
        orientation: Orientation,
    ) -> Picture {
        let behind = match background {
            Background::White => 1.0,
            Background::Black => 0.0,
        };
        let flat = match self.alpha {
            Alpha::None => self.values,
            Alpha::Straight => {
                self.flatten(|color, alpha| color * alpha + (1.0 - alpha) * behind);
                self.values
            }
            Alpha::Premultiplied => {
                self.flatten(|color, alpha| (color + (1.0 - alpha) * behind).clamp(0.0, 1.0));
                self.values
            }
        };
        let size = (self.height, self.width);
        let (values, (height, width)) = if self.colors == 1 {
            upright::<Luma<f32>>(flat, size, orientation)
        } else {
            upright::<Rgb<f32>>(flat, size, orientation)
        };
        Picture {
            height,
            width,
            channels: self.colors,
            values,
        }
    }

    /// Replaces each pixel, in place, by its colors combined with the alpha that ends it.
    fn flatten(&mut self, combine: impl Fn(f32, f32) -> f32) {
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

/// Pixels turned as the orientation says, with their `(height, width)`.
fn upright<P: Pixel<Subpixel = f32> + 'static>(
    values: Vec<f32>,
    (height, width): (usize, usize),
    orientation: Orientation,
) -> (Vec<f32>, (usize, usize)) {
    if orientation == Orientation::NoTransforms {
        return (values, (height, width));
    }
    // Sides are at most `MAX_SIDE`, and there is a value for every sample: an empty buffer is not reached.
    let stored = ImageBuffer::<P, Vec<f32>>::from_raw(width as u32, height as u32, values)
        .unwrap_or_else(|| ImageBuffer::new(0, 0));
    let turned = match orientation {
        Orientation::NoTransforms => stored,
        Orientation::FlipHorizontal => flip_horizontal(&stored),
        Orientation::FlipVertical => flip_vertical(&stored),
        Orientation::Rotate90 => rotate90(&stored),
        Orientation::Rotate180 => rotate180(&stored),
        Orientation::Rotate270 => rotate270(&stored),
        Orientation::Rotate90FlipH => flip_horizontal(&rotate90(&stored)),
        Orientation::Rotate270FlipH => flip_horizontal(&rotate270(&stored)),
    };
    let size = (turned.height() as usize, turned.width() as usize);
    (turned.into_raw(), size)
}
