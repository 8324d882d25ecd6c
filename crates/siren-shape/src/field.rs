//! A fitted shape.

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use siren_core::field::{Order, Siren};
use siren_core::{Error, Result};

use crate::extract::{Extracted, Extraction, LevelFunction, ValueRange, ValuesAndGradients};
use crate::{Bounds, Frame, Mesh, Vector};

/// A fitted shape: a field whose value is the signed distance to a surface, negative inside, with the frame of the points from which it was
/// fitted. Positions and distances are in the units of the user.
#[derive(Debug)]
pub struct ShapeField {
    siren: Siren,
    frame: Frame,
}

impl ShapeField {
    /// Puts a fitted field and the frame of its points, [`Shape::frame`](crate::Shape::frame), together.
    ///
    /// # Errors
    /// [`Error::Shape`] if the field has other than three coordinates and one channel.
    pub fn new(siren: Siren, frame: Frame) -> Result<Self> {
        let sizes = [siren.in_features(), siren.out_features()];
        if sizes != [3, 1] {
            return Err(Error::Shape {
                what: "field of a shape",
                expected: "3 coordinates and 1 channel".to_owned(),
                got: format!("{} and {}", sizes[0], sizes[1]),
            });
        }
        Ok(Self { siren, frame })
    }

    /// Writes the field and the frame to a `.safetensors` file, whole or not at all.
    ///
    /// # Errors
    /// As [`Siren::save_with`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.siren.save_with(&self.frame, path)
    }

    /// Reads what [`save`](Self::save) wrote, in the precision of the file, to the CPU.
    ///
    /// # Errors
    /// As [`Siren::open_with`] and [`new`](Self::new).
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let (siren, frame) = Siren::open_with(path)?;
        Self::new(siren, frame)
    }

    /// Returns the field, a function of coordinates.
    #[must_use]
    pub fn siren(&self) -> &Siren {
        &self.siren
    }

    /// Returns the frame.
    #[must_use]
    pub fn frame(&self) -> Frame {
        self.frame
    }

    /// Returns the signed distances `(n,)` at positions `(n, 3)`.
    ///
    /// # Errors
    /// Only from candle.
    pub fn signed_distances(&self, positions: &[Vector]) -> Result<Vec<f64>> {
        let values = self.siren.values(self.coords(positions).as_flattened())?;
        Ok(values.into_iter().map(|v| v / self.frame.scale).collect())
    }

    /// Returns the gradients of the signed distance `(n, 3)` at positions `(n, 3)`. On the surface they are outward normals, of length
    /// about 1.
    ///
    /// # Errors
    /// Only from candle.
    pub fn gradients(&self, positions: &[Vector]) -> Result<Vec<Vector>> {
        // Values and positions are scaled alike, so gradients are not.
        let gradients = self
            .siren
            .gradients(self.coords(positions).as_flattened())?;
        Ok(gradients.as_chunks().0.to_vec())
    }

    /// Extracts the surface as a closed mesh. Level and box of `extraction` are in coordinates: [`frame`](Self::frame) converts.
    ///
    /// # Errors
    /// As [`Extraction::mesh`]; the message about a field without a surface has the units of the user.
    pub fn mesh(&self, extraction: &Extraction) -> Result<Mesh> {
        match extraction.extract(&self.siren)? {
            Extracted::Surface(mesh) => Ok(self.frame.mesh_at_positions(mesh)),
            Extracted::Nothing(range) => {
                let scale = self.frame.scale;
                let range = ValueRange {
                    lowest: range.lowest / scale,
                    highest: range.highest / scale,
                };
                let bounds = Bounds {
                    low: self.frame.position(extraction.bounds.low),
                    high: self.frame.position(extraction.bounds.high),
                };
                Err(range.no_surface(extraction.level / scale, &bounds))
            }
        }
    }

    fn coords(&self, positions: &[Vector]) -> Vec<Vector> {
        positions.iter().map(|p| self.frame.coord(*p)).collect()
    }
}

impl LevelFunction for Siren {
    fn values(&self, points: &[f64]) -> Result<Vec<f64>> {
        Self::values(self, points)
    }

    fn values_and_gradients(&self, points: &[f64]) -> Result<ValuesAndGradients> {
        let coords = Tensor::from_slice(points, (points.len() / 3, 3), &Device::Cpu)?;
        let coords = coords.to_dtype(self.parameters().dtype())?;
        let coords = coords.to_device(self.parameters().device())?;
        let jet = self.evaluate(&coords, &Order::Gradient)?;
        let elements = |tensor: Tensor| -> Result<Vec<f64>> {
            let tensor = tensor.to_dtype(DType::F64)?;
            Ok(tensor.flatten_all()?.to_vec1()?)
        };
        Ok(ValuesAndGradients {
            values: elements(jet.value()?)?,
            gradients: elements(jet.gradient()?)?,
        })
    }
}
