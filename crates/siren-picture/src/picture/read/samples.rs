//! Decoded samples of any format, and their conversion to a picture.

use std::path::Path;

use image::imageops::{flip_horizontal, flip_vertical, rotate90, rotate180, rotate270};
use image::metadata::Orientation;
use image::{DynamicImage, ImageBuffer, Luma, Pixel, Primitive, Rgb};
use siren_core::{Error, Result};

use crate::canvas::Size;
use crate::picture::{Background, Picture, Values};

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

/// Samples of a file, whose values are in [0, 1], row-major `(height, width, colors + alpha)`.
pub(super) struct Samples {
    pub(super) height: usize,
    pub(super) width: usize,
    /// Number of color samples per pixel, 1 or 3.
    pub(super) colors: usize,
    pub(super) alpha: Alpha,
    pub(super) values: Values,
}

impl Samples {
    /// Takes the samples of a decoded image: 8-bit samples stand for multiples of 1/255, 16-bit samples of 1/65535.
    ///
    /// # Errors
    /// [`Error::Signal`] for other sample types.
    pub(super) fn from_image(path: &Path, image: DynamicImage) -> Result<Self> {
        use DynamicImage as D;
        let (height, width) = (image.height() as usize, image.width() as usize);
        let (stored, values) = match image {
            D::ImageLuma8(image) => (1, Values::Bytes(image.into_raw())),
            D::ImageLumaA8(image) => (2, Values::Bytes(image.into_raw())),
            D::ImageRgb8(image) => (3, Values::Bytes(image.into_raw())),
            D::ImageRgba8(image) => (4, Values::Bytes(image.into_raw())),
            D::ImageLuma16(image) => (1, Values::Words(image.into_raw())),
            D::ImageLumaA16(image) => (2, Values::Words(image.into_raw())),
            D::ImageRgb16(image) => (3, Values::Words(image.into_raw())),
            D::ImageRgba16(image) => (4, Values::Words(image.into_raw())),
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
            height,
            width,
            colors: if stored < 3 { 1 } else { 3 },
            alpha: [Alpha::None, Alpha::Straight][usize::from(has_alpha)],
            values,
        })
    }

    /// Composites the colors over the background, then applies the orientation.
    pub(super) fn into_picture(self, background: Background, orientation: Orientation) -> Picture {
        let stored = Size {
            height: self.height,
            width: self.width,
        };
        let colors = self.colors;
        let (values, size) = match self.opaque(background) {
            Values::Bytes(values) => {
                let (values, size) = orient(values, colors, stored, orientation);
                (Values::Bytes(values), size)
            }
            Values::Words(values) => {
                let (values, size) = orient(values, colors, stored, orientation);
                (Values::Words(values), size)
            }
            values => {
                let values = values.into_floats();
                let (values, size) = orient(values, colors, stored, orientation);
                (Values::Floats(values), size)
            }
        };
        Picture {
            height: size.height,
            width: size.width,
            channels: colors,
            values,
        }
    }

    /// Returns the colors over the background, as they are stored if nothing is transparent.
    fn opaque(self, background: Background) -> Values {
        let backdrop = match background {
            Background::White => 1.0,
            Background::Black => 0.0,
        };
        let (colors, stored) = (self.colors, self.colors + 1);
        let combine: &dyn Fn(f32, f32) -> f32 = match self.alpha {
            Alpha::None => return self.values,
            Alpha::Straight => &|color, alpha| color * alpha + (1.0 - alpha) * backdrop,
            Alpha::Premultiplied => {
                &|color, alpha| (color + (1.0 - alpha) * backdrop).clamp(0.0, 1.0)
            }
        };
        match self.values {
            Values::Bytes(mut values) if is_opaque(&values, stored, u8::MAX) => {
                keep_first(&mut values, stored, colors);
                Values::Bytes(values)
            }
            Values::Words(mut values) if is_opaque(&values, stored, u16::MAX) => {
                keep_first(&mut values, stored, colors);
                Values::Words(values)
            }
            values => {
                let pixels = 0..values.len() / stored;
                let color = |pixel: usize, k: usize| {
                    let alpha = values.at(pixel * stored + colors);
                    combine(values.at(pixel * stored + k), alpha)
                };
                pixels
                    .flat_map(|pixel| (0..colors).map(move |k| (pixel, k)))
                    .map(|(pixel, k)| color(pixel, k))
                    .collect()
            }
        }
    }
}

/// Returns whether the last of every `stored` samples, the alpha, is `most`.
fn is_opaque<T: Copy + PartialEq>(samples: &[T], stored: usize, most: T) -> bool {
    samples
        .chunks_exact(stored)
        .all(|pixel| pixel.last() == Some(&most))
}

/// Keeps the first `kept` of every `stored` samples, in place.
pub(super) fn keep_first<T: Copy>(samples: &mut Vec<T>, stored: usize, kept: usize) {
    if stored == kept {
        return;
    }
    let pixels = samples.len() / stored;
    for pixel in 0..pixels {
        let start = pixel * stored;
        samples.copy_within(start..start + kept, pixel * kept);
    }
    samples.truncate(pixels * kept);
    samples.shrink_to_fit();
}

/// Flips and rotates pixels stored with an orientation, and returns them with their new size.
fn orient<T: Primitive + 'static>(
    values: Vec<T>,
    colors: usize,
    size: Size,
    orientation: Orientation,
) -> (Vec<T>, Size)
where
    Luma<T>: Pixel<Subpixel = T>,
    Rgb<T>: Pixel<Subpixel = T>,
{
    if colors == 1 {
        orient_pixels::<Luma<T>>(values, size, orientation)
    } else {
        orient_pixels::<Rgb<T>>(values, size, orientation)
    }
}

/// Flips and rotates pixels stored with an orientation, and returns them with their new size.
fn orient_pixels<P: Pixel + 'static>(
    values: Vec<P::Subpixel>,
    size: Size,
    orientation: Orientation,
) -> (Vec<P::Subpixel>, Size) {
    if orientation == Orientation::NoTransforms {
        return (values, size);
    }
    let (width, height) = (size.width as u32, size.height as u32);
    // The empty buffer is unreachable: sides are at most `MAX_READ_SIDE`, and there is a value for every sample.
    let stored = ImageBuffer::<P, Vec<P::Subpixel>>::from_raw(width, height, values)
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
