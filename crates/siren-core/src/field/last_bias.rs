//! Biases of the last layer that start at the mean of a signal.

use candle_core::{DType, Device, Tensor};

use super::siren::Siren;
use crate::error::{Error, Result};

impl Siren {
    /// Sets the biases of the last layer `(c,)` to the mean of `targets (n, c)`; in a mosaic those of each tile, to the mean of the targets at the points
    /// of `coords (n, d)` where it has a weight, weighted by it. A tile without such a point keeps its biases.
    ///
    /// A newly drawn network is close to its last bias everywhere, so that it then starts at the mean of what it is to fit.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shapes do not fit the field.
    pub fn set_last_bias_to_mean(&self, coords: &Tensor, targets: &Tensor) -> Result<()> {
        let (dims, channels) = (self.in_features(), self.out_features());
        let rows = coords.dims().first().copied().unwrap_or_default();
        if coords.dims() != [rows, dims] || targets.dims() != [rows, channels] {
            return Err(Error::Shape {
                what: "coordinates and targets of a field",
                expected: format!("(n, {dims}) and (n, {channels})"),
                got: format!("{:?} and {:?}", coords.dims(), targets.dims()),
            });
        }
        let [.., bias] = self.network().layout().entries() else {
            return Ok(());
        };
        let (coords, targets) = (doubles(coords)?, doubles(targets)?);
        let mut sums = vec![0.0; bias.range.len()];
        let mut weights = vec![0.0; self.network().tiles()];
        for (point, target) in coords.chunks(dims).zip(targets.chunks(channels)) {
            let mut add = |tile: usize, weight: f64| {
                let sums = &mut sums[tile * channels..(tile + 1) * channels];
                for (sum, target) in sums.iter_mut().zip(target) {
                    *sum += weight * target;
                }
                weights[tile] += weight;
            };
            match self.network().tiling() {
                Some(tiling) => tiling.for_each_weight(point, |w| add(w.tile, w.value())),
                None => add(0, 1.0),
            }
        }
        let mut flat = doubles(&self.parameters().flat()?)?;
        let biases = flat[bias.range.clone()].chunks_mut(channels);
        for ((biases, sums), weight) in biases.zip(sums.chunks(channels)).zip(&weights) {
            if *weight > 0.0 {
                for (bias, sum) in biases.iter_mut().zip(sums) {
                    *bias = sum / weight;
                }
            }
        }
        let flat = Tensor::from_vec(flat, self.parameters().len(), &Device::Cpu)?;
        let flat = flat.to_dtype(self.parameters().dtype())?;
        let device = self.parameters().device();
        self.parameters().set(&flat.to_device(device)?)
    }
}

/// Returns all elements in double precision.
fn doubles(tensor: &Tensor) -> Result<Vec<f64>> {
    Ok(tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)
}
