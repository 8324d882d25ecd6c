//! Fields on a device: their parameters and packed weights.

use std::sync::Arc;

use siren_kernel::network::{Features, Plan};

use crate::arguments::{Jets, Parameters, Rows, Weights};
use crate::array::DeviceArray;
use crate::device::{Buffer, Device};
use crate::error::{Error, Result};
use crate::kernels::Precision;
use crate::narrow::Kernels;
use crate::tables::{OrderTables, SinusoidTables};
use crate::tiles::{Tiling, column_tiles, stride};
use crate::weights::{Direction, PackedWeights, first_product};

/// A batch of fields of one plan on a device, with their weights packed.
pub struct Fields {
    pub(crate) device: Device,
    pub(crate) plan: Arc<Plan>,
    pub(crate) precision: Precision,
    pub(crate) kernels: Kernels,
    pub(crate) count: usize,
    params: DeviceArray,
    weights: PackedWeights,
    pub(crate) sinusoids: Option<Arc<SinusoidTables>>,
}

/// Jets of a layer on the device.
pub(crate) struct RowsBuffer {
    data: Buffer<f32>,
    maxima: Buffer<f32>,
    pub(crate) width: usize,
}

impl Device {
    /// Uploads the parameters `(b, P)` of a batch of fields and packs their weights.
    ///
    /// # Errors
    /// [`Error::Length`] if `params` is not a multiple of the parameters of the plan; [`Error::OutOfMemory`].
    pub fn fields(&self, plan: &Arc<Plan>, params: &[f32], precision: Precision) -> Result<Fields> {
        self.unpacked_fields(plan, &self.array(params)?, precision)
    }

    /// Makes fields whose parameters `(b, P)` are an array on the device, which a step of an optimizer changes in place. The weights are packed
    /// now: after such a step, or [`DeviceArray::write`], make the fields anew, since the old ones have old weights with new biases.
    ///
    /// # Errors
    /// As [`fields`](Self::fields).
    pub fn fields_of(
        &self,
        plan: &Arc<Plan>,
        params: &DeviceArray,
        precision: Precision,
    ) -> Result<Fields> {
        let fields = self.unpacked_fields(plan, params, precision)?;
        fields.weights.pack_all()?;
        Ok(fields)
    }

    /// Makes fields whose weights are packed at their first use.
    fn unpacked_fields(
        &self,
        plan: &Arc<Plan>,
        params: &DeviceArray,
        precision: Precision,
    ) -> Result<Fields> {
        let each = plan.parameters;
        if each == 0 || params.is_empty() || !params.len().is_multiple_of(each) {
            return Err(Error::Length {
                what: "parameters of a batch of fields",
                expected: format!("a multiple of {each}"),
                got: params.len(),
            });
        }
        let sinusoids = match &plan.features {
            Features::Sinusoids {
                include_input,
                waves,
            } => Some(self.sinusoid_tables(plan, *include_input, waves)?),
            Features::Identity | Features::Rbf { .. } => None,
        };
        let count = params.len() / each;
        let parameters = Parameters {
            data: self.address(&params.buffer),
            count: each as i64,
        };
        Ok(Fields {
            device: self.clone(),
            plan: Arc::clone(plan),
            precision,
            kernels: Kernels::of(plan),
            count,
            weights: PackedWeights::new(self, plan, precision, count, parameters)?,
            params: params.clone(),
            sinusoids,
        })
    }

    /// Allocates the rows of a layer.
    pub(crate) fn rows(&self, tiling: Tiling, width: usize) -> Result<RowsBuffer> {
        Ok(RowsBuffer {
            data: self.uninitialized(tiling.rows() * stride(width), "the jets of a layer")?,
            maxima: self.uninitialized(tiling.rows() * column_tiles(width), "maxima of rows")?,
            width,
        })
    }

    /// Returns rows as an argument.
    pub(crate) fn rows_argument(&self, rows: &RowsBuffer) -> Rows {
        Rows {
            data: self.address(&rows.data),
            maxima: self.address(&rows.maxima),
            width: rows.width as i32,
            stride: stride(rows.width) as i32,
        }
    }

    /// Returns the jets of a tiling as an argument.
    pub(crate) fn jets_argument(&self, tiling: Tiling, order: &OrderTables) -> Jets {
        Jets {
            entries: self.address(&order.entries),
            entry_ends: self.address(&order.entry_ends),
            points: tiling.points as i32,
            points_per_tile: tiling.points_per_tile() as i32,
            gradients: order.gradients as i32,
            traces: order.traces as i32,
            shape: order.shape as i32,
        }
    }
}

impl Fields {
    /// Returns the device.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Returns the number of fields.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns whether a layer is a product on tensor cores.
    pub(crate) fn is_product(&self, index: usize) -> bool {
        index >= first_product(&self.plan)
    }

    pub(crate) fn parameters_argument(&self) -> Parameters {
        Parameters {
            data: self.device.address(&self.params.buffer),
            count: self.plan.parameters as i64,
        }
    }

    /// Returns the packed weights of a layer as an argument.
    pub(crate) fn weights_argument(&self, index: usize, direction: Direction) -> Result<Weights> {
        self.weights.argument(index, direction)
    }
}
