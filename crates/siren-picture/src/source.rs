//! The picture that a config selects, and its preprocessing.

use std::path::Path;

use siren_core::{Error, Result};

use crate::picture::{ColorMode, MAX_PIXELS, MAX_READ_SIDE, MAX_SIDE, Picture};
use crate::scene::scene;

/// Default side of the embedded picture, in pixels.
const DEFAULT_SIZE: usize = 256;
/// Largest side, in pixels, of the embedded picture. It is square, and has at most [`MAX_PIXELS`] pixels.
pub const MAX_SIZE: usize = MAX_PIXELS.isqrt();

/// Settings of the `[signal]` table that select a picture. The picture is read, cropped, then resized.
#[derive(Clone, Copy, Debug)]
pub struct PictureSource<'a> {
    /// Picture file; `None` selects the embedded picture.
    pub path: Option<&'a Path>,
    /// Side of the embedded picture in pixels.
    pub size: Option<usize>,
    /// Number of channels: as in the file, gray, or RGB.
    pub color: ColorMode,
    /// Crops the picture to a square of this side at its center, in pixels.
    pub crop: Option<usize>,
    /// Crops the picture to this rectangle, in pixels: `[top, left, height, width]`.
    pub crop_box: Option<[usize; 4]>,
    /// Resizes the picture, after cropping, so that its shorter side has this many pixels.
    pub resize: Option<usize>,
}

impl PictureSource<'_> {
    /// Checks the range of every value.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] with the full key, such as `signal.crop`.
    pub fn validate(&self) -> Result<()> {
        for (key, value, max) in [
            ("signal.size", self.size, MAX_SIZE),
            ("signal.crop", self.crop, MAX_READ_SIDE),
            ("signal.resize", self.resize, MAX_SIDE),
        ] {
            let value = value.unwrap_or(1);
            if !(1..=max).contains(&value) {
                return Err(Error::invalid(key, value, &format!("1 to {max} pixels")));
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

    /// Reads the picture file into memory or renders the embedded picture, then crops and resizes it. Remarks for the user are added to `notes`.
    ///
    /// # Errors
    /// Same as [`Picture::open`] and [`prepare`](Self::prepare).
    pub fn open(&self, notes: &mut Vec<String>) -> Result<Picture> {
        let picture = match self.path {
            Some(path) => Picture::open_first(path, self.color, notes)?,
            None => self.embedded(),
        };
        self.prepare(picture)
    }

    /// Reads the picture like [`open`](Self::open), which may be larger than memory: [`Picture::open_large`]. To be resized, what the crop leaves of
    /// it must fit into memory.
    ///
    /// # Errors
    /// Same as [`Picture::open_large`] and [`prepare`](Self::prepare).
    pub fn open_large(&self, notes: &mut Vec<String>) -> Result<Picture> {
        let picture = match self.path {
            Some(path) => Picture::open_large(path, self.color, notes)?,
            None => self.embedded(),
        };
        self.prepare(picture)
    }

    fn embedded(&self) -> Picture {
        let side = self.size.unwrap_or(DEFAULT_SIZE);
        let picture = scene(side, side);
        match self.color {
            ColorMode::Gray => picture.luma(),
            ColorMode::Auto | ColorMode::Rgb => picture,
        }
    }

    /// Crops a picture, then resizes it.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if the crop is larger than the picture, or if the resized picture would be too large. [`Error::Signal`] if the picture
    /// is in a file and does not fit into memory, where it is resized.
    pub fn prepare(&self, picture: Picture) -> Result<Picture> {
        let cropped = match (self.crop, self.crop_box) {
            (Some(side), _) => {
                let cropped = picture.crop_center(side, side);
                cropped.map_err(|error| crop_error("signal.crop", &side, &picture, error))?
            }
            (None, Some(crop_box)) => {
                let [top, left, height, width] = crop_box;
                let cropped = picture.crop_box(top, left, height, width);
                cropped
                    .map_err(|error| crop_error("signal.crop_box", &crop_box, &picture, error))?
            }
            (None, None) => picture,
        };
        match self.resize {
            Some(side) => {
                let path = self.path.unwrap_or(Path::new("picture"));
                cropped.into_memory(path)?.resize_shorter_side(side)
            }
            None => Ok(cropped),
        }
    }

    /// Reads a mask for a prepared picture, composited over black. The mask may have the size of the prepared picture, or a size
    /// that becomes the same by the same cropping and resizing.
    ///
    /// # Errors
    /// Same as [`Picture::open`]. [`Error::Signal`] if the mask has a different size.
    pub fn open_mask(&self, path: &Path, picture: &Picture) -> Result<Picture> {
        let mask = Picture::open_mask(path)?;
        let has_same_size =
            |mask: &Picture| (mask.height, mask.width) == (picture.height, picture.width);
        if has_same_size(&mask) {
            return Ok(mask);
        }
        let (mask_height, mask_width) = (mask.height, mask.width);
        let prepared = self.prepare(mask).ok().filter(has_same_size);
        prepared.ok_or_else(|| {
            let (height, width) = (picture.height, picture.width);
            let message = format!(
                "the mask has {mask_height} × {mask_width} pixels (height × width), expected the size of the picture, \
                 {height} × {width} pixels after cropping and resizing"
            );
            Error::signal(path, message)
        })
    }
}

/// Names the key of a crop in the error of one beyond the picture.
fn crop_error(key: &str, value: &dyn std::fmt::Debug, picture: &Picture, error: Error) -> Error {
    if !matches!(error, Error::InvalidValue { .. }) {
        return error;
    }
    let (height, width) = (picture.height, picture.width);
    let expected =
        format!("a crop inside the picture of {height} × {width} pixels (height × width)");
    Error::invalid(key, format!("{value:?}"), &expected)
}
