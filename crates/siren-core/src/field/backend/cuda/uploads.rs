//! Tensors on the device, kept while they are used again.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Mutex;

use candle_core::{Result, Tensor, TensorId};
use siren_cuda::{Device, DeviceArray, DeviceIndices};

use super::super::{PointSet, lock};
use super::{memory, wrapped};

/// Most tensors that are kept: coordinates and targets of some samples.
const MOST_ARRAYS: usize = 8;
/// Most elements that are kept: 1 GiB.
const MOST_ELEMENTS: usize = 1 << 28;

/// The tensors that were used last, on a device. A sample that stays the same in all steps is uploaded once.
pub(super) struct Uploads {
    device: Device,
    /// From the one that was used last.
    kept: Mutex<VecDeque<(TensorId, DeviceArray)>>,
}

impl Uploads {
    pub(super) fn new(device: Device) -> Self {
        Self {
            device,
            kept: Mutex::default(),
        }
    }

    /// Returns a tensor of type `f32` on the device. Tensors are never changed, except for variables, which are uploaded anew. Those that are
    /// on the device already are copied, not kept.
    pub(super) fn of(&self, tensor: &Tensor) -> Result<DeviceArray> {
        let upload = || memory::array(&self.device, tensor);
        if tensor.is_variable() || !tensor.device().is_cpu() {
            return upload();
        }
        let mut kept = lock(&self.kept);
        let known = kept.iter().position(|(id, _)| *id == tensor.id());
        let (id, array) = match known.and_then(|index| kept.remove(index)) {
            Some(known) => known,
            None => (tensor.id(), upload()?),
        };
        kept.push_front((id, array.clone()));
        let mut elements = 0;
        let fitting = kept.iter().take(MOST_ARRAYS).take_while(|(_, array)| {
            elements += array.len();
            elements <= MOST_ELEMENTS
        });
        let fitting = fitting.count();
        kept.truncate(fitting);
        Ok(array)
    }

    /// Uploads the indices of points.
    pub(super) fn rows(&self, points: &PointSet<'_>) -> Result<DeviceRows> {
        Ok(match points {
            PointSet::Adjacent(points) => DeviceRows::Adjacent(points.clone()),
            PointSet::Selected(indices) => {
                DeviceRows::Selected(self.device.indices(indices).map_err(wrapped)?)
            }
        })
    }

    /// Returns rows of a tensor of type `f32` on the device; a row has `width` elements.
    pub(super) fn of_rows(
        &self,
        tensor: &Tensor,
        width: usize,
        rows: &DeviceRows,
    ) -> Result<DeviceArray> {
        if let (false, DeviceRows::Adjacent(rows)) = (tensor.device().is_cpu(), rows) {
            return self.of(&tensor.narrow(0, rows.start, rows.len())?);
        }
        let all = self.of(tensor)?;
        let some = match rows {
            DeviceRows::Adjacent(rows) if rows.len() * width == all.len() => return Ok(all),
            DeviceRows::Adjacent(rows) => {
                let elements = rows.start * width..rows.end * width;
                self.device.part(&all, elements)
            }
            DeviceRows::Selected(indices) => self.device.gather(&all, width, indices),
        };
        some.map_err(wrapped)
    }
}

/// Rows of arrays on a device.
pub(super) enum DeviceRows {
    Adjacent(Range<usize>),
    Selected(DeviceIndices),
}
