//! Pictures of a field on three planes.

use image::RgbImage;
use siren_core::Result;
use siren_core::field::Siren;

use super::slices::{deviations_picture, slice_points, slices_picture};
use crate::extract::LevelFunction as _;
use crate::geometry::vector::length;

/// Largest |Φ| that slices distinguish, in coordinates.
const VALUE_RANGE: f32 = 1.0;
/// Largest |‖∇Φ‖ − 1| that slices distinguish.
const DEVIATION_RANGE: f32 = 0.5;

/// Values and gradient norms of a field on the planes x = 0, y = 0 and z = 0 of the cube [−1, 1]³.
pub(crate) struct FieldSlices {
    values: [Vec<f32>; 3],
    deviations: [Vec<f32>; 3],
    side: usize,
}

impl FieldSlices {
    /// Evaluates a field at `side` × `side` points of each plane.
    ///
    /// # Errors
    /// Only from candle.
    pub(crate) fn of(field: &Siren, side: usize) -> Result<Self> {
        let mut slices = Self {
            values: Default::default(),
            deviations: Default::default(),
            side,
        };
        for (plane, points) in slice_points(side, 1.0).iter().enumerate() {
            let found = field.values_and_gradients(points)?;
            let values = found.values.iter().map(|&v| v as f32);
            slices.values[plane] = values.collect();
            let gradients = found.gradients.as_chunks::<3>().0.iter();
            slices.deviations[plane] = gradients.map(|&g| (length(g) - 1.0) as f32).collect();
        }
        Ok(slices)
    }

    /// Draws Φ with its level lines.
    pub(crate) fn values(&self) -> RgbImage {
        slices_picture(&self.values, self.side, VALUE_RANGE)
    }

    /// Draws ‖∇Φ‖ − 1.
    pub(crate) fn gradient_norms(&self) -> RgbImage {
        deviations_picture(&self.deviations, &self.values, self.side, DEVIATION_RANGE)
    }
}
