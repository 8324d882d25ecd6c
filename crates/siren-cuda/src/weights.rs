//! Weights of a batch of fields, packed for tensor cores.

use std::sync::OnceLock;

use siren_kernel::network::{Dense, Features, Plan};

use crate::arguments::{Maximum, Pack, PackedLayer, Parameters, Weights};
use crate::device::{Buffer, Device};
use crate::error::Result;
use crate::kernels::{Precision, THREADS};
use crate::tiles::{TILE_COLUMNS, stride};

/// Blocks that look for the largest weight of a matrix.
const MAXIMUM_BLOCKS: usize = 64;

/// Direction in which a product uses the weights of a layer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// `z = W h`.
    Forward,
    /// `h̄ = Wᵀ z̄`.
    Backward,
}

/// Weights of all products of a batch of fields.
pub(crate) struct PackedWeights {
    device: Device,
    precision: Precision,
    /// Number of fields.
    count: usize,
    parameters: Parameters,
    first_product: usize,
    layers: Vec<PackedLayer>,
    /// `layers` on the device.
    table: Buffer<PackedLayer>,
    /// Bits of the largest weights `(layer, field)`.
    maxima: Buffer<u32>,
    /// Number of elements of the fragments of all layers.
    length: usize,
    forward: OnceLock<Buffer<u32>>,
    /// Packed at first use: a field that is evaluated has no backward pass.
    backward: OnceLock<Buffer<u32>>,
}

/// Returns the index of the first layer that is a product on tensor cores. The first layer of coordinates is computed in single precision.
pub(crate) fn first_product(plan: &Plan) -> usize {
    usize::from(plan.features == Features::Identity)
}

/// Returns the number of elements of the packed weights of a layer in one piece, which is enough for both directions. An element holds two
/// halves. Inputs of a product are padded to a multiple of a slice, outputs to one of a tile's columns.
fn fragments_of(fan_in: usize, fan_out: usize) -> usize {
    let padded =
        |inputs: usize, outputs: usize| stride(inputs) * outputs.next_multiple_of(TILE_COLUMNS);
    padded(fan_in, fan_out).max(padded(fan_out, fan_in)) / 2
}

impl PackedWeights {
    /// Looks for the largest weights.
    pub(crate) fn new(
        device: &Device,
        plan: &Plan,
        precision: Precision,
        count: usize,
        parameters: Parameters,
    ) -> Result<Self> {
        let first_product = first_product(plan);
        let mut length = 0;
        let place = |layer: &Dense| {
            let first = length;
            length += count * fragments_of(layer.fan_in, layer.fan_out) * precision.pieces();
            PackedLayer {
                first: layer.weight.start as i64,
                fragments: first as i64,
                inputs: layer.fan_in as i32,
                outputs: layer.fan_out as i32,
            }
        };
        let layers: Vec<PackedLayer> = plan.layers[first_product..].iter().map(place).collect();
        let weights = Self {
            device: device.clone(),
            precision,
            count,
            parameters,
            first_product,
            table: device.upload(&layers)?,
            maxima: device.zeros(layers.len() * count, "the largest weights")?,
            layers,
            length,
            forward: OnceLock::new(),
            backward: OnceLock::new(),
        };
        let argument = Maximum {
            parameters,
            layers: device.address(&weights.table),
            largest: device.address(&weights.maxima),
        };
        let blocks = weights.largest_of(|layer| layer.inputs as usize * layer.outputs as usize);
        let blocks = blocks.div_ceil(THREADS).min(MAXIMUM_BLOCKS);
        device.launch(precision, [blocks, weights.layers.len(), count], &argument)?;
        Ok(weights)
    }

    /// Packs the weights for both directions, as long as the parameters are what they are.
    pub(crate) fn pack_all(&self) -> Result<()> {
        self.packed(Direction::Forward)?;
        self.packed(Direction::Backward)?;
        Ok(())
    }

    /// Returns the packed weights of all layers, and packs them at the first use.
    fn packed(&self, direction: Direction) -> Result<&Buffer<u32>> {
        let slot = match direction {
            Direction::Forward => &self.forward,
            Direction::Backward => &self.backward,
        };
        if slot.get().is_none() {
            // Another thread may be quicker; its weights are the same.
            let _ = slot.set(self.pack(direction)?);
        }
        Ok(slot.wait())
    }

    /// Returns the weights of a layer as an argument.
    pub(crate) fn argument(&self, index: usize, direction: Direction) -> Result<Weights> {
        let fragments = self.device.address(self.packed(direction)?);
        let index = index - self.first_product;
        let layer = &self.layers[index];
        let (inputs, outputs) = match direction {
            Direction::Forward => (layer.inputs, layer.outputs),
            Direction::Backward => (layer.outputs, layer.inputs),
        };
        let element = size_of::<u32>() as u64;
        Ok(Weights {
            fragments: fragments + layer.fragments as u64 * element,
            maximum: self.device.address(&self.maxima) + (index * self.count) as u64 * element,
            inputs,
            outputs,
        })
    }

    /// Packs the weights of all layers.
    fn pack(&self, direction: Direction) -> Result<Buffer<u32>> {
        let fragments = self.device.uninitialized(self.length, "packed weights")?;
        let argument = Pack {
            parameters: self.parameters,
            layers: self.device.address(&self.table),
            largest: self.device.address(&self.maxima),
            fragments: self.device.address(&fragments),
            is_backward: i32::from(direction == Direction::Backward),
        };
        let packed =
            |layer: &PackedLayer| fragments_of(layer.inputs as usize, layer.outputs as usize);
        // A thread packs four weights, two elements.
        let blocks = (self.largest_of(packed) / 2).div_ceil(THREADS);
        let grid = [blocks, self.layers.len(), self.count];
        self.device.launch(self.precision, grid, &argument)?;
        Ok(fragments)
    }

    fn largest_of(&self, size: impl Fn(&PackedLayer) -> usize) -> usize {
        self.layers.iter().map(size).max().unwrap_or(0)
    }
}
