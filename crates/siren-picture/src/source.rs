//! Which picture a config names, and what is done to it before it is fitted.

use std::path::Path;

use siren_core::{Error, Result};

use crate::picture::{ColorMode, MAX_PIXELS, MAX_SIDE, Picture};
use crate::scene::scene;

/// Side of the embedded picture where nothing else is said.
const DEFAULT_SIZE: usize = 256;
/// Largest side of the embedded picture, which is square: [`MAX_PIXELS`] in all.
pub const MAX_SIZE: usize = MAX_PIXELS.isqrt();

/// A picture that is opened, cropped, then resized, as the `[signal]` table of a config says under these names.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// A picture file; without one, the embedded picture is drawn.
    pub path: Option<&'a Path>,
    /// Side of the embedded picture in pixels.
    pub size: Option<usize>,
    /// As the file says, gray, or RGB.
    pub color: ColorMode,
    /// Keep only this many pixels a side, from the center.
    pub crop: Option<usize>,
    /// Keep only these pixels: `[top, left, height, width]`.
    pub crop_box: Option<[usize; 4]>,
    /// Resize so that the shorter side has this many pixels.
    pub resize: Option<usize>,
}

impl Source<'_> {
    /// Checks every value.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] with the full key, such as `signal.crop`.
    pub fn validate(&self) -> Result<()> {
        for (key, value, most) in [
            ("signal.size", self.size, MAX_SIZE),
            ("signal.crop", self.crop, MAX_SIDE),
            ("signal.resize", self.resize, MAX_SIDE),
        ] {
            let value = value.unwrap_or(1);
            if !(1..=most).contains(&value) {
                return Err(Error::invalid(key, value, &format!("1 to {most} pixels")));
            }
        }
        if self.crop.is_some()
            && let Some(crop_box) = self.crop_box
        {
            let value = format!("{crop_box:?}");
            let expected = "either `crop` or `crop_box`, not both";
            return Err(Error::invalid("signal.crop_box", value, expected));
        }
        Ok(())
    }

    /// The picture.
    ///
    /// # Errors
    /// If the file cannot be read, or is smaller than what is to be kept of it.
    pub fn open(&self) -> Result<Picture> {
        let picture = if let Some(path) = self.path {
            Picture::open_first(path, self.color)?
        } else {
            let side = self.size.unwrap_or(DEFAULT_SIZE);
            let picture = scene(side, side);
            match self.color {
                ColorMode::Gray => picture.luma(),
                ColorMode::Auto | ColorMode::Rgb => picture,
            }
        };
        self.prepare(picture)
    }

    /// Crops, then resizes.
    ///
    /// # Errors
    /// If the picture is smaller than what is to be kept of it.
    pub fn prepare(&self, picture: Picture) -> Result<Picture> {
        let cropped = match (self.crop, self.crop_box) {
            (Some(side), _) => {
                let fits = picture.crop_center(side, side);
                fits.map_err(|_| too_large("signal.crop", &side, &picture))?
            }
            (None, Some(crop_box)) => {
                let [top, left, height, width] = crop_box;
                let fits = picture.crop_box(top, left, height, width);
                fits.map_err(|_| too_large("signal.crop_box", &crop_box, &picture))?
            }
            (None, None) => picture,
        };
        match self.resize {
            Some(side) => cropped.resize_shorter_side(side),
            None => Ok(cropped),
        }
    }

    /// A gray picture, black where it is transparent, that says something about each pixel of another, and may be drawn for that
    /// picture as it is in its file or as it is fitted.
    ///
    /// # Errors
    /// If it cannot be read, or has another size.
    pub fn open_mask(&self, path: &Path, picture: &Picture) -> Result<Picture> {
        let mask = Picture::open_mask(path)?;
        let fits = |m: &Picture| (m.height, m.width) == (picture.height, picture.width);
        if fits(&mask) {
            return Ok(mask);
        }
        let (own_height, own_width) = (mask.height, mask.width);
        self.prepare(mask).ok().filter(fits).ok_or_else(|| {
            let (height, width) = (picture.height, picture.width);
            let message = format!(
                "has {own_height} × {own_width} pixels (height × width): the mask must have the size of the picture, \
                 {height} × {width} pixels after cropping and resizing"
            );
            Error::signal(path, message)
        })
    }
}

fn too_large(key: &str, value: &dyn std::fmt::Debug, picture: &Picture) -> Error {
    let (height, width) = (picture.height, picture.width);
    let expected =
        format!("a part of the picture, which has {height} × {width} pixels (height × width)");
    Error::invalid(key, format!("{value:?}"), &expected)
}
