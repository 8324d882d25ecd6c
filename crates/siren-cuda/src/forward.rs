//! The forward pass.

use std::sync::Arc;

use siren_kernel::Pointwise;
use siren_kernel::network::{Dense, Features, Order, Plan};

use crate::arguments::{
    FeatureKind, FeaturesForward, ForwardOutput, ForwardStep, Jets, LayerForward, NarrowForward,
    PointFeatures, Rows, Weights, padded,
};
use crate::array::DeviceArray;
use crate::device::Argument;
use crate::error::{Error, Result};
use crate::fields::{Fields, RowsBuffer};
use crate::narrow::Kernels;
use crate::tables::OrderTables;
use crate::tiles::{Tiling, column_tiles, stride};
use crate::weights::{Direction, first_product};

/// What the forward pass saves for the backward pass.
pub struct Tape {
    pub(crate) tiling: Tiling,
    pub(crate) coords: DeviceArray,
    pub(crate) order: Arc<OrderTables>,
    /// Inputs of the layers; `None` for the coordinates.
    pub(crate) inputs: Vec<Option<RowsBuffer>>,
    /// Preactivations of the layers but the last.
    pub(crate) preactivations: Vec<RowsBuffer>,
    /// Scaled distances of radial basis functions.
    pub(crate) distances: Option<RowsBuffer>,
}

impl Tape {
    /// Saves what the backward pass needs of the features, and returns the input of the first product.
    fn save_features(&mut self, kind: FeatureKind, output: LayerOutput) -> Option<RowsBuffer> {
        match kind {
            FeatureKind::Affine => {
                self.inputs.push(None);
                self.preactivations.extend(output.z);
            }
            FeatureKind::Sinusoids => {}
            FeatureKind::Distances => self.distances = output.z,
        }
        output.h
    }
}

/// Whether the forward pass saves what the backward pass needs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Saving {
    Tape,
    Nothing,
}

/// A forward pass.
struct Pass<'a> {
    fields: &'a Fields,
    tiling: Tiling,
    jets: Jets,
    saving: Saving,
}

impl Fields {
    /// Returns the jets `(b, n, c, 1 + d + K)` at `coords (b, n, d)`.
    ///
    /// # Errors
    /// [`Error::Length`] or [`Error::Components`] if the arguments do not fit; [`Error::OutOfMemory`].
    pub fn jets(&self, coords: &[f32], order: &Order) -> Result<Vec<f32>> {
        let jets = self.jets_on_device(&self.device.array(coords)?, order)?;
        jets.read()
    }

    /// As [`jets`](Self::jets), with coordinates and jets on the device.
    ///
    /// # Errors
    /// As [`jets`](Self::jets).
    pub fn jets_on_device(&self, coords: &DeviceArray, order: &Order) -> Result<DeviceArray> {
        Ok(self.run(coords, order, Saving::Nothing)?.0)
    }

    /// Returns the jets `(b, n, c, 1 + d + K)` at `coords (b, n, d)`, and what [`backward`](Self::backward) needs.
    ///
    /// # Errors
    /// As [`jets`](Self::jets).
    pub fn forward(&self, coords: &[f32], order: &Order) -> Result<(Vec<f32>, Tape)> {
        let coords = self.device.array(coords)?;
        let (jets, tape) = self.forward_on_device(&coords, order)?;
        Ok((jets.read()?, tape))
    }

    /// As [`forward`](Self::forward), with coordinates and jets on the device.
    ///
    /// # Errors
    /// As [`jets`](Self::jets).
    pub fn forward_on_device(
        &self,
        coords: &DeviceArray,
        order: &Order,
    ) -> Result<(DeviceArray, Tape)> {
        self.run(coords, order, Saving::Tape)
    }

    /// Returns the bytes on the device that a forward pass with its tape takes per point.
    #[must_use]
    pub fn tape_bytes_per_point(plan: &Plan, order: &Order) -> usize {
        let width = |layer: &Dense| stride(layer.fan_in) + stride(layer.fan_out);
        let row: usize = plan.layers.iter().map(width).sum();
        row * size_of::<f32>() * order.components(plan.in_features)
    }

    fn run(
        &self,
        coords: &DeviceArray,
        order: &Order,
        saving: Saving,
    ) -> Result<(DeviceArray, Tape)> {
        let (plan, device) = (&self.plan, &self.device);
        let dims = plan.in_features;
        if !coords.len().is_multiple_of(self.count * dims) {
            return Err(Error::Length {
                what: "coordinates",
                expected: format!("a multiple of {} fields x {dims}", self.count),
                got: coords.len(),
            });
        }
        let points = coords.len() / self.count / dims;
        let tiling = Tiling::new(plan, self.count, points, order)?;
        let order = device.order_tables(order, dims)?;
        let jet_elements = self.count * points * plan.out_features * tiling.components;
        let jets = device.uninitialized(jet_elements, "jets")?;
        let mut tape = Tape {
            tiling,
            coords: coords.clone(),
            inputs: Vec::new(),
            preactivations: Vec::new(),
            distances: None,
            order,
        };
        Pass {
            fields: self,
            tiling,
            jets: device.jets_argument(tiling, &tape.order),
            saving,
        }
        .run(&mut tape, device.address(&jets))?;
        Ok((device.array_of(jets), tape))
    }
}

impl Pass<'_> {
    /// Writes the jets of the last layer at the address `jets`.
    fn run(&self, tape: &mut Tape, jets: u64) -> Result<()> {
        match self.fields.kernels {
            Kernels::Layers => self.layers(tape, jets),
            Kernels::Network { tiles } => self.network(tape, jets, tiles),
        }
    }

    /// Computes all layers in one launch.
    fn network(&self, tape: &mut Tape, jets: u64, tiles: usize) -> Result<()> {
        let Fields { plan, device, .. } = self.fields;
        let (arguments, output) = self.feature_output(jets)?;
        let mut steps = vec![ForwardStep {
            weights: Weights::NONE,
            bias: 0,
            out: output.argument,
        }];
        let mut input = tape.save_features(arguments.kind, output);
        for index in first_product(plan)..plan.layers.len() {
            let (step, output) = self.step(index, jets)?;
            steps.push(step);
            if self.saving == Saving::Tape {
                tape.inputs.push(input);
                tape.preactivations.extend(output.z);
            }
            input = output.h;
        }
        let argument = NarrowForward {
            features: self.features_argument(tape, &arguments),
            tiles: tiles as i32,
            count: steps.len() as i32,
            steps: padded(&steps),
        };
        let grid = [1, self.tiling.tiles(), self.fields.count];
        device.launch(self.fields.precision, grid, &argument)
    }

    /// Computes the features, then layer by layer.
    fn layers(&self, tape: &mut Tape, jets: u64) -> Result<()> {
        let Fields { plan, device, .. } = self.fields;
        let mut input = self.features(tape, jets)?;
        for (index, layer) in plan.layers.iter().enumerate() {
            if !self.fields.is_product(index) {
                continue;
            }
            let Some(rows) = input.take() else {
                unreachable!("only the last layer has no rows");
            };
            let (step, output) = self.step(index, jets)?;
            let argument = LayerForward {
                jets: self.jets,
                input: device.rows_argument(&rows),
                parameters: self.fields.parameters_argument(),
                step,
            };
            self.launch(layer.fan_out, &argument)?;
            if self.saving == Saving::Tape {
                tape.inputs.push(Some(rows));
                tape.preactivations.extend(output.z);
            }
            input = output.h;
        }
        Ok(())
    }

    /// Returns how a product becomes the next layer, and allocates its output.
    fn step(&self, index: usize, jets: u64) -> Result<(ForwardStep, LayerOutput)> {
        let plan = &self.fields.plan;
        let layer = &plan.layers[index];
        let output = if index + 1 == plan.layers.len() {
            LayerOutput::jets(jets, layer.pointwise)
        } else {
            self.output(layer.fan_out, layer.pointwise, self.saving)?
        };
        let step = ForwardStep {
            weights: self.fields.weights_argument(index, Direction::Forward)?,
            bias: layer.bias.start as i64,
            out: output.argument,
        };
        Ok((step, output))
    }

    /// Computes the features: the first layer of coordinates, sinusoids, or radial basis functions. Returns the input of the first product,
    /// or `None` if the network has no product.
    fn features(&self, tape: &mut Tape, jets: u64) -> Result<Option<RowsBuffer>> {
        let (features, output) = self.feature_output(jets)?;
        let argument = FeaturesForward {
            features: self.features_argument(tape, &features),
            out: output.argument,
        };
        self.launch(features.width, &argument)?;
        Ok(tape.save_features(features.kind, output))
    }

    /// Allocates the output of the features.
    fn feature_output(&self, jets: u64) -> Result<(FeatureArguments, LayerOutput)> {
        let plan = &self.fields.plan;
        let pointwise = plan.layers[0].pointwise;
        let features = FeatureArguments::of(plan);
        let is_output = features.kind == FeatureKind::Affine && plan.layers.len() == 1;
        let mut output = match features.kind {
            FeatureKind::Affine if is_output => LayerOutput::jets(jets, pointwise),
            FeatureKind::Affine => self.output(features.width, pointwise, self.saving)?,
            FeatureKind::Sinusoids => {
                self.output(features.width, Pointwise::Linear, Saving::Nothing)?
            }
            FeatureKind::Distances => {
                let gaussian = Pointwise::Gaussian { scale: 1.0 };
                self.output(features.width, gaussian, self.saving)?
            }
        };
        output.argument.h.width = features.width as i32;
        Ok((features, output))
    }

    fn features_argument(&self, tape: &Tape, features: &FeatureArguments) -> PointFeatures {
        let Fields { plan, device, .. } = self.fields;
        let tables = self.fields.sinusoids.as_deref();
        PointFeatures {
            jets: self.jets,
            coords: device.address(&tape.coords.buffer),
            dims: plan.in_features as i32,
            kind: features.kind as i32,
            parameters: self.fields.parameters_argument(),
            first: features.first as i64,
            second: features.second as i64,
            frequencies: tables.map_or(0, |tables| device.address(&tables.frequencies)),
            axes: tables.map_or(0, |tables| device.address(&tables.axes)),
        }
    }

    /// Allocates the output of a hidden layer; its preactivations if `z` is to be saved.
    fn output(&self, width: usize, pointwise: Pointwise, z: Saving) -> Result<LayerOutput> {
        let device = &self.fields.device;
        let rows = || device.rows(self.tiling, width);
        // A kernel of a whole network keeps them in shared memory.
        let is_stored = self.saving == Saving::Tape || self.fields.kernels == Kernels::Layers;
        let h = is_stored.then(rows).transpose()?;
        let z = (z == Saving::Tape).then(rows).transpose()?;
        let argument = |rows: &Option<RowsBuffer>, otherwise: Rows| {
            let rows = rows.as_ref();
            rows.map_or(otherwise, |rows| device.rows_argument(rows))
        };
        Ok(LayerOutput {
            argument: ForwardOutput {
                h: argument(&h, Rows::not_stored(width)),
                z: argument(&z, Rows::NONE),
                jets: 0,
                activation: pointwise.into(),
            },
            h,
            z,
        })
    }

    /// Starts a kernel whose blocks are tiles of points and of `width` columns.
    fn launch<A: Argument>(&self, width: usize, argument: &A) -> Result<()> {
        let grid = [column_tiles(width), self.tiling.tiles(), self.fields.count];
        let device = &self.fields.device;
        device.launch(self.fields.precision, grid, argument)
    }
}

/// Output of a layer on the device.
struct LayerOutput {
    /// Activations, unless the layer is the last.
    h: Option<RowsBuffer>,
    /// Preactivations, if they are saved.
    z: Option<RowsBuffer>,
    argument: ForwardOutput,
}

impl LayerOutput {
    /// Returns the output of the last layer: jets at the address `jets`.
    fn jets(jets: u64, pointwise: Pointwise) -> Self {
        Self {
            h: None,
            z: None,
            argument: ForwardOutput {
                h: Rows::NONE,
                z: Rows::NONE,
                jets,
                activation: pointwise.into(),
            },
        }
    }
}

/// What the feature kernels need of a plan.
pub(crate) struct FeatureArguments {
    pub(crate) kind: FeatureKind,
    /// Number of features; of the first layer's outputs for an affine layer.
    pub(crate) width: usize,
    /// Offset of the weights or centers in the parameters.
    pub(crate) first: usize,
    /// Offset of the biases or widths.
    pub(crate) second: usize,
}

impl FeatureArguments {
    pub(crate) fn of(plan: &Plan) -> Self {
        let layer = &plan.layers[0];
        match plan.features {
            Features::Identity => Self {
                kind: FeatureKind::Affine,
                width: layer.fan_out,
                first: layer.weight.start,
                second: layer.bias.start,
            },
            Features::Sinusoids { .. } => Self {
                kind: FeatureKind::Sinusoids,
                width: layer.fan_in,
                first: 0,
                second: 0,
            },
            Features::Rbf {
                centers,
                first_center,
                first_sigma,
            } => Self {
                kind: FeatureKind::Distances,
                width: centers,
                first: first_center,
                second: first_sigma,
            },
        }
    }
}
