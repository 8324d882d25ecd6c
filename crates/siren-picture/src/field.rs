//! A fitted field together with the facts from which it is rendered.

use std::path::Path;

use siren_core::field::Siren;
use siren_core::{Error, Result};

use crate::canvas::{Canvas, Size};
use crate::draw::{self, Quantity};
use crate::metadata::PictureMetadata;
use crate::picture::Picture;

/// A field `Φ: (row, column) → channels` that was fitted to a picture, with the picture's [`PictureMetadata`]: size, coordinates and tone.
///
/// The field is asked in **coordinates**: a point is `(row, column)`, each in [−1, 1] from the center of the first pixel to that of the
/// last. [`coords`](Self::coords) converts positions in pixels. Its values are those of the training targets, −1 for black and 1 for full
/// intensity, before the tone correction; [`pixel`](Self::pixel) and [`render`](Self::render) give intensities in [0, 1].
#[derive(Debug)]
pub struct PictureField {
    siren: Siren,
    metadata: PictureMetadata,
    canvas: Canvas,
}

impl PictureField {
    /// Makes a picture's field of a field and the facts of its picture.
    ///
    /// # Errors
    /// [`Error::Shape`] if the field has not two coordinates and 1 or 3 channels, a side is zero, or the tone has another number of channels.
    pub fn new(siren: Siren, metadata: PictureMetadata) -> Result<Self> {
        let (coordinates, channels) = (siren.in_features(), siren.out_features());
        if coordinates != 2 || (channels != 1 && channels != 3) {
            return Err(Error::Shape {
                what: "field of a picture",
                expected: "2 coordinates, and 1 channel (gray) or 3 (RGB)".to_owned(),
                got: format!("{coordinates} coordinates, {channels} channels"),
            });
        }
        let tone = metadata.tone.len();
        if tone != 0 && tone != channels {
            return Err(Error::Shape {
                what: "tone of a picture",
                expected: format!("one [gain, offset] for each of {channels} channels, or none"),
                got: format!("{tone}"),
            });
        }
        Ok(Self {
            canvas: metadata.canvas()?,
            siren,
            metadata,
        })
    }

    /// Reads a field that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if the file is damaged, or holds no facts of a picture; [`Error::Io`] if it cannot be read; as
    /// [`new`](Self::new).
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let (siren, metadata) = Siren::open_with(path)?;
        Self::new(siren, metadata)
    }

    /// Writes the field and the facts of its picture to one `.safetensors` file, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] if the file is not named `.safetensors`; [`Error::Io`] if it cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.siren.save_with(&self.metadata, path)
    }

    /// Returns the field.
    #[must_use]
    pub fn siren(&self) -> &Siren {
        &self.siren
    }

    /// Returns the field without the facts of its picture.
    #[must_use]
    pub fn into_siren(self) -> Siren {
        self.siren
    }

    /// Returns the facts of the fitted picture.
    #[must_use]
    pub fn metadata(&self) -> &PictureMetadata {
        &self.metadata
    }

    /// Returns the size of the fitted picture.
    #[must_use]
    pub fn size(&self) -> Size {
        self.canvas.size()
    }

    /// Returns the number of channels: 1 (gray) or 3 (RGB).
    #[must_use]
    pub fn channels(&self) -> usize {
        self.siren.out_features()
    }

    /// Returns the canvas of the fitted picture, which also tells the spacing of its pixels in coordinates.
    #[must_use]
    pub fn canvas(&self) -> &Canvas {
        &self.canvas
    }

    /// Returns the coordinates of a position in pixels of the fitted picture: `(0, 0)` is the center of the first pixel. Positions between
    /// pixels, such as `(2.5, 7.25)`, and outside of the picture are allowed.
    #[must_use]
    pub fn coords(&self, row: f64, column: f64) -> [f64; 2] {
        let grid = self.canvas.grid();
        let coord = |axis: usize, position: f64| match grid.sides()[axis] - 1 {
            0 => 0.0,
            intervals => grid.extent(axis) * (2.0 * (position / intervals as f64) - 1.0),
        };
        [coord(0, row), coord(1, column)]
    }

    /// Returns the intensities in [0, 1], one per channel, at a position in pixels of the fitted picture (see [`coords`](Self::coords)).
    ///
    /// # Errors
    /// Only from candle.
    pub fn pixel(&self, row: f64, column: f64) -> Result<Vec<f32>> {
        let values = self.values(&self.coords(row, column))?;
        let channels = values.into_iter().enumerate();
        Ok(channels
            .map(|(channel, y)| self.canvas.intensity(channel, y as f32))
            .collect())
    }

    /// Returns the values `(n, c)` at `points (n, 2)`, both row-major: −1 is black and 1 is full intensity before the tone correction.
    ///
    /// # Errors
    /// [`Error::Shape`] if the number of coordinates is odd.
    pub fn values(&self, points: &[f64]) -> Result<Vec<f64>> {
        self.siren.values(points)
    }

    /// Returns the gradients `(n, c, 2)` of the values at `points (n, 2)`, both row-major, with respect to the coordinates: downward, to the
    /// right. Times [`Canvas::pixel_spacing`] they are per pixel.
    ///
    /// # Errors
    /// As [`values`](Self::values).
    pub fn gradients(&self, points: &[f64]) -> Result<Vec<f64>> {
        self.siren.gradients(points)
    }

    /// Returns the Laplacians `(n, c)` of the values at `points (n, 2)`, both row-major, with respect to the coordinates.
    ///
    /// # Errors
    /// As [`values`](Self::values).
    pub fn laplacians(&self, points: &[f64]) -> Result<Vec<f64>> {
        self.siren.laplacians(points)
    }

    /// Renders the field in memory at any size, over the region of the fitted picture.
    ///
    /// # Errors
    /// [`Error::InvalidValue`] if a side is zero or there are more than [`MAX_PIXELS`](crate::picture::MAX_PIXELS) pixels. [`draw::render`] writes larger ones to a file.
    pub fn render(&self, size: Size) -> Result<Picture> {
        self.render_quantity(Quantity::Value, size)
    }

    /// Renders the value, the gradient or the Laplacian in memory at any size. Derivatives are per pixel of the fitted picture, in colors.
    ///
    /// # Errors
    /// As [`render`](Self::render).
    pub fn render_quantity(&self, quantity: Quantity, size: Size) -> Result<Picture> {
        size.must_fit_in_memory()?;
        draw::picture(&self.siren, &self.canvas.resized(size)?, quantity)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use rand::SeedableRng;
    use siren_core::field::{FieldShape, SirenConfig};
    use siren_core::signal::CoordinateRule;

    use super::*;

    fn siren(coordinates: usize, channels: usize, dtype: DType) -> Siren {
        let config = SirenConfig {
            hidden_features: 8.into(),
            hidden_layers: 1,
            ..SirenConfig::default()
        };
        let shape = FieldShape {
            in_features: coordinates,
            out_features: channels,
            samples_per_side: None,
        };
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        config.init(shape, &mut rng, dtype, &Device::Cpu).unwrap()
    }

    fn metadata() -> PictureMetadata {
        PictureMetadata {
            height: 5,
            width: 9,
            coordinates: CoordinateRule::Aspect,
            tone: vec![[0.5, 0.1]; 3],
        }
    }

    #[test]
    fn a_file_gives_the_same_rendering_in_both_precisions() {
        let folder = tempfile::tempdir().unwrap();
        for dtype in [DType::F32, DType::F64] {
            let field = PictureField::new(siren(2, 3, dtype), metadata()).unwrap();
            let path = folder.path().join("field.safetensors");
            field.save(&path).unwrap();
            let again = PictureField::open(&path).unwrap();
            assert_eq!(again.metadata(), field.metadata());
            assert_eq!(again.siren().parameters().dtype(), dtype);
            for quantity in [Quantity::Value, Quantity::Gradient, Quantity::Laplacian] {
                let size = Size {
                    height: 7,
                    width: 4,
                };
                let rendering = field.render_quantity(quantity, size).unwrap();
                rendering.validate().unwrap();
                assert_eq!(rendering.size(), size);
                assert_eq!(again.render_quantity(quantity, size).unwrap(), rendering);
            }
        }
    }

    #[test]
    fn a_pixel_is_that_of_the_rendering_and_gradients_are_differences() {
        let field = PictureField::new(siren(2, 3, DType::F64), metadata()).unwrap();
        let rendering = field.render(field.size()).unwrap();
        for (row, column) in [(0, 0), (2, 4), (4, 8)] {
            let pixel = field.pixel(row as f64, column as f64).unwrap();
            assert_eq!(Some(pixel), rendering.pixel(row, column));
        }
        let [row, column] = field.coords(1.25, 6.5);
        let step = 1e-4;
        let points = [row, column - step, row, column, row, column + step];
        let values = field.values(&points).unwrap();
        let gradients = field.gradients(&points[2..4]).unwrap();
        let slope = (values[6] - values[0]) / (2.0 * step);
        assert!((slope - gradients[1]).abs() < 1e-3 * slope.abs().max(1.0));
    }

    #[test]
    fn fields_and_sizes_that_are_no_pictures_are_errors() {
        for (coordinates, channels) in [(1, 1), (3, 3), (2, 2)] {
            let plain = PictureMetadata {
                tone: Vec::new(),
                ..metadata()
            };
            let error = PictureField::new(siren(coordinates, channels, DType::F32), plain);
            assert!(matches!(error, Err(Error::Shape { .. })));
        }
        let gray = PictureField::new(siren(2, 1, DType::F32), metadata());
        assert!(gray.unwrap_err().to_string().contains("[gain, offset]"));
        let field = PictureField::new(siren(2, 3, DType::F32), metadata()).unwrap();
        for (height, width) in [(0, 4), (usize::MAX, 2)] {
            let error = field.render(Size { height, width }).unwrap_err();
            assert!(error.to_string().contains("in memory"), "{error}");
        }
    }
}
