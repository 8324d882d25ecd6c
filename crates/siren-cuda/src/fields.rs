//! Fields on a device: their parameters and packed weights.

use std::sync::{Arc, OnceLock};

use siren_kernel::network::{Dense, Features, Order, Plan};

use crate::arguments::{JetShape, Jets, Maximum, Pack, Parameters, Rows, TraceTerm, Weights};
use crate::device::{Buffer, Device};
use crate::error::{Error, Result};
use crate::kernels::{Precision, THREADS};
use crate::tiles::{Tiling, column_tiles, stride};

/// Blocks that look for the largest weight of a matrix.
const MAXIMUM_BLOCKS: usize = 64;

/// A batch of fields of one plan on a device, with their weights packed.
pub struct Fields {
    pub(crate) device: Device,
    pub(crate) plan: Arc<Plan>,
    pub(crate) precision: Precision,
    pub(crate) count: usize,
    params: Buffer<f32>,
    /// Bits of the largest weight `(layer, field)`.
    maxima: Vec<Buffer<u32>>,
    /// `W` of each layer for `z = W h`; `None` for a layer that is computed in single precision.
    forward: Vec<Option<Buffer<u32>>>,
    /// `Wᵀ` of each layer for `h̄ = Wᵀ z̄`; packed at first use.
    backward: OnceLock<Vec<Option<Buffer<u32>>>>,
    pub(crate) sinusoids: Option<SinusoidTables>,
}

/// Frequencies of sinusoidal features on the device.
pub(crate) struct SinusoidTables {
    pub(crate) frequencies: Buffer<f32>,
    pub(crate) axes: Buffer<i32>,
}

/// Jets of a layer on the device.
pub(crate) struct RowsBuffer {
    data: Buffer<f32>,
    maxima: Buffer<f32>,
    pub(crate) width: usize,
}

/// The second-order traces of an order on the device.
pub(crate) struct OrderTables {
    entries: Buffer<TraceTerm>,
    entry_ends: Buffer<i32>,
    gradients: usize,
    traces: usize,
    shape: JetShape,
}

/// Direction in which a product uses the weights of a layer.
#[derive(Clone, Copy)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

impl Device {
    /// Uploads the parameters `(b, P)` of a batch of fields and packs their weights.
    ///
    /// # Errors
    /// [`Error::Length`] if `params` is not a multiple of the parameters of the plan; [`Error::OutOfMemory`].
    pub fn fields(&self, plan: &Arc<Plan>, params: &[f32], precision: Precision) -> Result<Fields> {
        let each = plan.parameters;
        if each == 0 || params.is_empty() || !params.len().is_multiple_of(each) {
            return Err(Error::Length {
                what: "parameters of a batch of fields",
                expected: format!("a multiple of {each}"),
                got: params.len(),
            });
        }
        let sinusoids = match &plan.features {
            Features::Sinusoids { .. } => Some(self.sinusoid_tables(plan)?),
            Features::Identity | Features::Rbf { .. } => None,
        };
        let mut fields = Fields {
            device: self.clone(),
            plan: Arc::clone(plan),
            precision,
            count: params.len() / each,
            params: self.upload(params)?,
            maxima: Vec::new(),
            forward: Vec::new(),
            backward: OnceLock::new(),
            sinusoids,
        };
        for layer in &plan.layers {
            fields.maxima.push(fields.maximum(layer)?);
        }
        fields.forward = fields.pack(Direction::Forward)?;
        Ok(fields)
    }

    fn sinusoid_tables(&self, plan: &Plan) -> Result<SinusoidTables> {
        let Features::Sinusoids {
            include_input,
            waves,
        } = &plan.features
        else {
            unreachable!("the caller has matched the features");
        };
        let dims = plan.in_features;
        let (mut frequencies, mut axes) = (Vec::new(), Vec::new());
        if *include_input {
            axes.extend(0..dims as i32);
            frequencies.resize(dims * dims, 0.0);
        }
        for wave in waves.features() {
            axes.push(if wave.is_cosine { -2 } else { -1 });
            frequencies.extend(wave.angular_frequency.iter().map(|&omega| omega as f32));
        }
        Ok(SinusoidTables {
            frequencies: self.upload(&frequencies)?,
            axes: self.upload(&axes)?,
        })
    }

    /// Uploads the traces of an order.
    pub(crate) fn order_tables(&self, order: &Order, dims: usize) -> Result<OrderTables> {
        let (mut entries, mut ends) = (Vec::new(), Vec::new());
        for trace in order.traces() {
            entries.extend(trace.entries().iter().map(|entry| TraceTerm {
                i: entry.i as i32,
                j: entry.j as i32,
                coefficient: entry.coefficient as f32,
            }));
            ends.push(entries.len() as i32);
        }
        Ok(OrderTables {
            entries: self.upload(&entries)?,
            entry_ends: self.upload(&ends)?,
            gradients: order.gradients(dims),
            traces: order.traces().len(),
            shape: JetShape::of(order, dims),
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

    /// Returns whether a layer is a product on tensor cores. The first layer of coordinates is computed in single precision.
    pub(crate) fn is_product(&self, index: usize) -> bool {
        index > 0 || self.plan.features != Features::Identity
    }

    pub(crate) fn parameters_argument(&self) -> Parameters {
        Parameters {
            data: self.device.address(&self.params),
            count: self.plan.parameters as i64,
        }
    }

    /// Returns the packed weights of a layer as an argument.
    pub(crate) fn weights_argument(&self, index: usize, direction: Direction) -> Result<Weights> {
        let packed = match direction {
            Direction::Forward => &self.forward,
            Direction::Backward => {
                if self.backward.get().is_none() {
                    // Another thread may be quicker; its weights are the same.
                    let _ = self.backward.set(self.pack(Direction::Backward)?);
                }
                self.backward.wait()
            }
        };
        let Some(fragments) = &packed[index] else {
            unreachable!("only products ask for packed weights");
        };
        Ok(self.weights(index, direction, self.device.address(fragments)))
    }

    fn weights(&self, index: usize, direction: Direction, fragments: u64) -> Weights {
        let layer = &self.plan.layers[index];
        let (inputs, outputs) = match direction {
            Direction::Forward => (layer.fan_in, layer.fan_out),
            Direction::Backward => (layer.fan_out, layer.fan_in),
        };
        Weights {
            fragments,
            maximum: self.device.address(&self.maxima[index]),
            inputs: inputs as i32,
            outputs: outputs as i32,
        }
    }

    fn maximum(&self, layer: &Dense) -> Result<Buffer<u32>> {
        let maximum = self.device.zeros(self.count, "the largest weights")?;
        let argument = Maximum {
            parameters: self.parameters_argument(),
            first: layer.weight.start as i64,
            elements: layer.weight.len() as i32,
            largest: self.device.address(&maximum),
        };
        let blocks = layer.weight.len().div_ceil(THREADS).min(MAXIMUM_BLOCKS);
        self.device
            .launch(self.precision, [blocks, 1, self.count], &argument)?;
        Ok(maximum)
    }

    fn pack(&self, direction: Direction) -> Result<Vec<Option<Buffer<u32>>>> {
        let pack = |(index, layer): (usize, &Dense)| {
            if !self.is_product(index) {
                return Ok(None);
            }
            let (output_stride, input_stride) = match direction {
                Direction::Forward => (layer.fan_in, 1),
                Direction::Backward => (1, layer.fan_in),
            };
            let padded = stride(layer.fan_in) * stride(layer.fan_out);
            // Two halves in each element, for every piece.
            let elements = self.count * padded / 2 * self.precision.pieces();
            let fragments = self.device.uninitialized(elements, "packed weights")?;
            let address = self.device.address(&fragments);
            let argument = Pack {
                parameters: self.parameters_argument(),
                first: layer.weight.start as i64,
                output_stride: output_stride as i32,
                input_stride: input_stride as i32,
                weights: self.weights(index, direction, address),
                fragments: address,
            };
            let blocks = (padded / 4).div_ceil(THREADS);
            self.device
                .launch(self.precision, [blocks, 1, self.count], &argument)?;
            Ok(Some(fragments))
        };
        self.plan.layers.iter().enumerate().map(pack).collect()
    }
}
