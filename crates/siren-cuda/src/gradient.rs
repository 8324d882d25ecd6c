//! The backward pass, and gradients on a device.

use crate::arguments::{
    Addition, BackwardStep, FeatureKind, FeaturesGradient, GradientLayer, LayerBackward,
    NarrowBackward, Partials, Reduce, Rows, Scatter, WeightGradient, padded,
};
use crate::array::DeviceArray;
use crate::device::{Buffer, Device, DeviceView};
use crate::error::{Error, Result};
use crate::fields::{Fields, RowsBuffer};
use crate::forward::{FeatureArguments, Tape};
use crate::kernels::{PtxFile, THREADS};
use crate::narrow::Kernels;
use crate::tiles::column_tiles;
use crate::weights::Direction;

use siren_kernel::Pointwise;
use siren_kernel::network::{Features, Plan};

/// Elements of all partial gradients at most: 256 MiB.
const MAX_PARTIAL_ELEMENTS: usize = 1 << 26;

/// Gradient with respect to the parameters `(b, P)` of a batch of fields, summed over backward passes on the device.
pub struct Gradient {
    device: Device,
    data: Buffer<f32>,
}

impl Gradient {
    /// Returns a copy of the sum, `(b, P)`.
    ///
    /// # Errors
    /// [`Error::Driver`] if a kernel failed.
    pub fn read(&self) -> Result<Vec<f32>> {
        self.device.download(&self.data)
    }

    /// Returns a copy of the sum on the device, `(b, P)`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn to_array(&self) -> Result<DeviceArray> {
        let mut copy = self.device.uninitialized(self.data.len(), "a gradient")?;
        self.device.copy(&self.data, &mut copy)?;
        Ok(self.device.array_of(copy))
    }

    /// Returns the sum on the device, `(b, P)`.
    #[must_use]
    pub fn into_array(self) -> DeviceArray {
        self.device.array_of(self.data)
    }

    /// Adds another gradient of as many parameters.
    ///
    /// # Errors
    /// [`Error::Length`] if the numbers of parameters differ; [`Error::Driver`].
    pub fn add(&mut self, other: &Self) -> Result<()> {
        let length = self.data.len();
        check_length("a gradient to be added", length, other.data.len())?;
        let argument = Addition {
            sum: self.device.address(&self.data),
            from: self.device.address(&other.data),
            length: length as i64,
        };
        let grid = [length.div_ceil(THREADS), 1, 1];
        self.device.launch(PtxFile::Training, grid, &argument)
    }

    /// Returns the sum of the squares of all elements, as [`DeviceArray::sum_of_squares`](crate::DeviceArray::sum_of_squares).
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::Driver`] if a kernel failed.
    pub fn sum_of_squares(&self) -> Result<f64> {
        self.device.sum_of_squares(&self.data)
    }

    /// Returns the number of elements, `b P`.
    pub(crate) fn len(&self) -> usize {
        self.data.len()
    }

    /// Returns the address on the device.
    pub(crate) fn address(&self) -> u64 {
        self.device.address(&self.data)
    }

    /// Uploads a gradient.
    #[cfg(test)]
    pub(crate) fn of(device: &Device, elements: &[f32]) -> Result<Self> {
        Ok(Self {
            device: device.clone(),
            data: device.upload(elements)?,
        })
    }
}

/// A backward pass.
struct Pass<'a> {
    fields: &'a Fields,
    tape: &'a Tape,
    partials: Partials,
}

impl Fields {
    /// Returns a gradient of zeros.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn gradient(&self) -> Result<Gradient> {
        let elements = self.count * self.plan.parameters;
        Ok(Gradient {
            device: self.device.clone(),
            data: self.device.zeros(elements, "a gradient")?,
        })
    }

    /// Adds the gradient of a loss with respect to the parameters to `gradient`, given `d_jets`, its gradient with respect to the jets
    /// `(b, n, c, 1 + d + K)` of the forward pass that returned `tape`.
    ///
    /// # Errors
    /// [`Error::Length`] if an argument does not fit; [`Error::OutOfMemory`].
    pub fn backward(&self, tape: &Tape, d_jets: &[f32], gradient: &mut Gradient) -> Result<()> {
        let d_jets = self.device.upload(d_jets)?;
        self.backward_on_device(tape, &self.device.view_of(&d_jets), gradient)
    }

    /// As [`backward`](Self::backward), with `d_jets` on the device.
    ///
    /// # Errors
    /// As [`backward`](Self::backward).
    pub fn backward_on_device(
        &self,
        tape: &Tape,
        d_jets: &DeviceView<'_>,
        gradient: &mut Gradient,
    ) -> Result<()> {
        let (plan, device, tiling) = (&self.plan, &self.device, tape.tiling);
        let expected = self.count * tiling.points * plan.out_features * tiling.components;
        check_length("gradient with respect to jets", expected, d_jets.len())?;
        let each = self.count * plan.parameters;
        check_length(
            "gradient with respect to parameters",
            each,
            gradient.data.len(),
        )?;
        if tiling.points == 0 {
            return Ok(());
        }
        let splits = tiling.splits(weight_blocks(plan, self.kernels));
        let splits = splits.min((MAX_PARTIAL_ELEMENTS / each).max(1));
        let elements = splits * each;
        let partials: Buffer<f32> = if covers_all_parameters(plan) {
            device.uninitialized(elements, "partial gradients")?
        } else {
            device.zeros(elements, "partial gradients")?
        };
        let argument = Partials {
            data: device.address(&partials),
            parameters: plan.parameters as i64,
            splits: splits as i32,
        };
        Pass {
            fields: self,
            tape,
            partials: argument,
        }
        .run(d_jets)?;
        let reduce = Reduce {
            partials: argument,
            gradient: device.address(&gradient.data),
        };
        let grid = [plan.parameters.div_ceil(THREADS), 1, self.count];
        device.launch(self.precision, grid, &reduce)
    }
}

/// Checks the length of an argument.
pub(crate) fn check_length(what: &'static str, expected: usize, got: usize) -> Result<()> {
    if expected == got {
        return Ok(());
    }
    Err(Error::Length {
        what,
        expected: expected.to_string(),
        got,
    })
}

/// Returns whether every parameter has a gradient. A learned factor of ω₀ has none: the caller multiplies it into the weights.
fn covers_all_parameters(plan: &Plan) -> bool {
    plan.layers.iter().all(|layer| layer.frequency.is_none())
}

/// Returns into how many blocks a launch of weight gradients cuts the weights: those of the largest layer, or of all layers.
fn weight_blocks(plan: &Plan, kernels: Kernels) -> usize {
    let blocks = plan.layers.iter();
    let blocks = blocks.map(|layer| column_tiles(layer.fan_out) * column_tiles(layer.fan_in));
    match kernels {
        Kernels::Layers => blocks.max().unwrap_or(1),
        Kernels::Network { .. } => blocks.sum(),
    }
}

impl Pass<'_> {
    fn run(&self, d_jets: &DeviceView<'_>) -> Result<()> {
        match self.fields.kernels {
            Kernels::Layers => self.layers(d_jets),
            Kernels::Network { tiles } => self.network(d_jets, tiles),
        }
    }

    /// Computes the gradients with respect to the preactivations of all layers in one launch, and all partial gradients of weights in
    /// another.
    fn network(&self, d_jets: &DeviceView<'_>, tiles: usize) -> Result<()> {
        let Fields { plan, device, .. } = self.fields;
        let (scatter, mut upstream) = self.scatter(d_jets)?;
        let (mut steps, mut layers, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        let mut features = None;
        for index in (0..plan.layers.len()).rev() {
            let Some(input) = &self.tape.inputs[index] else {
                features = Some(upstream);
                break;
            };
            layers.push(self.gradient_layer(index, &upstream, input));
            let Some((step, downstream)) = self.step(index)? else {
                kept.push(upstream);
                break;
            };
            steps.push(step);
            kept.push(std::mem::replace(&mut upstream, downstream));
            if index == 0 {
                features = Some(upstream);
                break;
            }
        }
        let grid = [1, self.tape.tiling.tiles(), self.fields.count];
        if steps.is_empty() {
            device.launch(self.fields.precision, grid, &scatter)?;
        } else {
            let argument = NarrowBackward {
                scatter,
                tiles: tiles as i32,
                count: steps.len() as i32,
                steps: padded(&steps),
            };
            device.launch(self.fields.precision, grid, &argument)?;
        }
        self.weights(&layers)?;
        features.map_or(Ok(()), |d_output| self.features(&d_output))
    }

    /// Goes backward layer by layer.
    fn layers(&self, d_jets: &DeviceView<'_>) -> Result<()> {
        let Fields { plan, device, .. } = self.fields;
        let tiling = self.tape.tiling;
        let (scatter, mut upstream) = self.scatter(d_jets)?;
        let tiles = column_tiles(plan.out_features);
        let grid = [tiles, tiling.tiles(), self.fields.count];
        device.launch(self.fields.precision, grid, &scatter)?;
        for index in (0..plan.layers.len()).rev() {
            let Some(input) = &self.tape.inputs[index] else {
                return self.features(&upstream);
            };
            self.weights(&[self.gradient_layer(index, &upstream, input)])?;
            let Some((step, downstream)) = self.step(index)? else {
                return Ok(());
            };
            let argument = LayerBackward {
                jets: device.jets_argument(tiling, &self.tape.order),
                d_output: device.rows_argument(&upstream),
                step,
            };
            let columns = column_tiles(plan.layers[index].fan_in);
            let grid = [columns, tiling.tiles(), self.fields.count];
            device.launch(self.fields.precision, grid, &argument)?;
            upstream = downstream;
        }
        match plan.features {
            Features::Rbf { .. } => self.features(&upstream),
            Features::Identity | Features::Sinusoids { .. } => Ok(()),
        }
    }

    /// Returns how a product becomes the gradient with respect to the preactivations below, and allocates their rows; `None` if there are no
    /// preactivations below.
    fn step(&self, index: usize) -> Result<Option<(BackwardStep, RowsBuffer)>> {
        let Fields { plan, device, .. } = self.fields;
        let below = if index > 0 {
            let activation = plan.layers[index - 1].pointwise;
            Some((activation, &self.tape.preactivations[index - 1]))
        } else {
            let distances = self.tape.distances.as_ref();
            distances.map(|distances| (Pointwise::Gaussian { scale: 1.0 }, distances))
        };
        let Some((activation, z)) = below else {
            return Ok(None);
        };
        let downstream = device.rows(self.tape.tiling, plan.layers[index].fan_in)?;
        let step = BackwardStep {
            weights: self.fields.weights_argument(index, Direction::Backward)?,
            activation: activation.into(),
            z: device.rows_argument(z),
            d_input: device.rows_argument(&downstream),
        };
        Ok(Some((step, downstream)))
    }

    /// Returns how the gradient with respect to the jets becomes rows, and allocates these.
    fn scatter(&self, d_jets: &DeviceView<'_>) -> Result<(Scatter, RowsBuffer)> {
        let Fields { plan, device, .. } = self.fields;
        let rows = device.rows(self.tape.tiling, plan.out_features)?;
        let argument = Scatter {
            jets: device.jets_argument(self.tape.tiling, &self.tape.order),
            d_jets: d_jets.address,
            out: device.rows_argument(&rows),
        };
        Ok((argument, rows))
    }

    fn gradient_layer(
        &self,
        index: usize,
        d_output: &RowsBuffer,
        input: &RowsBuffer,
    ) -> GradientLayer {
        let Fields { plan, device, .. } = self.fields;
        let layer = &plan.layers[index];
        GradientLayer {
            d_output: device.rows_argument(d_output),
            input: device.rows_argument(input),
            weight: layer.weight.start as i64,
            bias: layer.bias.start as i64,
        }
    }

    /// Computes the partial gradients with respect to the weights and biases of products, at least one and at most [`MOST_LAYERS`].
    ///
    /// [`MOST_LAYERS`]: crate::arguments::MOST_LAYERS
    fn weights(&self, layers: &[GradientLayer]) -> Result<()> {
        let device = &self.fields.device;
        let most_tiles = |rows: fn(&GradientLayer) -> Rows| {
            let tiles = |layer| column_tiles(rows(layer).width as usize);
            layers.iter().map(tiles).max().unwrap_or(0)
        };
        let outputs = most_tiles(|layer| layer.d_output);
        let inputs = most_tiles(|layer| layer.input);
        let argument = WeightGradient {
            jets: device.jets_argument(self.tape.tiling, &self.tape.order),
            partials: self.partials,
            tiles: self.tape.tiling.tiles() as i32,
            output_tiles: outputs as i32,
            input_tiles: inputs as i32,
            layers: padded(layers),
        };
        let blocks = self.partials.splits as usize * inputs;
        let grid = [layers.len() * outputs, blocks, self.fields.count];
        device.launch(self.fields.precision, grid, &argument)
    }

    /// Computes the partial gradients with respect to the parameters of the features.
    fn features(&self, d_output: &RowsBuffer) -> Result<()> {
        let Fields { plan, device, .. } = self.fields;
        let features = FeatureArguments::of(plan);
        debug_assert_ne!(features.kind, FeatureKind::Sinusoids);
        let d_output: Rows = device.rows_argument(d_output);
        let argument = FeaturesGradient {
            jets: device.jets_argument(self.tape.tiling, &self.tape.order),
            coords: device.address(&self.tape.coords.buffer),
            dims: plan.in_features as i32,
            kind: features.kind as i32,
            parameters: self.fields.parameters_argument(),
            first: features.first as i64,
            second: features.second as i64,
            d_output,
            partials: self.partials,
            tiles: self.tape.tiling.tiles() as i32,
        };
        let splits = self.partials.splits as usize;
        let grid = [column_tiles(features.width), splits, self.fields.count];
        device.launch(self.fields.precision, grid, &argument)
    }
}
